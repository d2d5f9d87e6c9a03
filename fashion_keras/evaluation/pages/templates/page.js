"use strict";
// A click on a heading sorts its table by that column, a second one the other way round; empty cells stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const body = head.closest("table").tBodies[0];
    const place = head.cellIndex;
    const descending = head.getAttribute("aria-sort") === "ascending";
    const value = (row) => row.cells[place].dataset.value;
    const numeric = [...body.rows].every((row) => value(row) === "" || !Number.isNaN(Number(value(row))));
    const order = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
    const rows = [...body.rows].sort((first, second) => {
      const a = value(first);
      const b = value(second);
      if (a === "" || b === "") return (a === "") - (b === "");
      return descending ? order(b, a) : order(a, b);
    });
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...rows);
  });
}
