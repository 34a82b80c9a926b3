// What the pointer does: strokes of a brush, of whole regions, a lasso, a fill; zoom and pan.
import { $ } from "./page.js";
import { drawCapsule, findRuns, UNLABELLED } from "./raster.js";

// A second finger so soon after the first meant to move the picture, not to draw.
const SECOND_FINGER_MS = 250;
const PEN_ERASER = 5;
const SEND_MS = 150; // at most this much of a stroke is not yet saved
const FAR = 20000, STEP = 4096;

export class Painter {
  // The studio is what main.js has: tool, size, active class, the view and the open frame.
  constructor(studio) {
    this.studio = studio;
    this.stroke = null;
    this.panning = false;
    this.fingers = new Map(); // where they are, by pointer
    this.lastPoint = null; // the end of the last stroke, from which Shift draws a straight line
    const canvas = studio.view.canvas;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.end(event));
    canvas.addEventListener("pointercancel", (event) => this.end(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      // Of some browsers Shift turns the wheel to the side.
      if (event.altKey) return studio.resize(Math.sign(-event.deltaY || -event.deltaX));
      studio.view.zoom(event, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
    }, { passive: false });
  }

  get size() {
    return this.studio.sizes[this.studio.tool === "eraser" ? "eraser" : "brush"];
  }

  begin(event) {
    const { studio } = this;
    studio.view.canvas.focus();
    if (event.pointerType === "touch" && this.#addFinger(event)) return;
    if (event.button === 1 || studio.spaceHeld) {
      this.panning = [event.clientX, event.clientY];
      studio.view.canvas.setPointerCapture(event.pointerId);
      return;
    }
    if (studio.tool === "layers") return; // they have a pointer of their own
    if (!studio.frame || this.stroke || ![0, 2, PEN_ERASER].includes(event.button)) return;
    studio.view.canvas.setPointerCapture(event.pointerId);
    const value = studio.tool === "eraser" || event.altKey || event.button === PEN_ERASER ? UNLABELLED
      : event.button === 2 ? 0 : studio.classes.active;
    const point = this.#pixel(event);
    this.stroke = {
      frame: studio.frame, number: studio.frame.history.lastStroke + 1, value,
      tool: studio.tool === "eraser" ? "brush" : studio.tool, size: this.size,
      points: [point], taken: new Set(), timer: 0, begun: performance.now(),
      ...($("keep").checked && value !== UNLABELLED ? { keep: { keep: true } } : {}),
    };
    if (this.stroke.tool === "fill") {
      this.#once({ tool: "fill", points: [point] });
    } else if (this.stroke.tool === "brush") {
      const from = event.shiftKey && this.lastPoint?.frame === studio.frame ? this.lastPoint.point : null;
      if (from) this.stroke.points = [from];
      this.#dab([from ?? point]);
      if (from) this.#to(point);
    } else if (this.stroke.tool === "region") {
      // What is of this class already is given back, unless one goes on to other regions.
      this.stroke.toggled = this.#isOfClass(point, value);
      if (this.stroke.toggled === null) this.#take(point, point);
    }
  }

  move(event) {
    const { view } = this.studio;
    if (this.fingers.has(event.pointerId) && this.#moveFinger(event)) return;
    if (this.panning) {
      view.pan(event.clientX - this.panning[0], event.clientY - this.panning[1]);
      this.panning = [event.clientX, event.clientY];
      return;
    }
    const [x, y] = this.#pixel(event);
    view.pointer = this.studio.tool === "lasso" || this.studio.tool === "fill" ? null : [x, y, this.size];
    view.redraw();
    if (!this.stroke) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.#to(this.#pixel(each));
  }

  end(event) {
    this.panning = false;
    this.fingers.delete(event.pointerId);
    this.finish(event.type === "pointerup");
  }

  // Ends the stroke that is being drawn as if the button were let go now, and hands it on to be
  // saved. Every command does so first: the server gets all in the order in which the page drew it.
  finish(isWhole = true) {
    const { stroke } = this;
    if (!stroke) return;
    if (stroke.tool === "lasso") {
      this.studio.view.trail = [];
      if (stroke.points.length > 2 && isWhole) this.#once({ tool: "lasso", points: stroke.points });
    }
    if (stroke.toggled != null && isWhole) {
      stroke.value = UNLABELLED;
      stroke.keep = undefined;
      this.#take(stroke.points[0], stroke.points[0], stroke.toggled);
    }
    if (stroke.tool === "brush") this.lastPoint = { frame: stroke.frame, point: stroke.points.at(-1) };
    this.#send();
    this.stroke = null;
  }

  // Gives up what is being drawn on a frame that is read again: it goes with the others of it.
  drop(number) {
    if (this.stroke?.frame.number !== number) return;
    clearTimeout(this.stroke.timer);
    this.studio.view.trail = [];
    this.stroke = null;
  }

  // Returns whether the stroke that is being drawn has points on a frame that are not sent yet.
  hasUnsent(number) {
    return this.stroke?.frame.number === number && Boolean(this.stroke.waiting);
  }

  // Returns whether this finger is the second one: two of them move and zoom the picture.
  #addFinger(event) {
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    this.studio.view.canvas.setPointerCapture(event.pointerId);
    if (this.fingers.size < 2) return false;
    const stroke = this.stroke;
    if (stroke) {
      const first = stroke.frame.history.lastStroke === stroke.number;
      this.#send();
      this.stroke = null;
      this.studio.view.trail = [];
      if (first && performance.now() - stroke.begun < SECOND_FINGER_MS) this.studio.act({ tool: "undo" }, stroke.frame);
    }
    return true;
  }

  // Returns whether there are two fingers, by which the picture was moved then.
  #moveFinger(event) {
    if (this.fingers.size < 2) return false;
    const [a, b] = [...this.fingers.values()];
    const before = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, Math.hypot(a[0] - b[0], a[1] - b[1])];
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const [c, d] = [...this.fingers.values()];
    const now = [(c[0] + d[0]) / 2, (c[1] + d[1]) / 2, Math.hypot(c[0] - d[0], c[1] - d[1])];
    const { view } = this.studio;
    view.pointer = null;
    view.pan(now[0] - before[0], now[1] - before[1]);
    view.zoom({ clientX: now[0], clientY: now[1] }, now[2] / Math.max(before[2], 1));
    return true;
  }

  // Returns the region at a point if all of it has a class, else null.
  #isOfClass([x, y], value) {
    const { history, regions } = this.stroke.frame;
    if (!regions || x < 0 || y < 0 || x >= history.width || y >= history.height) return null;
    const id = regions.ids[y * history.width + x];
    for (let k = regions.first[id]; k < regions.first[id + 1]; k++) {
      if (history.labels[regions.places[k]] !== value) return null;
    }
    return id;
  }

  leave() {
    this.studio.view.pointer = null;
    this.studio.view.redraw();
  }

  #pixel(event) {
    const near = (value) => Math.min(Math.max(Math.floor(value), -FAR), FAR);
    return this.studio.view.locate(event).map(near);
  }

  #to(point) {
    const { stroke } = this;
    const last = stroke.points[stroke.points.length - 1];
    if (point[0] === last[0] && point[1] === last[1]) return;
    if (Math.max(Math.abs(point[0] - last[0]), Math.abs(point[1] - last[1])) > STEP) {
      this.#to([(point[0] + last[0]) >> 1, (point[1] + last[1]) >> 1]);
      return this.#to(point);
    }
    stroke.points.push(point);
    if (stroke.tool === "brush") this.#dab([last, point]);
    if (stroke.tool === "region") {
      const { history, regions } = stroke.frame;
      const inside = point[0] >= 0 && point[1] >= 0 && point[0] < history.width && point[1] < history.height;
      if (stroke.toggled != null && inside && regions?.ids[point[1] * history.width + point[0]] === stroke.toggled) return;
      stroke.toggled = null;
      this.#take(last, point);
    }
    if (stroke.tool === "lasso") {
      this.studio.view.trail = stroke.points;
      this.studio.view.redraw();
    }
  }

  // Draws at once; what is sent is one longer action of the same pixels.
  #dab(points) {
    const { stroke, studio } = this;
    const action = { stroke: stroke.number, tool: "brush", class: stroke.value, size: stroke.size, points, ...stroke.keep };
    const begun = performance.now();
    stroke.frame.history.add(action);
    studio.show();
    studio.dabs.push(performance.now() - begun);
    studio.dabTimes.push(begun);
    if (stroke.waiting) stroke.waiting.push(points[points.length - 1]);
    else stroke.waiting = [...points];
    this.#sendSoon();
  }

  // Takes all regions that the brush touches, or one.
  #take(from, to, only = null) {
    const { stroke, studio } = this;
    const { history, regions } = stroke.frame;
    if (!regions) return studio.say("regions are being found");
    const places = [];
    const add = (id) => {
      if (stroke.taken.has(id)) return;
      stroke.taken.add(id);
      for (let k = regions.first[id]; k < regions.first[id + 1]; k++) {
        const at = regions.places[k];
        if (!stroke.keep || history.labels[at] === UNLABELLED) places.push(at);
      }
    };
    if (only !== null) add(only);
    else {
      drawCapsule(history.width, history.height, from, to, stroke.size, 0, (start, end) => {
        for (let i = start; i < end; i++) add(regions.ids[i]);
      });
    }
    if (!places.length) return;
    places.sort((a, b) => a - b);
    const parts = [{ class: stroke.value, runs: findRuns(places) }];
    studio.act({ stroke: stroke.number, tool: "pixels", by: "region", parts }, stroke.frame);
  }

  #once(action) {
    const { stroke, studio } = this;
    studio.act({ stroke: stroke.number, class: stroke.value, ...stroke.keep, ...action }, stroke.frame);
    if (action.tool === "fill") this.stroke = null;
  }

  #sendSoon() {
    this.stroke.timer ||= setTimeout(() => this.#send(), SEND_MS);
  }

  #send() {
    const { stroke, studio } = this;
    if (!stroke) return;
    clearTimeout(stroke.timer);
    stroke.timer = 0;
    if (!stroke.waiting) return;
    const points = stroke.waiting;
    stroke.waiting = null;
    studio.queue.push(stroke.frame.number, stroke.frame.history, {
      stroke: stroke.number, tool: "brush", class: stroke.value, size: stroke.size, points, ...stroke.keep,
    });
  }
}
