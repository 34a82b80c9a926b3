// The frames in a row: which have labels, where the network is unsure, which it asks for.
export function drawTimeline(canvas, project, number) {
  const box = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(box.width));
  const c = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink"), accent = style.getPropertyValue("--accent");
  const last = Math.max(project.frames - 1, 1);
  const place = (frame) => 8 + (frame / last) * (canvas.width - 16);
  c.clearRect(0, 0, canvas.width, canvas.height);
  c.font = "11px system-ui";
  c.fillStyle = ink;
  const said = project.suggestions.frames ?? [];
  const curve = (values, top, high, colour) => {
    const most = Math.max(...values.filter((v) => v !== null), 1e-6);
    c.strokeStyle = colour;
    c.beginPath();
    values.forEach((v, i) => c.lineTo(place(i), top + high - ((v ?? most) / most) * high));
    c.stroke();
  };
  if (said.length === project.frames) {
    curve(said.map((each) => each.uncertainty), 2, 18, style.getPropertyValue("--bad"));
    curve(said.map((each) => each.area), 22, 14, accent);
  }
  c.fillStyle = accent;
  for (const frame of project.labelled) c.fillRect(place(frame) - 2, 40, 5, 14);
  c.strokeStyle = style.getPropertyValue("--bad");
  for (const { frame } of project.suggestions.suggestions ?? []) c.strokeRect(place(frame) - 3.5, 40.5, 7, 13);
  c.fillStyle = ink;
  c.fillRect(place(number), 0, 1, canvas.height);
}

// Frames that are worth a label before any network: spread evenly.
export function proposeFrames(project) {
  const wanted = [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * (project.frames - 1)));
  return [...new Set(wanted)].filter((frame) => !project.labelled.includes(frame));
}
