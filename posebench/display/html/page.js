"use strict";
// Sorting of tables and the switch between light and dark. The page is complete without this script.
(() => {
  const number = (cell) => {
    const stored = cell.dataset.value, text = cell.textContent.trim();
    if (stored !== undefined) return Number(stored);
    const read = Number(text.replace(/,/g, "").replace(/^<\s*/, ""));
    return text === "" ? null : Number.isNaN(read) ? text : read;
  };
  const before = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null); // empty cells last
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };
  const sortBy = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending", body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [number(row.cells[column]), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? before(a, b) : down ? before(b, a) : before(a, b)));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sortBy(table, column, head));
      head.append(button);
    });
  }
  // Only boxes that scroll are stops of the Tab key.
  const stops = () => {
    for (const box of document.querySelectorAll(".scroll")) box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
  };
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  stops();
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "switch";
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const label = () => (button.textContent = isDark() ? "Light theme" : "Dark theme");
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
    document.dispatchEvent(new Event("themechange"));
  });
  dark.addEventListener("change", () => {
    label();
    document.dispatchEvent(new Event("themechange"));
  });
  label();
  document.querySelector("header").prepend(button);
})();
