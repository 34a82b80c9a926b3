// The studio: one project, one frame at a time.
import { askJson, SaveQueue, session } from "./api.js";
import { View } from "./canvas.js";
import { Classes } from "./classes.js";
import { Exchange } from "./exchange.js";
import { Flow } from "./flow.js";
import { Frames, loadPicture } from "./frames.js";
import { KEYS, listenToKeys } from "./keys.js";
import { Layers } from "./layers.js";
import { Offer } from "./offer.js";
import { OpenDialog } from "./open.js";
import { $, complain, element, on, say, withdraw } from "./page.js";
import { Painter } from "./painting.js";
import { crc32 } from "./raster.js";
import { drawOutlines, drawUndecided, regionChoice } from "./regions.js";
import { Elsewhere } from "./session.js";
import { Steps } from "./steps.js";
import { Still } from "./still.js";
import { Tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";
import { Tour } from "./tour.js";

const studio = {
  project: null, frame: null, view: null, frames: null, tool: "brush",
  sizes: { brush: 24, eraser: 24 }, spaceHeld: false, offer: null, steps: null, dabs: [], dabTimes: [], stepTimes: [], wanted: 0, notSaved: null,
  act, show, say, go, queue: null,
};

async function start() {
  history.replaceState(null, "", "/");
  studio.project = await askJson("project");
  const { project } = studio;
  session.id = project.session;
  new Elsewhere(studio, openedAgain);
  studio.view = new View($("canvas"), project.width, project.height);
  studio.queue = new SaveQueue({ saved, conflict, failed, unshown });
  studio.frames = new Frames(project, studio.queue, () => studio.view.fittedWidth());
  studio.view.more = () => sharpen().catch(complain);
  studio.offer = new Offer(studio);
  studio.flow = new Flow(studio);
  studio.tabs = new Tabs((name) => chooseTab(name));
  studio.timeline = new Timeline($("timeline"), project, go);
  studio.steps = new Steps(studio);
  studio.classes = new Classes(project, repaint);
  studio.layers = new Layers(studio);
  new Exchange(studio);
  const opening = new OpenDialog(studio.queue);
  on("banner-close", () => complain(null));
  on("open-clip", () => opening.show());
  studio.still = new Still(studio);
  studio.painter = new Painter(studio);
  $("clip").textContent = `${project.clip} · ${project.width}×${project.height} · ${project.frames} frame${project.frames === 1 ? "" : "s"}`;
  $("clip").title = $("clip").textContent;
  $("slider").max = project.frames - 1;
  for (const [keys, what] of KEYS) {
    $("key-list").append(element("dt", keys), element("dd", what));
  }
  connect();
  $("count-shown").textContent = $("count").value;
  $("least-shown").textContent = `${$("least").value} px`;
  studio.resize = resize;
  studio.view.shown = (scale) => { $("zoom-shown").textContent = `${Math.round(scale * 100)}%`; };
  chooseTool("brush");
  const tour = new Tour(studio);
  await go(findPlace() ?? project.labelled[0] ?? 0);
  $("saved").textContent = "nothing to save";
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
  tour.begin();
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
  if (frame.history.done.length) studio.flow.hide();
  if ($("show-undecided").checked) showUndecided();
  if (studio.layers.active) return studio.layers.show();
  $("undo").disabled = !frame.history.done.length;
  $("redo").disabled = !frame.history.undone.length;
}

function undo(tool) {
  if (studio.layers.active) return studio.layers.step(tool);
  studio.painter.finish();
  const { frame } = studio;
  studio.offer.reject();
  if (frame && frame.history[tool === "undo" ? "done" : "undone"].length) act({ tool });
}

function saved(number, history, answer) {
  withdraw(studio.notSaved);
  $("saved").textContent = `saved ${new Date().toLocaleTimeString()}`;
  studio.project.labelled = answer.labelled;
  studio.steps.removal.noteLabelled(number);
  studio.steps.show();
  studio.saved = { number, crc32: answer.crc32, revision: answer.revision };
  if (studio.queue.has(number) || studio.painter.hasUnsent(number)) return; // there is more to come
  if (crc32(history.labels) !== answer.crc32) readAgain(number, `frame ${number}: the page showed other labels than are saved`);
}

function conflict(number, error) {
  studio.painter.drop(number);
  return readAgain(number, error.message);
}

async function readAgain(number, why) {
  complain(new Error(`${why}; the frame was loaded again`));
  studio.frames.forget(number);
  if (studio.frame?.number === number) await go(number);
}

function failed(error) {
  $("saved").textContent = "not saved";
  studio.notSaved = complain(new Error(`not saved yet (${error.message}); it is kept here and tried again`));
}

function unshown(error) {
  complain(new Error(`it is saved, but cannot be shown (${error.message}); load the page again`));
}

// The project of this page is open again, after another one was.
function openedAgain(found) {
  Object.assign(studio.project, found);
  studio.steps.show();
  studio.steps.watch();
}

async function go(number) {
  studio.painter.finish();
  number = Math.min(Math.max(number, 0), studio.project.frames - 1);
  studio.wanted = number;
  const begun = performance.now(), before = studio.frame?.number ?? -1;
  try {
    const frame = await studio.frames.open(number);
    if (studio.wanted !== number) return;
    studio.painter.finish(); // one that was begun while this frame was read
    sayDropped(number);
    studio.offer.reject();
    studio.frame = frame;
    if (frame.notice) complain(new Error(frame.notice));
    frame.notice = null; // it is said once
    keepPlace(number);
    studio.view.image = frame.image;
    studio.view.regions = null;
    frame.history.takeDirty();
    studio.view.repaint(frame.history.labels, !frame.history.done.length);
    show();
    $("slider").value = number;
    $("number").textContent = `${number} / ${studio.project.frames - 1}`;
    studio.steps.show();
    studio.stepTimes.push(performance.now() - begun);
    studio.flow.show();
    showPlate().catch(complain);
    prefetch(number, before);
    await findRegions();
  } catch (error) {
    complain(error);
  }
}

// A proposal that is neither accepted nor rejected is no label: one who leaves it is told.
function sayDropped(number) {
  const dropped = studio.offer.labels !== null && studio.frame?.number !== number;
  if (dropped) say(`the proposal on frame ${studio.frame.number} was not accepted, and is gone`);
  else if (studio.dropped) say("");
  studio.dropped = dropped;
}

// A page that is loaded again shows the frame where it was.
const PLACE = "outtake-frame";

function keepPlace(number) {
  sessionStorage.setItem(PLACE, JSON.stringify([studio.project.name, number]));
}

function findPlace() {
  const [name, number] = JSON.parse(sessionStorage.getItem(PLACE)) ?? [];
  return name === studio.project.name ? number : null;
}

function repaint() {
  const { history } = studio.frame;
  studio.view.repaint(history.labels, !history.done.length);
}

async function sharpen() {
  const { frame } = studio;
  await studio.frames.sharpen(frame);
  if (studio.frame !== frame) return;
  studio.view.image = frame.image;
  studio.view.redraw();
}

// The frame that one is likely to go to next, once the page has nothing else to do.
function prefetch(number, before) {
  clearTimeout(studio.prefetching);
  studio.prefetching = setTimeout(() => {
    if (!studio.queue.waiting.length) studio.frames.prefetch(number + (number < before ? -1 : 1));
  }, 200);
}

async function findRegions() {
  const { frame, project, view } = studio;
  if (!frame || (studio.tool !== "region" && !$("show-regions").checked && !$("show-undecided").checked)) {
    view.regions = view.undecided = null;
    return view.redraw();
  }
  const found = await studio.frames.findRegions(frame, regionChoice());
  if (studio.frame !== frame) return;
  view.regions = $("show-regions").checked ? drawOutlines(found.ids, project.width, project.height) : null;
  showUndecided();
  view.redraw();
}

// Marks regions with several classes and those with none, as they are once one stops drawing.
function showUndecided() {
  clearTimeout(studio.deciding);
  const { frame, project, view } = studio;
  view.undecided = null;
  if (!$("show-undecided").checked || !frame.regions) return;
  studio.deciding = setTimeout(() => {
    if (studio.frame !== frame || !frame.regions) return;
    view.undecided = drawUndecided(frame.regions, frame.history.labels, project.width, project.height);
    view.redraw();
  }, 150);
}

// What differs from the plate of the clip, in place of the frame.
async function showPlate() {
  const { frame, view } = studio;
  view.plate = frame.plate ?? null;
  if ($("view").value !== "plate" || frame.plate) return;
  say("the plate is made from the frames around");
  try {
    frame.plate = await loadPicture(`frames/${frame.number}/plate`);
    if (studio.frame === frame) view.plate = frame.plate;
    view.redraw();
  } finally {
    say("");
  }
}

// The panel of layers and their tool go together.
function chooseTab(name) {
  if (name === "layers" && studio.tool !== "layers") chooseTool("layers");
  else if (name !== "layers" && studio.tool === "layers") chooseTool(studio.painting);
}

function chooseTool(tool) {
  studio.painter.finish();
  studio.layers.pointer.finish();
  if (tool !== "layers") studio.painting = tool;
  studio.tool = tool;
  if (tool === "layers" && studio.tabs.shown !== "layers") studio.tabs.show("layers");
  else if (tool !== "layers" && studio.tabs.shown === "layers") studio.tabs.show("mark");
  studio.view.canvas.style.cursor = "";
  $("view").disabled = tool === "layers";
  studio.view.pointer = null;
  if (tool === "layers") studio.layers.enter();
  else if (studio.frame) show();
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

function connect() {
  for (const button of document.querySelectorAll("#tools [data-tool]")) {
    button.addEventListener("click", () => chooseTool(button.dataset.tool));
  }
  on("undo", () => undo("undo"));
  on("redo", () => undo("redo"));
  on("size", () => { studio.sizes[sizeKey()] = Number($("size").value); showSize(); }, "input");
  on("count", () => { $("count-shown").textContent = $("count").value; }, "input");
  on("least", () => { $("least-shown").textContent = `${$("least").value} px`; }, "input");
  for (const id of ["count", "least", "method", "show-undecided"]) on(id, () => findRegions().catch(complain), "change");
  on("opacity", () => { studio.view.opacity = Number($("opacity").value) / 100; studio.view.redraw(); }, "input");
  on("show-regions", () => findRegions().catch(complain), "change");
  on("view", () => {
    studio.view.mode = $("view").value;
    repaint();
    showPlate().catch(complain);
  }, "change");
  on("reset", () => studio.view.reset());
  on("slider", () => go(Number($("slider").value)), "input");
  on("first", () => go(0));
  on("previous", () => go(studio.frame.number - 1));
  on("next", () => go(studio.frame.number + 1));
  on("last", () => go(studio.project.frames - 1));
  on("help", () => $("keys").showModal());
  window.addEventListener("beforeunload", (event) => { if (studio.queue.waiting.length) event.preventDefault(); });
  listenToKeys(studio, {
    tools: { b: () => chooseTool("brush"), e: () => chooseTool("eraser"), r: () => chooseTool("region"),
      l: () => chooseTool("lasso"), f: () => chooseTool("fill"), v: () => chooseTool("layers") },
    undo: () => undo("undo"), redo: () => undo("redo"), step: (by) => go(studio.wanted + by), go,
    resize, choose: (id) => studio.classes.choose(id), showStep: (number) => studio.tabs.showNumber(number), nextSuggested: () => studio.steps.goToNextSuggested(),
    propose: (by) => (by === "flow" ? studio.flow.offer() : studio.offer.ask(by)), accept: () => studio.offer.accept(), reject: () => studio.offer.reject(), help: () => $("keys").showModal(),
    press: (id) => { if (!$(id).disabled) $(id).click(); },
    train: () => $(studio.project.runs.length ? "train-on" : "train").click(),
    nextView: (by) => {
      const { options, selectedIndex } = $("view");
      $("view").value = options[(selectedIndex + by + options.length) % options.length].value;
      $("view").dispatchEvent(new Event("change"));
    },
    hide: (hidden) => { studio.view.hidden = hidden; studio.view.redraw(); },
    zoom: (factor) => {
      const box = $("canvas").getBoundingClientRect();
      studio.view.zoom({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }, factor);
    },
  });
}

// For tests: whether all is saved, and what the page holds.
window.studio = {
  waiting: () => studio.queue.waiting.length,
  state: () => ({
    frame: studio.frame?.number, lastStroke: studio.frame?.history.lastStroke, revision: studio.frame?.history.revision, waiting: studio.queue.waiting.length,
    crc32: crc32(studio.frame.history.labels), saved: studio.saved, dabs: studio.dabs,
    saves: studio.queue.saves, steps: studio.stepTimes, dabTimes: studio.dabTimes, now: performance.now(), saving: studio.queue.running ? performance.now() - studio.queue.asked : 0,
    counts: [0, 1, 255].map((id) => studio.frame.history.labels.reduce((n, v) => n + (v === id), 0)),
    view: { scale: studio.view.scale, x: studio.view.x, y: studio.view.y },
  }),
  locate: (x, y) => studio.view.locate({ clientX: x, clientY: y }),
};

start().catch((error) => {
  // Nothing is open yet.
  if (error.status === 409 && !studio.project) return new OpenDialog().show();
  complain(error);
});
