// The steps behind marking: what is trained, which frame is asked for, what is removed.
import { ask, askJson } from "./api.js";
import { showJob, watchJobs } from "./jobs.js";
import { $, complain, element, on, say } from "./page.js";
import { Removal } from "./removal.js";
import { proposeFrames } from "./timeline.js";

export class Steps {
  // The studio is what main.js has.
  constructor(studio) {
    this.studio = studio;
    this.suggested = [];
    const { project } = studio;
    this.removal = new Removal(studio, (kind, options) => this.#start(kind, options));
    on("train", () => this.#start("train", { budget_s: Math.round(Number($("minutes").value) * 60) }));
    on("train-on", () => this.#start("train", { budget_s: 70, further: true }));
    on("suggest", () => this.#start("suggest", {}));
    on("look", () => this.#start("propose", {}));
    on("next-asked", () => this.goToNextSuggested());
    on("cancel", () => ask("jobs", "DELETE").catch(complain));
    on("copy", () => navigator.clipboard.writeText($("job-command").textContent).then(() => say("the command is copied"), complain));
    showJob(project.job);
    this.watch = watchJobs((job) => this.#ended(job).catch(complain));
  }

  // Shows what can be done now, which frames are asked for, and the timeline.
  show() {
    const { project, frame } = this.studio;
    const asked = (project.suggestions.suggestions ?? []).filter(({ frame }) => !project.labelled.includes(frame));
    const even = proposeFrames(project).map((number) => ({ frame: number, why: "spread over the clip" }));
    this.suggested = asked.length || project.runs.length ? asked : even;
    $("suggestions").replaceChildren(...this.suggested.map(({ frame: number, why }) => {
      const item = document.createElement("li");
      const button = element("button", `frame ${number}`);
      button.addEventListener("click", () => this.studio.go(number));
      item.append(button, ` ${why}`);
      return item;
    }));
    this.studio.still?.show();
    $("next-asked").disabled = !this.suggested.length;
    for (const id of ["train-on", "suggest", "look"]) {
      $(id).disabled = !project.runs.length || project.job?.state === "running";
    }
    $("looked").hidden = !project.proposals;
    $("unchecked").hidden = project.runs.length > 0;
    $("network").disabled = !project.proposals;
    $("train").disabled = project.job?.state === "running";
    this.removal.show();
    const { timeline } = this.studio;
    timeline.number = frame?.number ?? 0;
    timeline.asked = this.suggested.map(({ frame: number }) => number);
    timeline.draw();
    $("timeline").classList.toggle("flat", !project.suggestions.frames?.length);
    $("legend-curves").hidden = !project.suggestions.frames?.length;
  }

  goToNextSuggested() {
    const later = this.suggested.map(({ frame }) => frame).sort((a, b) => a - b);
    const next = later.find((frame) => frame > this.studio.frame.number) ?? later[0];
    if (next !== undefined) this.studio.go(next);
  }

  async #start(kind, options) {
    try {
      complain(null);
      const { offer, frame, painter, queue } = this.studio;
      painter.finish();
      await queue.settle();
      if (kind === "train" && offer.labels) say(`the proposal on frame ${frame.number} is not accepted: it does not count`);
      const job = await askJson("jobs", "POST", { kind, options });
      this.studio.project.job = job;
      showJob(job);
      if (job.notices.length) complain(new Error(job.notices.join("; ")));
      $("job").scrollIntoView({ block: "nearest" }); // below what earlier jobs have left
    } catch (error) {
      complain(error);
    }
  }

  async #ended({ kind, state }) {
    Object.assign(this.studio.project, await askJson("project"));
    this.show();
    if (state === "finished") this.removal.showEnded(kind);
  }
}
