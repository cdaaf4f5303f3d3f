// Column headings become buttons here, so that without scripts there is nothing that does not work.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const said = document.createElement("p");
  said.className = "unseen";
  said.setAttribute("role", "status");
  table.parentElement.prepend(said);
  const sort = (column, ascending) => {
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const rows = [...body.rows].map((row) => ({ row, value: value(row) }));
    const numeric = rows.every((item) => !Number.isNaN(Number(item.value)));
    const compare = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
    // What has no value comes last either way.
    rows.sort((a, b) => {
      if (a.value === "" || b.value === "") return (a.value === "") - (b.value === "");
      return ascending ? compare(a.value, b.value) : compare(b.value, a.value);
    });
    body.append(...rows.map((item) => item.row));
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sort(column, ascending);
      said.textContent = `Sorted by ${button.textContent.trim()}, ${ascending ? "ascending" : "descending"}`;
    });
  });
}
