// Which regions are wanted, and what is shown of them: outlines, and those that are mixed or unknown.
import { $ } from "./page.js";
import { UNLABELLED } from "./raster.js";

export function regionChoice() {
  return { count: Number($("count").value), method: $("method").value, least: Number($("least").value) };
}

// A canvas with the outlines of regions.
export function drawOutlines(ids, width, height) {
  const picture = new ImageData(width, height);
  const words = new Uint32Array(picture.data.buffer);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const right = x + 1 < width && ids[i] !== ids[i + 1];
      const below = y + 1 < height && ids[i] !== ids[i + width];
      if (right || below) words[i] = 0x82ffffff;
    }
  }
  return asCanvas(picture);
}

// A canvas with regions that hold several classes striped, and those that hold none dotted.
export function drawUndecided(regions, labels, width, height) {
  const picture = new ImageData(width, height);
  const words = new Uint32Array(picture.data.buffer);
  const { first, places } = regions;
  for (let id = 0; id + 1 < first.length; id++) {
    let one = UNLABELLED, isMixed = false;
    for (let k = first[id]; k < first[id + 1] && !isMixed; k++) {
      const label = labels[places[k]];
      if (label === UNLABELLED || label === one) continue;
      if (one === UNLABELLED) one = label;
      else isMixed = true;
    }
    if (!isMixed && one !== UNLABELLED) continue;
    for (let k = first[id]; k < first[id + 1]; k++) {
      const at = places[k], x = at % width, y = (at - x) / width;
      if (isMixed ? (x + y) % 6 < 3 : x % 4 === 0 && y % 4 === 0) words[at] = isMixed ? 0xd000a5ff : 0xb0ffffff;
    }
  }
  return asCanvas(picture);
}

function asCanvas(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}
