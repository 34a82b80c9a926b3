// What all parts of the page share: elements, the line of an error, the line of a hint.
export const $ = (id) => document.getElementById(id);

export function on(id, act, kind = "click") {
  $(id).addEventListener(kind, act);
}

export function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

export function say(text) {
  $("hint").textContent = text;
}

// Shows an error until the next one, or until null takes it away.
export function complain(error) {
  $("banner").hidden = !error;
  $("banner").textContent = error ? error.message : "";
}
