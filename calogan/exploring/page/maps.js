// Layers as maps across the shower: cells in their place, coloured by energy.
import { pageColour } from "./colours.js";
import { Geometry } from "./geometry.js";
import { plain } from "./words.js";

const MARGIN = 2; // CSS pixels around a map

// Draws one layer into a canvas of its CSS size; `energies` of all cells, MeV.
export function drawLayer(canvas, layer, energies, scale, mesh) {
  const context = fitted(canvas);
  const { width, height } = canvas.getBoundingClientRect();
  const zoom = zoomOf(layer, width, height);
  context.translate(width / 2, height / 2);
  context.scale(zoom, -zoom); // y upwards
  const { all, cells } = pathsOf(layer);
  context.fillStyle = pageColour("--dark-cell");
  context.fill(all);
  cells.forEach((path, cell) => {
    const energy = energies[layer.first + cell];
    if (!(energy > 0)) return;
    context.fillStyle = context.strokeStyle = scale.css(energy);
    context.lineWidth = 0.4 / zoom; // closes the seams between neighbours
    context.fill(path);
    context.stroke(path);
  });
  if (mesh) {
    context.strokeStyle = pageColour("--mesh");
    context.lineWidth = 0.5 / zoom;
    context.stroke(all);
  }
}

const known = new WeakMap();

// The outline of each cell of a layer, and all of them together, in mm.
function pathsOf(layer) {
  if (known.has(layer)) return known.get(layer);
  const all = new Path2D();
  const cells = Array.from({ length: layer.nCells }, (_, cell) => {
    const path = new Path2D();
    for (const corners of Geometry.outlines(layer, cell)) {
      corners.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
      path.closePath();
    }
    all.addPath(path);
    return path;
  });
  known.set(layer, { all, cells });
  return known.get(layer);
}

// The cell of a layer under a point of its canvas, CSS pixels from its corner; -1 beside all.
export function cellUnder(canvas, layer, left, top) {
  const { width, height } = canvas.getBoundingClientRect();
  const zoom = zoomOf(layer, width, height);
  return Geometry.cellAt(layer, (left - width / 2) / zoom, (height / 2 - top) / zoom);
}

// A cell in words: "x -80 to 80 mm, y 0 to 5 mm".
export function cellWords(layer, cell) {
  const units = layer.cylindrical ? [["r", "mm"], ["α", "rad"]] : [["x", "mm"], ["y", "mm"]];
  return Geometry.edges(layer, cell)
    .map(([low, high], k) => `${units[k][0]} ${plain(low)} to ${plain(high)} ${units[k][1]}`)
    .join(", ");
}

// The colour scale as a bar.
export function drawScale(canvas, scale) {
  const context = fitted(canvas);
  const { width, height } = canvas.getBoundingClientRect();
  for (let x = 0; x < width; ++x) {
    context.fillStyle = `rgb(${scale.at(x / Math.max(1, width - 1)).join(" ")})`;
    context.fillRect(x, 0, 1.5, height);
  }
}

function zoomOf(layer, width, height) {
  return (Math.min(width, height) / 2 - MARGIN) / layer.halfWidth;
}

// The context of a canvas with as many pixels as it has on the screen, cleared, in CSS pixels.
function fitted(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}
