// Questions to the server, and the queue that saves every stroke in its order.

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export async function ask(path, method = "GET", body = undefined) {
  const answer = await fetch(`/api/${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
  });
  if (!answer.ok) throw new Refused(answer.status, await answer.text());
  return answer;
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

const RETRY_MS = 2000;

// Actions wait here until the server has them on the disk; none is lost while the page is open.
export class SaveQueue {
  constructor({ saved, conflict, failed }) {
    this.waiting = []; // {frame, history, action}
    this.tell = { saved, conflict, failed };
    this.running = false;
    this.asked = 0; // when the saving that runs began
    this.saves = []; // how long each action waited, in ms
  }

  push(frame, history, action) {
    this.waiting.push({ frame, history, action, at: performance.now() });
    this.run();
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
      try {
        const answer = await askJson(`frames/${frame}/strokes`, "POST", { revision: history.revision, actions });
        history.revision = answer.revision;
        for (const { at } of this.waiting.splice(0, count)) this.saves.push(performance.now() - at);
        this.tell.saved(frame, history, answer);
      } catch (error) {
        if (error instanceof Refused && error.status !== 507 && error.status < 500) {
          // It can never be saved as it is: the frame is read again.
          this.waiting = this.waiting.filter((each) => each.frame !== frame);
          this.tell.conflict(frame, error);
        } else {
          this.tell.failed(error);
          await new Promise((go) => setTimeout(go, RETRY_MS));
        }
      }
    }
    this.running = false;
  }
}
