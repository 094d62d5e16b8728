"use strict";
// Joins the tables, the plots and the view: a sample is chosen, residues are marked.

(async () => {
  const tokens = new Tokens(JSON.parse(await unpackText("data")));
  const panels = [...document.querySelectorAll("[data-sample]")];
  const buttons = [...document.querySelectorAll("[data-show]")];
  let view = null;
  let current = 0;

  const items = (range) => (range ? [...tokens.items(...range.x), ...tokens.items(...range.y)] : null);
  const mark = (range) => view?.mark(items(range));
  const pae = new PaePlot(element("pae"), element("reading"), tokens, mark);
  const plddt = new PlddtPlot(element("plddt"), element("reading-plddt"), tokens, (token) =>
    view?.hover(token === null ? null : tokens.items(token, token + 1)),
  );

  async function show(place) {
    current = place;
    panels.forEach((panel, index) => (panel.hidden = index !== place));
    buttons.forEach((button, index) => {
      button.setAttribute("aria-pressed", index === place);
      button.closest("tr").classList.toggle("chosen", index === place);
    });
    select(null);
    plddt.show(tokens.plddt[place]);
    const matrix = await unpackPae(`pae-${place}`);
    if (current === place) pae.show(matrix);
    await view?.show(await unpackText(`structure-${place}`));
  }

  function select(range) {
    pae.select(range);
    mark(range);
  }

  function pair(names) {
    const [first, second] = names.split(" ").map((name) => tokens.chains.find((chain) => chain.id === name));
    select({ x: [second.start, second.stop], y: [first.start, first.stop] });
  }

  function atoms(text) {
    const rows = text.split("\n").map((line) => line.split("\t"));
    view?.focus(rows.map(([chain, number, atom]) => site(chain, Number(number), atom)));
    element("view").scrollIntoView({ block: "center", behavior: "smooth" });
  }

  const redraw = () => [pae, plddt].forEach((plot) => plot.draw());

  document.addEventListener("click", (event) => {
    const { show: place, pair: names, atoms: text } = event.target.closest("button")?.dataset ?? {};
    if (place) show(Number(place));
    if (names) pair(names);
    if (text) atoms(text);
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && select(null));
  element("colouring").addEventListener("change", ({ target }) => {
    element("legend").hidden = target.value !== "plddt-confidence";
    view?.colour(target.value);
  });
  element("reset").addEventListener("click", () => (select(null), view?.reset()));
  window.addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (redraw(), view?.background()));

  await show(0);
  try {
    view = await View.start(element("view"));
    await view.show(await unpackText(`structure-${current}`));
    document.documentElement.dataset.ready = "view";
  } catch (error) {
    element("view").replaceChildren(Object.assign(document.createElement("p"), { textContent: `No view: ${error.message}.` }));
    document.documentElement.dataset.ready = "tables";
  }
})();
