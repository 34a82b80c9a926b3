// A project of one picture: nothing is trained, what is labelled is taken out, the hole is filled.
import { addressOf, askJson, pointLink } from "./api.js";
import { showJob } from "./jobs.js";
import { $, complain, element } from "./page.js";

export class Still {
  // The studio is what main.js has.
  constructor(studio) {
    this.studio = studio;
    this.found = null;
    this.look().catch(complain);
  }

  async look() {
    this.found = await askJson("still");
    if (this.found.notes.length) this.studio.say(this.found.notes.join("; "));
    if (!this.found.picture) return;
    if (!this.made) this.#make();
    this.#show();
  }

  // Called when labels or jobs have changed.
  show() {
    if (!this.found?.picture) return;
    const running = this.studio.project.job?.state === "running";
    if (this.running && !running) this.look().catch(complain);
    this.running = running;
    this.#show();
  }

  #make() {
    this.made = true;
    document.body.classList.add("still");
    for (const step of ["train", "check"]) {
      const line = element("p", "This is one picture: nothing has to be trained for it. Mark the object, and remove it in step 4.");
      line.className = "hint";
      $(`step-${step}`).prepend(line);
    }
    for (const each of $("step-remove").children) each.hidden = true;
    const hint = element("p", "What is marked is taken out, and the hole filled from what lies around it.");
    hint.className = "hint";
    this.by = Object.assign(document.createElement("select"), { ariaLabel: "By" });
    for (const name of this.found.removers) this.by.append(new Option(name.replace("_", " "), name));
    const row = (...parts) => {
      const made = element("div", "");
      made.className = "row";
      made.append(...parts);
      return made;
    };
    const button = (id, text, act) => {
      const made = Object.assign(element("button", text), { id });
      made.addEventListener("click", act);
      return made;
    };
    this.start = button("still-remove", "Remove from the picture", () => this.#remove());
    this.start.className = "main";
    this.picture = Object.assign(new Image(), { alt: "The picture without the object", id: "still-picture" });
    this.link = Object.assign(element("a", "Download"), { download: "" });
    pointLink(this.link, "still/result");
    this.layer = button("still-layer", "As a layer", async () => {
      await this.studio.layers.addResult();
      this.studio.tabs.show("layers");
    });
    this.after = element("div", "");
    this.after.append(this.picture, row(this.layer, this.link));
    $("step-remove").append(hint, row(this.by, this.start), this.after);
  }

  #show() {
    const { project } = this.studio;
    this.start.disabled = this.running || !project.labelled.length;
    this.after.hidden = !this.found.result || this.running;
    if (this.after.hidden) this.picture.removeAttribute("src");
    else if (!this.picture.src) this.picture.src = addressOf(`still/result?of=${Date.now()}`);
  }

  async #remove() {
    try {
      await this.studio.layers.strokesAreSaved();
      complain(null);
      const job = await askJson("jobs", "POST", { kind: "remove", options: { remover: this.by.value } });
      this.studio.project.job = job;
      showJob(job);
      this.show();
    } catch (error) {
      complain(error);
    }
  }
}
