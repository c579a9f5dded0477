// The page that write_html fills in: %TITLE%, %FACTS%, %LABEL%, %LEGEND% and %DATA%.
//
// %DATA% is an object: plane, bundle (booleans), views ([centre, radius] of start and solution), and base64
// of little-endian arrays: points and poses ([start, solution], float32; of cameras the 5 corners of a
// pyramid each), path and loops (pairs of poses or corners, uint32). Positions have z upwards.
#pragma once

#include <string_view>

namespace kappa::detail {

inline constexpr std::string_view page = R"page(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%TITLE%</title>
<style>
:root { --ground: #fafafa; --ink: #1b1f24; --soft: #646c76; --line: #d9dde2; --panel: #ffffffd8;
  --point: #2b3442; --camera: #0f8a4d; --path: #1f63d0; --loop: #d4700a; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1216; --ink: #e7eaee; --soft: #98a1ac; --line: #2b323b;
  --panel: #171b21d8; --point: #dfe5ec; --camera: #45d483; --path: #6ea3ff; --loop: #ffa63d; } }
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body { background: var(--ground); color: var(--ink); font: 15px/1.4 system-ui, sans-serif;
  display: flex; flex-direction: column; height: 100dvh; }
header { padding: 12px 16px 10px; border-bottom: 1px solid var(--line); }
h1 { font-size: 17px; font-weight: 600; margin: 0 0 6px; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0; }
dl div { display: flex; gap: 6px; }
dt { color: var(--soft); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
main { position: relative; flex: 1; min-height: 0; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; cursor: grab; }
canvas:active { cursor: grabbing; }
.legend { position: absolute; left: 12px; top: 10px; display: flex; flex-direction: column; gap: 3px; padding: 6px 10px;
  border: 1px solid var(--line); border-radius: 8px; background: var(--panel); font-size: 13px; }
.legend label, .legend span { display: flex; align-items: center; gap: 7px; color: var(--ink); }
.legend i { width: 14px; height: 4px; border-radius: 2px; }
footer { display: flex; align-items: center; gap: 10px; padding: 10px 16px calc(10px + env(safe-area-inset-bottom));
  border-top: 1px solid var(--line); }
footer label { display: flex; flex: 1; align-items: center; gap: 10px; min-width: 0; }
input[type=range] { flex: 1; min-width: 40px; accent-color: var(--path); }
input[type=checkbox] { accent-color: var(--path); margin: 0; }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 8px;
  padding: 5px 12px; cursor: pointer; }
</style>
</head>
<body>
<header><h1>%TITLE%</h1><dl>%FACTS%</dl></header>
<main><canvas id="view" role="img" aria-label="%LABEL%"></canvas><div class="legend">%LEGEND%</div>
<noscript>The picture is drawn by JavaScript, which is switched off.</noscript></main>
<footer><button id="play" type="button">Play</button>
<label>Start <input id="when" type="range" min="0" max="1" step="0.01" value="1" aria-label="from start to solution"> Solution</label>
<button id="home" type="button">Reset</button></footer>
<script>
"use strict";
const data = %DATA%;
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
const points = data.points.map(text => new Float32Array(bytes(text)));
const poses = data.poses.map(text => new Float32Array(bytes(text)));
const path = new Uint32Array(bytes(data.path)), loops = new Uint32Array(bytes(data.loops));
const canvas = document.getElementById("view"), pen = canvas.getContext("2d");
const when = document.getElementById("when"), play = document.getElementById("play");
const shown = name => { const box = document.getElementById("show-" + name); return !box || box.checked; };
const home = () => data.plane ? { yaw: 0, pitch: Math.PI / 2, zoom: 1, lens: 1, x: 0, y: 0, z: 0 }
  : { yaw: data.bundle ? 0 : 0.6, pitch: data.bundle ? 0.35 : 0.5, zoom: 1, lens: 1, x: 0, y: 0, z: 0 };
let eye = home(), colours = {}, waiting = false, touched = false;
const mix = (a, b, t) => a + (b - a) * t;
const pointBuffer = new Float32Array(points[0].length), poseBuffer = new Float32Array(poses[0].length);
const band = new Uint8Array(pointBuffer.length / 3);

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["point", "camera", "path", "loop"]) colours[name] = style.getPropertyValue("--" + name);
}

// Where the eye stands, and the projection of positions to the canvas: x, y and the distance along the sight.
function sight() {
  const t = Number(when.value), [c0, r0] = data.views[0], [c1, r1] = data.views[1];
  const radius = mix(r0, r1, t), cy = Math.cos(eye.yaw), sy = Math.sin(eye.yaw);
  const cp = Math.cos(eye.pitch), sp = Math.sin(eye.pitch), distance = 3 * radius / eye.zoom;
  return { t, radius, distance, target: [0, 1, 2].map(i => mix(c0[i], c1[i], t) + [eye.x, eye.y, eye.z][i] * radius),
    right: [cy, sy, 0], up: [-sy * sp, cy * sp, cp], forward: [-sy * cp, cy * cp, -sp],
    focal: 1.4 * eye.lens * Math.min(canvas.width, canvas.height) };
}

function project(both, out, s) {
  const [a, b] = both, { t, right, up, forward, target, distance, focal } = s;
  const middleX = canvas.width / 2, middleY = canvas.height / 2;
  for (let i = 0; i < out.length; i += 3) {
    const x = mix(a[i], b[i], t) - target[0], y = mix(a[i + 1], b[i + 1], t) - target[1];
    const z = mix(a[i + 2], b[i + 2], t) - target[2];
    const depth = data.plane ? distance : distance + x * forward[0] + y * forward[1] + z * forward[2];
    const scale = depth > 0.02 * s.radius ? focal / depth : NaN;
    out[i] = middleX + scale * (x * right[0] + y * right[1] + z * right[2]);
    out[i + 1] = middleY - scale * (x * up[0] + y * up[1] + z * up[2]);
    out[i + 2] = depth;
  }
}

// Chooses the lens so that nearly everything is in view: of a bundle all but a few points far out.
function fit() {
  const s = sight(), shares = data.bundle ? [0.97, 0.92] : [1, 1];
  const needed = [[points, pointBuffer], [poses, poseBuffer]].map(([both, out], which) => {
    project(both, out, s);
    const sizes = [];
    for (let i = 0; i < out.length; i += 3) {
      const across = Math.abs(out[i] / canvas.width - 0.5), down = Math.abs(out[i + 1] / canvas.height - 0.5);
      if (across === across) sizes.push(Math.max(across / 0.45, down / 0.44));
    }
    sizes.sort((a, b) => a - b);
    return sizes.length ? sizes[Math.floor(shares[which] * (sizes.length - 1))] : 0;
  });
  eye.lens /= Math.max(needed[0], needed[1], 1e-9);
}

function resize() {
  const unit = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * unit), height = Math.round(canvas.clientHeight * unit);
  if (canvas.width === width && canvas.height === height) return;
  canvas.width = width;
  canvas.height = height;
  if (!touched) fit();
}

function drawPoints(s) {
  const bands = 6, size = 0.0035 * s.radius * s.focal, unit = devicePixelRatio || 1;
  for (let i = 0; i < band.length; ++i) {
    const near = (s.distance + s.radius - pointBuffer[3 * i + 2]) / (2 * s.radius);
    band[i] = Math.max(0, Math.min(bands - 1, Math.floor(near * bands)));
  }
  pen.fillStyle = colours.point;
  for (let k = 0; k < bands; ++k) {
    pen.globalAlpha = mix(0.25, 0.95, k / (bands - 1));
    for (let i = 0; i < band.length; ++i) {
      const x = pointBuffer[3 * i], y = pointBuffer[3 * i + 1];
      if (band[i] === k && x > -9 && y > -9 && x < canvas.width + 9 && y < canvas.height + 9) {
        const side = Math.max(1.5 * unit, Math.min(5 * unit, size / pointBuffer[3 * i + 2]));
        pen.fillRect(x - side / 2, y - side / 2, side, side);
      }
    }
  }
  pen.globalAlpha = 1;
}

function drawLines(pairs, colour, width, alpha) {
  pen.strokeStyle = colour;
  pen.lineWidth = width * (devicePixelRatio || 1);
  pen.globalAlpha = alpha;
  pen.beginPath();
  for (let k = 0; k < pairs.length; k += 2) {
    const a = 3 * pairs[k], b = 3 * pairs[k + 1];
    if (poseBuffer[a] === poseBuffer[a] && poseBuffer[b] === poseBuffer[b]) {
      pen.moveTo(poseBuffer[a], poseBuffer[a + 1]);
      pen.lineTo(poseBuffer[b], poseBuffer[b + 1]);
    }
  }
  pen.stroke();
  pen.globalAlpha = 1;
}

function drawFirst() {
  if (!data.bundle && poseBuffer.length > 2) {
    pen.fillStyle = colours.camera;
    pen.beginPath();
    pen.arc(poseBuffer[0], poseBuffer[1], 5 * (devicePixelRatio || 1), 0, 7);
    pen.fill();
  }
}

function frame() {
  waiting = false;
  resize();
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const s = sight();
  project(points, pointBuffer, s);
  project(poses, poseBuffer, s);
  if (shown("points")) drawPoints(s);
  if (shown("loops")) drawLines(loops, colours.loop, 0.8, loops.length > 4000 ? 0.35 : 0.6);
  if (shown("path")) drawLines(path, data.bundle ? colours.camera : colours.path, data.bundle ? 1.2 : 1.6, 0.9);
  if (shown("path")) drawFirst();
}
function redraw() { if (!waiting) { waiting = true; requestAnimationFrame(frame); } }

function shift(dx, dy) {
  const s = sight(), step = (devicePixelRatio || 1) * s.distance / s.focal / s.radius;
  eye.x += step * (dy * s.up[0] - dx * s.right[0]);
  eye.y += step * (dy * s.up[1] - dx * s.right[1]);
  eye.z += step * (dy * s.up[2] - dx * s.right[2]);
}
function nearer(factor) { eye.zoom = Math.max(0.05, Math.min(200, eye.zoom * factor)); }

const fingers = new Map();
canvas.addEventListener("pointerdown", e => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, [e.clientX, e.clientY]); });
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, e => fingers.delete(e.pointerId));
canvas.addEventListener("pointermove", e => {
  const before = fingers.get(e.pointerId);
  if (!before) return;
  touched = true;
  const dx = e.clientX - before[0], dy = e.clientY - before[1];
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== e.pointerId)[1];
    nearer(Math.hypot(e.clientX - other[0], e.clientY - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1])));
    shift(dx / 2, dy / 2);
  } else if (data.plane || e.shiftKey || e.buttons === 2) {
    shift(dx, dy);
  } else {
    eye.yaw -= 0.007 * dx;
    eye.pitch = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, eye.pitch + 0.007 * dy));
  }
  fingers.set(e.pointerId, [e.clientX, e.clientY]);
  redraw();
});
canvas.addEventListener("wheel", e => { e.preventDefault(); touched = true; nearer(Math.exp(-0.0015 * e.deltaY)); redraw(); }, { passive: false });
canvas.addEventListener("contextmenu", e => e.preventDefault());
document.getElementById("home").addEventListener("click", () => { eye = home(); touched = false; fit(); redraw(); });
when.addEventListener("input", redraw);
for (const box of document.querySelectorAll(".legend input")) box.addEventListener("change", redraw);
play.addEventListener("click", () => {
  const begin = performance.now();
  const step = now => {
    when.value = Math.min(1, (now - begin) / 2000);
    frame();
    if (now - begin < 2000) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
new ResizeObserver(redraw).observe(canvas);
readColours();
frame();
</script>
</body>
</html>
)page";

}  // namespace kappa::detail
