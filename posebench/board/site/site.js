"use strict";
// Search, filters and sorting of each table for itself, kept in the address. The pages are complete without this script.
(() => {
  const FEWEST_ROWS = 10, MOST_CHOICES = 9;
  const tables = [...document.querySelectorAll("table.board")].filter((table) => table.tBodies[0].rows.length >= FEWEST_ROWS);
  const text = (cell) => (cell ? cell.textContent.trim() : "");
  // The state stands in the query, so that the hash is left to sections and rows.
  const state = new URLSearchParams(location.search);
  const keep = (key, value) => {
    if (value) state.set(key, value);
    else state.delete(key);
    const said = state.toString();
    history.replaceState(null, "", location.pathname + (said ? `?${said}` : "") + location.hash);
  };
  const labelled = (words, control) => {
    const label = document.createElement("label");
    label.append(words, control);
    return label;
  };
  const used = new Map();
  tables.forEach((table) => {
    const heads = [...table.tHead.rows[0].cells], rows = [...table.tBodies[0].rows];
    // Named after the table's title, so that a link lasts when tables are added.
    const title = text(table.caption).toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 24).replace(/-$/, "");
    used.set(title, (used.get(title) || 0) + 1);
    const at = used.get(title) > 1 ? `${title}-${used.get(title)}` : title;
    const column = (k) => [...new Set(rows.map((row) => text(row.cells[k])))];
    const tools = document.createElement("div"), search = document.createElement("input"), count = document.createElement("output");
    tools.className = "tools";
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", `Search and filters: ${table.caption.textContent}`);
    search.type = "search";
    search.value = state.get(at) || "";
    tools.append(labelled("Search", search));
    const choices = heads.flatMap((head, k) => {
      const values = column(k), words = text(head);
      const few = values.length > 1 && values.length <= MOST_CHOICES && values.length < rows.length;
      if (k === 0 || !few || head.classList.contains("n") || values.some((value) => value.length > 60)) return [];
      if (/^(tie|seeds|year|source)$/.test(words)) return [];
      const select = document.createElement("select");
      select.append(new Option("all", ""), ...values.sort().map((value) => new Option(value || "(empty)", `=${value}`)));
      select.value = state.get(`${at}.${words}`) || "";
      if (select.selectedIndex < 0) select.value = "";
      tools.append(labelled(words, select));
      return [{ k, words, select }];
    });
    const seeds = heads.findIndex((head) => text(head) === "seeds");
    if (seeds >= 0 && rows.some((row) => parseInt(text(row.cells[seeds]), 10) > 2)) {
      const select = document.createElement("select");
      select.append(new Option("all", ""), new Option("3 or more", ">=3"));
      select.value = state.get(`${at}.seeds`) || "";
      if (select.selectedIndex < 0) select.value = "";
      tools.append(labelled("seeds", select));
      choices.push({ k: seeds, words: "seeds", select });
    }
    const reset = document.createElement("button");
    reset.type = "button";
    reset.textContent = "Reset";
    count.setAttribute("aria-live", "polite");
    tools.append(reset, count);
    const apply = () => {
      const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const words = row.textContent.toLowerCase();
        const fits = choices.every(({ k, select }) => {
          const said = text(row.cells[k]);
          return !select.value || (select.value === ">=3" ? parseInt(said, 10) > 2 : `=${said}` === select.value);
        });
        row.hidden = !(fits && wanted.every((word) => words.includes(word)));
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    search.addEventListener("input", () => { keep(at, search.value); apply(); });
    for (const { words, select } of choices) select.addEventListener("change", () => { keep(`${at}.${words}`, select.value); apply(); });
    reset.addEventListener("click", () => {
      search.value = "";
      keep(at, "");
      for (const { words, select } of choices) { select.value = ""; keep(`${at}.${words}`, ""); }
      apply();
    });
    table.parentElement.before(tools);
    apply();
    // Columns can be left out, all but the first two.
    const choice = document.createElement("details"), summary = document.createElement("summary");
    choice.className = "columns-of";
    summary.textContent = "Columns";
    choice.append(summary);
    const left = new Set((state.get(`${at}.without`) || "").split("|").filter(Boolean));
    heads.forEach((head, k) => {
      if (k < 2) return;
      const box = document.createElement("input"), words = text(head);
      box.type = "checkbox";
      box.checked = !left.has(words);
      const show = () => {
        for (const row of [table.tHead.rows[0], ...rows]) row.cells[k].classList.toggle("out", !box.checked);
      };
      box.addEventListener("change", () => {
        if (box.checked) left.delete(words);
        else left.add(words);
        keep(`${at}.without`, [...left].join("|"));
        show();
      });
      show();
      const label = document.createElement("label");
      label.append(box, words);
      choice.append(label);
    });
    table.parentElement.before(choice);
    // The order of the page ranks; any other order says by what it is.
    const by = document.createElement("p");
    by.className = "by";
    by.hidden = true;
    table.parentElement.after(by);
    const sorted = () => {
      const head = heads.find((one) => one.hasAttribute("aria-sort"));
      by.hidden = !head;
      by.textContent = head ? `Sorted by ${text(head)}, ${head.getAttribute("aria-sort")}. Ties and ranks stay those of the whole table.` : "";
      keep(`${at}.sort`, head ? `${head.getAttribute("aria-sort")[0]} ${text(head)}` : "");
    };
    table.tHead.addEventListener("click", () => setTimeout(sorted));
    const order = state.get(`${at}.sort`) || "", sortedBy = heads.find((head) => text(head) === order.slice(2));
    const button = sortedBy && sortedBy.querySelector("button");
    if (button) {
      button.click();
      if (order.startsWith("d")) button.click();
    }
  });
})();
