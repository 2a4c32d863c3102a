import { createServer } from "node:http";
import { EDITION } from "@atlas/shared";

createServer(async (request, response) => {
  const answer = await fetch(`${process.env.API_URL}/edition`);
  const { places, origin } = await answer.json();
  response.end(`${EDITION}: ${places} places; page ${origin}, api ${process.env.PUBLIC_API_URL}\n`);
}).listen(3000);
