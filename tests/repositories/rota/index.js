const express = require("express");
const { Pool } = require("pg");

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const app = express();
app.get("/", (request, response) => response.redirect("/login"));
app.get("/login", async (request, response) => {
  await pool.query("INSERT INTO shifts DEFAULT VALUES");
  const { rows } = await pool.query("SELECT count(*) FROM shifts");
  response.send(`rota, first edition: ${rows[0].count}\n`);
});
app.listen(3000);
