import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { EDITION } from "@atlas/shared";

const key = readFileSync("/run/secrets/signing-key", "utf8").trim();
if (key.length < 20) throw new Error("the signing key is too short");
const limits = JSON.parse(readFileSync(new URL("limits.json", import.meta.url)));
const routes = {
  "/health": () => ({ ok: true }),
  "/edition": () => ({ edition: EDITION, ...limits, origin: process.env.CORS_ORIGIN }),
};
createServer((request, response) => {
  const answer = routes[request.url]?.();
  response.writeHead(answer ? 200 : 404, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer ?? {}));
}).listen(4000);
