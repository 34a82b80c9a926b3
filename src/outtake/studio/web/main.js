// The studio: one project, one frame at a time.
import { ask, askJson, askPixels, SaveQueue } from "./api.js";
import { colourOf, drawOffer, drawOutlines, View } from "./canvas.js";
import { Frames } from "./frames.js";
import { showJob, watchJobs } from "./jobs.js";
import { KEYS, listenToKeys } from "./keys.js";
import { Painter } from "./painting.js";
import { crc32, findRuns } from "./raster.js";
import { drawTimeline, proposeFrames } from "./timeline.js";
import { UNLABELLED } from "./history.js";

const $ = (id) => document.getElementById(id);
const studio = {
  project: null, frame: null, view: null, frames: null, tool: "brush", activeClass: 1,
  sizes: { brush: 24, eraser: 24 }, spaceHeld: false, offer: null, dabs: [], wanted: 0,
  act, show, say, queue: null,
};

async function start() {
  history.replaceState(null, "", "/");
  studio.project = await askJson("project");
  const { project } = studio;
  studio.view = new View($("canvas"), project.width, project.height);
  studio.queue = new SaveQueue({ saved, conflict, failed });
  studio.frames = new Frames(project, studio.queue);
  new Painter(studio);
  $("clip").textContent = `${project.clip}  ${project.width}x${project.height}  ${project.frames} frames`;
  $("slider").max = project.frames - 1;
  for (const name of project.removers) $("remover").append(new Option(name.replace("_", " "), name));
  for (const [keys, what] of KEYS) {
    $("key-list").append(element("dt", keys), element("dd", what));
  }
  connect();
  $("count-shown").textContent = $("count").value;
  showClasses();
  chooseTool("brush");
  showJob(project.job);
  watchJobs(jobEnded);
  await go(project.labelled[0] ?? 0);
  $("saved").textContent = "nothing to save";
  document.documentElement.dataset.ready = "yes";
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function say(text) {
  $("hint").textContent = text;
}

function complain(error) {
  $("banner").hidden = !error;
  $("banner").textContent = error ? error.message : "";
}

// What the person does that is no brush stroke: drawn and saved as one action.
function act(action, frame = studio.frame) {
  frame.history.add(action);
  show();
  studio.queue.push(frame.number, frame.history, action);
}

function show() {
  const { frame, view } = studio;
  view.paint(frame.history.labels, frame.history.takeDirty());
  $("undo").disabled = !frame.history.done.length;
  $("redo").disabled = !frame.history.undone.length;
}

function undo(tool) {
  const { frame } = studio;
  reject();
  if (frame && frame.history[tool === "undo" ? "done" : "undone"].length) act({ tool });
}

function saved(number, history, answer) {
  complain(null);
  $("saved").textContent = `saved ${new Date().toLocaleTimeString()}`;
  studio.project.labelled = answer.labelled;
  drawTimeline($("timeline"), studio.project, studio.frame.number);
  showSuggestions();
  studio.saved = { number, crc32: answer.crc32, revision: answer.revision };
}

async function conflict(number, error) {
  complain(new Error(`${error.message}; the frame was loaded again`));
  studio.frames.forget(number);
  if (studio.frame?.number === number) await go(number);
}

function failed(error) {
  $("saved").textContent = "not saved";
  complain(new Error(`not saved yet (${error.message}); it is kept here and tried again`));
}

async function go(number) {
  number = Math.min(Math.max(number, 0), studio.project.frames - 1);
  studio.wanted = number;
  try {
    const frame = await studio.frames.open(number);
    if (studio.wanted !== number) return;
    reject();
    studio.frame = frame;
    studio.view.image = frame.image;
    studio.view.regions = null;
    frame.history.takeDirty();
    studio.view.repaint(frame.history.labels);
    show();
    $("slider").value = number;
    $("number").textContent = `${number} of ${studio.project.frames}`;
    drawTimeline($("timeline"), studio.project, number);
    showSuggestions();
    await findRegions();
  } catch (error) {
    complain(error);
  }
}

async function findRegions() {
  const { frame, project, view } = studio;
  if (!frame || (studio.tool !== "region" && !$("show-regions").checked)) {
    view.regions = null;
    return view.redraw();
  }
  const found = await studio.frames.findRegions(frame, Number($("count").value));
  if (studio.frame !== frame) return;
  view.regions = $("show-regions").checked ? drawOutlines(found.ids, project.width, project.height) : null;
  view.redraw();
}

function chooseTool(tool) {
  studio.tool = tool;
  for (const button of document.querySelectorAll("#tools [data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
  showSize();
  findRegions().catch(complain);
}

const sizeKey = () => (studio.tool === "eraser" ? "eraser" : "brush");

function showSize() {
  $("size").value = studio.sizes[sizeKey()];
  $("size-shown").textContent = `${studio.sizes[sizeKey()]} px`;
}

function resize(step) {
  const size = studio.sizes[sizeKey()];
  const next = step > 0 ? Math.max(size + 1, Math.round(size * 1.2)) : Math.min(size - 1, Math.round(size / 1.2));
  studio.sizes[sizeKey()] = Math.min(Math.max(next, 1), 200);
  showSize();
}

function chooseClass(id) {
  if (id >= studio.project.classes.length) return;
  studio.activeClass = id;
  for (const button of $("classes").children) {
    button.setAttribute("aria-checked", String(Number(button.dataset.id) === id));
  }
}

function showClasses() {
  $("classes").replaceChildren(...studio.project.classes.map((name, id) => {
    const button = element("button", "");
    const patch = document.createElement("i");
    patch.style.background = `rgb(${colourOf(id)})`;
    button.append(patch, element("span", name), element("kbd", id < 10 ? String(id) : ""));
    button.setAttribute("role", "radio");
    button.dataset.id = id;
    button.addEventListener("click", () => chooseClass(id));
    return button;
  }));
  chooseClass(Math.min(studio.activeClass, studio.project.classes.length - 1));
}

function showSuggestions() {
  const { project } = studio;
  const asked = (project.suggestions.suggestions ?? []).filter(({ frame }) => !project.labelled.includes(frame));
  const even = proposeFrames(project).map((frame) => ({ frame, why: "spread over the clip" }));
  studio.suggested = asked.length || project.runs.length ? asked : even;
  $("suggestions").replaceChildren(...studio.suggested.map(({ frame, why }) => {
    const item = document.createElement("li");
    const button = element("button", `frame ${frame}`);
    button.addEventListener("click", () => go(frame));
    item.append(button, ` ${why}`);
    return item;
  }));
  for (const id of ["train-on", "suggest", "look", "remove"]) {
    $(id).disabled = !project.runs.length || project.job?.state === "running";
  }
  $("network").disabled = !project.proposals;
  $("result").hidden = !project.result;
}

async function propose(by) {
  const { frame, project } = studio;
  try {
    const data = await askPixels(`frames/${frame.number}/propose`, "POST", { by, count: Number($("count").value) });
    if (studio.frame !== frame) return;
    const labels = Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
    studio.offer = labels;
    studio.view.offer = drawOffer(labels, frame.history.labels, project.width, project.height);
    $("offer").hidden = false;
    studio.offerBy = by;
    studio.view.redraw();
  } catch (error) {
    complain(error);
  }
}

function accept() {
  const { frame, offer } = studio;
  if (!offer) return;
  reject();
  pixels(offer, studio.offerBy, frame);
}

// Makes the labels of a frame those of a map, as one action.
function pixels(wanted, by, frame) {
  const places = new Map();
  wanted.forEach((value, i) => {
    if (value === frame.history.labels[i]) return;
    if (!places.has(value)) places.set(value, []);
    places.get(value).push(i);
  });
  if (!places.size) return;
  const parts = [...places].map(([value, each]) => ({ class: value, runs: findRuns(each) }));
  act({ stroke: frame.history.lastStroke + 1, tool: "pixels", by, parts }, frame);
}

function reject() {
  studio.offer = studio.view.offer = null;
  $("offer").hidden = true;
  studio.view.redraw();
}

async function startJob(kind, options) {
  try {
    complain(null);
    showJob(await askJson("jobs", "POST", { kind, options }));
  } catch (error) {
    complain(error);
  }
}

async function jobEnded() {
  studio.project = Object.assign(studio.project, await askJson("project"));
  showSuggestions();
  drawTimeline($("timeline"), studio.project, studio.frame.number);
}

function nextSuggested() {
  const later = (studio.suggested ?? []).map(({ frame }) => frame).sort((a, b) => a - b);
  const next = later.find((frame) => frame > studio.frame.number) ?? later[0];
  if (next !== undefined) go(next);
}

function connect() {
  const on = (id, act, kind = "click") => $(id).addEventListener(kind, act);
  for (const button of document.querySelectorAll("#tools [data-tool]")) {
    button.addEventListener("click", () => chooseTool(button.dataset.tool));
  }
  on("undo", () => undo("undo"));
  on("redo", () => undo("redo"));
  on("size", () => { studio.sizes[sizeKey()] = Number($("size").value); showSize(); }, "input");
  on("count", () => { $("count-shown").textContent = $("count").value; }, "input");
  on("count", () => findRegions().catch(complain), "change");
  on("show-regions", () => findRegions().catch(complain), "change");
  on("view", () => { studio.view.mode = $("view").value; studio.view.repaint(studio.frame.history.labels); }, "change");
  on("reset", () => studio.view.reset());
  on("slider", () => go(Number($("slider").value)), "input");
  on("first", () => go(0));
  on("previous", () => go(studio.frame.number - 1));
  on("next", () => go(studio.frame.number + 1));
  on("last", () => go(studio.project.frames - 1));
  for (const by of ["watershed", "colour", "network"]) on(by, () => propose(by));
  on("accept", accept);
  on("reject", reject);
  on("clear", () => pixels(new Uint8Array(studio.frame.history.labels.length).fill(UNLABELLED), "file", studio.frame));
  on("train", () => startJob("train", { budget_s: Math.round(Number($("minutes").value) * 60) }));
  on("train-on", () => startJob("train", { budget_s: 70, further: true }));
  on("suggest", () => startJob("suggest", {}));
  on("look", () => startJob("propose", {}));
  on("remove", () => startJob("remove", { remover: $("remover").value }));
  on("cancel", () => ask("jobs", "DELETE").catch(complain));
  on("copy", () => navigator.clipboard.writeText($("job-command").textContent));
  on("help", () => $("keys").showModal());
  on("add-class", async (event) => {
    event.preventDefault();
    try {
      studio.project.classes = (await askJson("classes", "POST", { name: $("class-name").value })).classes;
      $("class-name").value = "";
      showClasses();
    } catch (error) {
      complain(error);
    }
  }, "submit");
  window.addEventListener("resize", () => drawTimeline($("timeline"), studio.project, studio.frame?.number ?? 0));
  window.addEventListener("beforeunload", (event) => { if (studio.queue.waiting.length) event.preventDefault(); });
  listenToKeys(studio, {
    tools: { b: () => chooseTool("brush"), e: () => chooseTool("eraser"), r: () => chooseTool("region"),
      l: () => chooseTool("lasso"), f: () => chooseTool("fill") },
    undo: () => undo("undo"), redo: () => undo("redo"), step: (by) => go(studio.wanted + by), go,
    resize, choose: chooseClass, nextSuggested, propose, accept, reject, help: () => $("keys").showModal(),
    hide: (hidden) => { studio.view.hidden = hidden; studio.view.redraw(); },
    zoom: (factor) => {
      const box = $("canvas").getBoundingClientRect();
      studio.view.zoom({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }, factor);
    },
  });
}

// For tests: whether all is saved, and what the page holds.
window.studio = {
  state: () => ({
    frame: studio.frame?.number, revision: studio.frame?.history.revision, waiting: studio.queue.waiting.length,
    crc32: crc32(studio.frame.history.labels), saved: studio.saved, dabs: studio.dabs,
    counts: [0, 1, 255].map((id) => studio.frame.history.labels.reduce((n, v) => n + (v === id), 0)),
    view: { scale: studio.view.scale, x: studio.view.x, y: studio.view.y },
  }),
  locate: (x, y) => studio.view.locate({ clientX: x, clientY: y }),
};

start().catch(complain);
