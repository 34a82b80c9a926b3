// A walk through the page in seven steps: shown where nothing is labelled yet, and when asked for.
import { $, element, on } from "./page.js";

// What is pointed at, the panel that holds it, the heading, and what is said.
const STEPS = [
  ["#canvas", "mark", "Take something out of a clip",
    "Mark the object on about five frames; a small network learns it from those, on this machine, and the clip comes back without it. Nothing leaves this computer. Every stroke is saved at once, and undo has no end."],
  ["#tools", "mark", "Paint",
    "Brush, eraser, lasso, fill, and a brush that takes whole regions. The left button draws the class that is chosen, the right one background. The wheel zooms, Space or the middle button moves the picture."],
  ["#classes", "mark", "What is what",
    "Class 0 is the background, class 1 the object. Mark all of the object, and the background around it; what you leave unlabelled teaches nothing and does no harm."],
  ["#watershed", "mark", "Let the page propose",
    "From your strokes, by colour, or from the labels of other frames, carried here by motion (K). Enter accepts, Esc rejects; then correct what is wrong."],
  ["#timeline", "mark", "Which frames",
    "Filled marks are labelled, open ones are worth labelling next: N goes there. Click anywhere on the line to go there."],
  ["#tab-train", "train", "Train, and check",
    "A few minutes give a first network. In step 3 it says which frames it is unsure of: label those, and train on for a minute. Your labels always win on their frame."],
  ["#tab-remove", "remove", "Remove",
    "Last, the object is taken out of the whole clip, sound and times untouched. Every step shows its command, to be used without this page too."],
];
const EDGE_PX = 10;

export class Tour {
  // The studio is what main.js has.
  constructor(studio) {
    this.studio = studio;
    this.step = 0;
    this.card = element("section", "");
    this.card.id = "tour";
    this.card.hidden = true;
    this.card.setAttribute("role", "dialog");
    this.card.setAttribute("aria-labelledby", "tour-title");
    this.title = element("h2", "");
    this.title.id = "tour-title";
    this.text = element("p", "");
    this.count = element("span", "");
    this.back = this.#button("Back", () => this.show(this.step - 1));
    this.onward = this.#button("Next", () => this.show(this.step + 1));
    this.onward.className = "main";
    const gap = element("span", "");
    gap.className = "gap";
    const row = element("p", "");
    row.className = "row";
    row.append(this.count, gap, this.#button("Skip", () => this.end()), this.back, this.onward);
    this.card.append(this.title, this.text, row);
    this.card.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.end();
      event.stopPropagation();
    });
    document.body.append(this.card);
    on("tour-open", () => this.show(0));
    window.addEventListener("resize", () => { if (!this.card.hidden) this.#place(); });
  }

  // Shows it where nothing is labelled yet; a browser that is driven by a program is not stopped.
  begin() {
    if (!this.studio.project.labelled.length && !navigator.webdriver) this.show(0);
  }

  show(step) {
    if (step >= STEPS.length) return this.end();
    this.step = Math.max(step, 0);
    const [place, panel, title, text] = STEPS[this.step];
    this.studio.tabs.show(panel);
    this.title.textContent = title;
    this.text.textContent = text;
    this.count.textContent = `${this.step + 1} of ${STEPS.length}`;
    this.back.disabled = !this.step;
    this.onward.textContent = this.step + 1 < STEPS.length ? "Next" : "Begin";
    this.#unmark();
    document.querySelector(place).classList.add("toured");
    this.card.hidden = false;
    this.#place();
    this.onward.focus();
  }

  end() {
    this.card.hidden = true;
    this.#unmark();
    this.studio.tabs.show("mark");
    $("canvas").focus();
  }

  #unmark() {
    for (const each of document.querySelectorAll(".toured")) each.classList.remove("toured");
  }

  // Puts the card beside what it speaks of, inside the window.
  #place() {
    const target = document.querySelector(STEPS[this.step][0]).getBoundingClientRect();
    const own = this.card.getBoundingClientRect();
    const centre = (from, length, of) => from + (length - of) / 2;
    let x, y;
    if (this.step === 0) [x, y] = [centre(target.left, target.width, own.width), centre(target.top, target.height, own.height)];
    else if (target.right + own.width + 2 * EDGE_PX < innerWidth) [x, y] = [target.right + EDGE_PX, target.top];
    else if (target.left > own.width + 2 * EDGE_PX) [x, y] = [target.left - own.width - EDGE_PX, target.top];
    else [x, y] = [centre(0, innerWidth, own.width), target.top - own.height - EDGE_PX];
    const keep = (value, length, of) => Math.min(Math.max(value, EDGE_PX), Math.max(of - length - EDGE_PX, EDGE_PX));
    this.card.style.left = `${keep(x, own.width, innerWidth)}px`;
    this.card.style.top = `${keep(y, own.height, innerHeight)}px`;
  }

  #button(text, act) {
    const button = element("button", text);
    button.addEventListener("click", act);
    return button;
  }
}
