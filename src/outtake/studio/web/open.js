// Choosing what is worked on: projects of before, clips of this machine, an upload.
import { askJson, Refused } from "./api.js";
import { $, element } from "./page.js";

const KINDS = { folder: "folder", pictures: "pictures", project: "project", clip: "video", picture: "picture" };

export class OpenDialog {
  // The queue, if a project is open, has strokes that are not saved yet.
  constructor(queue = null) {
    this.queue = queue;
    this.running = null;
    const dialog = $("open");
    this.recent = Object.assign(document.createElement("div"), { className: "entries" });
    this.where = Object.assign(element("p", ""), { className: "hint path" });
    this.entries = Object.assign(document.createElement("div"), { className: "entries" });
    this.note = Object.assign(element("p", ""), { className: "hint" });
    this.error = Object.assign(element("p", ""), { className: "bad" });
    this.error.setAttribute("role", "alert");
    this.input = Object.assign(document.createElement("input"), { type: "file", id: "open-upload" });
    this.input.addEventListener("change", () => this.#try(() => this.#upload(this.input.files[0])));
    this.progress = Object.assign(document.createElement("progress"), { hidden: true, max: 1 });
    const field = element("label", "Send a clip to this machine's studio");
    field.className = "field";
    field.append(this.input);
    this.close = Object.assign(element("button", "Close"), { type: "button" });
    this.close.addEventListener("click", () => dialog.close());
    const buttons = Object.assign(document.createElement("p"), { className: "row end" });
    buttons.append(this.close);
    this.recentTitle = element("h3", "Projects here");
    dialog.append(element("h2", "Open a clip"), this.recentTitle, this.recent, element("h3", "Files"), this.where, this.entries, this.note,
      field, this.progress, this.error, buttons);
    // Without a project there is nothing behind the dialog.
    dialog.addEventListener("cancel", (event) => { if (!this.queue) event.preventDefault(); });
  }

  async show() {
    this.close.hidden = !this.queue;
    this.error.textContent = "";
    await this.#try(async () => {
      const found = await askJson("recent");
      this.running = found.running;
      this.input.accept = found.endings.join(",");
      this.recentTitle.hidden = this.recent.hidden = !found.projects.length;
      this.recent.replaceChildren(...found.projects.map(({ name, changed_s }) => {
        const row = this.#row(name, name === found.open ? "open" : new Date(1000 * changed_s).toLocaleString(), () => this.#open({ project: name }));
        row.disabled = name === found.open;
        return row;
      }));
      await this.#list();
    });
    if (!$("open").open) $("open").showModal();
    document.documentElement.dataset.choosing = "yes";
  }

  async #list(path) {
    const found = await askJson(path === undefined ? "files" : `files?under=${encodeURIComponent(path)}`);
    this.where.textContent = found.folder ?? "";
    const rows = found.above === null ? [] : [this.#row("..", "folder above", () => this.#list(found.above))];
    for (const { name, path, kind, size } of found.entries) {
      const into = kind === "folder";
      rows.push(this.#row(into ? `${name}/` : name, size == null ? KINDS[kind] : `${KINDS[kind]}, ${megabytes(size)}`,
        () => (into ? this.#list(path) : this.#open({ path }))));
      if (kind === "pictures") rows.push(this.#row(`${name}/`, "look inside", () => this.#list(path), "inner"));
    }
    this.entries.replaceChildren(...rows);
    const others = found.others ? `${found.others} other files are not shown` : "";
    this.note.textContent = found.entries.length ? others : `no clip here. ${others}`;
  }

  #row(name, what, act, kind = "") {
    const row = Object.assign(document.createElement("button"), { type: "button", className: kind });
    row.append(element("span", name), element("small", what));
    row.addEventListener("click", () => this.#try(act));
    return row;
  }

  async #open(body) {
    const end_job = this.#mayEnd();
    await askJson("open", "POST", { ...body, end_job });
    location.reload();
  }

  // Asks whether a job may be ended; nothing is opened otherwise.
  #mayEnd() {
    if (this.queue?.waiting.length) throw new Error("strokes are still being saved; try again in a moment");
    if (!this.running) return false;
    if (!confirm(`${this.running} is still running. End it? What it has done stays.`)) throw new Error("nothing was opened");
    return true;
  }

  #upload(file) {
    if (!file) return;
    const end = this.#mayEnd() ? 1 : 0;
    const ending = /\.[^.]*$/.exec(file.name)?.[0] ?? "";
    this.progress.hidden = false;
    // fetch does not tell how much has gone.
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.open("POST", `/api/upload?ending=${encodeURIComponent(ending)}&end_job=${end}`);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = ({ loaded, total }) => { this.progress.value = loaded / total; };
      request.onload = () => (request.status === 200 ? done(location.reload()) : fail(new Refused(request.status, request.responseText)));
      request.onerror = () => fail(new Error("the clip could not be sent; is it larger than limits.upload_mib?"));
      request.send(file);
    }).finally(() => { this.progress.hidden = true; this.input.value = ""; });
  }

  async #try(act) {
    this.error.textContent = "";
    try {
      await act();
    } catch (error) {
      this.error.textContent = error.message;
    }
  }
}

const megabytes = (size) => (size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`);
