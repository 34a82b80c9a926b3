// The labels of one frame with all that was done to them: undo and redo have no end.
import { draw, UNLABELLED } from "./raster.js";

export class FrameHistory {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.labels = new Uint8Array(width * height).fill(UNLABELLED);
    this.done = []; // strokes: {stroke, actions, changes}
    this.undone = [];
    this.revision = 0; // the number of actions that the server has
    this.lastStroke = -1;
    this.dirty = null; // the rows and columns that changed since they were shown
  }

  load({ actions, revision, last_stroke }) {
    for (const action of actions) this.add(action);
    this.revision = revision;
    this.lastStroke = last_stroke;
    this.dirty = null;
  }

  add(action) {
    if (action.tool === "undo") return this.undo();
    if (action.tool === "redo") return this.redo();
    let stroke = this.done[this.done.length - 1];
    if (!stroke || stroke.stroke !== action.stroke || this.undone.length) {
      stroke = { stroke: action.stroke, actions: [], changes: [] };
      this.done.push(stroke);
      this.undone = [];
    }
    this.lastStroke = Math.max(this.lastStroke, action.stroke);
    stroke.actions.push(action);
    this.#apply(stroke, action);
  }

  undo() {
    const stroke = this.done.pop();
    if (!stroke) return false;
    for (let i = stroke.changes.length - 1; i >= 0; i--) {
      const { start, old } = stroke.changes[i];
      this.labels.set(old, start);
      this.#touch(start, start + old.length);
    }
    stroke.changes = [];
    this.undone.push(stroke);
    return true;
  }

  redo() {
    const stroke = this.undone.pop();
    if (!stroke) return false;
    this.done.push(stroke);
    for (const action of stroke.actions) this.#apply(stroke, action);
    return true;
  }

  takeDirty() {
    const dirty = this.dirty;
    this.dirty = null;
    return dirty;
  }

  #apply(stroke, action) {
    draw(this.labels, this.width, this.height, action, (start, end, value) => {
      // Only what changes is kept.
      while (start < end && this.labels[start] === value) start++;
      while (end > start && this.labels[end - 1] === value) end--;
      if (start === end) return;
      stroke.changes.push({ start, old: this.labels.slice(start, end) });
      this.labels.fill(value, start, end);
      this.#touch(start, end);
    });
  }

  #touch(start, end) {
    const top = Math.floor(start / this.width), bottom = Math.floor((end - 1) / this.width);
    const one = top === bottom;
    const left = one ? start - top * this.width : 0;
    const right = one ? end - 1 - top * this.width : this.width - 1;
    const d = (this.dirty ??= { left, right, top, bottom });
    d.left = Math.min(d.left, left);
    d.right = Math.max(d.right, right);
    d.top = Math.min(d.top, top);
    d.bottom = Math.max(d.bottom, bottom);
  }
}
