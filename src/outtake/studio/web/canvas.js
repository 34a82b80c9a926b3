// The frame with its labels: zoom at the pointer, pan, and what is shown.
import { colourOf } from "./colours.js";


export class View {
  constructor(canvas, width, height) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = width;
    this.height = height;
    this.overlay = new OffscreenCanvas(width, height);
    this.overlayContext = this.overlay.getContext("2d");
    this.image = null;
    this.offer = null; // an OffscreenCanvas of proposed labels
    this.preview = null; // a small canvas of labels that were carried here
    this.regions = null; // an OffscreenCanvas of outlines
    this.trail = []; // points of a lasso that is being drawn
    this.pointer = null; // [x, y, size] in pixels of the frame
    this.layers = null; // draws everything while it is active
    this.undecided = null; // an OffscreenCanvas of regions with several classes, or none
    this.plate = null; // what differs from the plate, in place of the frame
    this.opacity = 0.45;
    this.mode = "overlay";
    this.hidden = false;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.asked = false;
    this.fit();
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  fit() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(box.width * ratio));
    this.canvas.height = Math.max(1, Math.round(box.height * ratio));
    this.ratio = ratio;
    this.reset();
  }

  reset() {
    const { width, height } = this.canvas;
    this.scale = Math.min(width / this.width, height / this.height) * 0.96;
    this.x = (width - this.width * this.scale) / 2;
    this.y = (height - this.height * this.scale) / 2;
    this.redraw();
  }

  // A place in the frame, in pixels with fractions, of an event.
  locate(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.ratio || 1;
    return [
      ((event.clientX - box.left) * ratio - this.x) / this.scale,
      ((event.clientY - box.top) * ratio - this.y) / this.scale,
    ];
  }

  zoom(event, factor) {
    const [px, py] = this.locate(event);
    const scale = Math.min(Math.max(this.scale * factor, 0.05), 60);
    this.x += px * (this.scale - scale);
    this.y += py * (this.scale - scale);
    this.scale = scale;
    this.redraw();
  }

  pan(dx, dy) {
    this.x += dx * (this.ratio || 1);
    this.y += dy * (this.ratio || 1);
    this.redraw();
  }

  // How wide the frame is on the screen when all of it is seen; a multiple, so that few sizes are made.
  fittedWidth() {
    const scale = Math.min(this.canvas.width / this.width, this.canvas.height / this.height);
    return Math.min(this.width, Math.max(256, Math.ceil((this.width * scale) / 128) * 128));
  }

  // Whether more of the picture could be seen than it holds.
  wantsMore() {
    return this.image && this.image.naturalWidth < this.width && this.scale * this.width > this.image.naturalWidth * 1.1;
  }

  // Colours the labels of a rectangle anew.
  paint(labels, dirty) {
    if (!dirty) return;
    let { left, right, top, bottom } = dirty;
    // How thick outlines are: a pixel around each is drawn anew.
    const thick = this.mode === "outline" ? Math.max(1, Math.round(this.width / 1000)) : 0;
    left = Math.max(left - thick, 0);
    top = Math.max(top - thick, 0);
    right = Math.min(right + thick, this.width - 1);
    bottom = Math.min(bottom + thick, this.height - 1);
    const wide = right - left + 1, high = bottom - top + 1;
    const picture = new ImageData(wide, high);
    const words = new Uint32Array(picture.data.buffer);
    const table = this.#table();
    for (let y = 0; y < high; y++) {
      const from = (top + y) * this.width + left, to = y * wide;
      if (thick) {
        for (let x = 0; x < wide; x++) {
          if (this.#isOnOutline(labels, from + x, left + x, top + y, thick)) words[to + x] = table[labels[from + x]];
        }
        continue;
      }
      for (let x = 0; x < wide; x++) words[to + x] = table[labels[from + x]];
    }
    this.overlayContext.putImageData(picture, left, top);
    this.redraw();
  }

  #isOnOutline(labels, i, x, y, thick) {
    const own = labels[i];
    return (x >= thick && labels[i - thick] !== own) || (x + thick < this.width && labels[i + thick] !== own) ||
      (y >= thick && labels[i - thick * this.width] !== own) ||
      (y + thick < this.height && labels[i + thick * this.width] !== own);
  }

  // Colours all labels anew; isBare where there are none.
  repaint(labels, isBare = false) {
    this.words = null;
    if (isBare && this.mode !== "unlabelled" && this.mode !== "cutout") {
      this.overlayContext.clearRect(0, 0, this.width, this.height);
      return this.redraw();
    }
    this.paint(labels, { left: 0, right: this.width - 1, top: 0, bottom: this.height - 1 });
  }

  #table() {
    if (!this.words) {
      this.words = new Uint32Array(256);
      for (let i = 0; i < 256; i++) {
        let [r, g, b, a] = [...colourOf(i), 255];
        if (this.mode === "unlabelled") [r, g, b, a] = i === 255 ? [255, 220, 0, 255] : [0, 0, 0, 0];
        else if (this.mode === "cutout") a = i === 0 || i === 255 ? 255 : 0;
        else if (i === 255) a = 0;
        this.words[i] = ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
      }
    }
    return this.words;
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      if (this.wantsMore()) this.more?.();
      this.#draw();
    });
  }

  #draw() {
    const c = this.context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.setTransform(this.scale, 0, 0, this.scale, this.x, this.y);
    c.imageSmoothingEnabled = this.scale < 2;
    if (this.layers?.active) return this.layers.draw(c);
    const picture = this.mode === "plate" && !this.hidden ? this.plate ?? this.image : this.image;
    if (picture) c.drawImage(picture, 0, 0, this.width, this.height);
    this.shown?.(this.scale / (this.ratio || 1));
    if (this.hidden || this.mode === "original") return;
    if (this.mode === "cutout") {
      // What is not the object becomes transparent.
      c.globalCompositeOperation = "destination-out";
      c.drawImage(this.overlay, 0, 0);
      c.globalCompositeOperation = "source-over";
    } else {
      c.globalAlpha = this.mode === "outline" ? 1 : this.mode === "unlabelled" ? 0.75 : this.opacity;
      c.drawImage(this.overlay, 0, 0);
      c.globalAlpha = 1;
    }
    if (this.preview && !this.offer) c.drawImage(this.preview, 0, 0, this.width, this.height);
    if (this.offer) c.drawImage(this.offer, 0, 0);
    if (this.regions) c.drawImage(this.regions, 0, 0);
    if (this.undecided) c.drawImage(this.undecided, 0, 0);
    c.lineWidth = 1.5 / this.scale;
    c.strokeStyle = "#fff";
    if (this.trail.length > 1) {
      c.beginPath();
      this.trail.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
      c.closePath();
      c.stroke();
    }
    if (this.pointer) {
      const [x, y, size] = this.pointer;
      c.beginPath();
      c.arc(x + 0.5, y + 0.5, size / 2, 0, 2 * Math.PI);
      c.stroke();
      c.strokeStyle = "#000";
      c.setLineDash([3 / this.scale, 3 / this.scale]);
      c.stroke();
      c.setLineDash([]);
    }
  }
}

// A canvas with proposed labels, striped so that they are told from labels.
export function drawOffer(labels, before, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const picture = new ImageData(width, height);
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === before[i] || labels[i] === 255) continue;
    const stripe = ((i % width) + Math.floor(i / width)) % 6 < 3;
    const [r, g, b] = colourOf(labels[i]);
    const dim = labels[i] === 0 ? 0.35 : 1; // the object is what one looks at
    picture.data.set([r, g, b, (stripe ? 170 : 60) * dim], 4 * i);
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}
