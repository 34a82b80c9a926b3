// Frames that are open: the picture, the labels with their history, and the superpixels.
import { ask, askJson, askPixels } from "./api.js";
import { FrameHistory } from "./history.js";
import { crc32 } from "./raster.js";

const KEPT = 8;

export class Frames {
  // ImageWidth returns how wide a picture is on the screen, in its pixels.
  constructor(project, queue, imageWidth) {
    this.project = project;
    this.queue = queue;
    this.imageWidth = imageWidth;
    this.kept = new Map();
  }

  async open(number) {
    const known = this.kept.get(number);
    if (known) {
      this.kept.delete(number);
      this.kept.set(number, known);
      return known;
    }
    const { width, height } = this.project;
    const [image, state] = await Promise.all([
      this.#load(number, this.imageWidth()), askJson(`frames/${number}/strokes`),
    ]);
    const history = new FrameHistory(width, height);
    history.load(state);
    if (state.actions.length && crc32(history.labels) !== state.crc32) throw new Error(`frame ${number}: the page draws other pixels`);
    const frame = { number, image, history, regions: null, notice: state.notice };
    this.kept.set(number, frame);
    for (const old of [...this.kept.keys()]) {
      if (this.kept.size <= KEPT) break;
      if (old !== number && !this.queue.has(old)) this.kept.delete(old);
    }
    return frame;
  }

  // Loads a frame that will be looked at, if it is not there.
  prefetch(number) {
    if (number < 0 || number >= this.project.frames || this.kept.has(number)) return;
    this.open(number).catch(() => {}); // whoever goes there is told
  }

  // Gives an open frame its picture in full size.
  async sharpen(frame) {
    if (frame.sharpening || frame.image.naturalWidth >= this.project.width) return;
    frame.sharpening = true; // once: what failed would fail at every redrawing
    frame.image = await this.#load(frame.number, this.project.width);
  }

  // The picture of a frame, no wider than it is.
  #load(number, width) {
    return loadPicture(`frames/${number}${width < this.project.width ? `?width=${width}` : ""}`);
  }

  forget(number) {
    this.kept.delete(number);
  }

  async findRegions(frame, choice) {
    const key = new URLSearchParams(choice).toString();
    if (frame.regions?.key === key) return frame.regions;
    const data = await askPixels(`frames/${frame.number}/regions?${key}`);
    const ids = new Int32Array(data.length / 4);
    let most = 0;
    for (let i = 0; i < ids.length; i++) {
      ids[i] = (data[4 * i] << 16) | (data[4 * i + 1] << 8) | data[4 * i + 2];
      if (ids[i] > most) most = ids[i];
    }
    // The pixels of each region, so that none is searched when it is taken.
    const first = new Int32Array(most + 2);
    for (const id of ids) first[id + 1]++;
    for (let i = 1; i < first.length; i++) first[i] += first[i - 1];
    const next = first.slice();
    const places = new Int32Array(ids.length);
    for (let i = 0; i < ids.length; i++) places[next[ids[i]]++] = i;
    frame.regions = { key, ids, first, places };
    return frame.regions;
  }
}

// A picture of the server; where there is none, the error says what the server says.
export async function loadPicture(path) {
  const image = new Image();
  image.src = URL.createObjectURL(await (await ask(path)).blob());
  try {
    await image.decode();
  } catch {
    throw new Error(`this browser cannot show a picture of ${image.naturalWidth}×${image.naturalHeight} (${path})`);
  } finally {
    URL.revokeObjectURL(image.src);
  }
  return image;
}
