// The comparison of many runs.

const MOST_CHECKED = 12;
const MOST_BARS = 10;
const view = {
  grouped: false, filter: "", metric: DATA.metrics[0] || null, log: false, device: null,
  sort: { key: "score", descending: true }, checked: { runs: null, groups: null },
};
const COLUMNS = [
  { key: "score", label: DATA.objective_title, digits: 4, title: `best ${DATA.objective}` },
  ...DATA.scores.map(({ key, title }) => ({ key, label: title, digits: 4, title: "on val, at the best validation" })),
  { key: "loss", label: "val loss", digits: 4, title: "at the best validation" },
  { key: "forward", label: "forward ms", digits: 1, title: "one image through the network, milliseconds, median" },
  { key: "parameters", label: "parameters, M", digits: 2, scale: 1e-6, title: "millions" },
  { key: "epochs", label: "epochs", digits: 0 },
  { key: "minutes", label: "minutes", digits: 1, title: "wall time of training" },
  { key: "rate", label: "samples/s", digits: 1, title: "of training" },
  ...DATA.evaluations.map((name) => ({
    key: `evaluation ${name}`, label: `${DATA.objective_title} ${name}`, digits: 4, title: `outtake evaluate on ${name}`,
  })),
].map((column) => ({ ...column, kind: "number" }));
// What does not scatter with the seed.
const EXACT = new Set(["parameters", "epochs"]);
const SETTINGS = DATA.settings.map((key) => ({
  key: `setting ${key}`, setting: key, label: key, kind: "setting", title: `config: ${key}`,
}));

function kind() { return view.grouped ? "groups" : "runs"; }

function rows() {
  return DATA[kind()].map((row, index) => ({ ...row, index }));
}

function ranked() {
  return ordered(rows(), (row) => own(row.values, "score"), true);
}

function colours() {
  const table = new Map();
  ranked().forEach((row, place) => table.set(row.index, {
    colour: COLOURS[place % COLOURS.length], dash: DASHES[Math.floor(place / COLOURS.length) % DASHES.length],
  }));
  return table;
}

function checked() {
  if (view.checked[kind()] === null) {
    view.checked[kind()] = new Set(ranked().slice(0, MOST_CHECKED).map((row) => row.index));
  }
  return view.checked[kind()];
}

function matching(row) {
  const words = view.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [row.name, row.state, ...DATA.settings.map((key) => `${key}=${own(row.settings, key)}`)]
    .join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function drawn() {
  return rows().filter((row) => checked().has(row.index) && matching(row));
}

function cell(row, column) {
  if (column.kind === "setting") {
    const value = own(row.settings, column.setting);
    return make("td", { class: "setting", title: value === null ? "not set" : String(value) },
      value === null ? make("span", { class: "missing" }, "\u2013") : String(value));
  }
  const value = own(row.values, column.key), scale = column.scale || 1;
  const spread = own(row.spread, column.key);
  return make("td", { class: "number" },
    value === null ? make("span", { class: "missing", title: "not recorded" }, "\u2013")
      : fixed(value * scale, column.digits),
    value !== null && spread !== null && !EXACT.has(column.key)
      ? make("span", { class: "spread" }, ` \u00b1 ${fixed(spread * scale, column.digits)}`) : null);
}

function valueOf(row, key) {
  if (key === "name") return row.name;
  return key.startsWith("setting ") ? own(row.settings, key.slice(8)) : own(row.values, key);
}

function used() {
  const all = rows();
  return COLUMNS.filter((c) => c.key === "score" || c.key === "forward"
    || all.some((row) => own(row.values, c.key) !== null));
}

function fillTable(table) {
  const columns = [{ key: "name", label: view.grouped ? "seeds grouped" : "run", kind: "name" },
    ...used().slice(0, 1), ...SETTINGS, ...used().slice(1)];
  const table_ = colours();
  const body = ordered(rows().filter(matching), (row) => valueOf(row, view.sort.key), view.sort.descending);
  table.replaceChildren(
    make("thead", {}, sortable(columns, view.sort, () => fillTable(table))),
    make("tbody", {}, ...body.map((row) => {
      const box = make("input", {
        type: "checkbox", checked: checked().has(row.index),
        onchange: () => { checked()[box.checked ? "add" : "delete"](row.index); redraw(); },
      });
      const name = make("td", { class: "name" }, make("label", { title: row.name }, box,
        make("span", { class: "swatch", style: `background: ${table_.get(row.index).colour}` }),
        make("span", { class: "text" }, row.name),
        row.state === "finished" ? null : make("span", { class: "tag" }, row.state)));
      return make("tr", {}, name, ...columns.slice(1).map((column) => cell(row, column)));
    })));
}

function tableSection() {
  const table = make("table", { id: "runs" });
  const refresh = () => { fillTable(table); redraw(); };
  const all = (on) => () => {
    for (const row of rows().filter(matching)) checked()[on ? "add" : "delete"](row.index);
    refresh();
  };
  const search = make("input", {
    type: "search", placeholder: "filter, as in lr=0.01", "aria-label": "filter",
    oninput: () => { view.filter = search.value; refresh(); },
  });
  const seeds = DATA.groups.length < DATA.runs.length;
  const section = make("section", {},
    make("div", { class: "bar" }, make("h2", {}, "Runs"),
      seeds ? check("group seeds: mean \u00b1 sample deviation", false, (on) => {
        view.grouped = on; refresh();
      }) : null, search,
      make("button", { type: "button", onclick: all(true) }, "show all"),
      make("button", { type: "button", onclick: all(false) }, "none")),
    make("p", { class: "hint" }, "Ticked rows are drawn below. Coloured headings are settings, only "
      + "those in which the runs differ" + (DATA.settings_left_out ? ` (${DATA.settings_left_out} more are left out)` : "")
      + (DATA.evaluations_left_out ? `. ${DATA.evaluations_left_out} more evaluations have no column` : "")
      + ". A dash: not recorded."),
    make("div", { class: "scroll" }, table));
  fillTable(table);
  return section;
}

function drawCurves(target) {
  const table = colours(), metric = view.metric, traces = [];
  const source = view.grouped ? [...(own(DATA.bands, metric) || [])] : own(DATA.curves, metric) || [];
  if (view.grouped) {
    // A group of one is its own mean.
    const single = new Map(DATA.groups.map((g, i) => [g.members.length === 1 ? g.members[0] : -1, i]));
    for (const curve of own(DATA.curves, metric) || []) {
      if (single.has(curve.run)) source.push({ ...curve, group: single.get(curve.run) });
    }
  }
  const curves = new Map(source.map((curve) => [view.grouped ? curve.group : curve.run, curve]));
  for (const row of drawn()) {
    const curve = curves.get(row.index);
    if (!curve) continue;
    const { colour, dash } = table.get(row.index), name = plain(shorten(row.name));
    if (curve.spread) {
      const edge = (sign) => ({
        x: curve.x, y: curve.y.map((y, i) => y + sign * curve.spread[i]), mode: "lines",
        line: { width: 0, color: colour }, hoverinfo: "skip", showlegend: false, legendgroup: name,
      });
      traces.push(edge(-1), { ...edge(1), fill: "tonexty", fillcolor: `${colour}33` });
    }
    traces.push({
      x: curve.x, y: curve.y, name, mode: curve.x.length > 1 ? "lines" : "markers", legendgroup: name,
      line: { color: colour, width: 1.7, dash }, marker: { color: colour },
      hovertemplate: "%{y:.5~g} at step %{x}<extra>%{fullData.name}</extra>",
    });
  }
  const named = traces.filter((trace) => trace.showlegend !== false).length;
  draw(target, traces, {
    xaxis: axis("training step"), showlegend: named > 1 && named <= 24,
    yaxis: axis(plain(metric || ""), { type: view.log ? "log" : "linear" }),
  });
}

function drawBars(target) {
  const table = colours(), best = new Set(ranked().map((row) => row.index));
  const some = drawn().filter((row) => Object.keys(row.iou).length && best.has(row.index));
  const bars = ordered(some, (row) => own(row.values, "score"), true).slice(0, MOST_BARS);
  draw(target, bars.map((row) => ({
    type: "bar", name: plain(shorten(row.name)), x: DATA.classes.map(plain),
    y: DATA.classes.map((name) => own(row.iou, name)), marker: { color: table.get(row.index).colour },
    error_y: row.iou_spread && Object.keys(row.iou_spread).length ? {
      type: "data", array: DATA.classes.map((name) => own(row.iou_spread, name) || 0),
      thickness: 1.2, width: 3, color: colourOf("ink"),
    } : { visible: false },
    hovertemplate: "IoU %{y:.4f}, %{x}<extra>%{fullData.name}</extra>",
  })), {
    barmode: "group", bargap: 0.22, xaxis: axis("class", { type: "category" }), showlegend: bars.length > 1,
    yaxis: axis("IoU at the best validation", { range: [0, 1] }),
  });
}

function drawFront(target) {
  const all = rows().filter(matching), ink = colourOf("ink");
  const there = all.filter((row) => row.device === view.device && own(row.values, "score") !== null
    && own(row.values, "forward") !== null);
  const onFront = own(DATA.fronts[kind()], view.device) || [];
  const at = (row) => [own(row.values, "forward"), own(row.values, "score")];
  const front = onFront.map((index) => at(DATA[kind()][index]));
  const table = colours();
  const traces = [{
    x: front.map(([x]) => x), y: front.map(([, y]) => y), mode: "lines", name: "Pareto front",
    line: { color: ink, width: 1.4, dash: "dot", shape: "hv" }, hoverinfo: "skip",
  }, {
    x: there.map((row) => at(row)[0]), y: there.map((row) => at(row)[1]), mode: "markers", name: "runs",
    text: there.map((row) => plain(shorten(row.name, 60))),
    marker: {
      size: there.map((row) => (onFront.includes(row.index) ? 12 : 9)),
      color: there.map((row) => table.get(row.index).colour),
      opacity: there.map((row) => (checked().has(row.index) ? 0.95 : 0.4)),
      line: { width: there.map((row) => (onFront.includes(row.index) ? 1.5 : 0)), color: ink },
    },
    error_y: view.grouped ? {
      type: "data", array: there.map((row) => own(row.spread, "score") || 0), thickness: 1.2, width: 3,
      color: colourOf("faint"),
    } : { visible: false },
    hovertemplate: `%{text}<br>${plain(DATA.objective_title)} %{y:.4f}<br>%{x:.2f} ms<extra></extra>`,
  }];
  draw(target, traces, {
    xaxis: axis("forward time of one image, ms (median)", { rangemode: "tozero" }),
    yaxis: axis(plain(`best ${DATA.objective}`)), showlegend: false,
  });
}

function frontSection() {
  const devices = Object.keys(DATA.fronts.runs);
  if (!devices.length) {
    return make("section", {}, make("div", { class: "bar" }, make("h2", {}, `${DATA.objective_title} against forward time`)),
      make("p", { class: "hint" }, "No run has a measured forward time: summary.json and evaluation/ hold no forward_ms."));
  }
  view.device = devices[0];
  const missing = DATA.runs.filter((row) => own(row.values, "forward") === null).length;
  const chosen = select("on", devices.map((name) => [name, shorten(name, 60)]), (device) => {
    view.device = device; redraw();
  });
  return plot(`${DATA.objective_title} against forward time`, drawFront, [chosen],
    "Up and to the left is better. The dotted line is the Pareto front: no run is both faster and better."
    + (missing ? ` ${missing} of ${DATA.runs.length} runs have no measured time.` : ""));
}

function gallerySection() {
  const withPicture = ordered(DATA.runs.filter((row) => row.picture), (row) => own(row.values, "score"), true);
  if (!withPicture.length) {
    return make("section", {}, make("div", { class: "bar" }, make("h2", {}, "Validation images")),
      make("p", { class: "hint" }, "No run has pictures in images/ (callbacks.images bakes them)."));
  }
  const picked = { left: withPicture[0], right: withPicture[Math.min(1, withPicture.length - 1)] };
  const image = make("img", { alt: "validation images" }), truth = make("img", { alt: "their true labels" });
  const under = make("img", { alt: "right run's prediction" });
  const over = make("img", { alt: "left run's prediction", class: "over" });
  const edge = make("div", { class: "edge" });
  const ends = [make("span", {}), make("span", {})], note = make("p", { class: "hint warn" });
  const slider = make("input", {
    type: "range", min: "0", max: "100", step: "0.5", value: "50", id: "wipe", "aria-label": "left against right",
    oninput: () => move(),
  });
  function move() {
    over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    edge.style.left = `${slider.value}%`;
  }
  const wipe = make("div", { class: "wipe" }, under, over, edge);
  const follow = (event) => {
    if (event.buttons !== 1) return;
    const box = wipe.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    move();
    event.preventDefault();
  };
  wipe.addEventListener("pointerdown", follow);
  wipe.addEventListener("pointermove", follow);
  function show() {
    const { left, right } = picked, scene = DATA.scenes[left.picture.scene];
    image.src = scene.image;
    truth.src = scene.truth;
    over.src = left.picture.prediction;
    under.src = right.picture.prediction;
    ends[0].textContent = `\u25c0 ${left.name}, ${DATA.objective_title} ${fixed(own(left.values, "score"), 4)}`;
    ends[1].textContent = `${right.name}, ${DATA.objective_title} ${fixed(own(right.values, "score"), 4)} \u25b6`;
    note.textContent = left.picture.scene === right.picture.scene ? ""
      : "These two runs were not validated on the same images.";
  }
  const names = withPicture.map((row, index) => [String(index), shorten(row.name, 50)]);
  const choose = (side, label) => {
    const control = select(label, names, (value) => { picked[side] = withPicture[Number(value)]; show(); });
    control.querySelector("select").value = String(withPicture.indexOf(picked[side]));
    return control;
  };
  const section = make("section", {},
    make("div", { class: "bar" }, make("h2", {}, "The same validation images"), choose("left", "left"), choose("right", "right")),
    make("p", { class: "hint" }, "At each run's best validation. Move the slider, or drag across the picture."), note,
    make("div", { class: "slide" }, ends[0], slider, ends[1]),
    make("div", { class: "gallery" },
      make("figure", {}, make("figcaption", {}, "image"), image),
      make("figure", {}, make("figcaption", {}, "truth"), truth),
      make("figure", {}, make("figcaption", {}, "prediction, left run over right run"), wipe)));
  show();
  move();
  return section;
}

function listedSection() {
  return make("section", {}, make("div", { class: "bar" }, make("h2", {}, "Not complete")),
    make("div", { class: "scroll" }, make("table", { id: "listed" },
      make("thead", {}, make("tr", {}, ...["run", "state", "reason"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...DATA.listed.map((row) => make("tr", {},
        make("td", {}, row.name), make("td", { class: "warn" }, row.state), make("td", {}, row.reason)))))));
}

start((page) => {
  const left = DATA.listed.filter((row) => row.state === "broken" || row.state === "empty").length;
  const lead = [`${DATA.runs.length} with results` + (DATA.groups.length < DATA.runs.length
    ? `, ${DATA.groups.length} settings when seeds are grouped` : "") + (left ? `; ${left} left out, listed at the end` : "")];
  page.append(...heading(DATA.title, lead), ...DATA.notes.map((text) => make("p", { class: "lead warn" }, text)));
  if (DATA.runs.length) {
    page.append(tableSection());
    if (DATA.metrics.length) {
      page.append(plot("Curves", drawCurves, [
        select("metric", DATA.metrics.map((name) => [name, name]), (name) => { view.metric = name; redraw(); }),
        check("log scale", false, (on) => { view.log = on; redraw(); }),
      ], "As logged; long curves are thinned, highs and lows kept."));
    }
    page.append(plot("IoU of each class", drawBars, [], `The best ${MOST_BARS} of the ticked rows.`), frontSection(), gallerySection());
  }
  if (DATA.listed.length) page.append(listedSection());
});
