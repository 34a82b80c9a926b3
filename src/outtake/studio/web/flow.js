// Labels that the server carries to frames without any: shown faintly, offered when asked for.
import { ask, pixelsOf } from "./api.js";
import { colourOf } from "./colours.js";
import { $, complain, on, say } from "./page.js";

const ASK_AGAIN_MS = 300, MOST_ASKED = 200, ALPHA = 80;

export class Flow {
  // The studio is what main.js has.
  constructor(studio) {
    this.studio = studio;
    this.wanted = null; // the frame whose labels are waited for
    on("show-flow", () => this.show(), "change");
    on("flow", () => this.offer());
    on("previous-labels", () => studio.offer.ask("previous"));
  }

  // Shows what is carried to the open frame, as soon as it is there, if it has no labels itself.
  async show() {
    const { studio } = this;
    const { frame, view } = studio;
    this.wanted = frame;
    view.preview = null;
    view.redraw();
    if (!$("show-flow").checked || frame.history.done.length || studio.project.labelled.includes(frame.number)) return;
    try {
      const found = await this.#wait(frame);
      if (!found || this.wanted !== frame || frame.history.done.length) return;
      view.preview = drawPreview(found);
      view.redraw();
    } catch (error) {
      complain(error);
    }
  }

  // A stroke ends the preview: from now on the frame has labels of its own.
  hide() {
    if (!this.studio.view.preview) return;
    this.studio.view.preview = null;
  }

  async offer() {
    const { studio } = this;
    const { frame } = studio;
    this.wanted = frame;
    say("labels are carried here");
    try {
      const found = await this.#wait(frame);
      say("");
      if (this.wanted === frame && studio.frame === frame) await studio.offer.ask("flow");
      return found;
    } catch (error) {
      say("");
      complain(error);
    }
  }

  async #wait(frame) {
    for (let times = 0; times < MOST_ASKED; times++) {
      const answer = await ask(`frames/${frame.number}/flow`);
      if (answer.status === 200) return pixelsOf(await answer.blob());
      if (answer.status === 204 || this.wanted !== frame) return null;
      await new Promise((go) => setTimeout(go, ASK_AGAIN_MS));
    }
    return null;
  }
}

function drawPreview({ data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const picture = new ImageData(width, height);
  for (let i = 0; i < data.length; i += 4) {
    const id = data[i];
    if (id === 0 || id === 255) continue;
    picture.data.set([...colourOf(id), ALPHA], i);
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}
