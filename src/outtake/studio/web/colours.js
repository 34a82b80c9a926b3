// The colours of classes: those of the project, and others in turn.
const COLOURS = [
  [70, 110, 160], [230, 60, 60], [60, 180, 75], [245, 170, 30], [150, 80, 200], [20, 190, 200],
  [240, 90, 190], [150, 160, 30], [120, 80, 40], [0, 130, 90],
];
let chosen = [];

// Takes a list of "#rrggbb" or null by the id of the class.
export function setColours(list) {
  chosen = list.map((each) => each && [1, 3, 5].map((i) => parseInt(each.slice(i, i + 2), 16)));
}

export const colourOf = (id) => chosen[id] ?? COLOURS[id === 0 ? 0 : 1 + ((id - 1) % (COLOURS.length - 1))];

export const hexOf = (id) => `#${colourOf(id).map((v) => v.toString(16).padStart(2, "0")).join("")}`;
