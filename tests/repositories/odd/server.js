const { appendFileSync, readFileSync } = require("node:fs");
const { createServer } = require("node:http");

if (!process.env.API_TOKEN) throw new Error("API_TOKEN is missing");
createServer((request, response) => {
  if (request.url === "/health") return response.end("ok\n");
  appendFileSync("/app/uploads/visits", "x");
  const visits = readFileSync("/app/uploads/visits").length;
  response.end(`odd, first edition, ${process.env.MODE} at ${process.env.PRICE}: ${visits}\n`);
}).listen(3000);
