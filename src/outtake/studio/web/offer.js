// Labels that are offered for the open frame: shown striped, accepted or rejected as one.
import { askPixels } from "./api.js";
import { drawOffer } from "./canvas.js";
import { $, complain, on } from "./page.js";
import { findRuns } from "./raster.js";
import { UNLABELLED } from "./history.js";

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
    const { frame } = this.studio;
    try {
      const data = await askPixels(`frames/${frame.number}/propose`, "POST", { by, count: Number($("count").value) });
      if (this.studio.frame === frame) this.show(Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]), by);
    } catch (error) {
      complain(error);
    }
  }

  show(labels, by) {
    const { frame, project, view } = this.studio;
    this.labels = labels;
    this.by = by;
    view.offer = drawOffer(labels, frame.history.labels, project.width, project.height);
    $("offer").hidden = false;
    view.redraw();
  }

  accept() {
    const { labels, by } = this;
    if (!labels) return;
    this.reject();
    this.#make(labels, by);
  }

  reject() {
    this.labels = this.studio.view.offer = null;
    $("offer").hidden = true;
    this.studio.view.redraw();
  }

  clear() {
    this.reject();
    this.#make(new Uint8Array(this.studio.frame.history.labels.length).fill(UNLABELLED), "file");
  }

  // Makes the labels of the open frame those of a map, as one action.
  #make(wanted, by) {
    const { frame } = this.studio;
    const places = new Map();
    wanted.forEach((value, i) => {
      if (value === frame.history.labels[i]) return;
      if (!places.has(value)) places.set(value, []);
      places.get(value).push(i);
    });
    if (!places.size) return;
    const parts = [...places].map(([value, each]) => ({ class: value, runs: findRuns(each) }));
    this.studio.act({ stroke: frame.history.lastStroke + 1, tool: "pixels", by, parts }, frame);
  }
}
