// The list of classes: one is chosen; names and colours can be changed, ids never.
import { askJson } from "./api.js";
import { hexOf, setColours } from "./colours.js";
import { $, complain, element, on, withdraw } from "./page.js";

export class Classes {
  // Changed is called when colours or names are others.
  constructor(project, changed) {
    this.project = project;
    this.changed = changed;
    this.notice = null; // the error that was shown last
    this.active = Math.min(1, project.classes.length - 1);
    setColours(project.colours);
    on("add-class", (event) => {
      event.preventDefault();
      this.#send("classes", { name: $("class-name").value }).then((done) => { if (done) $("class-name").value = ""; });
    }, "submit");
    this.show();
  }

  choose(id) {
    if (id >= this.project.classes.length) return;
    this.active = id;
    for (const radio of $("classes").querySelectorAll("[role=radio]")) {
      const isIt = Number(radio.dataset.id) === id;
      radio.setAttribute("aria-checked", String(isIt));
      radio.tabIndex = isIt ? 0 : -1;
    }
  }

  show() {
    $("classes").replaceChildren(...this.project.classes.map((name, id) => this.#row(name, id)));
    this.choose(Math.min(this.active, this.project.classes.length - 1));
  }

  #row(name, id) {
    const row = element("div", "");
    row.className = "class";
    const patch = document.createElement("input");
    patch.type = "color";
    patch.value = hexOf(id);
    patch.setAttribute("aria-label", `Colour of ${name}`);
    patch.title = "change the colour";
    patch.addEventListener("change", () => this.#send(`classes/${id}`, { colour: patch.value }));
    const radio = element("button", "");
    radio.append(element("span", name), element("kbd", id < 10 ? String(id) : ""));
    radio.setAttribute("role", "radio");
    radio.dataset.id = id;
    radio.addEventListener("click", () => this.choose(id));
    radio.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      this.choose((id + by + this.project.classes.length) % this.project.classes.length);
      $("classes").querySelector("[aria-checked=true]").focus();
    });
    const rename = element("button", "✎");
    rename.className = "rename";
    rename.title = "rename";
    rename.setAttribute("aria-label", `Rename ${name}`);
    rename.addEventListener("click", () => this.#rename(row, radio, name, id));
    row.append(patch, radio, rename);
    return row;
  }

  #rename(row, radio, name, id) {
    const field = document.createElement("input");
    field.className = "name";
    field.maxLength = 60;
    field.value = name;
    field.setAttribute("aria-label", `New name of ${name}`);
    let over = false;
    const end = async (isMeant) => {
      if (over) return;
      over = true;
      if (isMeant && field.value !== name) await this.#send(`classes/${id}`, { name: field.value });
      this.show();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
    });
    field.addEventListener("blur", () => end(true));
    radio.replaceWith(field);
    field.select();
  }

  async #send(path, body) {
    try {
      const { classes, colours } = await askJson(path, "POST", body);
      Object.assign(this.project, { classes, colours });
      setColours(colours);
      withdraw(this.notice);
      this.changed();
      return true;
    } catch (error) {
      this.notice = complain(error);
      return false;
    } finally {
      this.show();
    }
  }
}
