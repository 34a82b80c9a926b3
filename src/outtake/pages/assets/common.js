"use strict";
// What all pages share. Untrusted text goes into the document as textContent only, and into
// charts through plain(), because Plotly reads some tags in text.

const DATA = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#4c86b8", "#e0812f", "#4f9e57", "#cf5b5b", "#8d78bd", "#9a7359", "#c978a8",
  "#7f858c", "#a9a13b", "#3fa3ad"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const redraws = [];

function own(record, key) {
  const value = record && Object.hasOwn(record, key) ? record[key] : null;
  return value === undefined ? null : value;
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value === "boolean") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function shorten(text, most = 44) {
  const all = String(text);
  return all.length <= most ? all : "\u2026" + all.slice(1 - most);
}

function fixed(value, digits) {
  return value === null || value === undefined ? "\u2013" : value.toFixed(digits);
}

function colourOf(variable) {
  const probe = make("span", { style: `color: var(--${variable})` });
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function axis(title, more = {}) {
  const line = colourOf("line");
  return {
    title: { text: title, standoff: 10, font: { size: 13 } }, gridcolor: line, zerolinecolor: line,
    linecolor: line, automargin: true, tickfont: { size: 12 }, ...more,
  };
}

function draw(target, traces, layout) {
  const whole = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colourOf("ink") },
    margin: { l: 62, r: 16, t: 32, b: 52 }, hovermode: "closest",
    // Its own background would be the paper's, half opaque: black.
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colourOf("faint"), activecolor: colourOf("ink") },
    hoverlabel: {
      bgcolor: colourOf("card"), bordercolor: colourOf("line"), namelength: -1,
      font: { color: colourOf("ink"), size: 13 },
    },
    legend: { orientation: "h", y: -0.2, yanchor: "top", x: 0, font: { size: 12 } },
    ...layout,
  };
  return Plotly.react(target, traces, whole, {
    responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  });
}

function plot(title, draw_, controls = [], hint = null) {
  const target = make("div", { class: "plot" });
  const section = make("section", {},
    make("div", { class: "bar" }, make("h2", {}, title), ...controls),
    hint === null ? null : make("p", { class: "hint" }, hint), target);
  redraws.push(() => draw_(target));
  return section;
}

function select(label, options, onchange) {
  const list = make("select", { "aria-label": label, onchange: () => onchange(list.value) },
    ...options.map(([value, text]) => make("option", { value }, text)));
  return make("label", {}, label, list);
}

function check(label, initial, onchange) {
  const box = make("input", { type: "checkbox", checked: initial, onchange: () => onchange(box.checked) });
  return make("label", {}, box, label);
}

// Sorting: numbers by value, text as people count, what is missing last in either direction.
function ordered(rows, read, descending) {
  const collator = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
    : collator.compare(String(a), String(b)));
  return [...rows].sort((left, right) => {
    const a = read(left), b = read(right);
    if (a === null || b === null) return (a === null) - (b === null);
    return descending ? compare(b, a) : compare(a, b);
  });
}

function sortable(columns, state, onsort) {
  return make("tr", {}, ...columns.map((column) => {
    const active = state.key === column.key;
    return make("th", {
      class: column.kind, scope: "col", title: column.title || column.label,
      "aria-sort": active ? (state.descending ? "descending" : "ascending") : "none",
    }, make("button", {
      type: "button",
      onclick: () => {
        state.descending = active ? !state.descending : column.kind === "number";
        state.key = column.key;
        onsort();
      },
    }, column.label));
  }));
}

function heading(title, lead) {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  return [
    make("header", {}, make("h1", {}, title), make("button", {
      type: "button", id: "theme",
      onclick: () => { root.dataset.theme = dark() ? "light" : "dark"; redraw(); },
    }, "light / dark")),
    ...lead.map((text) => make("p", { class: "lead" }, text)),
  ];
}

function redraw() {
  for (const each of redraws) each();
}

async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function start(build) {
  const library = document.createElement("script");
  library.textContent = await unpacked("plotly");
  document.head.append(library);
  build(document.getElementById("page"));
  redraw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.documentElement.dataset.ready = "yes";
}
