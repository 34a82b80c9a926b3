// Where layers lie: plain numbers, no page. A layer has the middle (x, y) of its picture in pixels of
// the frame, scales and opacity in percent, an angle in degrees clockwise, a group or 0.
const FAR = 100000, LEAST_SCALE = 1, MOST_SCALE = 2000;
const radians = (degrees) => (degrees * Math.PI) / 180;
const between = (value, least, most) => Math.min(Math.max(value, least), most);

// Cosine and sine, exact at right angles, as outtake/studio/composition.py has them.
export function turn(angle) {
  const c = Math.cos(radians(angle)), s = Math.sin(radians(angle));
  return angle % 90 === 0 ? [Math.round(c), Math.round(s)] : [c, s];
}

// What takes a place in the picture to the frame, as canvases have it: [a, b, c, d, e, f].
export function matrixOf(layer, picture) {
  const [c, s] = turn(layer.angle);
  const sx = layer.scale_x / 100, sy = layer.scale_y / 100;
  const [a, b, g, d] = [c * sx, s * sx, -s * sy, c * sy];
  return [a, b, g, d,
    layer.x - (a * picture.width + g * picture.height) / 2,
    layer.y - (b * picture.width + d * picture.height) / 2];
}

// A place of the frame in pixels of the picture.
export function intoPicture(layer, picture, x, y) {
  const [c, s] = turn(layer.angle);
  const dx = x - layer.x, dy = y - layer.y;
  return [(c * dx + s * dy) / (layer.scale_x / 100) + picture.width / 2,
    (-s * dx + c * dy) / (layer.scale_y / 100) + picture.height / 2];
}

// The box around one layer, turned with it, or around several, upright.
export function boxOf(layers, pictures) {
  if (layers.length === 1) {
    const [layer] = layers;
    const { width, height } = pictures.get(layer.picture);
    return { x: layer.x, y: layer.y, angle: layer.angle,
      width: (width * layer.scale_x) / 100, height: (height * layer.scale_y) / 100 };
  }
  const points = layers.flatMap((layer) => cornersOf(boxOf([layer], pictures)));
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return { x: (left + right) / 2, y: (top + bottom) / 2, angle: 0, width: right - left, height: bottom - top };
}

// A place of a box, -1 to 1 from its left to its right and from its top to its bottom.
export function placeOf(box, across, down) {
  const [c, s] = turn(box.angle);
  const dx = (across * box.width) / 2, dy = (down * box.height) / 2;
  return [box.x + c * dx - s * dy, box.y + s * dx + c * dy];
}

export const cornersOf = (box) => [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([a, d]) => placeOf(box, a, d));

function tidy(layer) {
  const near = (value) => Math.round(between(value, -FAR, FAR) * 1000) / 1000;
  const angle = ((((layer.angle + 180) % 360) + 360) % 360) - 180;
  return { ...layer, x: near(layer.x), y: near(layer.y),
    scale_x: between(layer.scale_x, LEAST_SCALE, MOST_SCALE),
    scale_y: between(layer.scale_y, LEAST_SCALE, MOST_SCALE), angle: Math.round(angle * 100) / 100 };
}

export const move = (layer, dx, dy) => tidy({ ...layer, x: layer.x + dx, y: layer.y + dy });

// Turned about a place, clockwise.
export function rotate(layer, [cx, cy], degrees) {
  const [c, s] = turn(degrees);
  const dx = layer.x - cx, dy = layer.y - cy;
  return tidy({ ...layer, x: cx + c * dx - s * dy, y: cy + s * dx + c * dy, angle: layer.angle + degrees });
}

// Made larger away from a place that stays.
export function scale(layer, [cx, cy], factor) {
  return tidy({ ...layer, x: cx + (layer.x - cx) * factor, y: cy + (layer.y - cy) * factor,
    scale_x: layer.scale_x * factor, scale_y: layer.scale_y * factor });
}

// The factor at which none of the layers becomes smaller or larger than is allowed.
export function allowFactor(layers, factor) {
  const scales = layers.flatMap((layer) => [layer.scale_x, layer.scale_y]);
  return between(factor, LEAST_SCALE / Math.min(...scales), MOST_SCALE / Math.max(...scales));
}

// Stretched in one of its own directions; the other side stays.
export function stretch(layer, picture, across, down, factor) {
  const box = boxOf([layer], new Map([[layer.picture, picture]]));
  const key = across ? "scale_x" : "scale_y";
  const wanted = between(layer[key] * factor, LEAST_SCALE, MOST_SCALE);
  const [fx, fy] = placeOf(box, -across, -down);
  const ratio = wanted / layer[key];
  return tidy({ ...layer, [key]: wanted, x: fx + (layer.x - fx) * ratio, y: fy + (layer.y - fy) * ratio });
}

// How far along the line from one place to another a third one is: 1 at its end.
export function shareAlong([x0, y0], [x1, y1], [x, y]) {
  const dx = x1 - x0, dy = y1 - y0;
  return ((x - x0) * dx + (y - y0) * dy) / Math.max(dx * dx + dy * dy, 1e-9);
}

// Ids with those of the groups that they belong to.
export function withGroups(list, ids) {
  const groups = new Set(list.filter((each) => ids.has(each.id) && each.group).map((each) => each.group));
  return new Set(list.filter((each) => ids.has(each.id) || groups.has(each.group)).map((each) => each.id));
}

// The list with the chosen ones moved as a block, in their own order.
export function reorder(list, ids, how) {
  const chosen = list.filter((each) => ids.has(each.id)), others = list.filter((each) => !ids.has(each.id));
  const isChosen = (each) => ids.has(each.id);
  const first = list.findIndex(isChosen), last = list.findLastIndex(isChosen);
  const upTo = list.slice(0, last).filter((each) => !isChosen(each)).length;
  const at = { front: others.length, back: 0, forward: Math.min(upTo + 1, others.length),
    backward: Math.max(first - 1, 0) }[how];
  return [...others.slice(0, at), ...chosen, ...others.slice(at)];
}

export const nextId = (list) => Math.max(0, ...list.map((each) => each.id)) + 1;

// Copies of the chosen ones on top, 9 px to the right and 12 down, in groups of their own.
export function duplicate(list, ids) {
  let id = nextId(list);
  let group = Math.max(0, ...list.map((each) => each.group));
  const groups = new Map();
  const copies = list.filter((each) => ids.has(each.id)).map((each) => {
    if (each.group && !groups.has(each.group)) groups.set(each.group, ++group);
    return { ...move(each, 9, 12), id: id++, group: each.group ? groups.get(each.group) : 0 };
  });
  return [[...list, ...copies], new Set(copies.map((each) => each.id))];
}
