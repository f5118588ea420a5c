"use strict";
// Small helpers: elements, numbers, colours. Texts that nodes send are always set
// as text, never as markup.

function el(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

const svgSpace = "http://www.w3.org/2000/svg";

// spark draws the last values as a line over a filled area.
function spark(values, colour, points = 60) {
  const svg = document.createElementNS(svgSpace, "svg");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  if (values.length < 2) return svg;
  const top = Math.max(...values, 1);
  const at = (v, i) => `${(100 - (values.length - 1 - i) * (100 / (points - 1))).toFixed(2)},${(28 - (v / top) * 25).toFixed(2)}`;
  const line = values.map(at).join(" ");
  const first = 100 - (values.length - 1) * (100 / (points - 1));
  const area = document.createElementNS(svgSpace, "polygon");
  area.setAttribute("points", `${first},30 ${line} 100,30`);
  area.setAttribute("fill", colour);
  area.setAttribute("opacity", ".15");
  const path = document.createElementNS(svgSpace, "polyline");
  path.setAttribute("points", line);
  path.setAttribute("fill", "none");
  path.setAttribute("stroke", colour);
  path.setAttribute("stroke-width", "1.6");
  path.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(area, path);
  return svg;
}

function bar(share, className = "") {
  const fill = el("i");
  fill.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return el("div", `bar ${className}`, fill);
}

// count is 1,234 or 12.3k or 4.56M.
function count(n) {
  if (n < 10000) return Math.round(n).toLocaleString("en");
  if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)}k`;
  if (n < 1e9) return `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)}M`;
  return `${(n / 1e9).toFixed(2)}G`;
}

// exact is 16,384.
function exact(n) {
  return n.toLocaleString("en");
}

function size(n) {
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let i = 0;
  while (n >= 1024 && i + 1 < units.length) {
    n /= 1024;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

function span(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

function clock(millis) {
  const d = new Date(millis);
  const two = (n) => String(n).padStart(2, "0");
  const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return d.toDateString() === new Date().toDateString() ? time : `${two(d.getMonth() + 1)}-${two(d.getDate())} ${time.slice(0, 5)}`;
}

// The first colours are told apart by most people with colour blindness too; past
// them the golden angle keeps neighbours distinct.
const palette = [
  [47, 111, 214], [240, 150, 45], [38, 160, 105], [205, 75, 130], [122, 90, 200], [22, 164, 184],
  [214, 84, 62], [150, 160, 40], [96, 125, 150], [178, 118, 66], [226, 120, 190], [80, 190, 220],
];

function nodeRGB(index) {
  if (index < 0) return null;
  if (index < palette.length) return palette[index];
  const hue = (index * 137.508) % 360;
  const light = 0.52;
  const chroma = 0.55 * Math.min(light, 1 - light);
  const part = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (light - chroma * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

function nodeColour(index) {
  const rgb = nodeRGB(index);
  return rgb ? `rgb(${rgb.join(" ")})` : "var(--empty)";
}

function swatch(index) {
  const s = el("span", index < 0 ? "swatch none" : "swatch");
  if (index >= 0) s.style.background = nodeColour(index);
  return s;
}
