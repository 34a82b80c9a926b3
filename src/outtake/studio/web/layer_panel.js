// The panel of layers: what is cut out, the list, and what can be done with those that are chosen.
import { $, element } from "./page.js";

const HINT = "Click a layer, drag it, pull its handles; Shift chooses several.";

export class LayerPanel {
  constructor(layers) {
    this.layers = layers;
    const panel = $("step-layers");
    const hint = element("p", HINT);
    hint.className = "hint";
    this.file = this.#input("file", { accept: "image/*", multiple: true, hidden: true, ariaLabel: "Pictures to add" });
    this.file.addEventListener("change", () => {
      layers.add([...this.file.files]).finally(() => { this.file.value = ""; });
    });
    panel.append(hint, this.#row(this.#button("layer-add", "Add pictures…", () => this.file.click(), "main"), this.file));
    panel.append(...this.#cutout(), ...this.#list(), ...this.#whole());
    this.ask = this.#question();
    document.body.append(this.ask);
    this.show();
  }

  #button(id, text, act, kind = "", title = "") {
    const made = element("button", text);
    Object.assign(made, { id, className: kind, title });
    made.addEventListener("click", act);
    return made;
  }

  #input(type, values) {
    return Object.assign(document.createElement("input"), { type, ...values });
  }

  #row(...parts) {
    const row = element("div", "");
    row.className = "row";
    row.append(...parts);
    return row;
  }

  #slider(id, text, most, unit, alter) {
    const label = element("label", `${text} `);
    label.className = "value";
    const shown = element("output", ""), slider = this.#input("range", { id, min: 0, max: most, value: most });
    const apply = (commit) => this.layers.change((each) => alter(each, Number(slider.value)), commit);
    slider.addEventListener("input", () => { this.layers.held = true; apply(false); });
    slider.addEventListener("change", () => { this.layers.held = false; apply(true); });
    label.append(shown, slider);
    return { label, slider, show: (value) => { slider.value = value; shown.textContent = `${Math.round(value)}${unit}`; } };
  }

  #cutout() {
    const { layers } = this;
    this.object = Object.assign(document.createElement("select"), { ariaLabel: "What is cut out" });
    this.feather = this.#input("number", { id: "cutout-feather", min: 0, max: 50, step: 1, value: 0 });
    this.smooth = this.#input("checkbox", { id: "cutout-smooth" });
    const soft = element("label", "Soft rim, px "), fine = element("label", "");
    soft.append(this.feather);
    fine.className = "check";
    fine.append(this.smooth, "rim follows the edges of the picture");
    this.download = Object.assign(element("button", "Download PNG"), { id: "cutout-download" });
    this.download.addEventListener("click", () => this.#downloadCutout());
    const row = this.#row(this.object, soft);
    row.id = "cutout-row";
    return [element("h3", "Cut out of this frame"), row, fine,
      this.#row(this.#button("cutout-layer", "As a layer", () => layers.addCutout(this.#cutoutOptions())), this.download)];
  }

  #cutoutOptions() {
    const classes = this.object.value === "all"
      ? this.layers.studio.project.classes.map((_, id) => id).slice(1) : [Number(this.object.value)];
    const feather = Math.min(Math.max(Math.round(Number(this.feather.value)) || 0, 0), 50);
    return { classes, feather, smooth: this.smooth.checked };
  }

  async #downloadCutout() {
    const { layers } = this, { classes, feather, smooth } = this.#cutoutOptions();
    try {
      await layers.strokesAreSaved();
      const where = `frames/${layers.studio.frame.number}/cutout?classes=${classes}&feather=${feather}&smooth=${smooth ? 1 : 0}`;
      await layers.fetchFile(where, `cutout_${layers.studio.frame.number}.png`);
    } catch (error) {
      layers.complain(error);
    }
  }

  #list() {
    const { layers } = this;
    this.rows = element("ul", "");
    this.rows.id = "layer-list";
    this.none = element("p", "No layer yet.");
    this.none.className = "hint";
    this.scale = this.#slider("layer-scale", "Scale", 200, "%", (each, value) => {
      const percent = Math.max(value, 1);
      return { ...each, scale_x: percent, scale_y: percent };
    });
    this.opacity = this.#slider("layer-opacity", "Opacity", 100, "%", (each, value) => ({ ...each, opacity: value }));
    const button = (id, text, act, title) => this.#button(`layer-${id}`, text, act, "", title);
    this.acts = this.#row(
      button("duplicate", "Duplicate", () => layers.duplicate(), "Ctrl+D"),
      button("delete", "Delete", () => layers.delete(), "Delete"),
      button("deselect", "Deselect", () => layers.select([]), "Esc"),
      button("group", "Group", () => layers.group(true), "Ctrl+G"),
      button("ungroup", "Ungroup", () => layers.group(false), "Ctrl+Shift+G"),
    );
    this.acts.classList.add("three");
    this.orders = this.#row(
      button("forward", "Forward", () => layers.reorder("forward"), "Ctrl+]"),
      button("backward", "Back", () => layers.reorder("backward"), "Ctrl+["),
      button("front", "To front", () => layers.reorder("front"), "Ctrl+Shift+]"),
      button("back", "To back", () => layers.reorder("back"), "Ctrl+Shift+["),
    );
    this.orders.classList.add("four");
    return [element("h3", "Layers"), this.rows, this.none, this.scale.label, this.opacity.label, this.acts, this.orders];
  }

  #whole() {
    const { layers } = this;
    const over = this.#input("checkbox", { id: "over-frame", checked: true });
    over.addEventListener("change", () => { layers.overFrame = over.checked; layers.studio.view.redraw(); });
    const label = element("label", "");
    label.className = "check";
    label.append(over, "over the frame");
    const save = this.#button("composition-download", "Download PNG", async () => {
      try {
        await layers.settle();
        await layers.fetchFile(layers.compositionAddress, `composition_${layers.studio.frame.number}.png`);
      } catch (error) {
        layers.complain(error);
      }
    });
    label.title = "off: over transparency";
    return [element("h3", "Composition"), this.#row(save, label), this.#row(
      this.#button("layers-clean", "Clean layers…", () => this.#confirm(
        "Take all layers away? Undo brings them back.", () => layers.commit([]))),
      this.#button("layers-clear-mask", "Clear mask…", () => this.#confirm(
        "Clear all labels of this frame? Undo in step 1 brings them back.", () => layers.studio.offer.clear())))];
  }

  #question() {
    const dialog = Object.assign(document.createElement("dialog"), { id: "layers-question" });
    this.text = element("p", "");
    const yes = this.#button("layers-yes", "Yes", () => { dialog.close(); this.then(); }, "main");
    const no = this.#button("layers-no", "No", () => dialog.close());
    dialog.append(this.text, this.#row(yes, no));
    return dialog;
  }

  #confirm(text, then) {
    this.text.textContent = text;
    this.then = then;
    this.ask.showModal();
  }

  #item(layer) {
    const { layers } = this;
    const item = element("li", "");
    const eye = this.#input("checkbox", { checked: layer.shown, title: "shown", ariaLabel: `show ${layer.name}` });
    eye.addEventListener("change", () => layers.commit(
      layers.list.map((each) => (each.id === layer.id ? { ...each, shown: eye.checked } : each))));
    const name = element("button", layer.name);
    name.dataset.id = layer.id;
    name.setAttribute("aria-pressed", String(layers.selected.has(layer.id)));
    name.addEventListener("click", (event) => layers.select([layer.id], event.shiftKey || event.ctrlKey || event.metaKey));
    const group = element("span", layer.group ? `group ${layer.group}` : "");
    item.append(eye, name, group);
    return item;
  }

  show() {
    const { layers } = this, { chosen } = layers, { project } = layers.studio;
    const focused = document.activeElement?.closest("#layer-list button")?.dataset.id;
    this.rows.replaceChildren(...[...layers.list].reverse().map((each) => this.#item(each)));
    if (focused) this.rows.querySelector(`[data-id="${focused}"]`)?.focus();
    this.none.hidden = layers.list.length > 0;
    const kept = this.object.value || "all";
    this.object.replaceChildren(new Option("all objects", "all"), ...project.classes.slice(1).map((name, i) => new Option(name, i + 1)));
    this.object.value = kept;
    for (const button of this.acts.children) button.disabled = !chosen.length;
    for (const button of this.orders.children) button.disabled = !chosen.length;
    $("layer-group").disabled = chosen.length < 2;
    $("layer-ungroup").disabled = !chosen.some((each) => each.group);
    $("layers-clean").disabled = !layers.list.length;
    this.scale.slider.disabled = this.opacity.slider.disabled = !chosen.length;
    this.showValues();
  }

  showValues() {
    const [first] = this.layers.chosen;
    this.scale.show(first ? Math.sqrt(first.scale_x * first.scale_y) : 100);
    this.opacity.show(first ? first.opacity : 100);
  }
}
