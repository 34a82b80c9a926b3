// Questions to the server, and the queue that saves every stroke in its order.

// What tells the project that this page shows: another page may open another one meanwhile.
export const session = { id: null };

export class Refused extends Error {
  constructor(status, text, isOther = false) {
    super(text);
    this.status = status;
    // The page itself is refused: its project is not open any more, or its token is a former one.
    this.isOfPage = isOther || status === 403;
    // It is no fault of what was sent, which is kept and tried again, as on a full disk.
    this.isPassing = this.isOfPage || status >= 500;
  }
}

// Sends anything; what the body is says its kind. Of whatever project is open if the id is null.
export async function send(path, method, body, kind, { id = session.id, signal } = {}) {
  const headers = id === null ? {} : { "X-Outtake-Session": id };
  if (kind) headers["Content-Type"] = kind;
  const answer = await fetch(`/api/${path}`, { method, body, headers, signal });
  if (answer.ok) return answer;
  const error = new Refused(answer.status, await answer.text(), answer.headers.has("x-outtake-other"));
  if (error.isOfPage) document.dispatchEvent(new CustomEvent("refused", { detail: error }));
  throw error;
}

export const ask = (path, method = "GET", body = undefined, more = {}) =>
  (body === undefined ? send(path, method, undefined, undefined, more) : send(path, method, JSON.stringify(body), "application/json", more));

// The address of what an element asks for, which can send no header.
export function addressOf(path) {
  return `/api/${path}${path.includes("?") ? "&" : "?"}session=${session.id}`;
}

// Points a link at a file of the project that is open when it is clicked; null for nothing.
export function pointLink(link, path) {
  link.onclick = null;
  link.removeAttribute("href");
  if (path === null) return;
  link.href = addressOf(path);
  link.onclick = () => { link.href = addressOf(path); };
}

export const askJson = async (...given) => (await ask(...given)).json();

// The exact values of a PNG, RGBA, with its width and height.
export async function pixelsOf(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

export const askPixels = async (...given) => (await pixelsOf(await (await ask(...given)).blob())).data;

const RETRY_MS = 2000, SETTLE_MS = 3000;

// Actions wait here until the server has them on the disk; none is lost while the page is open.
export class SaveQueue {
  // Failed is called where it is tried again, unshown where it is saved and the page then fails.
  constructor({ saved, conflict, failed, unshown }) {
    this.waiting = []; // {frame, history, action}
    this.tell = { saved, conflict, failed, unshown };
    this.running = false;
    this.asked = 0; // when the saving that runs began
    this.saves = []; // how long each action waited, in ms
  }

  push(frame, history, action) {
    this.waiting.push({ frame, history, action, at: performance.now() });
    this.run();
  }

  // Waits until the server has all; what is asked of it next counts what was drawn.
  async settle() {
    const until = performance.now() + SETTLE_MS;
    while (this.waiting.length) {
      if (performance.now() > until) throw new Error("strokes are still being saved; try again in a moment");
      await new Promise((go) => setTimeout(go, 10));
    }
  }

  has(frame) {
    return this.waiting.some((each) => each.frame === frame);
  }

  async run() {
    if (this.running) return;
    this.running = true;
    while (this.waiting.length) {
      const { frame, history } = this.waiting[0];
      let count = 1;
      while (count < this.waiting.length && count < 50 && this.waiting[count].history === history) count++;
      const actions = this.waiting.slice(0, count).map((each) => each.action);
      this.asked = performance.now();
      let answer;
      try {
        answer = await askJson(`frames/${frame}/strokes`, "POST", { revision: history.revision, actions });
      } catch (error) {
        if (error instanceof Refused && !error.isPassing) {
          // It can never be saved as it is: the frame is read again.
          this.waiting = this.waiting.filter((each) => each.frame !== frame);
          this.tell.conflict(frame, error);
        } else {
          this.tell.failed(error);
          await new Promise((go) => setTimeout(go, RETRY_MS));
        }
        continue;
      }
      history.revision = answer.revision;
      for (const { at } of this.waiting.splice(0, count)) this.saves.push(performance.now() - at);
      try {
        this.tell.saved(frame, history, answer);
      } catch (error) {
        this.tell.unshown(error); // it is on the disk, and must not be sent again
      }
    }
    this.running = false;
  }
}
