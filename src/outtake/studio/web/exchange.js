// What comes from other programs and what goes to them: the dialogs of import and export.
import { ask, askJson, pointLink, send } from "./api.js";
import { $, complain, element, on } from "./page.js";
import { zipFiles } from "./zip.js";

const CLEAN = ["clean.mp4", "Clean clip", "the clip without what was removed, with its sound"];
const EXPORTS = [
  ["cutout.png", "Cut-out of this frame", "PNG, transparent around the object"],
  ["cutouts.zip", "Cut-outs of labelled frames", "PNG, transparent around the object"],
  ["masks.zip", "Masks", "white on black; labels where there are any, the network elsewhere"],
  ["labelme.zip", "Outlines for LabelMe", "JSON with the pictures; they import to the same pixels"],
  ["training_set.zip", "Training set", "images, masks and classes.yaml, as data=folder reads them"],
];

const ASK_MS = 100, LAST_MS = 20_000; // in which the mask that is being taken when one cancels is done

export class Exchange {
  // The studio is what main.js has.
  constructor(studio) {
    this.studio = studio;
    this.files = [];
    this.#buildImport();
    this.#buildExport();
    on("open-import", () => this.openImport());
    on("open-export", () => this.openExport().catch(complain));
    const stage = $("stage");
    stage.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
    stage.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length || studio.tool === "layers") return;
      event.preventDefault();
      this.openImport([...event.dataTransfer.files]);
    });
  }

  openImport(files = []) {
    const { classes } = this.studio.project;
    this.white.replaceChildren(...classes.slice(1).map((name, i) => new Option(name, i + 1)));
    this.white.parentElement.hidden = classes.length < 3;
    this.#choose(files);
    this.#ask(null);
    $("import").showModal();
  }

  async openExport() {
    this.studio.painter.finish();
    await this.studio.queue.settle();
    const found = await askJson("export");
    for (const [name, link, note] of this.links) {
      const count = name === "masks.zip" ? found.masks : found.labelled;
      const { labelled, proposals } = this.studio.project;
      const possible = name === "cutout.png" ? proposals || labelled.includes(this.studio.frame.number) : count > 0;
      const query = name === "cutout.png" ? `?frame=${this.studio.frame.number}` : "";
      pointLink(link, possible ? `export/${name}${query}` : null);
      const here = `frame ${this.studio.frame.number}`;
      if (name === "cutout.png") note.textContent = possible ? here : `${here} is not labelled yet`;
      else note.textContent = possible ? `${count} of ${found.frames} frames` : "no frame is labelled yet";
    }
    const [, link, note] = this.clean;
    link.parentElement.hidden = Boolean(this.studio.still.found?.picture); // it has a result of its own
    pointLink(link, found.result ? "result" : null);
    note.textContent = found.result ? `${found.frames} frames` : "made in step 4";
    $("export").showModal();
  }

  #buildImport() {
    const dialog = $("import");
    const hint = element("p", "PNG masks named by their frame (000017.png) or like the pictures of the clip, JSON of LabelMe, or a zip of them. Each frame changes in one step, which can be undone.");
    hint.className = "hint";
    this.input = Object.assign(document.createElement("input"), { type: "file", multiple: true, accept: ".zip,.png,.json", id: "import-files" });
    this.input.addEventListener("change", () => this.#choose([...this.input.files]));
    this.path = Object.assign(document.createElement("input"), { type: "text", id: "import-path", placeholder: "path of a folder", autocomplete: "off", spellcheck: false });
    this.every = Object.assign(document.createElement("input"), { type: "checkbox", id: "import-every" });
    this.white = Object.assign(document.createElement("select"), { id: "import-white" });
    const everyHint = element("p", "A logo or dirt on the lens goes without labels too: outtake infer-video CLIP OUTPUT masks=MASK.png, or regions= with its box.");
    everyHint.className = "hint";
    this.progress = document.createElement("progress");
    this.progress.hidden = true;
    this.result = document.createElement("div");
    this.result.className = "outcome";
    this.result.setAttribute("role", "status");
    this.start = Object.assign(element("button", "Import"), { type: "button", className: "main", id: "import-start" });
    this.start.addEventListener("click", () => this.#import());
    this.every.addEventListener("change", () => this.#ask(null));
    // Cancel while masks come, Close otherwise.
    this.close = Object.assign(element("button", "Close"), { type: "button", id: "import-close" });
    this.close.addEventListener("click", () => (this.running ? this.running.abort() : dialog.close()));
    const buttons = document.createElement("p");
    buttons.className = "row end";
    buttons.append(this.close, this.start);
    dialog.append(element("h2", "Import masks"), hint, label("Files", this.input), label("or a folder of this machine", this.path),
      label("White in masks of two values is", this.white), check("One mask for all frames", this.every), everyHint, this.progress, this.result, buttons);
  }

  #buildExport() {
    const list = document.createElement("ul");
    list.className = "downloads";
    [this.clean, ...this.links] = [CLEAN, ...EXPORTS].map(([name, title, what]) => {
      const item = document.createElement("li"), link = element("a", title), note = element("span", "");
      link.download = "";
      link.id = `export-${name.replace(".", "-")}`;
      note.className = "hint";
      item.append(link, note, element("small", what));
      list.append(item);
      return [name, link, note];
    });
    const close = Object.assign(element("button", "Close"), { type: "button" });
    close.addEventListener("click", () => $("export").close());
    const buttons = document.createElement("p");
    buttons.className = "row end";
    buttons.append(close);
    $("export").append(element("h2", "Export"), list, buttons);
  }

  #choose(files) {
    this.files = files;
    if (!files.length) this.input.value = "";
    const dropped = files.length && this.input.files.length !== files.length;
    if (dropped) this.result.replaceChildren(element("p", `${files.length} files: ${files.slice(0, 3).map((f) => f.name).join(", ")}`));
  }

  // Says what labels of all frames need, once it is known; nothing is taken before one agrees.
  #ask(found) {
    this.asked = found !== null;
    this.start.textContent = found ? `Label all ${found.frames} frames` : "Import";
    if (!found) return this.result.replaceChildren();
    const few = found.bytes > found.free ? " That is more than is free." : "";
    this.result.replaceChildren(element("p", `${found.frames} frames get labels, and each is kept with its picture: about ${showBytes(found.bytes)}, of ${showBytes(found.free)} that are free.${few} Each frame is undone by itself.`));
  }

  async #import() {
    const { studio } = this;
    const running = (this.running = new AbortController());
    this.last = null;
    this.start.disabled = true;
    this.close.textContent = "Cancel";
    this.progress.hidden = false;
    this.progress.removeAttribute("value");
    try {
      if (this.every.checked && !this.asked) {
        this.#check();
        return this.#ask(await (await ask("masks/every-frame", "GET", undefined, { signal: running.signal })).json());
      }
      this.result.replaceChildren();
      studio.painter.finish();
      await studio.queue.settle();
      const said = await this.#send(running.signal);
      await this.#take(said);
      this.#tell(said);
      this.#choose([]);
    } catch (error) {
      if (!running.signal.aborted) this.#complain(error.message);
      else await this.#readAgain().catch((failed) => this.#complain(failed.message));
    } finally {
      this.running = null;
      this.start.disabled = false;
      this.close.textContent = "Close";
      this.progress.hidden = true;
    }
    this.asked = false;
    this.start.textContent = "Import";
  }

  #complain(text) {
    this.result.replaceChildren(Object.assign(element("p", text), { className: "bad" }));
  }

  // What the page holds of frames that got a mask is older.
  async #take({ labelled, frames }) {
    const { studio } = this;
    studio.project.labelled = labelled;
    for (const number of frames) studio.frames.forget(number);
    if (frames.includes(studio.frame.number)) await studio.go(studio.frame.number);
    studio.steps.show();
  }

  // After Cancel: what was taken until then stays.
  async #readAgain() {
    const { last, studio } = this;
    const until = performance.now() + LAST_MS;
    do await new Promise((go) => setTimeout(go, ASK_MS));
    while ((await askJson("masks/imports")).running && performance.now() < until);
    const { labelled } = await askJson("project");
    this.#complain(last ? `Cancelled. What was taken stays: ${labelled.length} frames are labelled now.` : "Cancelled: no mask is taken.");
    await this.#take({ labelled, frames: [...studio.frames.kept.keys()] });
  }

  #check() {
    if (!this.files.length && !this.path.value.trim()) throw new Error("choose files, or name a folder");
  }

  async #send(signal) {
    this.#check();
    const every = this.every.checked, white = Number(this.white.value || 1);
    const path = this.path.value.trim();
    if (!this.files.length) {
      return this.#follow(await ask("masks/import-folder", "POST", { path, white, every_frame: every }, { signal }));
    }
    const [first] = this.files;
    const body = this.files.length === 1 && /\.zip$/i.test(first.name) ? first : await zipFiles(this.files);
    return this.#follow(await send(`masks/import?white=${white}&every_frame=${every ? 1 : 0}`, "POST", body, "application/zip", { signal }));
  }

  // Shows how far it is, line by line; returns the last line.
  async #follow(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "", last = null;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (text + value).split("\n");
      text = lines.pop();
      for (const line of lines.filter(Boolean)) last = JSON.parse(line);
      if (!last?.of) continue;
      this.last = last;
      this.progress.value = last.done / last.of;
    }
    if (!last || !("taken" in last)) throw new Error("the import was cut off; what was taken is in the frames");
    return last;
  }

  #tell({ taken, same, problems, notes }) {
    const count = `${taken} ${taken === 1 ? "frame has" : "frames have"} got a mask` + (same ? `, ${same} had the same before` : "");
    const list = document.createElement("ul");
    list.append(...problems.map((line) => Object.assign(element("li", line), { className: "bad" })), ...notes.map((line) => element("li", line)));
    this.result.replaceChildren(element("p", count), list);
  }
}

function showBytes(count) {
  const units = ["kB", "MB", "GB", "TB"];
  let at = 0, value = count / 1000;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

function label(text, field) {
  const made = element("label", text);
  made.className = "field";
  made.append(field);
  return made;
}

function check(text, field) {
  const made = document.createElement("label");
  made.className = "check";
  made.append(field, text);
  return made;
}
