#!/usr/bin/env node
// Stand-in for Prisma's own program, whose engine is no package of npm: `prisma migrate deploy`.
const { existsSync, readdirSync, readFileSync } = require("node:fs");
const { Client } = require("pg");

async function connected(url) {
  const client = new Client({ connectionString: url.toString() });
  await client.connect();
  return client;
}

async function main() {
  const url = new URL(process.env.DATABASE_URL);
  const name = url.pathname.slice(1);
  const server = new URL(url);
  server.pathname = "/postgres";
  server.search = url.search = "";
  const admin = await connected(server);
  const there = await admin.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
  if (!there.rowCount) await admin.query(`CREATE DATABASE "${name}"`);
  await admin.end();
  const database = await connected(url);
  await database.query("CREATE TABLE IF NOT EXISTS _prisma_migrations (migration_name text PRIMARY KEY)");
  for (const migration of readdirSync("prisma/migrations").sort()) {
    const file = `prisma/migrations/${migration}/migration.sql`;
    if (!existsSync(file)) continue;
    const done = await database.query("INSERT INTO _prisma_migrations VALUES ($1) ON CONFLICT DO NOTHING", [migration]);
    if (done.rowCount) await database.query(readFileSync(file, "utf8"));
  }
  await database.end();
}

if (process.argv.slice(2).join(" ") !== "migrate deploy") throw new Error("only `migrate deploy`");
main().catch((error) => { console.error(error); process.exit(1); });
