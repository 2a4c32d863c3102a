const { Client } = require("pg");

async function main() {
  for (let tries = 0; ; tries++) {
    const client = new Client({ connectionString: process.env.DATABASE_URL });
    try {
      await client.connect();
      await client.query("CREATE TABLE IF NOT EXISTS shifts (at timestamptz DEFAULT now())");
      return await client.end();
    } catch (error) {
      if (tries === 20) throw error;
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}

main();
