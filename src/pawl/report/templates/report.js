"use strict";
// Column headings become buttons here, so that without scripts there is nothing that does not work.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const said = table.parentElement.querySelector("[aria-live]");
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const both = Number(x) - Number(y);
        const byValue = Number.isNaN(both) ? x.localeCompare(y, "en", { numeric: true }) : both;
        return ascending ? byValue : -byValue;
      };
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort(order));
      if (said) said.textContent = `Sorted by ${button.textContent.trim()}, ${ascending ? "ascending" : "descending"}`;
    });
  });
}
