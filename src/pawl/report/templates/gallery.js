// Which examples the gallery shows, and in which order.
{
  const gallery = document.getElementById("gallery");
  const filters = document.getElementById("flip-filters");
  if (gallery && filters) {
    const cards = [...gallery.children];
    const fields = [...filters.querySelectorAll("select, input")];
    const named = (name) => fields.find((field) => field.name === name);
    const choices = fields.filter((field) => field.tagName === "SELECT" && field.name !== "order");
    const [search, confidence, order] = ["search", "confidence", "order"].map(named);
    const count = filters.querySelector(".count");
    const chosen = filters.querySelector(".chosen");
    const id = (card) => card.querySelector(".id").textContent;
    const sure = (card) => (card.dataset.confidence === "" ? -1 : Number(card.dataset.confidence));
    const orders = {
      unsure: (a, b) => sure(a) - sure(b),
      id: (a, b) => id(a).localeCompare(id(b), "en", { numeric: true }),
    };
    const apply = () => {
      const least = Number(confidence.value);
      const wanted = search.value.trim().toLowerCase();
      let shown = 0;
      for (const card of cards) {
        const fits =
          choices.every((choice) => choice.value === "" || card.dataset[choice.name] === choice.value) &&
          (least === 0 || sure(card) >= least) &&
          id(card).toLowerCase().includes(wanted);
        card.hidden = !fits;
        shown += fits;
      }
      chosen.textContent = least.toFixed(2);
      confidence.setAttribute("aria-valuetext", least ? `at least ${least.toFixed(2)}` : "any");
      count.textContent = `${shown} of ${cards.length} shown`;
    };
    filters.addEventListener("input", apply);
    order.addEventListener("change", () => {
      gallery.append(...(order.value ? [...cards].sort(orders[order.value]) : cards));
    });
    filters.querySelector(".reset").addEventListener("click", () => {
      for (const field of fields) field.value = field === confidence ? "0" : "";
      gallery.append(...cards);
      apply();
    });
    apply();
    filters.hidden = false;
  }
}
