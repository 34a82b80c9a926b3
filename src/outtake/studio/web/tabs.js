// The steps as tabs: one panel is shown, arrows go from tab to tab.
import { $ } from "./page.js";

const NAMES = ["mark", "train", "check", "remove", "layers"];

export class Tabs {
  // Changed is called with the name of the tab that is shown.
  constructor(changed = () => {}) {
    this.changed = changed;
    this.shown = null;
    for (const name of NAMES) $(`tab-${name}`).addEventListener("click", () => this.show(name));
    $("steps").addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.stopPropagation();
      event.preventDefault();
      this.show(NAMES[(NAMES.indexOf(this.shown) + by + NAMES.length) % NAMES.length]);
      $(`tab-${this.shown}`).focus();
    });
    this.show(NAMES[0]);
  }

  show(name) {
    this.shown = name;
    for (const each of NAMES) {
      $(`tab-${each}`).setAttribute("aria-selected", String(each === name));
      $(`tab-${each}`).tabIndex = each === name ? 0 : -1;
      $(`step-${each}`).hidden = each !== name;
    }
    this.changed(name);
  }

  showNumber(number) {
    if (NAMES[number - 1]) this.show(NAMES[number - 1]);
  }
}
