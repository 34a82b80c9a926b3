// Labels that are offered for the open frame: shown striped, accepted or rejected as one.
import { askPixels } from "./api.js";
import { drawOffer } from "./canvas.js";
import { $, complain, on } from "./page.js";
import { UNLABELLED } from "./raster.js";
import { regionChoice } from "./regions.js";

export class Offer {
  // The studio is what main.js has.
  constructor(studio) {
    this.studio = studio;
    this.labels = null;
    for (const by of ["watershed", "colour", "network"]) on(by, () => this.ask(by));
    on("accept", () => this.accept());
    on("reject", () => this.reject());
    on("clear", () => this.clear());
  }

  // Asks the server for labels of the open frame.
  async ask(by) {
    const { frame, painter, queue } = this.studio;
    try {
      painter.finish();
      await queue.settle();
      const before = frame.history.labels.slice();
      const data = await askPixels(`frames/${frame.number}/propose`, "POST", { by, ...regionChoice() });
      if (this.studio.frame === frame) this.show(Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]), by, before);
    } catch (error) {
      complain(error);
    }
  }

  // Before is what the labels of the frame were when these were asked for.
  show(labels, by, before) {
    const { frame, project, view } = this.studio;
    this.labels = labels;
    this.before = before;
    this.by = by;
    view.offer = drawOffer(labels, frame.history.labels, project.width, project.height);
    $("offer").hidden = false;
    // The button that was pressed last would take Enter for itself.
    if (document.activeElement?.matches("button")) $("accept").focus();
    view.redraw();
  }

  accept() {
    const { before, labels, by } = this;
    if (!labels) return;
    this.studio.painter.finish();
    this.reject();
    // What was drawn since is newer than the proposal.
    const now = this.studio.frame.history.labels;
    this.#make(labels.map((value, i) => (now[i] === before[i] ? value : now[i])), by);
  }

  reject() {
    this.labels = this.studio.view.offer = null;
    $("offer").hidden = true;
    this.studio.view.redraw();
  }

  clear() {
    this.studio.painter.finish();
    this.reject();
    this.#make(new Uint8Array(this.studio.frame.history.labels.length).fill(UNLABELLED), "file");
  }

  // Makes the labels of the open frame those of a map, as one action.
  #make(wanted, by) {
    const { frame } = this.studio;
    const runs = new Map();
    const before = frame.history.labels;
    for (let i = 0; i < wanted.length; ) {
      const value = wanted[i], first = i;
      if (value === before[i]) {
        i++;
        continue;
      }
      while (i < wanted.length && wanted[i] === value && before[i] !== value) i++;
      if (!runs.has(value)) runs.set(value, []);
      runs.get(value).push(first, i - first);
    }
    if (!runs.size) return;
    const parts = [...runs].map(([value, each]) => ({ class: value, runs: each }));
    this.studio.act({ stroke: frame.history.lastStroke + 1, tool: "pixels", by, parts }, frame);
  }
}
