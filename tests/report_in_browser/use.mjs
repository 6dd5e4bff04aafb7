// What a page does when a person uses it: `node use.mjs CHROMIUM PAGE` prints what was seen as JSON, by situation. The
// page is a form of the report in which a cell of DINO deviates.
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, page] = process.argv.slice(2);
const ADDRESS = pathToFileURL(page).href;
const CELL = "cell-part_retrieval/cub200/dino/encoded/ap";
const DESKTOP = { width: 1280, height: 900 };
const faults = [];

// a tab with the page, which notes whatever its script or policy complains of
async function open(browser, { hash = "", ...options } = {}) {
  const tab = await browser.newPage({ viewport: DESKTOP, ...options });
  tab.on("pageerror", (error) => faults.push(String(error)));
  tab.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  await tab.goto(ADDRESS + hash);
  return tab;
}

const unfold = (tab) => tab.locator("details", { has: tab.locator(".filters") }).locator("> summary").click();
const choice = (tab, name) => tab.getByRole("combobox", { name });
const rows = (tab) => tab.locator("tr[id^='cell-']:visible");
const shown = (tab) => rows(tab).evaluateAll((found) => found.map((row) => row.id.slice("cell-".length)));
const said = (tab) => tab.locator("output").textContent();
const column = (tab, n) => rows(tab).evaluateAll((found, n) => found.map((row) => row.cells[n].textContent.trim()), n);
const isInView = (tab) => tab.waitForFunction((id) => {
  const { top, bottom } = document.getElementById(id).getBoundingClientRect();
  return top >= 0 && bottom > top && bottom <= innerHeight;
}, CELL, { timeout: 5000 }).then(() => true, () => false); // the page scrolls smoothly

async function narrowing(browser) {
  const tab = await open(browser);
  await unfold(tab);
  const seen = { all: await said(tab) };
  await choice(tab, "verdict").selectOption("deviates");
  seen.deviates = [await said(tab), await shown(tab)];
  await tab.getByRole("button", { name: "show all" }).click();
  await choice(tab, "experiment").selectOption("part_retrieval");
  await choice(tab, "dataset").selectOption("cub200");
  await choice(tab, "encoder").selectOption("dino");
  seen.dino = await shown(tab);
  await tab.getByRole("searchbox").fill("Encoded EXCLUDING");
  seen.words = await shown(tab);
  await tab.getByRole("searchbox").fill("nothing of the kind");
  seen.none = await said(tab);
  await tab.getByRole("button", { name: "show all" }).click();
  seen.again = await said(tab);
  return seen;
}

async function sorting(browser) {
  const tab = await open(browser);
  await unfold(tab);
  const list = tab.locator("details", { has: tab.locator(".filters") });
  const head = list.getByRole("columnheader", { name: "difference" });
  const seen = {};
  for (const direction of ["ascending", "descending"]) {
    await head.getByRole("button").click();
    const values = await column(tab, 5);
    seen[direction] = [await head.getAttribute("aria-sort"), values.slice(0, 2), values.at(-1)];
  }
  const name = list.getByRole("columnheader", { name: "Cell" });
  await name.getByRole("button").click();
  seen.names = (await shown(tab)).slice(0, 2);
  seen.marks = await tab.locator("th[aria-sort]").count();
  return seen;
}

async function keyboard(browser) {
  const tab = await open(browser);
  const focused = () => tab.evaluate(() => [document.activeElement.tagName, document.activeElement.textContent.trim()]);
  await tab.locator("details", { has: tab.locator(".filters") }).locator("> summary").focus();
  await tab.keyboard.press("Enter");
  await tab.keyboard.press("Tab");
  const seen = { first: (await focused())[0] };
  await tab.keyboard.type("dino ap_excluding");
  seen.typed = (await shown(tab)).every((id) => /dino.*ap_excluding/.test(id));
  for (const _ of ["verdict", "experiment", "dataset", "encoder", "show all"]) await tab.keyboard.press("Tab");
  seen.clear = (await focused())[1];
  await tab.keyboard.press("Enter");
  seen.cleared = await said(tab);
  await tab.keyboard.press("Tab"); // the table, which scrolls
  await tab.keyboard.press("Tab");
  seen.head = (await focused())[1];
  await tab.keyboard.press("Space");
  seen.sorted = await tab.evaluate(() => document.activeElement.closest("th").ariaSort);
  return seen;
}

async function links(browser) {
  const tab = await open(browser);
  await unfold(tab);
  await choice(tab, "verdict").selectOption("reproduced");
  await unfold(tab);
  await tab.locator(`td a[href="#${CELL}"]`).first().click();
  const seen = { hash: new URL(tab.url()).hash, isInView: await isInView(tab), filter: await said(tab) };
  await tab.locator(`[id="${CELL}"] .evidence a`, { hasText: "protocol" }).click();
  seen.protocol = await tab.locator("#protocol-part_retrieval").isVisible();
  const arriving = await open(browser, { hash: `#${CELL}` });
  seen.arriving = await isInView(arriving);
  const dead = await tab.evaluate(() => [...document.querySelectorAll('a[href^="#"]')]
    .map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(id)));
  return { ...seen, dead };
}

async function withoutScripts(browser) {
  const tab = await open(browser, { javaScriptEnabled: false, hash: `#${CELL}` });
  const whole = await open(browser);
  await unfold(whole);
  return {
    controls: await tab.locator(".filters:visible, th button").count(),
    isWhole: await rows(tab).count() === await rows(whole).count(),
    isInView: await tab.locator(`[id="${CELL}"]`).isVisible(),
  };
}

async function print(browser) {
  const tab = await open(browser);
  await unfold(tab);
  const all = await rows(tab).count();
  await choice(tab, "verdict").selectOption("deviates");
  await tab.emulateMedia({ media: "print" });
  const heads = tab.locator("th");
  const sticky = await heads.evaluateAll((all) => all.filter((h) => getComputedStyle(h).position === "sticky").length);
  return {
    controls: await tab.locator(".filters:visible, nav:visible").count(),
    isWhole: await rows(tab).count() === all,
    sticky,
    pages: (await tab.pdf({ format: "A4" })).toString("latin1").match(/\/Type\s*\/Page\b/g).length > 5,
  };
}

async function dark(browser) {
  const seen = {};
  for (const colorScheme of ["light", "dark"]) {
    const tab = await open(browser, { colorScheme });
    seen[colorScheme] = await tab.evaluate(() => {
      const colour = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
      return [colour("tbody th", "backgroundColor"), colour(".chart .good circle", "fill"), colour(".chart .name", "fill")];
    });
  }
  return seen;
}

// of every table that is wider than its place: is its first column where it was after scrolling, and how wide is it?
async function narrowScreen(browser) {
  const tab = await open(browser, { viewport: { width: 400, height: 800 } });
  return tab.evaluate(() => {
    document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
    const wide = [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth + 1);
    const moved = [];
    for (const box of wide) {
      const head = box.querySelector("tbody th:not([colspan])");
      box.scrollLeft = box.scrollWidth;
      const { left, width } = head.getBoundingClientRect();
      const name = box.ariaLabel ?? box.getAttribute("aria-label");
      if (left < 0 || left > box.getBoundingClientRect().left + 2) moved.push(`${name}: at ${left}`);
      if (width > 200) moved.push(`${name}: ${width} px wide`);
    }
    return { tables: wide.length > 10, moved };
  });
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const seen = {};
try {
  for (const situation of [narrowing, sorting, keyboard, links, withoutScripts, print, dark, narrowScreen])
    seen[situation.name] = await situation(browser);
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify({ ...seen, faults }));
