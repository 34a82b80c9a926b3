// What an action does to the pixels of a label map: the same integers as outtake/studio/strokes.py.
export const UNLABELLED = 255;

// Calls run(start, end, value) for each run of pixels that an action of the page draws.
export function draw(labels, width, height, action, run) {
  const value = action.class;
  if (action.keep) return draw(labels, width, height, { ...action, keep: false }, onBare(labels, run));
  if (action.tool === "brush") {
    const points = action.points;
    if (points.length === 1) drawCapsule(width, height, points[0], points[0], action.size, value, run);
    for (let i = 1; i < points.length; i++) {
      drawCapsule(width, height, points[i - 1], points[i], action.size, value, run);
    }
  } else if (action.tool === "lasso") {
    fillPolygon(width, height, action.points, value, run);
  } else if (action.tool === "fill") {
    fillArea(labels, width, height, action.points[0], value, run);
  } else if (action.tool === "pixels") {
    for (const part of action.parts) {
      for (let i = 0; i < part.runs.length; i += 2) {
        run(part.runs[i], part.runs[i] + part.runs[i + 1], part.class);
      }
    }
  }
}

// Calls run for the pixels of each run alone that are unlabelled.
function onBare(labels, run) {
  return (start, end, value) => {
    for (let i = start; i < end; ) {
      while (i < end && labels[i] !== UNLABELLED) i++;
      const first = i;
      while (i < end && labels[i] === UNLABELLED) i++;
      if (first < i) run(first, i, value);
    }
  };
}

// All pixels within half the size of the line between two pixels: one run in each row.
export function drawCapsule(width, height, [x0, y0], [x1, y1], size, value, run) {
  const reach = size >> 1, limit = size * size;
  const left = Math.max(Math.min(x0, x1) - reach, 0);
  const right = Math.min(Math.max(x0, x1) + reach, width - 1);
  const top = Math.max(Math.min(y0, y1) - reach, 0);
  const bottom = Math.min(Math.max(y0, y1) + reach, height - 1);
  const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  const isInside = (x, y) => {
    const ax = x - x0, ay = y - y0, bx = x - x1, by = y - y1;
    if (4 * (ax * ax + ay * ay) <= limit || 4 * (bx * bx + by * by) <= limit) return true;
    const along = ax * dx + ay * dy;
    if (along <= 0 || along >= length) return false;
    const aside = ax * dy - ay * dx;
    return 4 * aside * aside <= limit * length;
  };
  for (let y = top; y <= bottom; y++) {
    let first = left, last = right;
    while (first <= right && !isInside(first, y)) first++;
    if (first > right) continue;
    while (!isInside(last, y)) last--;
    run(y * width + first, y * width + last + 1, value);
  }
}

function fillPolygon(width, height, points, value, run) {
  const turns = Array.from({ length: height }, () => null);
  points.forEach(([xa, ya], i) => {
    const [xb, yb] = points[(i + 1) % points.length];
    if (ya === yb) return;
    const [x0, y0, x1, y1] = ya < yb ? [xa, ya, xb, yb] : [xb, yb, xa, ya];
    for (let y = Math.max(y0, 0); y < Math.min(y1, height); y++) {
      const first = x0 + Math.ceil(((y - y0) * (x1 - x0)) / (y1 - y0));
      (turns[y] ??= []).push(Math.min(Math.max(first, 0), width));
    }
  });
  turns.forEach((row, y) => {
    if (row === null) return;
    row.sort((a, b) => a - b);
    for (let i = 0; i + 1 < row.length; i += 2) {
      if (row[i] < row[i + 1]) run(y * width + row[i], y * width + row[i + 1], value);
    }
  });
}

function fillArea(labels, width, height, [x, y], value, run) {
  const wanted = labels[y * width + x];
  const seen = new Uint8Array(width * height);
  const stack = [y * width + x];
  const runs = [];
  while (stack.length) {
    const at = stack.pop();
    if (seen[at]) continue;
    const row = Math.floor(at / width) * width;
    let first = at, last = at + 1;
    while (first > row && labels[first - 1] === wanted && !seen[first - 1]) first--;
    while (last < row + width && labels[last] === wanted && !seen[last]) last++;
    seen.fill(1, first, last);
    runs.push(first, last);
    for (const next of [-width, width]) {
      if (row + next < 0 || row + next >= width * height) continue;
      for (let i = first + next; i < last + next; i++) {
        const begins = i === first + next || labels[i - 1] !== wanted || seen[i - 1];
        if (labels[i] === wanted && !seen[i] && begins) stack.push(i);
      }
    }
  }
  for (let i = 0; i < runs.length; i += 2) run(runs[i], runs[i + 1], value);
}

// The runs of sorted places of pixels, as beginnings and lengths in turn.
export function findRuns(places) {
  const runs = [];
  for (let i = 0; i < places.length; ) {
    let end = i + 1;
    while (end < places.length && places[end] === places[end - 1] + 1) end++;
    runs.push(places[i], end - i);
    i = end;
  }
  return runs;
}

const TABLE = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

export function crc32(bytes) {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
