// The keyboard: everything that the page does can be done by it, strokes excepted.
export const KEYS = [
  ["B E R L F", "brush, eraser, regions, lasso, fill"],
  ["[ ], Alt+wheel", "size; the eraser has its own"],
  ["Shift+click", "a straight line from the end of the last stroke"],
  ["click on a region", "with the region tool: gives back one that has the class already"],
  ["X", "lock labels: only what is unlabelled is drawn on"],
  ["0 to 9", "class"],
  ["Shift+1 to Shift+4", "the steps"],
  ["A D, arrows", "frame before, after; with Shift ten frames"],
  ["Home End", "first and last frame"],
  ["N", "next frame to label"],
  ["T S M", "train (on), which frame next, masks of all frames"],
  ["Ctrl+Z", "undo"],
  ["Ctrl+Shift+Z, Ctrl+Y", "redo"],
  ["W C P", "propose from the strokes, by colour, by the network"],
  ["K", "propose the labels around this frame, carried here by motion; with Shift those before as they are"],
  ["Enter, Esc", "accept or reject a proposal"],
  ["Q", "next view; with Shift the one before"],
  ["G", "preview of what motion carries here"],
  ["Tab held", "the frame without labels, while the canvas has the focus"],
  ["Space held, middle button", "pan; on a touch screen two fingers pan and zoom"],
  ["wheel, + -", "zoom"],
  ["Ctrl+0", "reset zoom"],
  ["V", "layers: arrows move what is chosen, , and . turn it, Ctrl+D Ctrl+G Ctrl+[ Ctrl+] Delete"],
  ["H", "these keys"],
];

const BUTTONS = { x: "keep", g: "show-flow", s: "suggest", m: "look" };
const PROPOSALS = { w: "watershed", c: "colour", p: "network" };

export function listenToKeys(studio, commands) {
  const frameKeys = { a: -1, d: 1, arrowleft: -1, arrowright: 1 };
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input:not([type=range]):not([type=checkbox]), select") || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    const onSlider = event.target.matches("input[type=range]");
    let done = true;
    if (event.ctrlKey || event.metaKey) {
      if (key === "z") event.shiftKey ? commands.redo() : commands.undo();
      else if (key === "y") commands.redo();
      else if (key === "0") studio.view.reset();
      else done = false;
    } else if (event.shiftKey && /^Digit[1-4]$/.test(event.code)) commands.showStep(Number(event.code[5]));
    else if (key in commands.tools) commands.tools[key]();
    else if (key in frameKeys && !(onSlider && key.startsWith("arrow"))) commands.step(frameKeys[key] * (event.shiftKey ? 10 : 1));
    else if (key === "home" && !onSlider) commands.go(0);
    else if (key === "end" && !onSlider) commands.go(studio.project.frames - 1);
    else if (key === "[") commands.resize(-1);
    else if (key === "]") commands.resize(1);
    else if (/^\d$/.test(key)) commands.choose(Number(key));
    else if (key === "n") commands.nextSuggested();
    else if (key === "k") commands.propose(event.shiftKey ? "previous" : "flow");
    else if (key in BUTTONS) commands.press(BUTTONS[key]);
    else if (key === "t") commands.train();
    else if (key === "q") commands.nextView(event.shiftKey ? -1 : 1);
    else if (key in PROPOSALS) commands.propose(PROPOSALS[key]);
    else if (key === "enter" && !event.target.matches("button, a")) commands.accept();
    else if (key === "escape") commands.reject();
    else if (key === "h") commands.help();
    else if (key === "+" || key === "-") commands.zoom(key === "+" ? 1.25 : 0.8);
    else if (key === " " && event.target === studio.view.canvas) studio.spaceHeld = true;
    else if (key === "tab" && event.target === studio.view.canvas && !event.shiftKey) commands.hide(true);
    else done = false;
    if (done) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") studio.spaceHeld = false;
    if (event.key === "Tab") commands.hide(false);
  });
}
