// Stand-in for Next's own server: routes of the folder `app`, and one page.
const { createServer } = require("node:http");
const { existsSync } = require("node:fs");
const { Client } = require("pg");

async function page() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  await client.query('INSERT INTO "Post" (title) VALUES ($1)', ["seen"]);
  const { rows } = await client.query('SELECT count(*) FROM "Post"');
  await client.end();
  return `board, first edition: ${rows[0].count}; sign in at ${process.env.NEXTAUTH_URL}\n`;
}

if (process.env.NEXTAUTH_SECRET.length < 20) throw new Error("NEXTAUTH_SECRET is too short");
createServer(async (request, response) => {
  if (request.url === "/") return response.end(await page());
  const file = `./app${request.url}/route.js`;
  if (!existsSync(file)) return response.writeHead(404).end();
  const { GET } = await import(file);
  const answer = await GET();
  response.writeHead(answer.status).end(await answer.text());
}).listen(3000, "0.0.0.0");
