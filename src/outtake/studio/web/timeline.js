// The frames in a row: which have labels, where the network is unsure, which it asks for.
const EDGE_PX = 8, SNAP_PX = 6, MARKS_PX = 14;

export class Timeline {
  // Go is called with the number of a frame that was clicked.
  constructor(canvas, project, go) {
    this.canvas = canvas;
    this.project = project;
    this.number = 0;
    this.asked = []; // the frames that are asked for
    const choose = (event) => {
      if (event.buttons & 1) go(this.find(event));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      choose(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      canvas.title = `frame ${this.find(event)}`;
      choose(event);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // The frame at the pointer; one that is labelled or asked for is caught from a few pixels away.
  find(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, last = Math.max(this.project.frames - 1, 1);
    const place = (frame) => EDGE_PX + (frame / last) * (box.width - 2 * EDGE_PX);
    const marked = [...this.project.labelled, ...this.asked];
    const near = marked.filter((frame) => Math.abs(place(frame) - x) <= SNAP_PX);
    if (near.length) return near.reduce((a, b) => (Math.abs(place(a) - x) <= Math.abs(place(b) - x) ? a : b));
    const share = (x - EDGE_PX) / Math.max(box.width - 2 * EDGE_PX, 1);
    return Math.round(Math.min(Math.max(share, 0), 1) * (this.project.frames - 1));
  }

  draw() {
    const { canvas, project } = this;
    const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(box.width * ratio));
    canvas.height = Math.max(1, Math.round(box.height * ratio));
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    const last = Math.max(project.frames - 1, 1);
    const place = (frame) => EDGE_PX + (frame / last) * (box.width - 2 * EDGE_PX);
    const marks = box.height - MARKS_PX - 1;
    const said = project.suggestions.frames ?? [];
    const curve = (key, high, ink) => {
      const most = said.reduce((a, { [key]: v }) => (v > a ? v : a), 1e-6);
      c.strokeStyle = ink;
      c.lineWidth = 1.2;
      c.beginPath();
      for (const [frame, value] of findPeaks(said, key, most, Math.max(1, Math.floor(canvas.width)))) {
        c.lineTo(place(frame), 2 + high * (1 - value / most));
      }
      c.stroke();
    };
    if (said.length === project.frames) {
      curve("area", marks - 6, colour("--soft"));
      curve("uncertainty", marks - 6, colour("--bad"));
    }
    c.fillStyle = colour("--line");
    c.fillRect(EDGE_PX, marks + MARKS_PX / 2, box.width - 2 * EDGE_PX, 1);
    c.fillStyle = colour("--accent");
    for (const frame of project.labelled) c.fillRect(place(frame) - 2.5, marks, 5, MARKS_PX);
    c.strokeStyle = colour("--bad");
    c.lineWidth = 1.5;
    for (const frame of this.asked) c.strokeRect(place(frame) - 3.5, marks + 0.75, 7, MARKS_PX - 1.5);
    c.fillStyle = colour("--ink");
    c.fillRect(place(this.number) - 0.5, 0, 1.5, box.height);
  }
}

// The points of a curve over all frames, at most one for each column: the frame of the highest value
// in it. What is not known counts as the most.
export function findPeaks(frames, key, most, columns) {
  const step = Math.max(1, frames.length / columns), peaks = [];
  for (let i = 0; i < frames.length; i++) {
    const value = frames[i][key] ?? most, column = Math.floor(i / step);
    if (column >= peaks.length) peaks.push([i, value]);
    else if (value > peaks[column][1]) peaks[column] = [i, value];
  }
  return peaks;
}

// Frames that are worth a label before any network: spread evenly.
export function proposeFrames(project) {
  const wanted = [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * (project.frames - 1)));
  const near = project.frames / 16;
  const isNear = (frame) => project.labelled.some((each) => each === frame || Math.abs(each - frame) < near);
  const distance = (frame) => project.labelled.reduce((least, each) => Math.min(least, Math.abs(each - frame)), Infinity);
  // Those that are labelled count among the wanted, wherever they are.
  return [...new Set(wanted)].filter((frame) => !isNear(frame)).sort((a, b) => distance(b) - distance(a))
    .slice(0, Math.max(0, wanted.length - project.labelled.length)).sort((a, b) => a - b);
}
