// Histograms and profiles as SVG, in the colours of the style sheet.
import { plain } from "./words.js";

const SPACE = { left: 52, right: 10, top: 8, bottom: 38 }; // CSS pixels
const HEIGHT = 240;

// Draws a chart into an SVG element, as wide as that is.
//
// x: {edges, label, names}: `names` of the bins in place of numbers
// y: {low, high, log, label}
// series: [{kind, values, errors, name}] over the bins of x: kind "steps", "area" or "points", `name`
// a class of the style sheet; values that are null are left out; or {kind: "band", from, to, name}
export function drawChart(svg, { x, y, series }) {
  const width = Math.max(220, svg.parentElement.clientWidth);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.setAttribute("height", HEIGHT);
  const [first, last] = [x.edges[0], x.edges[x.edges.length - 1]];
  const right = width - SPACE.right;
  const bottom = HEIGHT - SPACE.bottom;
  const across = (value) => SPACE.left + ((value - first) / (last - first)) * (right - SPACE.left);
  const height = y.log ? Math.log : (value) => value;
  const up = (value) => {
    const inside = Math.max(value, y.low); // zero has no logarithm
    const part = (height(inside) - height(y.low)) / (height(y.high) - height(y.low));
    return bottom - Math.min(part, 1.02) * (bottom - SPACE.top);
  };
  const middle = (i) => across((x.edges[i] + x.edges[i + 1]) / 2);
  const parts = [];
  const add = (tag, attributes, text = "") => {
    const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`);
    parts.push(`<${tag}${written.join("")}>${text}</${tag}>`);
  };
  const ticks = y.log ? decades(y.low, y.high) : evenTicks(y.low, y.high, 5);
  for (const tick of ticks) {
    add("line", { class: "grid", x1: SPACE.left, x2: right, y1: up(tick), y2: up(tick) });
    add("text", { x: SPACE.left - 6, y: up(tick) + 4, "text-anchor": "end" }, y.log ? power(tick) : plain(tick));
  }
  for (const one of series) SERIES[one.kind](add, one, { x, across, up, middle, bottom });
  add("path", { class: "axis", d: `M${SPACE.left} ${SPACE.top}V${bottom}H${right}` });
  if (x.names) {
    x.names.forEach((name, i) => {
      add("text", { x: middle(i), y: bottom + 16, "text-anchor": "middle" }, escaped(name));
    });
  } else {
    for (const tick of evenTicks(first, last, width / 75)) {
      add("line", { class: "axis", x1: across(tick), x2: across(tick), y1: bottom, y2: bottom + 4 });
      add("text", { x: across(tick), y: bottom + 16, "text-anchor": "middle" }, plain(tick));
    }
  }
  add("text", { class: "label", x: right, y: HEIGHT - 5, "text-anchor": "end" }, escaped(x.label));
  svg.innerHTML = parts.join("");
}

const SERIES = {
  steps(add, { values, name }, { x, across, up }) {
    add("path", { class: `steps ${name}`, d: steps(values, x, across, up) });
  },
  area(add, { values, name }, { x, across, up, bottom }) {
    const [from, to] = [across(x.edges[0]), across(x.edges[values.length])];
    const line = steps(values, x, across, up).replace("M", "L");
    add("path", { class: `area ${name}`, d: `M${from} ${bottom}${line}L${to} ${bottom}Z` });
  },
  points(add, { values, errors, name }, { up, middle }) {
    values.forEach((value, i) => {
      if (!(value > 0)) return;
      const error = errors?.[i] ?? 0;
      const d = `M${middle(i)} ${up(value - error)}V${up(value + error)}`;
      if (error > 0) add("path", { class: `error ${name}`, d });
      add("circle", { class: `point ${name}`, cx: middle(i), cy: up(value), r: 2.4 });
    });
  },
  band(add, { from, to, name }, { x, across, bottom }) {
    const [low, high] = [x.edges[0], x.edges[x.edges.length - 1]];
    if (to <= low || from >= high) return;
    const left = across(Math.max(from, low));
    const size = { x: left, width: across(Math.min(to, high)) - left, y: SPACE.top, height: bottom - SPACE.top };
    add("rect", { class: `band ${name}`, ...size });
    const centre = (from + to) / 2;
    if (centre < low || centre > high) return;
    add("path", { class: `error ${name}`, d: `M${across(centre)} ${SPACE.top}V${bottom}` });
  },
};

function steps(values, x, across, up) {
  const corners = values.map(
    (value, i) => `${across(x.edges[i])} ${up(value)}H${across(x.edges[i + 1])}`,
  );
  return `M${corners.join("L")}`;
}

// Round numbers, about n of them.
function evenTicks(low, high, n) {
  const rough = (high - low) / Math.max(1, n);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step);
}

function decades(low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const count = Math.floor(Math.log10(high) + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => 10 ** (first + i));
}

const power = (value) => {
  const exponent = String(Math.round(Math.log10(value))).replace("-", "−");
  return `10<tspan dy="-5" font-size="9">${exponent}</tspan>`;
};
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
