import { VERSION } from "../version";
import { Messages } from "./messages";

const API_URL = process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000";

export default function Page() {
  return (
    <main>
      <h1>HomeGuru</h1>
      <p>
        Version <code id="version">{VERSION}</code>, API at <code id="api-url">{API_URL}</code>
      </p>
      <Messages apiUrl={API_URL} />
    </main>
  );
}
