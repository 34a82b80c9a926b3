// The pointer on layers: click, drag, handles to scale and turn, a frame around several.
import {
  allowFactor, boxOf, cornersOf, intoPicture, move, placeOf, rotate, scale, shareAlong, stretch,
} from "./layer_maths.js";

const HANDLE_PX = 10, REACH_PX = 11, STALK_PX = 26, SLACK_PX = 3;
const CORNERS = [[-1, -1], [1, -1], [1, 1], [-1, 1]], SIDES = [[0, -1], [1, 0], [0, 1], [-1, 0]];

export class LayerPointer {
  constructor(layers) {
    this.layers = layers;
    this.gesture = null;
    this.fingers = new Set();
    const stage = layers.studio.view.canvas.parentElement;
    // Before the painter, which has the same canvas, hears of it.
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      stage.addEventListener(kind, (event) => this.#hear(kind, event), true);
    }
    stage.addEventListener("dragover", (event) => event.preventDefault());
    stage.addEventListener("drop", (event) => {
      event.preventDefault();
      if (layers.active && event.dataTransfer.files.length) layers.add([...event.dataTransfer.files]);
    });
  }

  box() {
    return boxOf(this.layers.chosen, this.layers.pictures);
  }

  #hear(kind, event) {
    const { layers } = this, { studio } = layers;
    if (!layers.active || event.target !== studio.view.canvas) return;
    // The painter pans and zooms, by the space bar, the middle button or two fingers.
    if (event.pointerType === "touch") this.#countFingers(kind, event);
    const pans = studio.spaceHeld || event.button === 1 || (event.buttons & 4) || this.fingers.size > 1;
    if (pans && !this.gesture) return;
    const at = studio.view.locate(event);
    if (kind === "pointerdown") {
      if (event.button === 0 && !this.gesture) this.#begin(event, at);
    } else if (kind === "pointermove") {
      if (this.gesture) this.#move(event, at);
      else studio.view.canvas.style.cursor = this.#cursor(at);
    } else if (this.gesture) this.#end(kind === "pointercancel");
  }

  #countFingers(kind, event) {
    if (kind === "pointerdown") this.fingers.add(event.pointerId);
    else if (kind !== "pointermove") this.fingers.delete(event.pointerId);
    if (this.fingers.size > 1 && this.gesture) this.#end(true);
  }

  get #pixel() {
    const { view } = this.layers.studio;
    return (view.ratio || 1) / view.scale; // one pixel of the screen, in those of the frame
  }

  #begin(event, at) {
    const { layers } = this;
    layers.studio.view.canvas.setPointerCapture(event.pointerId);
    const handle = this.#handleAt(at);
    const start = { from: at, list: layers.list, chosen: layers.chosen, box: layers.selected.size ? this.box() : null, far: false };
    if (event.altKey) {
      this.gesture = { kind: "pan", from: [event.clientX, event.clientY] };
    } else if (handle) {
      this.gesture = { ...start, ...handle };
    } else {
      const hit = this.#layerAt(at);
      const inside = hit && layers.selected.has(hit.id);
      if (hit && !inside) layers.select([hit.id], event.shiftKey);
      else if (inside && event.shiftKey) layers.select([hit.id], true);
      else if (!hit && !event.shiftKey) layers.select([]);
      this.gesture = hit ? { ...start, chosen: layers.chosen, kind: "move" }
        : { ...start, kind: "frame", to: at, before: new Set(layers.selected) };
    }
  }

  #move(event, at) {
    const { layers, gesture: g } = this;
    if (g.kind === "pan") {
      layers.studio.view.pan(event.clientX - g.from[0], event.clientY - g.from[1]);
      g.from = [event.clientX, event.clientY];
      return;
    }
    const [dx, dy] = [at[0] - g.from[0], at[1] - g.from[1]];
    if (!g.far && Math.hypot(dx, dy) < SLACK_PX * this.#pixel) return;
    g.far = true;
    if (g.kind === "frame") {
      g.to = at;
      this.#selectFramed(g);
      return;
    }
    layers.held = true;
    const changed = new Map(g.chosen.map((each) => [each.id, this.#altered(g, each, at, event, dx, dy)]));
    layers.preview(g.list.map((each) => changed.get(each.id) ?? each));
  }

  #altered(g, layer, at, event, dx, dy) {
    if (g.kind === "move") {
      const straight = event.shiftKey ? (Math.abs(dx) > Math.abs(dy) ? [dx, 0] : [0, dy]) : [dx, dy];
      return move(layer, ...straight.map(Math.round)); // pixels stay on pixels
    }
    if (g.kind === "turn") {
      const angle = (to) => (Math.atan2(to[1] - g.box.y, to[0] - g.box.x) * 180) / Math.PI;
      let degrees = angle(at) - angle(g.from);
      const whole = g.chosen.length === 1 ? layer.angle : 0;
      if (event.shiftKey) degrees = Math.round((degrees + whole) / 15) * 15 - whole;
      return rotate(layer, [g.box.x, g.box.y], degrees);
    }
    const fixed = placeOf(g.box, -g.across, -g.down), corner = placeOf(g.box, g.across, g.down);
    const share = shareAlong(fixed, corner, [corner[0] + dx, corner[1] + dy]);
    if (g.kind === "scale") return scale(layer, fixed, allowFactor(g.chosen, Math.max(share, 1e-6)));
    const picture = this.layers.pictures.get(layer.picture);
    return stretch(layer, picture, g.across, g.down, Math.max(share, 1e-6));
  }

  // Ends what is being dragged as if the button were let go now, as every command does first.
  finish() {
    if (this.gesture) this.#end(false);
  }

  #end(cancelled) {
    const { layers, gesture: g } = this;
    this.gesture = null;
    layers.held = false;
    if (g.kind === "frame" || !g.far) layers.show();
    else if (cancelled) layers.preview(g.list);
    else layers.commit(layers.list);
  }

  #selectFramed(g) {
    const { layers } = this;
    const [left, right] = [g.from[0], g.to[0]].sort((a, b) => a - b);
    const [top, bottom] = [g.from[1], g.to[1]].sort((a, b) => a - b);
    const touched = layers.list.filter((each) => {
      if (!each.shown) return false;
      const corners = cornersOf(boxOf([each], layers.pictures));
      const xs = corners.map(([x]) => x), ys = corners.map(([, y]) => y);
      return Math.min(...xs) <= right && Math.max(...xs) >= left && Math.min(...ys) <= bottom && Math.max(...ys) >= top;
    });
    layers.select([...g.before, ...touched.map((each) => each.id)]);
  }

  // The topmost layer that is not transparent at a place.
  #layerAt([x, y]) {
    const { layers } = this;
    return [...layers.list].reverse().find((layer) => {
      const picture = layers.pictures.get(layer.picture);
      if (!layer.shown || !picture?.bitmap) return false;
      const [u, v] = intoPicture(layer, picture, x, y).map(Math.floor);
      if (u < 0 || v < 0 || u >= picture.width || v >= picture.height) return false;
      const c = (this.probe ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }));
      c.clearRect(0, 0, 1, 1);
      c.drawImage(picture.bitmap, u, v, 1, 1, 0, 0, 1, 1);
      return c.getImageData(0, 0, 1, 1).data[3] > 0;
    });
  }

  #handles() {
    const { layers } = this;
    if (!layers.selected.size) return [];
    const box = this.box();
    const found = CORNERS.map(([across, down]) => ({ kind: "scale", across, down, place: placeOf(box, across, down) }));
    if (layers.selected.size === 1) {
      found.push(...SIDES.map(([across, down]) => ({ kind: "stretch", across, down, place: placeOf(box, across, down) })));
    }
    const up = 1 + (2 * STALK_PX * this.#pixel) / Math.max(box.height, 1e-6);
    found.push({ kind: "turn", place: placeOf(box, 0, -up) });
    return found;
  }

  #handleAt([x, y]) {
    const reach = REACH_PX * this.#pixel;
    const near = this.#handles().map((each) => ({ ...each, away: Math.hypot(each.place[0] - x, each.place[1] - y) }));
    return near.filter(({ away }) => away <= reach).sort((a, b) => a.away - b.away)[0];
  }

  #cursor(at) {
    const handle = this.#handleAt(at);
    if (!handle) return this.#layerAt(at) ? "move" : "default";
    if (handle.kind === "turn") return "grab";
    const box = this.box();
    const [x, y] = handle.place;
    const degrees = (((Math.atan2(y - box.y, x - box.x) * 180) / Math.PI) + 180) % 180;
    return ["ew-resize", "nwse-resize", "ns-resize", "nesw-resize"][Math.round(degrees / 45) % 4];
  }

  // Outlines and handles, in pixels of the frame.
  draw(c) {
    const { layers } = this, px = this.#pixel;
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    c.lineWidth = 1.5 * px;
    for (const layer of layers.chosen) {
      if (layers.pictures.has(layer.picture)) this.#outline(c, boxOf([layer], layers.pictures), accent, []);
    }
    if (this.gesture?.kind === "frame" && this.gesture.far) {
      const { from, to } = this.gesture;
      c.setLineDash([4 * px, 3 * px]);
      c.strokeStyle = accent;
      c.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
      c.setLineDash([]);
    }
    if (!layers.selected.size || !layers.chosen.every((each) => layers.pictures.has(each.picture))) return;
    const box = this.box();
    if (layers.selected.size > 1) this.#outline(c, box, accent, [4 * px, 3 * px]);
    for (const { kind, place } of this.#handles()) {
      const half = (HANDLE_PX / 2) * px;
      c.beginPath();
      if (kind === "turn") {
        c.moveTo(...placeOf(box, 0, -1));
        c.lineTo(...place);
        c.stroke();
        c.beginPath();
        c.arc(...place, half, 0, 2 * Math.PI);
      } else if (kind === "scale") c.rect(place[0] - half, place[1] - half, 2 * half, 2 * half);
      else c.arc(...place, half * 0.8, 0, 2 * Math.PI);
      c.fillStyle = "#fff";
      c.fill();
      c.strokeStyle = accent;
      c.stroke();
    }
  }

  #outline(c, box, colour, dash) {
    c.beginPath();
    cornersOf(box).forEach((place, i) => (i ? c.lineTo(...place) : c.moveTo(...place)));
    c.closePath();
    c.setLineDash(dash);
    c.strokeStyle = colour;
    c.stroke();
    c.setLineDash([]);
  }
}
