"use strict";
// Tables sort by a click on a column's name; without this script they stand as they came.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  if (table.tBodies[0].rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const told = (row) => {
        const cell = row.cells[column];
        return cell.querySelector("data")?.value ?? cell.textContent.trim();
      };
      const rows = Array.from(table.tBodies[0].rows);
      rows.sort((a, b) => told(a).localeCompare(told(b), "en", { numeric: true }) * (down ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}
