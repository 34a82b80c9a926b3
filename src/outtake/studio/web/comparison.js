// Before and after, in step: one picture that a line divides, or two beside each other.
import { ask } from "./api.js";
import { $, complain, element } from "./page.js";

const KEPT = 40; // pairs of pictures in memory
const AHEAD = 8; // pairs that are asked for before they are shown
const MAX_WIDTH = 1280;

export class Comparison {
  constructor(project) {
    this.project = project;
    this.pairs = new Map(); // frame of the result -> promise of [before, after]
    this.number = 0;
    this.playing = false;
    this.#build();
  }

  // Opens a result, "clean" or "preview", at a frame of it.
  async open(name, found, number = 0) {
    this.name = name;
    this.found = found;
    this.pairs.clear();
    this.number = number;
    this.slider.max = found.frames - 1;
    this.title.textContent = name === "clean" ? "Before and after" : "Preview, before and after";
    this.doubt.hidden = !found.doubtful.length;
    this.dialog.showModal();
    await this.show(number);
    this.canvas.focus();
  }

  async show(number) {
    number = Math.min(Math.max(number, 0), this.found.frames - 1);
    this.number = number;
    const pair = await this.#pair(number);
    if (this.number !== number) return;
    this.shown = pair;
    this.slider.value = number;
    const own = this.found.first_frame + number;
    this.place.textContent = `frame ${own}${this.found.doubtful.includes(number) ? ", with doubt" : ""}`;
    this.draw();
  }

  draw() {
    if (!this.shown) return;
    const [before, after] = this.shown;
    const { canvas } = this, beside = this.beside.checked;
    const { width, height } = after;
    const all = beside ? 2 * width + 4 : width;
    if (canvas.width !== all || canvas.height !== height) Object.assign(canvas, { width: all, height });
    const room = Math.min(this.wipe.parentElement.clientWidth || canvas.parentElement.clientWidth - 40, Math.max(120, innerHeight * 0.88 - 200) * (all / height));
    canvas.style.width = this.names.style.width = `${room}px`;
    const c = canvas.getContext("2d");
    c.clearRect(0, 0, all, height);
    if (beside) {
      c.drawImage(before, 0, 0, width, height);
      c.drawImage(after, width + 4, 0);
    } else {
      const at = Math.round((Number(this.wipe.value) / 1000) * width);
      c.drawImage(after, 0, 0);
      if (at > 0) c.drawImage(before, 0, 0, (at / width) * before.width, before.height, 0, 0, at, height);
      c.fillStyle = "#fff";
      c.fillRect(at - 1, 0, 2, height);
    }
    this.wipe.disabled = beside;
  }

  // Every frame is shown, at the clip's own rate or as fast as they come.
  async play() {
    this.playing = !this.playing;
    this.#showPlaying();
    let due = performance.now();
    while (this.playing && this.dialog.open) {
      await this.show((this.number + 1) % this.found.frames);
      due = Math.max(due + 1000 / this.project.fps, performance.now() - 100);
      await new Promise((go) => setTimeout(go, Math.max(0, due - performance.now())));
    }
  }

  stop() {
    this.playing = false;
    this.#showPlaying();
  }

  #showPlaying() {
    this.player.textContent = this.playing ? "Pause" : "Play";
  }

  #pair(number) {
    for (let ahead = number; ahead < Math.min(number + AHEAD, this.found.frames); ahead++) this.#fetch(ahead);
    const pair = this.#fetch(number);
    for (const old of this.pairs.keys()) {
      if (this.pairs.size <= KEPT) break;
      if (old < number || old > number + AHEAD) this.pairs.delete(old);
    }
    return pair;
  }

  #fetch(number) {
    if (!this.pairs.has(number)) {
      const width = Math.min(MAX_WIDTH, this.project.width);
      const pair = Promise.all([
        loadPicture(`frames/${this.found.first_frame + number}?width=${width}`),
        loadPicture(`results/${this.name}/frames/${number}?width=${width}`),
      ]);
      pair.catch(() => this.pairs.delete(number));
      this.pairs.set(number, pair);
    }
    return this.pairs.get(number);
  }

  #goToDoubt() {
    const { doubtful } = this.found;
    this.stop();
    this.show(doubtful.find((number) => number > this.number) ?? doubtful[0]).catch(complain);
  }

  #build() {
    const dialog = (this.dialog = element("dialog", ""));
    dialog.id = "comparison";
    dialog.setAttribute("aria-labelledby", "comparison-title");
    this.title = Object.assign(element("h2", ""), { id: "comparison-title" });
    this.canvas = Object.assign(document.createElement("canvas"), { tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Before, left of the line, and after");
    this.wipe = range("wipe", "Line between before and after", 1000, 500);
    this.slider = range("result-frame", "Frame", 0, 0);
    this.beside = Object.assign(document.createElement("input"), { type: "checkbox", id: "beside" });
    this.place = element("output", "");
    this.player = Object.assign(element("button", "Play"), { id: "play", className: "main" });
    this.doubt = element("button", "Next with doubt");
    const close = element("button", "Close");
    const wipe = element("div", ""), names = (this.names = element("div", ""));
    names.className = "row ends";
    names.append(element("span", "before"), element("span", "after"));
    wipe.className = "ranges";
    wipe.append(element("span", "line"), this.wipe, element("span", "frame"), this.slider);
    const check = element("label", "");
    check.className = "check";
    check.append(this.beside, "side by side");
    const row = element("div", "");
    row.className = "row";
    const gap = element("span", "");
    gap.className = "gap";
    row.append(this.player, this.place, this.doubt, gap, check, close);
    dialog.append(this.title, names, this.canvas, wipe, row);
    document.body.append(dialog);
    this.wipe.addEventListener("input", () => this.draw());
    this.beside.addEventListener("change", () => this.draw());
    this.slider.addEventListener("input", () => { this.stop(); this.show(Number(this.slider.value)).catch(complain); });
    this.player.addEventListener("click", () => this.play().catch(complain));
    this.doubt.addEventListener("click", () => this.#goToDoubt());
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { this.stop(); this.pairs.clear(); this.shown = null; });
    this.#listen();
  }

  #listen() {
    const drag = (event) => {
      if (!(event.buttons & 1) || this.beside.checked) return;
      const box = this.canvas.getBoundingClientRect();
      this.wipe.value = Math.round((1000 * (event.clientX - box.left)) / box.width);
      this.draw();
    };
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); drag(event); });
    this.canvas.addEventListener("pointermove", drag);
    this.dialog.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, a: -1, ArrowRight: 1, d: 1 }[event.key];
      if (event.target.matches("input")) return;
      if (by) { this.stop(); this.show(this.number + by).catch(complain); }
      else if (event.key === " " && !event.target.matches("button")) this.play().catch(complain);
      else return;
      event.preventDefault();
    });
  }
}

function range(id, label, max, value) {
  const made = Object.assign(document.createElement("input"), { id, type: "range", min: 0, max, value });
  made.setAttribute("aria-label", label);
  return made;
}

async function loadPicture(path) {
  return createImageBitmap(await (await ask(path)).blob());
}
