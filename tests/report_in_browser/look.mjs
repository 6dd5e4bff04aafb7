// Faults of pages as a person has them: `node look.mjs CHROMIUM FOLDER PAGE.html ...` prints them as JSON, page -> view
// -> list of sentences. The views: `html` (html-validate), and those of VIEWS: what axe-core finds, and what is wider than
// the screen. FOLDER is for screenshots of each; none are made where it is empty. Folds are opened first, since what is folded away is not looked at.
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { HtmlValidate } from "html-validate";
import { chromium } from "playwright-core";

const VIEWS = {
  light: { scheme: "light", width: 1280 },
  dark: { scheme: "dark", width: 1280 },
  "400 px": { scheme: "light", width: 400 },
};
const HEIGHT = 900;
const HIGHEST_PICTURE = 16000; // what Chromium draws in one piece

// matters of taste, or of a page that is served; each rule that is off says why
const RULES = {
  extends: ["html-validate:recommended"],
  rules: {
    "doctype-style": "off", // HTML takes either
    "prefer-native-element": ["error", { exclude: ["region"] }], // what scrolls is no section of the document
    "no-inline-style": "off", // one file without a server: the widths of pictures and colours of drawings stand in it
    "require-sri": "off", // nothing is loaded
    "no-trailing-whitespace": "off", // of the templates
    "long-title": "off", // the title names the verdict and the run
    "valid-id": ["error", { relaxed: true }], // an id is the name of a cell, with its slashes
  },
};

async function markup(page) {
  const report = await new HtmlValidate(RULES).validateString(await readFile(page, "utf8"), page);
  return report.results.flatMap((result) => result.messages.map((m) => `${m.line}:${m.column} ${m.ruleId}: ${m.message}`));
}

function sentences({ violations }) {
  return violations.flatMap((rule) =>
    rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\s+/g, " ")}`),
  );
}

// elements that are wider than the screen or than what they hold, although nothing around them scrolls
function overflow() {
  const edge = document.documentElement.clientWidth;
  const faults = [];
  for (const element of document.body.querySelectorAll("*:not(.scroll *, .hidden, svg *)")) {
    const name = `overflow: ${element.tagName.toLowerCase()} “${element.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}”`;
    const { right } = element.getBoundingClientRect();
    if (right > edge + 0.5) faults.push(`${name} ends at ${right} of ${edge} px`);
    else if (element.clientWidth && element.scrollWidth > element.clientWidth + 1 && !element.matches(".scroll, svg"))
      faults.push(`${name} is ${element.scrollWidth} px wide in ${element.clientWidth} px`);
  }
  return faults;
}

// leaves one of the rows and names of a table or list that are alike but for their words, and one chart of a table:
// axe takes seconds for more
function dropRepeated() {
  document.querySelectorAll(".chart + .chart").forEach((chart) => chart.remove());
  for (const parent of new Set([...document.querySelectorAll("tr, code")].map((element) => element.parentElement))) {
    const seen = new Set();
    for (const child of parent.querySelectorAll(":scope > tr, :scope > code")) {
      const markup = child.outerHTML.replace(/>[^<]*/g, ">").replace(/<wbr>| (title|alt|src|id|href|data-\w+)="[^"]*"/g, "");
      if (seen.has(markup)) child.remove();
      seen.add(markup);
    }
  }
}

async function look(browser, page, view, picture) {
  const viewport = { width: view.width, height: HEIGHT };
  const tab = await browser.newPage({ bypassCSP: true, colorScheme: view.scheme, viewport }); // no policy: for axe
  await tab.goto(pathToFileURL(page).href);
  await tab.evaluate(() => document.querySelectorAll("details").forEach((fold) => { fold.open = true; }));
  const faults = await tab.evaluate(overflow);
  if (pictures) await photograph(tab, view, picture);
  await tab.evaluate(dropRepeated);
  await tab.evaluate(axe.source);
  const results = await tab.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  await tab.close();
  return [...faults, ...sentences(results)];
}

async function photograph(tab, view, path) {
  const height = Math.min(HIGHEST_PICTURE, await tab.evaluate(() => document.documentElement.scrollHeight));
  await tab.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: view.width, height } });
}

const [executablePath, pictures, ...pages] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const faults = {};
try {
  for (const page of pages) {
    const name = basename(page, ".html");
    faults[name] = { html: await markup(page) };
    for (const [title, view] of Object.entries(VIEWS)) {
      const picture = join(pictures, `${name}-${view.scheme}-${view.width}.png`);
      faults[name][title] = await look(browser, page, view, picture);
    }
  }
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(faults));
