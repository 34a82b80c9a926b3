// Layers over the frame: what lies where, kept by the server after every step, drawn as it exports.
import { ask, askJson, Refused, send } from "./api.js";
import { LayerPanel } from "./layer_panel.js";
import { LayerPointer } from "./layer_pointer.js";
import { duplicate, matrixOf, move, nextId, reorder, rotate, scale, withGroups } from "./layer_maths.js";
import { $, complain, withdraw } from "./page.js";

const EXACT_MS = 120, RETRY_MS = 2000, WAIT_MS = 5000;

export class Layers {
  // The studio is what main.js has. Layers are drawn and moved while the tool is "layers".
  constructor(studio) {
    this.studio = studio;
    this.list = []; // the lowest first
    this.pictures = new Map(); // by digest: {width, height, bitmap}
    this.selected = new Set();
    this.overFrame = true;
    this.held = false; // a gesture goes on
    this.revision = 0;
    this.undoable = this.redoable = 0;
    this.waiting = []; // lists that the server does not have yet
    this.exact = null; // the composition of the server, and what it is of
    this.loaded = null;
    this.notice = this.notSaved = null; // errors that were shown last, until they hold no more
    studio.view.layers = this;
    this.panel = new LayerPanel(this);
    this.pointer = new LayerPointer(this);
    document.addEventListener("keydown", (event) => this.#key(event), true);
    // For tests: what lies where, whether it is saved and shown as it exports, and a view to compare.
    window.studio.layers = () => ({
      list: this.list, selected: [...this.selected], revision: this.revision, undoable: this.undoable,
      settled: !this.saving && !this.waiting.length && this.exact?.key === this.#exactKey(),
    });
    window.studio.look = (scale, x, y) => { Object.assign(studio.view, { scale, x, y }); studio.view.redraw(); };
  }

  get active() {
    return this.studio.tool === "layers";
  }

  get chosen() {
    return this.list.filter((each) => this.selected.has(each.id));
  }

  // Called when the tool changes.
  enter() {
    this.loaded ??= this.load().catch((error) => { this.loaded = null; this.complain(error); });
    this.show();
  }

  async load() {
    await this.#take(await askJson("layers"), true);
  }

  // Shows other layers for a moment, as while something is dragged.
  preview(list) {
    this.list = list;
    this.panel.showValues();
    this.studio.view.redraw();
  }

  // Lets layers lie so: one step that can be undone.
  commit(list) {
    this.list = list;
    this.waiting.push(list);
    this.show();
    this.#save();
  }

  select(ids, further = false) {
    const chosen = withGroups(this.list, new Set(ids));
    if (!further) this.selected = chosen;
    else if ([...chosen].every((id) => this.selected.has(id))) chosen.forEach((id) => this.selected.delete(id));
    else chosen.forEach((id) => this.selected.add(id));
    this.show();
  }

  show() {
    const known = new Set(this.list.map((each) => each.id));
    for (const id of this.selected) if (!known.has(id)) this.selected.delete(id);
    this.panel.show();
    if (this.active) {
      $("undo").disabled = !this.undoable && !this.waiting.length;
      $("redo").disabled = !this.redoable;
    }
    this.studio.view.redraw();
  }

  // Changes each chosen layer.
  change(alter, commit = true) {
    this.pointer.finish();
    if (!this.selected.size) return;
    const list = this.list.map((each) => (this.selected.has(each.id) ? alter(each) : each));
    if (commit) this.commit(list);
    else this.preview(list);
  }

  duplicate() {
    this.pointer.finish();
    if (!this.selected.size) return;
    const [list, ids] = duplicate(this.list, this.selected);
    this.selected = ids;
    this.commit(list);
  }

  delete() {
    this.pointer.finish();
    if (this.selected.size) this.commit(this.list.filter((each) => !this.selected.has(each.id)));
  }

  reorder(how) {
    this.pointer.finish();
    if (this.selected.size) this.commit(reorder(this.list, this.selected, how));
  }

  group(together) {
    const group = together ? Math.max(0, ...this.list.map((each) => each.group)) + 1 : 0;
    this.change((each) => ({ ...each, group }));
  }

  async step(how) {
    try {
      this.pointer.finish();
      await this.settle();
      await this.#take(await askJson(`layers/${how}`, "POST", { revision: this.revision }), true);
      withdraw(this.notice);
    } catch (error) {
      this.complain(error);
      await this.load().catch((failed) => this.complain(failed));
    }
  }

  // Adds files that the person chose, each as a layer in the middle, no larger than the frame.
  async add(files) {
    const { project } = this.studio;
    const said = [];
    for (const file of files) {
      try {
        const found = await (await send("layers/pictures", "POST", file, "application/octet-stream")).json();
        said.push(...found.notes.map((note) => `${file.name}: ${note}`));
        const fit = Math.min(1, project.width / found.width, project.height / found.height);
        await this.#place(found, file.name, project.width / 2, project.height / 2, fit * 100);
      } catch (error) {
        this.complain(new Error(`${file.name}: ${error.message}`));
      }
    }
    if (said.length) this.studio.say(said.join("; "));
  }

  // Adds the picture without its objects, under all others.
  async addResult() {
    const { project } = this.studio;
    try {
      const found = await askJson("layers/result", "POST", {});
      await this.#place(found, "without the object", project.width / 2, project.height / 2, 100, true);
    } catch (error) {
      this.complain(error);
    }
  }

  // Adds the object of the open frame where it is.
  async addCutout(options) {
    const { frame } = this.studio;
    try {
      await this.strokesAreSaved();
      const found = await askJson("layers/cutout", "POST", { frame: frame.number, ...options });
      withdraw(this.notice);
      await this.#place(found, `cut-out ${frame.number}`, found.x, found.y, 100);
    } catch (error) {
      this.complain(error);
    }
  }

  async strokesAreSaved() {
    const { queue, frame } = this.studio;
    for (let waited = 0; queue.has(frame.number); waited += 50) {
      if (waited > WAIT_MS) throw new Error("the strokes of this frame are not saved yet");
      await new Promise((go) => setTimeout(go, 50));
    }
  }

  // Draws everything, in pixels of the frame.
  draw(c) {
    const { frame, project, view } = this.studio;
    if (!frame) return;
    c.save();
    c.beginPath();
    c.rect(0, 0, project.width, project.height);
    c.clip();
    if (!this.held && !this.waiting.length && this.exact?.key === this.#exactKey()) {
      c.drawImage(this.exact.bitmap, 0, 0, project.width, project.height);
    } else {
      if (this.overFrame) c.drawImage(view.image, 0, 0, project.width, project.height);
      for (const layer of this.list) if (layer.shown) this.#drawLayer(c, layer);
      if (!this.held) this.#askExact();
    }
    c.restore();
    this.pointer.draw(c);
  }

  #drawLayer(c, layer) {
    const picture = this.pictures.get(layer.picture);
    if (!picture?.bitmap) return;
    c.save();
    c.transform(...matrixOf(layer, picture));
    c.globalAlpha = layer.opacity / 100;
    c.drawImage(picture.bitmap, 0, 0);
    c.restore();
  }

  #exactKey() {
    return `${this.studio.frame.number} ${this.revision} ${this.overFrame}`;
  }

  get compositionAddress() {
    return `layers/composition?frame=${this.studio.frame.number}&over_frame=${this.overFrame ? 1 : 0}`;
  }

  // What is seen at rest is what the server exports, to the last grey level.
  #askExact() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (this.held || this.waiting.length || !this.active) return;
      const key = this.#exactKey();
      try {
        const answer = await ask(this.compositionAddress);
        const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
        const revision = Number(answer.headers.get("x-layers-revision"));
        if (key !== this.#exactKey() || this.waiting.length) return this.studio.view.redraw();
        // Another page may have changed them.
        if (revision !== this.revision) await this.load();
        this.exact?.bitmap.close();
        this.exact = { key: this.#exactKey(), bitmap };
        this.studio.view.redraw();
      } catch (error) {
        this.complain(error);
      }
    }, EXACT_MS);
  }

  async #place(found, name, x, y, percent, under = false) {
    await (this.loaded ??= this.load());
    await this.#know({ [found.picture]: found });
    const id = nextId(this.list);
    const shown = [...name].filter((each) => each >= " " && each !== "\x7f").join("").slice(0, 80) || "picture";
    const layer = { id, picture: found.picture, name: shown, x, y, scale_x: percent, scale_y: percent,
      angle: 0, opacity: 100, group: 0, shown: true };
    this.selected = new Set([id]);
    this.commit(under ? [layer, ...this.list] : [...this.list, layer]);
  }

  async #know(pictures) {
    await Promise.all(Object.entries(pictures).map(async ([digest, { width, height }]) => {
      if (this.pictures.get(digest)?.bitmap) return;
      const blob = await (await ask(`layers/pictures/${digest}`)).blob();
      const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
      this.pictures.set(digest, { width, height, bitmap });
    }));
  }

  async #take(answer, whole) {
    await this.#know(answer.pictures);
    Object.assign(this, { revision: answer.revision, undoable: answer.can_undo, redoable: answer.can_redo });
    if (whole) this.list = answer.layers;
    this.show();
  }

  async #save() {
    if (this.saving) return;
    this.saving = true;
    while (this.waiting.length) {
      let answer;
      try {
        answer = await askJson("layers", "POST", { revision: this.revision, layers: this.waiting[0] });
      } catch (error) {
        if (error instanceof Refused && !error.isPassing) {
          this.waiting = [];
          this.complain(error);
          await this.load().catch((failed) => this.complain(failed));
        } else {
          $("saved").textContent = "not saved";
          this.notSaved = complain(new Error(`the layers are not saved yet (${error.message}); tried again`));
          await new Promise((go) => setTimeout(go, RETRY_MS));
        }
        continue;
      }
      this.waiting.shift();
      withdraw(this.notSaved);
      $("saved").textContent = `saved ${new Date().toLocaleTimeString()}`;
      this.revision = answer.revision;
      await this.#take(answer, false).catch((error) => this.complain(error)); // it is saved, and must not be sent again
    }
    this.saving = false;
  }

  // Waits until the server has what is shown.
  async settle() {
    while (this.saving) await new Promise((go) => setTimeout(go, 20));
  }

  // Hands a file of the server to the person.
  async fetchFile(path, name) {
    const blob = await (await ask(path)).blob();
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    withdraw(this.notice);
  }

  complain(error) {
    this.notice = complain(error);
  }

  #key(event) {
    if (!this.active || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase(), { selected } = this;
    if (event.target.matches("input:not([type=checkbox]):not([type=range]), select")) return;
    const isMine = event.ctrlKey || event.metaKey || !event.target.matches("[type=range], [role=tab]");
    if (!isMine) return;
    const far = event.shiftKey ? 10 : 1;
    const ways = { arrowleft: [-far, 0], arrowright: [far, 0], arrowup: [0, -far], arrowdown: [0, far] };
    let done = true;
    if (event.ctrlKey || event.metaKey) {
      if (key === "d") this.duplicate();
      else if (key === "g") this.group(!event.shiftKey);
      else if (key === "a") this.select(this.list.map((each) => each.id));
      else if (key === "]") this.reorder(event.shiftKey ? "front" : "forward");
      else if (key === "[") this.reorder(event.shiftKey ? "back" : "backward");
      else done = false;
    } else if (!selected.size) done = false;
    else if (key in ways) this.change((each) => move(each, ...ways[key]));
    else if (key === "delete" || key === "backspace") this.delete();
    else if (key === "escape") this.select([]);
    else if (key === "," || key === ".") this.turn(key === "." ? far : -far);
    else if (key === "<" || key === ">") this.turn(key === ">" ? 10 : -10);
    else done = false;
    if (!done) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  turn(degrees) {
    this.pointer.finish();
    const { x, y } = this.pointer.box();
    this.change((each) => rotate(each, [x, y], degrees));
  }

  enlarge(factor) {
    this.pointer.finish();
    const { x, y } = this.pointer.box();
    this.change((each) => scale(each, [x, y], factor));
  }
}
