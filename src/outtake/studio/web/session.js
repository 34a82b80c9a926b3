// Which project this page shows. Every request says so, as another page may open another one.
import { askJson, Refused, send, session } from "./api.js";
import { $, complain, element } from "./page.js";

// Shows what keeps the page from being saved, and the way out; what waits goes on by itself then.
export class Elsewhere {
  // The studio is what main.js has; opened is called when its project is open again.
  constructor(studio, opened) {
    this.studio = studio;
    this.opened = opened;
    this.shown = null;
    this.again = element("button", `Open ${studio.project.name} again`);
    this.again.addEventListener("click", () => this.#open().catch((error) => this.#show(error.message)));
    this.load = element("button", "Reload the page");
    this.load.addEventListener("click", () => location.reload());
    document.addEventListener("refused", ({ detail }) => this.#tell(detail));
  }

  #tell({ status }) {
    if (this.shown === status) return;
    this.shown = status;
    const { name } = this.studio.project;
    this.#show(status === 403
      ? `The studio was started anew, and does not know this page. Open the address that it has printed in another tab of this browser, then ${name} again here. What is not saved is kept until then.`
      : `${name}, which this page shows, is not open any more: another page has opened another project, or the studio was started anew. What is not saved is kept here.`);
  }

  #show(text) {
    $("elsewhere").replaceChildren(text, this.again, this.load);
    $("elsewhere").hidden = false;
  }

  async #open() {
    const { project } = this.studio;
    let found = await askOpen();
    if (found?.folder !== project.folder) {
      await this.#ask({ session: session.id });
      found = await askOpen();
    }
    const same = ["folder", "clip", "frames", "width", "height"].every((key) => found?.[key] === project[key]);
    if (!same) throw new Error("another project has this name now; reload the page");
    session.id = found.session; // from here on what waits is saved
    this.shown = null;
    $("elsewhere").hidden = true;
    complain(null);
    this.opened(found);
  }

  async #ask(what, end_job = false) {
    try {
      await askJson("open", "POST", { ...what, end_job });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // A studio that was started anew knows it by its name alone.
      if (error.status === 400 && what.session) return this.#ask({ project: this.studio.project.name }, end_job);
      if (error.status !== 409 || end_job || !confirm(`${error.message} End it?`)) throw error;
      await this.#ask(what, true);
    }
  }
}

async function askOpen() {
  try {
    return await (await send("project", "GET", undefined, undefined, { id: null })).json();
  } catch (error) {
    if (error instanceof Refused && error.status === 409) return null; // nothing is open
    throw error;
  }
}
