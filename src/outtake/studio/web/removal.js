// The fourth step: what is removed and how, a preview, the whole clip, and what came of it.
import { pointLink } from "./api.js";
import { $, complain, element, on } from "./page.js";
import { Comparison } from "./comparison.js";

const REMOVERS = {
  clean_plate: "what is behind it", exemplar: "pieces from around it", inpaint: "filled from around it",
  blur: "blurred", pixelate: "pixelated", solid: "covered in black",
};
const EFFECTS = ["shadows", "reflections"];
const SHARES = { observed: "seen in other frames", propagated: "carried from near", synthesised: "invented" };

export class Removal {
  // The studio is what main.js has; start(kind, options) starts a job.
  constructor(studio, start) {
    this.studio = studio;
    this.start = start;
    this.comparison = new Comparison(studio.project);
    this.#build();
    this.#fill();
  }

  // Shows what can be done now, and what there is.
  show() {
    const { project, still } = this.studio;
    if (still?.found?.picture) return; // one picture has a form of its own
    const { removal } = project;
    const ready = project.runs.length > 0 && project.job?.state !== "running";
    this.#listClasses();
    $("remove").disabled = $("preview").disabled = !ready || !this.#chosen().length;
    $("resume").parentElement.hidden = $("resume-note").hidden = removal.kept_frames === null;
    $("resume").disabled = !ready;
    $("remove").textContent = removal.kept_frames === null ? "Remove from the clip" : "Begin anew";
    $("remove").classList.toggle("main", removal.kept_frames === null);
    $("resume-note").textContent =
      `A removal was stopped. ${removal.kept_frames} of ${project.frames} frames are made already.`;
    $("fresh").hidden = !removal.fresh.length;
    $("fresh").textContent = `Labelled or changed since the last training: frame ${list(removal.fresh)}. The removal takes these labels on their own frames; train on, in step 2, so that other frames learn from them.`;
    $("untrained").hidden = project.runs.length > 0;
    this.#showResult("preview", "Preview", removal.results.preview);
    this.#showResult("clean", "Result", removal.results.clean);
  }

  // Scrolls to what a job has made.
  showEnded(kind) {
    const name = { remove: "clean", preview: "preview" }[kind];
    if (name) $(`${name}-result`).scrollIntoView({ block: "nearest" });
  }

  // A frame got labels that the network has not seen.
  noteLabelled(number) {
    const { removal, runs } = this.studio.project;
    if (runs.length && !removal.fresh.includes(number)) removal.fresh = [...removal.fresh, number].sort((a, b) => a - b);
  }

  #build() {
    const panel = $("step-remove");
    const hint = element("p", "Takes the object out of every frame. Labelled frames keep their labels as masks.");
    hint.className = "hint";
    const untrained = noteOf("untrained", "Train a network first.");
    const classes = element("fieldset", "");
    classes.id = "remove-classes";
    classes.append(element("legend", "What goes"));
    const how = labelled("How", Object.assign(document.createElement("select"), { id: "remover" }));
    const grow = labelled("Grow masks", Object.assign(document.createElement("input"),
      { id: "dilate", type: "range", min: 0, max: 60, step: 1 }), "dilate-shown");
    const effects = EFFECTS.map((name) => {
      const label = element("label", "");
      label.className = "check";
      label.append(Object.assign(document.createElement("input"), { id: name, type: "checkbox" }), `${name} of it too`);
      return label;
    });
    const buttons = rowOf(button("preview", "Preview 2 s here"), button("remove", "Remove from the clip", "main"));
    const resume = rowOf(button("resume", "Go on", "main"));
    panel.append(hint, untrained, classes, how, grow, ...effects, noteOf("fresh", ""), noteOf("resume-note", ""), resume, buttons);
    for (const name of ["clean", "preview"]) {
      const block = element("div", "");
      block.id = `${name}-result`;
      block.className = "result";
      panel.append(block);
    }
    on("remove", () => this.start("remove", this.#choice()));
    on("preview", () => this.start("preview", { ...this.#choice(), frame: this.studio.frame.number }));
    on("resume", () => this.start("resume", {}));
    on("dilate", () => this.#showDilate(), "input");
  }

  // The form as it was left, or as the command line has it.
  #fill() {
    const { project } = this.studio;
    const { choice } = project.removal;
    for (const name of project.removers) $("remover").append(new Option(`${name.replace("_", " ")}: ${REMOVERS[name] ?? ""}`, name));
    $("remover").value = choice.remover;
    $("dilate").value = Math.round(choice.dilate * 1000);
    for (const name of EFFECTS) $(name).checked = choice[name];
    this.kept = choice.remove ?? null;
    this.#showDilate();
  }

  #showDilate() {
    const share = Number($("dilate").value) / 1000;
    const px = Math.round(share * this.studio.project.height);
    $("dilate-shown").textContent = `${(share * 100).toFixed(1)}% of the height, ${px} px`;
  }

  #listClasses() {
    const names = this.studio.project.classes.slice(1);
    const box = $("remove-classes");
    if (this.listed === names.join("\n")) return;
    const before = this.listed === undefined ? this.kept : this.#chosen();
    const known = this.listed?.split("\n");
    this.listed = names.join("\n");
    box.replaceChildren(box.firstElementChild, ...names.map((name) => {
      const label = element("label", "");
      label.className = "check";
      const input = Object.assign(document.createElement("input"), { type: "checkbox", value: name });
      input.checked = !before || before.includes(name) || (known !== undefined && !known.includes(name));
      input.addEventListener("change", () => this.show());
      label.append(input, name);
      return label;
    }));
    box.hidden = names.length < 2;
  }

  #chosen() {
    return [...$("remove-classes").querySelectorAll("input:checked")].map((input) => input.value);
  }

  #choice() {
    return {
      remove: this.#chosen(), remover: $("remover").value,
      dilate: Number($("dilate").value) / 1000,
      ...Object.fromEntries(EFFECTS.map((name) => [name, $(name).checked])),
    };
  }

  // At the frame that is shown, where the result has it.
  #compare(name, found) {
    const number = this.studio.frame.number - found.first_frame;
    this.comparison.open(name, found, number).catch(complain);
  }

  #showResult(name, title, found) {
    const block = $(`${name}-result`);
    block.hidden = !found;
    if (!found || block.dataset.made === String(found.made)) return;
    block.dataset.made = String(found.made);
    const look = button(`look-${name}`, "Before and after", name === "clean" ? "main" : "");
    look.addEventListener("click", () => this.#compare(name, found));
    const row = rowOf(look);
    if (name === "clean") {
      const link = element("a", "Download");
      link.id = "result";
      pointLink(link, "result");
      row.append(link);
    }
    block.replaceChildren(element("h3", title), element("p", sum(found)), row, ...warnings(found));
  }
}

// A line of the report with the names that this page has for its options.
function inWords(line) {
  return line.replaceAll("mask.dilate", "Grow masks");
}

// The figures of a report in one sentence or two.
function sum({ frames, first_frame, hole_share, fill, doubtful }) {
  const parts = [first_frame ? `Frames ${first_frame} to ${first_frame + frames - 1}` : `${frames ?? "?"} frames`];
  if (hole_share != null) parts.push(`${percent(hole_share)} of the picture removed`);
  const shares = Object.entries(SHARES).filter(([key]) => fill[key] >= 0.0005).map(([key, words]) => `${percent(fill[key])} ${words}`);
  const doubt = doubtful.length ? `${doubtful.length} frame${doubtful.length > 1 ? "s" : ""} with doubt.` : "No frame with doubt.";
  return `${parts.join(", ")}. ${shares.length ? `Of that, ${shares.join(", ")}. ` : ""}${doubt}`;
}

function warnings({ warnings: lines }) {
  if (!lines.length) return [];
  const list = element("ul", "");
  list.className = "warnings";
  list.append(...lines.map((line) => element("li", inWords(line))));
  return [list];
}

function percent(share) {
  if (share > 0 && share < 0.0005) return "less than 0.1%";
  return `${(100 * share).toFixed(share < 0.1 || (share > 0.9 && share < 0.9995) ? 1 : 0)}%`;
}

function list(numbers) {
  return numbers.length > 6 ? `${numbers.slice(0, 6).join(", ")} and ${numbers.length - 6} more` : numbers.join(", ");
}

function button(id, text, kind = "") {
  return Object.assign(element("button", text), { id, className: kind });
}

function rowOf(...parts) {
  const row = element("p", "");
  row.className = "row";
  row.append(...parts);
  return row;
}

function noteOf(id, text) {
  const note = Object.assign(element("p", text), { id, className: "note", hidden: true });
  note.setAttribute("role", "status");
  return note;
}

function labelled(text, control, shown = null) {
  const label = element("label", text);
  label.className = "value";
  label.append(" ");
  if (shown) label.append(Object.assign(document.createElement("output"), { id: shown }));
  label.append(control);
  return label;
}
