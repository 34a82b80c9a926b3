// Runs while they train: asks every few seconds for what has changed, and draws it.
const STATES = { running: "good", finished: "ink", stopped: "warn", failed: "bad", diverged: "bad",
  waiting: "faint" };
const MAX_DRAWN = 40;
const runs = new Map();
const hidden = new Set();
const view = { pictures: null, order: { key: "changed", descending: true } };
let version = 0, filter = "", wanted = null, lost = false, leftOut = 0, asked = 0;

const rows = make("tbody"), head = make("thead"), status = make("p", { class: "lead", role: "status" });
const gallery = make("div", { class: "gallery" });
const chooser = make("select", { "aria-label": "more", onchange: () => choose(chooser.value) });
const charts = new Map(DATA.keys.map((key) => [key, make("div", { class: "plot" })]));
const more = make("div", { class: "plot" });
const moreSection = make("section", {}, make("div", { class: "bar" }, make("h2", {}, "Another curve"),
  make("label", {}, "metric", chooser)), more);

const COLUMNS = [
  { key: "name", label: "run", kind: "name" },
  { key: "state", label: "state", kind: "" },
  { key: "progress", label: "progress", kind: "" },
  { key: "left_s", label: "left", kind: "number" },
  { key: "epoch", label: "epoch", kind: "number" },
  { key: "step", label: "step", kind: "number" },
  { key: "score", label: "val/miou", kind: "number" },
  { key: "best", label: "best", kind: "number" },
  { key: "loss", label: "train/loss", kind: "number" },
  { key: "lr", label: "rate", kind: "number", title: "learning rate" },
  { key: "changed", label: "last record", kind: "number" },
];

function duration(seconds) {
  if (seconds === null) return "\u2013";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor(s % 3600 / 60)).padStart(2, "0")} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

function progress(run) {
  if (run.state === "finished") return 1;
  if (run.steps && run.step !== null) return Math.min(1, run.step / run.steps);
  return run.epochs && run.epoch !== null ? Math.min(1, run.epoch / run.epochs) : null;
}

function cell(run, key) {
  if (key === "progress") return progress(run);
  if (key === "changed") return run.changed_s;
  return own(run, key);
}

function total(run) {
  return run.steps && run.state !== "finished" ? ` / ${run.steps}` : "";
}

function shownText(run, key) {
  const value = cell(run, key);
  if (key === "epoch") return value === null ? "\u2013" : `${value + 1}${run.epochs ? ` / ${run.epochs}` : ""}`;
  if (key === "step") return value === null ? "\u2013" : `${value}${total(run)}`;
  if (key === "lr") return value === null ? "\u2013" : Number(value.toPrecision(3)).toString();
  if (key === "left_s") return duration(value);
  if (key === "changed") return value === null ? "\u2013" : `${duration(asked - value)} ago`;
  return fixed(value, 4);
}

function stateCell(run) {
  return make("td", { class: "setting", title: run.message }, make("span", {
    class: "tag", style: `color: var(--${own(STATES, run.state) || "faint"})`,
  }, run.state), run.message ? make("span", { class: "small" }, " ", shorten(run.message, 60)) : null);
}

function progressCell(run) {
  const done = progress(run);
  return make("td", {}, done === null ? make("span", { class: "missing" }, "\u2013")
    : make("progress", { value: String(done), max: "1", "aria-label": `${Math.round(done * 100)}%` }));
}

function rowOf(run) {
  const box = make("input", { type: "checkbox", "data-run": run.id, checked: !hidden.has(run.id), onchange: () => {
    if (box.checked) hidden.delete(run.id); else hidden.add(run.id);
    show();
  } });
  const swatch = make("span", { class: "swatch", style: `background: ${colour(run)}` });
  return make("tr", {}, ...COLUMNS.map((column) => {
    if (column.key === "name") return make("td", { class: "name", title: run.name },
      make("label", {}, box, swatch, make("span", { class: "text" }, run.name)));
    if (column.key === "state") return stateCell(run);
    if (column.key === "progress") return progressCell(run);
    return make("td", { class: column.kind }, shownText(run, column.key));
  }));
}

function colour(run) { return COLOURS[(run.id - 1) % COLOURS.length]; }

function matching() {
  return [...runs.values()].filter((run) => filter.split(/\s+/).every((word) =>
    `${run.name} ${run.state}`.toLowerCase().includes(word)));
}

function drawCurves(target, key, drawn) {
  const traces = drawn.filter((run) => own(run.curves, key)).map((run) => {
    const curve = run.curves[key];
    return { x: curve.x, y: curve.y, name: plain(shorten(run.name)), type: "scatter",
      mode: curve.x.length < 30 ? "lines+markers" : "lines",
      line: { color: colour(run), width: 1.8, dash: DASHES[Math.floor((run.id - 1) / COLOURS.length) % 4] } };
  });
  draw(target, traces, { xaxis: axis("step"), yaxis: axis(plain(key)), showlegend: traces.length > 0,
    uirevision: key });
}

function showPictures(listed) {
  const withPictures = listed.filter((run) => !hidden.has(run.id) && run.pictures.length).slice(0, 8);
  const wantedPictures = JSON.stringify(withPictures.map((run) => [run.id, run.name, run.pictures]));
  if (wantedPictures === view.pictures) return;
  view.pictures = wantedPictures;
  gallery.replaceChildren(...withPictures.map((run) => make("figure", {},
    make("img", { src: `/pictures/${run.id}/0?name=${encodeURIComponent(run.pictures[0])}`,
      alt: "the newest validation picture: image, truth, prediction", loading: "lazy" }),
    make("figcaption", {}, `${run.name}: ${run.pictures[0]}`))));
}

function show() {
  const order = view.order;
  const listed = ordered(matching(), (run) => cell(run, order.key), order.descending);
  head.replaceChildren(sortable(COLUMNS, order, show));
  const focused = document.activeElement?.dataset.run;
  rows.replaceChildren(...listed.map(rowOf));
  if (focused) rows.querySelector(`[data-run="${focused}"]`)?.focus();
  const drawn = listed.filter((run) => !hidden.has(run.id)).slice(0, MAX_DRAWN);
  for (const [key, target] of charts) drawCurves(target, key, drawn);
  if (wanted !== null) drawCurves(more, wanted, drawn);
  showPictures(listed);
  showMetrics();
  const counts = new Map();
  for (const run of runs.values()) counts.set(run.state, (counts.get(run.state) || 0) + 1);
  const text = [...counts].map(([state, count]) => `${count} ${state}`).join(", ") || "no runs yet";
  status.textContent = (lost ? "no answer: outtake watch has ended. Last seen: " : "") + text
    + (leftOut ? `; ${leftOut} more are not shown` : "");
  status.className = lost ? "lead warn" : "lead";
}

function showMetrics() {
  const known = [...new Set([...runs.values()].flatMap((run) => run.metrics))].sort();
  const text = known.join("\n");
  if (chooser.dataset.known === text) return;
  chooser.dataset.known = text;
  chooser.replaceChildren(...known.map((key) => make("option", { value: key, selected: key === wanted }, key)));
  if (wanted === null && known.length) choose(known.includes("val/loss") ? "val/loss" : known[0]);
}

function choose(key) {
  wanted = key;
  chooser.value = key;
  version = 0; // the curves of all runs are asked for
  ask();
}

async function ask() {
  try {
    const query = new URLSearchParams({ since: String(version), ...(wanted === null ? {} : { key: wanted }) });
    const answer = await fetch(`/state?${query}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const news = await answer.json();
    const present = new Set(news.ids);
    for (const id of [...runs.keys()]) if (!present.has(id)) runs.delete(id);
    for (const run of news.runs) runs.set(run.id, run);
    version = news.version;
    asked = news.now_s;
    leftOut = news.left_out;
    lost = false;
  } catch {
    lost = true;
  }
  show();
}

async function repeat() {
  for (;;) {
    if (!document.hidden) await ask();
    document.documentElement.dataset.ready = "yes";
    await new Promise((resolve) => { setTimeout(resolve, DATA.interval_s * 1000); });
  }
}

history.replaceState(null, "", "/"); // the token does not stay in the address
document.getElementById("page").append(
  ...heading(DATA.title, []), status,
  make("section", {}, make("div", { class: "bar" }, make("h2", {}, "Runs"), make("input", {
    type: "search", placeholder: "name or state", "aria-label": "filter",
    oninput: (event) => { filter = event.target.value.toLowerCase().trim(); show(); },
  })), make("div", { class: "scroll" }, make("table", { id: "runs" }, head, rows))),
  make("div", { class: "pair" }, ...[...charts].map(([key, target]) =>
    make("section", {}, make("div", { class: "bar" }, make("h2", {}, key)), target))),
  moreSection,
  make("section", {}, make("div", { class: "bar" }, make("h2", {}, "Newest validation pictures")),
    make("p", { class: "hint" }, "Image, truth, prediction."), gallery));
redraws.push(show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
repeat();
