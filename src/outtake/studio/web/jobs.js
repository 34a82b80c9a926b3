// The job that runs: its command, how far it is, its curve.
import { askJson, Refused } from "./api.js";
import { $, complain, withdraw } from "./page.js";

const TITLES = {
  train: "Training", suggest: "Looking for the next frame", propose: "Masks of all frames",
  remove: "Removing", preview: "Preview of the removal",
};
const LAST_LOSSES = 5;
const LOST_MS = 1500; // without an answer, until one is told
const RUNNING_MS = 500, IDLE_MS = 1000, HIDDEN_MS = 5000; // until it is asked again
const STARTERS = ["train", "train-on", "suggest", "look", "remove", "preview", "resume"];

// Asks how the job stands, again and again; ended is called with each that has ended since. Asking
// holds no connection, of which a browser has six for all pages of a server. Returns what begins anew.
export function watchJobs(ended) {
  let before, timer = 0, round = 0, silentSince = null, lost = null;
  const take = (job) => {
    showJob(job);
    // One that began and ended while nobody asked counts too.
    const isNews = before !== undefined && (before?.id !== job?.id || before.state === "running");
    if (job && job.state !== "running" && isNews) ended(job);
    before = job;
  };
  const answered = () => {
    withdraw(lost);
    lost = null;
    silentSince = null;
  };
  const look = async (own) => {
    clearTimeout(timer);
    try {
      const job = await askJson("jobs");
      if (own !== round) return; // another one asks now
      answered();
      take(job);
    } catch (error) {
      if (own !== round) return;
      if (error instanceof Refused) {
        answered();
        if (error.isOfPage) return; // the page says it, and begins anew when its project is open again
        complain(error);
      } else {
        silentSince ??= performance.now();
        if (!lost && performance.now() - silentSince >= LOST_MS) {
          lost = complain(new Error("the studio does not answer any more: start it again; what was saved is kept, and a removal goes on"));
        }
      }
    }
    timer = setTimeout(() => look(own), document.hidden ? HIDDEN_MS : before?.state === "running" || silentSince !== null ? RUNNING_MS : IDLE_MS);
  };
  const watch = () => look(++round);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) watch(); });
  watch();
  return watch;
}

export function showJob(job) {
  $("job").hidden = !job;
  if (!job) return;
  const running = job.state === "running";
  if (running) for (const id of STARTERS) if ($(id)) $(id).disabled = true;
  $("job-title").textContent = TITLES[job.kind] ?? job.kind;
  $("job-command").textContent = job.command;
  $("cancel").hidden = !running;
  $("cancel").textContent = job.kind === "train" ? "Stop, and keep the weights" : "Cancel";
  $("job-state").textContent = describe(job);
  const share = $("job-share"), done = shareOf(job);
  share.hidden = !running;
  if (done === null) share.removeAttribute("value");
  else share.value = done;
  const curve = job.training?.curves["train/loss"];
  $("job-curve").style.display = curve ? "" : "none";
  if (curve) $("job-curve").firstElementChild.setAttribute("points", polyline(curve));
}

// The share that is done, 0 to 1; null while it is not known.
function shareOf({ training, progress }) {
  if (training?.steps) return Math.min(1, (training.step ?? 0) / training.steps);
  const now = progressNow({ training, progress });
  return now?.total && !now.ended ? now.done / now.total : null;
}

// What is counted now. What came before the first loss is past, and what is counted to its end
// says nothing of what comes after it.
function progressNow({ training, progress }) {
  if (!progress || training?.loss != null) return null;
  return progress.total && progress.done >= progress.total ? { ...progress, ended: true, left_s: null } : progress;
}

// How the job stands, in words.
function describe(job) {
  const { training, message, state, elapsed_s } = job;
  const progress = progressNow(job);
  const time = showSeconds(elapsed_s);
  if (state === "failed") return `Failed after ${time}: ${message.replace(/^error: /, "")}`;
  if (state === "finished") return `Finished in ${time}.${sayCurve(training?.curves["train/loss"])}`;
  if (state === "cancelled") return sayCancelled(job, time);
  const parts = [];
  if (training?.steps) parts.push(`step ${training.step ?? 0} of ${training.steps}`);
  else if (training?.step) parts.push(`step ${training.step}`);
  if (training?.loss != null) parts.push(`loss ${training.loss.toPrecision(3)}`);
  if (progress) {
    const of = progress.total ? `${progress.done} of ${progress.total}` : String(progress.done);
    parts.push(`${progress.title}: ${of}`);
  }
  const left = training?.steps ? training.left_s : progress?.left_s;
  parts.push(left == null ? `${time} so far` : `about ${showSeconds(left)} left`);
  if (!training?.step && !progress) parts.push(message || "starting");
  return parts.join(", ");
}

// What the curve shows: one step alone says little, so its end is the mean of the last ones.
function sayCurve(curve) {
  if (!curve?.y.length) return "";
  const last = curve.y.slice(-LAST_LOSSES);
  const mean = last.reduce((sum, loss) => sum + loss, 0) / last.length;
  return ` The loss went from ${curve.y[0].toPrecision(2)} to ${mean.toPrecision(2)}; 0 is best.`;
}

function sayCancelled({ kind, weights, message }, time) {
  if (kind !== "train") return `Cancelled after ${time}: ${message}`;
  if (weights) return `Stopped after ${time}. The last weights are kept and used from now on.`;
  return `Stopped after ${time}, before there were any weights.`;
}

export function showSeconds(seconds) {
  const whole = Math.round(seconds);
  return whole < 90 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function polyline({ x, y }) {
  const most = y.reduce((a, b) => Math.max(a, b), 1e-9), last = x.reduce((a, b) => Math.max(a, b), 1);
  return x.map((step, i) => `${((step / last) * 256 + 2).toFixed(1)},${(66 - (y[i] / most) * 62).toFixed(1)}`).join(" ");
}
