// The job that runs: its command, how far it is, its curve; told by the server as it changes.
const $ = (id) => document.getElementById(id);
const TITLES = { train: "Training", suggest: "Looking for the next frame", propose: "Masks of all frames", remove: "Removing" };

export function watchJobs(ended) {
  const source = new EventSource("/api/jobs/events");
  let before = null;
  source.onmessage = ({ data }) => {
    const job = JSON.parse(data);
    showJob(job);
    if (job && before?.id === job.id && before.state === "running" && job.state !== "running") ended(job);
    before = job;
  };
  return source;
}

export function showJob(job) {
  $("job").hidden = !job;
  if (!job) return;
  const running = job.state === "running";
  for (const id of ["train", "train-on", "suggest", "look", "remove"]) $(id).disabled = running;
  $("job-title").textContent = TITLES[job.kind];
  $("job-command").textContent = job.command;
  $("cancel").hidden = !running;
  const { training } = job;
  const left = training?.left_s == null ? "" : `, about ${Math.ceil(training.left_s)} s left`;
  const loss = training?.loss == null ? "" : `, loss ${training.loss.toPrecision(3)}`;
  $("job-state").textContent = `${job.state}, ${Math.round(job.elapsed_s)} s${loss}${left}` +
    (job.message && !training ? `: ${job.message}` : job.state === "failed" ? `: ${job.message}` : "");
  const share = $("job-share");
  share.hidden = !running;
  if (training?.steps) share.value = Math.min(1, (training.step ?? 0) / training.steps);
  else share.removeAttribute("value");
  const curve = training?.curves["train/loss"];
  $("job-curve").style.display = curve ? "" : "none";
  if (curve) $("job-curve").firstElementChild.setAttribute("points", polyline(curve));
}

function polyline({ x, y }) {
  const most = Math.max(...y, 1e-9), last = Math.max(...x, 1);
  return x.map((step, i) => `${((step / last) * 256 + 2).toFixed(1)},${(66 - (y[i] / most) * 62).toFixed(1)}`).join(" ");
}
