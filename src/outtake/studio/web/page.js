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

let notice = null; // the error that is shown

// Shows an error until the next one, until the person closes it, or until it is withdrawn; returns it.
export function complain(error) {
  notice = error;
  $("banner").hidden = !error;
  $("banner-text").textContent = error ? error.message : "";
  return error;
}

// Takes away an error that holds no more, and no other that is shown by now.
export function withdraw(error) {
  if (error && error === notice) complain(null);
}
