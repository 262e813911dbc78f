"use strict";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const NAMES = { raw: "camera", denoised: "denoised", truth: "ground truth" };
// Distinct for colour-blind readers, and visible on light and dark.
const COLOURS = { raw: "#d55e00", denoised: "#0077bb", truth: "#8a919b" };
const MAX_POINTS = 25500;
// Of the camera's pixels: distances with fewer do not set the scale of errors over distance.
const MIN_PIXELS = 0.01;
const QUIET = { responsive: true, displayModeBar: false };
const chosen = { frame: 0, view: "error", cloud: "denoised", row: null };

const PLAIN = {
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
  font: { size: 12, family: "system-ui, sans-serif" },
  modebar: { bgcolor: "rgba(0,0,0,0)", color: "#808894", activecolor: "#2b83cc" },
  legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" }, hovermode: "x unified",
};

/** The inverse of `pack_depth` in pictures.py: base64 of zlib of zigzag differences to the left. */
async function unpacked(text, width, height) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = width * height;
  const depth = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const zigzag = planes[i] | (planes[count + i] << 8);
    const step = (zigzag >> 1) ^ -(zigzag & 1);
    depth[i] = (i % width ? depth[i - 1] : 0) + step;
  }
  return depth;
}

/** Depth images in mm of a frame, by name; decoded once. */
function depthsOf(shown) {
  const { width, height } = shown.camera;
  shown.decoded ??= Promise.all(
    Object.entries(shown.depths).map(async ([k, v]) => [k, await unpacked(v, width, height)])
  ).then(Object.fromEntries);
  return shown.decoded;
}

function press(group, attribute, value, offered) {
  for (const button of $(group).querySelectorAll("button")) {
    const own = button.dataset[attribute];
    button.setAttribute("aria-pressed", String(own === String(value)));
    button.disabled = !offered(own);
  }
}

function showFrame(index) {
  chosen.frame = index;
  const { height } = data.frames[index].camera;
  document.querySelectorAll(".frame-views").forEach((s, i) => s.classList.toggle("shown", i === index));
  press("frame-names", "frame", index, () => true);
  $("row").max = height - 1;
  setRow(Math.min(chosen.row ?? Math.floor(height / 2), height - 1));
  showView(chosen.view);
  showCloud(chosen.cloud);
}

function showView(key) {
  chosen.view = key;
  const views = [...document.querySelectorAll(".frame-views.shown .view")];
  const has = (wanted) => views.some((view) => view.dataset.view === wanted);
  // Frames without ground truth have no errors.
  const shown = has(key) ? key : "depth";
  press("views", "view", shown, has);
  for (const view of views) {
    view.classList.toggle("shown", view.dataset.view === shown);
    if (view.dataset.view === shown) view.querySelector(".frame").append($("overlay"));
  }
  const missing = [...$("views").querySelectorAll("button:disabled")].map((b) => b.textContent);
  $("missing").hidden = !missing.length;
  $("missing").textContent = `Not available for this frame: ${missing.join(", ").toLowerCase()}.`;
  $("split").disabled = !$("overlay").closest(".pair");
}

function setSplit(percent) {
  const within = Math.min(100, Math.max(0, percent));
  $("split").value = within;
  $("frames").style.setProperty("--split", `${within}%`);
}

let rowWaits = false;

function setRow(row) {
  const { height } = data.frames[chosen.frame].camera;
  chosen.row = Math.min(height - 1, Math.max(0, Math.round(row)));
  $("row").value = chosen.row;
  $("row-number").textContent = chosen.row;
  $("frames").style.setProperty("--row", `${(100 * (chosen.row + 0.5)) / height}%`);
  // A drag moves faster than a chart is drawn.
  if (rowWaits) return;
  rowWaits = true;
  requestAnimationFrame(() => {
    rowWaits = false;
    drawSection();
  });
}

async function drawSection() {
  const shown = data.frames[chosen.frame];
  const { width } = shown.camera;
  const depths = await depthsOf(shown);
  if (shown !== data.frames[chosen.frame]) return;
  const traces = Object.entries(depths).map(([name, depth]) => ({
    name: NAMES[name], mode: "lines", connectgaps: false,
    y: Array.from(depth.subarray(chosen.row * width, (chosen.row + 1) * width), (mm) =>
      mm ? mm / 1000 : null),
    line: { color: COLOURS[name], width: 1.6, dash: name === "truth" ? "dot" : "solid" },
    hovertemplate: "%{y:.3f} m",
  }));
  const range = [(0.85 * shown.near_mm) / 1000, (1.15 * shown.far_mm) / 1000];
  // No margins at the sides: a column of the chart lies below that column of the picture.
  await Plotly.react("section", traces, {
    ...PLAIN, margin: { l: 0, r: 0, t: 36, b: 30 }, uirevision: chosen.frame,
    xaxis: { range: [-0.5, width - 0.5], zeroline: false },
    yaxis: { range, ticksuffix: " m", ticklabelposition: "inside top", zeroline: false },
  }, QUIET);
  $("section-title").textContent = `Cross-section: depth along row ${chosen.row}`;
}

/** Points in metres (right, forward, up) of every n-th pixel, coloured as the pictures are. */
function pointsOf(shown, depth) {
  const { width, height, fx, fy, cx, cy } = shown.camera;
  const stride = Math.ceil(Math.sqrt((width * height) / MAX_POINTS));
  const farthest = farthestOf(shown);
  const points = { x: [], y: [], z: [], colour: [] };
  for (let v = 0; v < height; v += stride) {
    for (let u = 0; u < width; u += stride) {
      const mm = depth[v * width + u];
      if (!mm || mm > farthest) continue;
      points.x.push(((u - cx) * mm) / fx / 1000);
      points.y.push(mm / 1000);
      points.z.push(((cy - v) * mm) / fy / 1000);
      points.colour.push((1 / mm - 1 / shown.far_mm) / (1 / shown.near_mm - 1 / shown.far_mm));
    }
  }
  return points;
}

/** Points behind are left out: a few wrong matches would make the rest too small to see. */
function farthestOf(shown) {
  return 1.25 * shown.far_mm;
}

function spread(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (fraction) => sorted[Math.round(fraction * (sorted.length - 1))] ?? 0;
  const [low, high] = [at(0.002), at(0.998)];
  const margin = 0.03 * (high - low) + 0.05;
  return [low - margin, high + margin];
}

function showCloud(name) {
  const { depths } = data.frames[chosen.frame];
  chosen.cloud = name in depths ? name : "denoised";
  press("clouds", "depth", chosen.cloud, (wanted) => wanted in depths);
  if (cloudSeen) drawCloud();
}

let cloudSeen = false;

async function drawCloud() {
  const shown = data.frames[chosen.frame];
  const name = chosen.cloud;
  const depths = await depthsOf(shown);
  if (shown !== data.frames[chosen.frame] || name !== chosen.cloud) return;
  // One box for all, so that nothing jumps when another is chosen.
  shown.box ??= ((all) => ["x", "y", "z"].map((k) => spread(all.flatMap((p) => p[k]))))(
    Object.values(depths).map((depth) => pointsOf(shown, depth))
  );
  const points = pointsOf(shown, depths[name]);
  const axis = (title, range) => ({
    title: { text: title }, range, showspikes: false, showbackground: false, zeroline: false,
    gridcolor: "#a9b0bb", color: "#808894", ticksuffix: " m",
  });
  const layout = {
    ...PLAIN, margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, uirevision: chosen.frame,
    scene: {
      aspectmode: "data", dragmode: "turntable",
      xaxis: axis("right", shown.box[0]), yaxis: axis("forward", shown.box[1]),
      zaxis: axis("up", shown.box[2]),
      camera: { eye: { x: -0.5, y: -1.2, z: 0.5 }, center: { x: 0, y: 0, z: -0.08 } },
    },
  };
  const stops = data.colours.map((colour, i) => [i / (data.colours.length - 1), colour]);
  const marker = { size: 1.8, color: points.colour, colorscale: stops, cmin: 0, cmax: 1 };
  const { x, y, z } = points;
  const trace = { type: "scatter3d", mode: "markers", name: NAMES[name], x, y, z, marker };
  await Plotly.react("cloud", [{ ...trace, hovertemplate: "%{y:.3f} m forward<extra></extra>" }],
    layout, { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetCameraDefault3d"]] });
  $("cloud-note").textContent =
    `${x.length.toLocaleString("en")} points nearer than ${(farthestOf(shown) / 1000).toFixed(1)} m; ` +
    "near is red. Drag to turn them. To zoom, click them and turn the mouse wheel.";
}

function drawDistance() {
  const { edges_mm: edges, methods } = data.by_distance;
  const bins = edges.slice(0, -1);
  // From the first to the last bin with pixels.
  const used = bins.map((_, i) => Object.values(methods).some((m) => m.pixels[i] > 0));
  const [first, last] = [used.indexOf(true), used.lastIndexOf(true)];
  const centres = bins.map((low, i) => (low + edges[i + 1]) / 2000);
  const rows = [["mae_mm", "y", " mm", ".1f"], ["bad5_pct", "y2", " %", ".2f"], ["pixels", "y3", "", ",d"]];
  const known = Object.keys(methods);
  // Means of a few pixels do not set the scale.
  const total = methods.raw.pixels.reduce((sum, count) => sum + count, 0);
  const counts = (name, i) => methods[name].pixels[i] >= MIN_PIXELS * total;
  const drawn = known.filter((name) => name in NAMES);
  const top = (key) => Math.max(0, ...drawn.flatMap((name) =>
    methods[name][key].filter((value, i) => value !== null && counts(name, i))));
  const colour = (name) => COLOURS[name] ?? ["#009e73", "#cc79a7", "#a38a00"][known.indexOf(name) % 3];
  const traces = known.flatMap((name) => rows.map(([key, axis, unit, format], i) => ({
    type: "bar", name: NAMES[name] ?? name, x: centres, y: methods[name][key], yaxis: axis,
    legendgroup: name, showlegend: i === 0,
    marker: { color: colour(name), opacity: bins.map((_, bin) => (key === "pixels" || counts(name, bin) ? 1 : 0.35)) },
    visible: name in NAMES ? true : "legendonly",
    hovertemplate: `%{y:${format}}${unit}`,
  })));
  const axis = (text, domain, key) => ({
    title: { text }, domain, rangemode: "tozero", fixedrange: true,
    ...(key && top(key) > 0 ? { range: [0, 1.08 * top(key)] } : {}),
  });
  Plotly.newPlot("distances", traces, {
    ...PLAIN, margin: { l: 64, r: 12, t: 40, b: 56 }, bargap: 0.15, barmode: "group",
    xaxis: {
      title: { text: "true distance" }, ticksuffix: " m", anchor: "y3", fixedrange: true,
      range: [edges[Math.max(first, 0)] / 1000, edges[last < 0 ? bins.length : last + 1] / 1000],
    },
    yaxis: axis("mean error, mm", [0.6, 1], "mae_mm"),
    yaxis2: axis("more than 5 % off, %", [0.24, 0.53], "bad5_pct"),
    yaxis3: axis("pixels", [0, 0.17]),
  }, QUIET);
}

function onDrag(frame) {
  let moves = null;
  const follow = (event) => {
    const box = frame.getBoundingClientRect();
    if (moves === "row") {
      const { height } = data.frames[chosen.frame].camera;
      setRow(((event.clientY - box.top) / box.height) * height - 0.5);
    } else if (moves === "split") setSplit((100 * (event.clientX - box.left)) / box.width);
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const pair = frame.parentElement.classList.contains("pair");
    moves = event.target.closest("#row-line") ? "row" : pair ? "split" : null;
    if (moves) frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", follow);
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (moves = null));
}

function onClick(group, attribute, act) {
  $(group).addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) act(button.dataset[attribute]);
  });
}

function startFrames() {
  onClick("frame-names", "frame", (index) => showFrame(Number(index)));
  onClick("views", "view", showView);
  onClick("clouds", "depth", showCloud);
  $("split").addEventListener("input", () => setSplit(Number($("split").value)));
  $("row").addEventListener("input", () => setRow(Number($("row").value)));
  document.querySelectorAll(".frame").forEach(onDrag);
  setSplit(50);
  showFrame(0);
  startCloud();
}

function startCloud() {
  const cloud = $("cloud");
  // Tens of thousands of points are drawn when somebody gets there.
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    cloudSeen = true;
    drawCloud();
  }, { rootMargin: "200px" }).observe(cloud);
  // The wheel scrolls the page until the points are clicked.
  let zooms = false;
  document.addEventListener("pointerdown", (event) => (zooms = cloud.contains(event.target)));
  cloud.addEventListener("wheel", (event) => {
    if (!zooms) event.stopPropagation();
  }, { capture: true, passive: true });
}

function startPrinting() {
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((details) => (details.open = true));
    // Drawing charts anew would come too late; as pictures they shrink with the paper.
    for (const svg of document.querySelectorAll(".main-svg")) {
      svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
    }
  });
  addEventListener("afterprint", () =>
    document.querySelectorAll(".main-svg").forEach((svg) => svg.removeAttribute("viewBox")));
}

if (typeof DecompressionStream === "function") {
  document.documentElement.classList.add("scripted");
  if (data.frames.length) startFrames();
  if (data.by_distance) drawDistance();
  startPrinting();
}
