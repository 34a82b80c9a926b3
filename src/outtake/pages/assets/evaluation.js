// The page of one evaluation.

const RECORD = DATA.record;
const DETAIL = { intervals: {}, boundary: null, calibration: null, ...RECORD };
const sort = { key: "iou", descending: false };

function range(interval, digits = 4) {
  return interval && interval[0] !== null && interval[1] !== null
    ? `${fixed(interval[0], digits)} to ${fixed(interval[1], digits)}` : "";
}

function withInterval(title, intervals) {
  return intervals.some((interval) => range(interval)) ? `${title}, 95% interval` : title;
}

function tile(what, value, digits, interval, title = "") {
  return make("div", { class: "tile", title },
    make("div", { class: "what" }, what), make("div", { class: "value" }, fixed(value, digits)),
    make("div", { class: "range" }, range(interval, digits)));
}

function tiles() {
  const { intervals, boundary, calibration } = DETAIL;
  const outline = boundary || {}, sure = calibration || {};
  return make("div", { class: "tiles" },
    ...DATA.scores.map(({ key, title }) => tile(title, own(RECORD, key), 4, own(intervals, key),
      `${RECORD.classes_scored} of ${RECORD.classes.length} classes are in the truth or were predicted`)),
    tile("boundary IoU", outline.iou, 4, outline.iou_interval, "Cheng et al. 2021"),
    tile("boundary F-score", outline.f_score, 4, outline.f_score_interval, "Csurka et al. 2013"),
    tile("calibration error", sure.ece, 4, sure.ece_interval, "ECE, Guo et al. 2017; lower is better"),
    tile("forward, ms / image", own(RECORD, "forward_ms"), 1, null, "median, one image at a time"));
}

function classRows() {
  const boundary = DETAIL.boundary || {};
  const total = RECORD.confusion.flat().reduce((a, b) => a + b, 0);
  return RECORD.classes.map((name, index) => ({
    name, interval: own(own(DETAIL.intervals, "iou"), name),
    ...Object.fromEntries(DATA.class_scores.map(({ key }) => [key, own(own(RECORD, key), name)])),
    boundary_iou: own(boundary.class_iou, name), boundary_f: own(boundary.class_f_score, name),
    share: total ? (100 * RECORD.confusion[index].reduce((a, b) => a + b, 0)) / total : null,
  }));
}

function fillClasses(table) {
  const scores = DATA.class_scores.map(({ key, title }) => ({ key, label: title, digits: 4 }));
  const columns = [
    { key: "name", label: "class", kind: "name" }, ...scores, { key: "interval", label: "IoU, 95% interval" },
    { key: "boundary_iou", label: "boundary IoU", digits: 4 },
    { key: "boundary_f", label: "boundary F", digits: 4 }, { key: "share", label: "% of pixels", digits: 2 },
  ].map((column) => ({ kind: "number", ...column }));
  const read = (row) => (sort.key === "interval" ? (row.interval ? row.interval[0] : null) : row[sort.key]);
  const body = ordered(classRows(), read, sort.descending);
  table.replaceChildren(make("thead", {}, sortable(columns, sort, () => fillClasses(table))),
    make("tbody", {}, ...body.map((row) => make("tr", {},
      make("td", { class: "name" }, make("label", {}, make("span", {
        class: "swatch", style: `background: rgb(${own(DATA.colours, row.name).map(Number).join(",")})`,
      }), make("span", { class: "text" }, row.name))),
      ...columns.slice(1).map((column) => make("td", { class: "number" },
        column.key === "interval" ? range(row.interval) || "\u2013" : fixed(row[column.key], column.digits)))))));
}

function classSection() {
  const table = make("table", { id: "classes" });
  fillClasses(table);
  return make("section", {}, make("div", { class: "bar" }, make("h2", {}, "Classes")),
    make("p", { class: "hint" }, "A dash: the class is neither in the truth nor predicted; in the place of an interval, fewer "
      + `than ${DATA.least_units} of the recordings or images that are drawn hold it.`),
    make("div", { class: "scroll" }, table));
}

function drawBars(target) {
  const names = RECORD.classes, value = names.map((name) => own(RECORD.iou, name));
  const intervals = names.map((name) => own(own(DETAIL.intervals, "iou"), name));
  const reach = (side) => value.map((v, i) => (v === null || !range(intervals[i]) ? null
    : Math.max(side ? intervals[i][1] - v : v - intervals[i][0], 0)));
  draw(target, [{
    type: "bar", x: names.map(plain), y: value, marker: { color: COLOURS[0] },
    error_y: { type: "data", symmetric: false, array: reach(1), arrayminus: reach(0), thickness: 1.4, width: 4,
      color: colourOf("ink") },
    hovertemplate: "%{x}: IoU %{y:.4f}<extra></extra>",
  }], { xaxis: axis("class", { type: "category" }), yaxis: axis(withInterval("IoU", intervals), { range: [0, 1] }) });
}

function drawConfusion(target) {
  const names = RECORD.classes.map(plain);
  const shares = RECORD.confusion.map((row) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((count) => (total ? count / total : null));
  });
  const few = names.length <= 12, paper = colourOf("card");
  draw(target, [{
    type: "heatmap", z: shares, x: names, y: names, zmin: 0, zmax: 1, xgap: 1, ygap: 1,
    colorscale: [[0, paper], [1, COLOURS[0]]], customdata: RECORD.confusion,
    text: few ? shares.map((row) => row.map((v) => (v === null || v < 0.005 ? "" : (100 * v).toFixed(0)))) : undefined,
    texttemplate: few ? "%{text}" : undefined, textfont: { size: 11 },
    colorbar: { title: { text: "share", side: "right" }, thickness: 12, tickformat: ".0%", outlinewidth: 0 },
    hovertemplate: "truly %{y}, predicted %{x}<br>%{z:.2%} of the class, %{customdata} pixels<extra></extra>",
  }], {
    xaxis: axis("predicted class", { type: "category", showgrid: false, tickangle: -45 }),
    yaxis: axis("true class", { type: "category", autorange: "reversed", showgrid: false }),
    margin: { l: 90, r: 10, t: 32, b: 90 },
  });
}

function drawCalibration(target) {
  const { bins, confidence, accuracy, pixels } = DETAIL.calibration;
  const middle = pixels.map((_, i) => (i + 0.5) / bins), total = pixels.reduce((a, b) => a + b, 0);
  draw(target, [
    { type: "bar", x: middle, y: pixels.map((n) => (total ? n / total : null)), width: 0.9 / bins,
      marker: { color: colourOf("line") }, name: "share of pixels",
      hovertemplate: "%{y:.2%} of the pixels<extra></extra>" },
    { x: [0, 1], y: [0, 1], mode: "lines", line: { color: colourOf("faint"), dash: "dot", width: 1.3 },
      name: "as sure as right", hoverinfo: "skip" },
    { x: confidence.filter((v) => v !== null), y: accuracy.filter((v) => v !== null), mode: "lines+markers",
      marker: { color: COLOURS[0], size: 7 }, line: { color: COLOURS[0], width: 2 }, name: "accuracy",
      hovertemplate: "sure %{x:.3f}, right %{y:.3f}<extra></extra>" },
  ], {
    xaxis: axis("confidence (softmax of the winning class)", { range: [0, 1] }),
    yaxis: axis("accuracy; share of pixels", { range: [0, 1] }),
  });
}

function drawImages(target) {
  const all = ordered(DATA.per_image.filter((each) => each.miou !== null), (each) => each.miou, false);
  draw(target, [{
    type: "bar", x: all.map((_, i) => i + 1), y: all.map((each) => each.miou), marker: { color: COLOURS[0] },
    text: all.map((each) => plain(shorten(each.id, 60))), textposition: "none",
    hovertemplate: "%{text}<br>mIoU %{y:.4f}<extra></extra>",
  }], {
    xaxis: axis(`image, from worst to best${all.length < DATA.images ? ` (${all.length} of ${DATA.images})` : ""}`),
    bargap: all.length > 60 ? 0 : 0.15,
    yaxis: axis("mIoU of the image alone", { range: [0, 1] }),
  });
}

function drawSpeed(target) {
  const stages = Object.entries(RECORD.speed.ms_per_image);
  draw(target, stages.map(([name, ms], index) => ({
    type: "bar", orientation: "h", x: [ms], y: ["evaluation"], name: plain(name), marker: { color: COLOURS[index] },
    text: [`${plain(name)} ${ms.toFixed(1)}`], textposition: "inside", insidetextanchor: "middle",
    hovertemplate: "%{x:.2f} ms<extra>%{fullData.name}</extra>",
  })), {
    barmode: "stack", xaxis: axis("wall time, ms per image"),
    yaxis: { visible: false }, margin: { l: 16, r: 16, t: 32, b: 50 },
  });
}

function pairedSection() {
  const paired = RECORD.paired, names = RECORD.classes;
  const sure = paired.interval[0] > 0 || paired.interval[1] < 0;
  return plot(`Against the baseline: ${paired.difference >= 0 ? "+" : ""}${fixed(paired.difference, 4)} mIoU`, (target) => {
    const value = names.map((name) => own(paired.iou_difference, name));
    const reach = (side) => value.map((v, i) => {
      const interval = own(paired.iou_interval, names[i]);
      return v === null || !range(interval) ? null
        : Math.max(side ? interval[1] - v : v - interval[0], 0);
    });
    draw(target, [{
      x: value, y: names.map(plain), mode: "markers", marker: { size: 9, color: COLOURS[0] },
      error_x: { type: "data", symmetric: false, array: reach(1), arrayminus: reach(0), thickness: 1.5, width: 4,
        color: COLOURS[0] },
      hovertemplate: "%{y}: %{x:+.4f}<extra></extra>",
    }], {
      xaxis: axis(withInterval("IoU minus the baseline's", names.map((name) => own(paired.iou_interval, name))), { zeroline: true, zerolinewidth: 2, zerolinecolor: colourOf("faint") }),
      yaxis: axis("class", { type: "category", autorange: "reversed" }), margin: { l: 110, r: 16, t: 32, b: 52 },
    });
  }, [], `Baseline ${paired.baseline}: mIoU ${fixed(paired.baseline_miou, 4)}. ` + (range(paired.interval)
    ? `Paired over the same draws, the difference lies within ${range(paired.interval)}`
      + (sure ? "" : ", so it may be chance") + `: ${DATA.drawn}.`
    : `Whether the difference is chance cannot be told: ${DATA.drawn}.`));
}

function stripsSection(title, strips) {
  return make("section", {}, make("div", { class: "bar" }, make("h2", {}, title)),
    make("div", { class: "key" }, ...RECORD.classes.map((name) => make("span", {}, make("span", {
      class: "swatch", style: `background: rgb(${own(DATA.colours, name).map(Number).join(",")})`,
    }), name))),
    make("div", { class: "strips" }, ...strips.map((strip) => make("figure", { class: "strip" },
      make("figcaption", { class: "whole" }, `${strip.id}, mIoU ${fixed(strip.miou, 4)}`),
      ...[["image", "image"], ["truth", "truth"], ["predicted", "prediction"], ["errors", "errors in red, unlabelled dark"]]
        .map(([key, caption]) => make("figure", {}, make("img", { src: strip[key], alt: caption }),
          make("figcaption", {}, caption)))))));
}

function members() {
  const each = own(RECORD, "members") || [RECORD];
  const names = each.map((one) => `${one.checkpoint} (epoch ${one.epoch}, SHA-256 ${String(one.checkpoint_sha256).slice(0, 12)})`);
  return (each.length > 1 ? `Mean of the probabilities of ${each.length} networks: ` : "") + names.join(", ");
}

function passes() {
  const network = own(RECORD, "network") || {};
  const scales = network.scales || [1];
  return (network.flip ? ", averaged with the mirrored image" : "")
    + (scales.length > 1 || scales[0] !== 1 ? `, at the scales ${scales.join(", ")}` : "")
    + (network.window ? `, in windows of ${[network.window].flat().join(" x ")} pixels` : "");
}

start((page) => {
  const boot = own(RECORD, "bootstrap"), forward = own(RECORD, "forward") || {};
  const lead = [
    `${members()}, ${RECORD.images} images, ${RECORD.pixels.toLocaleString("en")} labelled pixels`
    + passes() + (forward.device ? `, on ${forward.device}` : "") + ".",
  ];
  if (boot) {
    lead.push(boot.units < DATA.least_units ? `${DATA.drawn[0].toUpperCase()}${DATA.drawn.slice(1)}.`
      : `Below each score: ${DATA.drawn}; bootstrap of ${boot.resamples} draws, seed ${boot.seed}.`);
  }
  page.append(...heading(DATA.title, lead), tiles());
  if (own(RECORD, "paired")) page.append(pairedSection());
  page.append(classSection());
  const pair = (...sections) => make("div", { class: "pair" }, ...sections);
  page.append(pair(plot("IoU of each class", drawBars),
    plot("Confusion, each row in % of the true class", drawConfusion)));
  const boundary = DETAIL.boundary;
  if (boundary) {
    page.append(make("p", { class: "small" },
      `Boundary F-score: share of contour pixels within ${100 * boundary.f_score_tolerance}% of the diagonal of the other's `
      + `contour, per image and class (Csurka et al., BMVC 2013). Boundary IoU: IoU of the pixels within `
      + `${100 * boundary.iou_tolerance}% of the diagonal of a contour (Cheng et al., CVPR 2021).`));
  }
  if (DETAIL.calibration) {
    page.append(pair(plot("Calibration", drawCalibration, [], `Expected calibration error ${fixed(DETAIL.calibration.ece, 4)}. `
      + "Below the dotted line the network is surer than it is right."), plot("Images", drawImages)));
  }
  if (own(RECORD, "speed")) {
    const section = plot("Speed of each stage", drawSpeed, [], forward.device
      ? `The network alone takes ${fixed(RECORD.forward_ms, 1)} ms for one image of ${forward.width} x ${forward.height} on ${forward.device}.` : null);
    section.querySelector(".plot").style.height = "175px";
    page.append(section);
  }
  if (DATA.worst.length) page.append(stripsSection("Worst images", DATA.worst), stripsSection("Best images", DATA.best));
});
