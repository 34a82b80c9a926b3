// The result of a sweep: the trials, and the charts that Optuna computed.

const order = { key: "rank", descending: false };

function trialRows() {
  return DATA.rows.map((row, index) => ({ ...row, rank: index }));
}

function fillTrials(table) {
  const columns = DATA.columns.map((label, index) => ({
    key: String(index), label, kind: DATA.rows.some((row) => typeof row.cells[index] === "number") ? "number" : "setting",
  }));
  const read = (row) => (order.key === "rank" ? row.rank : row.cells[Number(order.key)]);
  table.replaceChildren(
    make("thead", {}, sortable(columns, order, () => fillTrials(table))),
    make("tbody", {}, ...ordered(trialRows(), read, order.descending).map((row) => make("tr",
      { class: row.best ? "best" : "" }, ...columns.map((column, index) => {
        const value = row.cells[index];
        return make("td", { class: column.kind, title: value === null ? "" : String(value) },
          value === null ? "\u2013" : typeof value === "number" ? String(Number(value.toPrecision(5))) : value);
      })))));
}

function trialsSection() {
  const table = make("table", { id: "trials" });
  fillTrials(table);
  return make("section", {}, make("div", { class: "bar" }, make("h2", {}, "Trials")),
    make("p", { class: "hint" }, "The best trials first; the best one, or every one of the Pareto front, is marked."),
    make("div", { class: "scroll" }, table));
}

// Optuna's charts keep their traces and axes; colours and fonts are those of the page.
function themed(layout) {
  const kept = Object.fromEntries(Object.entries(layout).filter(([key]) => key !== "template" && key !== "title"));
  const grid = { gridcolor: colourOf("line"), zerolinecolor: colourOf("line"), linecolor: colourOf("line"), automargin: true };
  for (const key of Object.keys(kept).filter((name) => /^[xy]axis\d*$/.test(name))) kept[key] = { ...kept[key], ...grid };
  return { ...kept, margin: { l: 80, r: 80, t: 40, b: 52 }, legend: { font: { size: 12 } } };
}

function chartSection(chart) {
  if (chart.note !== null) {
    return make("section", {}, make("div", { class: "bar" }, make("h2", {}, chart.title)),
      make("p", { class: "hint" }, chart.note));
  }
  return plot(chart.title, (target) => draw(target, structuredClone(chart.figure.data), themed(chart.figure.layout)));
}

start((page) => {
  page.append(...heading(DATA.title, [DATA.lead]), ...DATA.charts.map(chartSection), trialsSection());
});
