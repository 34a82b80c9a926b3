// What the pointer does: strokes of a brush, of whole regions, a lasso, a fill; zoom and pan.
import { drawCapsule, findRuns } from "./raster.js";
import { UNLABELLED } from "./history.js";

const SEND_MS = 150; // at most this much of a stroke is not yet saved
const FAR = 20000, STEP = 4096;

export class Painter {
  // The studio is what main.js has: tool, size, active class, the view and the open frame.
  constructor(studio) {
    this.studio = studio;
    this.stroke = null;
    this.panning = false;
    const canvas = studio.view.canvas;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.end(event));
    canvas.addEventListener("pointercancel", (event) => this.end(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      studio.view.zoom(event, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
    }, { passive: false });
  }

  get size() {
    return this.studio.sizes[this.studio.tool === "eraser" ? "eraser" : "brush"];
  }

  begin(event) {
    const { studio } = this;
    studio.view.canvas.focus();
    if (event.button === 1 || studio.spaceHeld) {
      this.panning = [event.clientX, event.clientY];
      studio.view.canvas.setPointerCapture(event.pointerId);
      return;
    }
    if (!studio.frame || this.stroke || (event.button !== 0 && event.button !== 2)) return;
    studio.view.canvas.setPointerCapture(event.pointerId);
    const value = studio.tool === "eraser" || event.altKey ? UNLABELLED
      : event.button === 2 ? 0 : studio.classes.active;
    const point = this.#pixel(event);
    this.stroke = {
      frame: studio.frame, number: studio.frame.history.lastStroke + 1, value,
      tool: studio.tool === "eraser" ? "brush" : studio.tool, size: this.size,
      points: [point], taken: new Set(), timer: 0,
    };
    if (this.stroke.tool === "fill") {
      this.#once({ tool: "fill", points: [point] });
    } else if (this.stroke.tool === "brush") {
      this.#dab([point]);
    } else if (this.stroke.tool === "region") {
      this.#take(point, point);
    }
  }

  move(event) {
    const { view } = this.studio;
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
    const stroke = this.stroke;
    if (!stroke) return;
    if (stroke.tool === "lasso") {
      this.studio.view.trail = [];
      if (stroke.points.length > 2 && event.type === "pointerup") {
        this.#once({ tool: "lasso", points: stroke.points });
      }
    }
    this.#send();
    this.stroke = null;
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
    if (stroke.tool === "region") this.#take(last, point);
    if (stroke.tool === "lasso") {
      this.studio.view.trail = stroke.points;
      this.studio.view.redraw();
    }
  }

  // Draws at once; what is sent is one longer action of the same pixels.
  #dab(points) {
    const { stroke, studio } = this;
    const action = { stroke: stroke.number, tool: "brush", class: stroke.value, size: stroke.size, points };
    const begun = performance.now();
    stroke.frame.history.add(action);
    studio.show();
    studio.dabs.push(performance.now() - begun);
    studio.dabTimes.push(begun);
    if (stroke.waiting) stroke.waiting.push(points[points.length - 1]);
    else stroke.waiting = [...points];
    this.#sendSoon();
  }

  // Takes all regions that the brush touches.
  #take(from, to) {
    const { stroke, studio } = this;
    const { history, regions } = stroke.frame;
    if (!regions) return studio.say("regions are being found");
    const places = [];
    drawCapsule(history.width, history.height, from, to, stroke.size, 0, (start, end) => {
      for (let i = start; i < end; i++) {
        const id = regions.ids[i];
        if (stroke.taken.has(id)) continue;
        stroke.taken.add(id);
        for (let k = regions.first[id]; k < regions.first[id + 1]; k++) places.push(regions.places[k]);
      }
    });
    if (!places.length) return;
    places.sort((a, b) => a - b);
    const parts = [{ class: stroke.value, runs: findRuns(places) }];
    studio.act({ stroke: stroke.number, tool: "pixels", by: "region", parts }, stroke.frame);
  }

  #once(action) {
    const { stroke, studio } = this;
    studio.act({ stroke: stroke.number, class: stroke.value, ...action }, stroke.frame);
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
      stroke: stroke.number, tool: "brush", class: stroke.value, size: stroke.size, points,
    });
  }
}
