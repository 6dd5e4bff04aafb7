// Sorts tables, narrows the list of cells, and opens what a link leads to. The page is whole without it: all that is
// missing then are these controls.
"use strict";

const first = (text) => text.trim().replaceAll(/[,+]/g, "").replaceAll("\u2212", "-");

// a number, a duration in seconds (`3 min 05 s`), or NaN: of other text, and where nothing is known
function amount(text) {
  const parts = [...first(text).matchAll(/([\d.]+) (h|min|s)\b/g)];
  if (parts.length) return parts.reduce((sum, [, n, unit]) => sum + n * { h: 3600, min: 60, s: 1 }[unit], 0);
  return /^-?[\d.]/.test(first(text)) ? parseFloat(first(text)) : NaN;
}

function sortable(table) {
  const heads = [...table.querySelectorAll("thead th")];
  const body = table.tBodies[0];
  for (const [column, head] of heads.entries()) {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.ariaSort === "ascending";
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = down ? "descending" : "ascending";
      const isNumber = head.classList.contains("n");
      const keys = new Map([...body.rows].map((row) => [row, row.cells[column].textContent]));
      const order = (a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (!isNumber) return (down ? -1 : 1) * x.trim().localeCompare(y.trim(), "en");
        const [m, n] = [amount(x), amount(y)];
        if (isNaN(m) || isNaN(n)) return isNaN(m) - isNaN(n); // what is unknown stays below
        return down ? n - m : m - n;
      };
      body.append(...[...body.rows].sort(order));
    });
  }
}

function filters(bar) {
  const rows = [...bar.parentElement.querySelector("tbody").rows];
  const texts = new Map(rows.map((row) => {
    const own = row.cloneNode(true);
    own.querySelector(".evidence")?.remove(); // the same words in every row
    return [row, own.textContent.toLowerCase()];
  }));
  const [search] = bar.getElementsByTagName("input");
  const choices = [...bar.getElementsByTagName("select")];
  const narrow = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    let count = 0;
    for (const row of rows) {
      row.hidden = !choices.every(({ name, value }) => !value || row.dataset[name] === value)
        || !words.every((word) => texts.get(row).includes(word));
      count += !row.hidden;
    }
    bar.querySelector("output").textContent = `${count} of ${rows.length} cells`;
  };
  const clear = () => {
    for (const control of [search, ...choices]) control.value = "";
    narrow();
  };
  bar.addEventListener("input", narrow);
  bar.querySelector("button").addEventListener("click", clear);
  bar.addEventListener("clear", clear);
  bar.hidden = false;
  narrow();
}

// opens the folds around what the address names, and takes back a filter that hides it
function reveal() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.hidden) document.querySelector(".filters").dispatchEvent(new Event("clear"));
  for (let fold = target; (fold = fold.closest("details")); fold = fold.parentElement) fold.open = true;
  target.scrollIntoView();
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll(".filters").forEach(filters);
addEventListener("hashchange", reveal);
document.addEventListener("click", ({ target }) => {
  if (target.closest("a")?.hash === location.hash) reveal(); // the address does not change then
});
reveal();
