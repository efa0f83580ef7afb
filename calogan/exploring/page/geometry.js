// Where cells are: layers, their outlines across the shower, and which radii a cell covers.

const STEPS = 8; // points a cell is cut into along each axis, for radii
const ARC = Math.PI / 16; // longest straight piece of a ring

export class Geometry {
  constructor({ layers, fastest }) {
    let first = 0;
    let depth = 0;
    this.hasDepth = layers.every(({ z }) => z !== null);
    this.layers = layers.map((json) => {
      const cylindrical = json.system === "cylindrical";
      const a = cylindrical ? json.r_edges : json.x_edges;
      const b = cylindrical ? json.alpha_edges : json.y_edges;
      const shape = [a.length - 1, b.length - 1];
      const layer = { name: json.name, cylindrical, a, b, shape, first, z: json.z, fastest };
      layer.nCells = shape[0] * shape[1];
      layer.halfWidth = cylindrical
        ? a[a.length - 1]
        : Math.max(...[a[0], a[shape[0]], b[0], b[shape[1]]].map(Math.abs));
      first += layer.nCells;
      return layer;
    });
    this.nVoxels = first;
    this.halfWidth = Math.max(...this.layers.map((layer) => layer.halfWidth));
    // Layers without a depth are drawn as thick as each other, one behind the other.
    for (const layer of this.layers) {
      if (!this.hasDepth) layer.z = [depth, (depth += (2 * this.halfWidth) / this.layers.length)];
    }
  }

  // The cell's place along the two axes of its layer; `cell` counts from the layer's first.
  static place(layer, cell) {
    const [n, m] = layer.shape;
    return layer.fastest === "last"
      ? [Math.floor(cell / m), cell % m]
      : [cell % n, Math.floor(cell / n)];
  }

  // Edges of a cell along the two axes: [[low, high], [low, high]], mm or rad.
  static edges(layer, cell) {
    const [i, j] = Geometry.place(layer, cell);
    return [layer.a.slice(i, i + 2), layer.b.slice(j, j + 2)];
  }

  // Corners of a cell in x and y, mm, once around. A ring, which is open inside, comes in pieces.
  static outlines(layer, cell) {
    const [[a0, a1], [b0, b1]] = Geometry.edges(layer, cell);
    if (!layer.cylindrical) return [[[a0, b0], [a1, b0], [a1, b1], [a0, b1]]];
    const pieces = Math.max(1, Math.ceil((b1 - b0) / Math.PI));
    return Array.from({ length: pieces }, (_, piece) => {
      const from = b0 + ((b1 - b0) * piece) / pieces;
      const turn = (b1 - b0) / pieces;
      const n = Math.max(1, Math.ceil(turn / ARC - 1e-9));
      const arc = (r, i) => [r * Math.cos(from + (turn * i) / n), r * Math.sin(from + (turn * i) / n)];
      const outer = Array.from({ length: n + 1 }, (_, i) => arc(a1, i));
      const inner = a0 > 0 ? Array.from({ length: n + 1 }, (_, i) => arc(a0, n - i)) : [[0, 0]];
      return [...outer, ...inner];
    });
  }

  // The cell of a layer at x and y, mm; -1 beside all.
  static cellAt(layer, x, y) {
    const [n, m] = layer.shape;
    const turn = 2 * Math.PI;
    const low = layer.b[0];
    const angle = low + ((((Math.atan2(y, x) - low) % turn) + turn) % turn);
    const [u, v] = layer.cylindrical ? [Math.hypot(x, y), angle] : [x, y];
    const bin = (edges, value) => edges.findIndex((edge, i) => value >= edge && value < edges[i + 1]);
    const i = bin(layer.a, u);
    const j = bin(layer.b, v);
    if (i < 0 || j < 0) return -1;
    return layer.fastest === "last" ? i * m + j : j * n + i;
  }

  // Radial bins, mm: those of the layers where all have the same rings, else 24 even ones.
  get radialEdges() {
    const [one, ...others] = this.layers;
    const same = (layer) => layer.cylindrical && `${layer.a}` === `${one.a}`;
    if (one.cylindrical && others.every(same)) return one.a;
    return Array.from({ length: 25 }, (_, i) => (this.halfWidth * i) / 24);
  }

  // For each cell the part of it in each radial bin, as lists `bins` and `parts` from `starts[cell]`
  // on. What lies outside the last edge is in none.
  radialParts(edges) {
    const starts = [0];
    const bins = [];
    const parts = [];
    for (const layer of this.layers) {
      for (let cell = 0; cell < layer.nCells; ++cell) {
        for (const [bin, part] of radialPartsOf(layer, cell, edges)) {
          bins.push(bin);
          parts.push(part);
        }
        starts.push(bins.length);
      }
    }
    return { starts, bins, parts };
  }
}

function radialPartsOf(layer, cell, edges) {
  const [[a0, a1], [b0, b1]] = Geometry.edges(layer, cell);
  const found = new Map();
  const at = (r, part) => {
    const bin = edges.findIndex((edge, i) => r >= edge && r < edges[i + 1]);
    if (bin >= 0) found.set(bin, (found.get(bin) ?? 0) + part);
  };
  for (let i = 0; i < STEPS; ++i) {
    const u = (i + 0.5) / STEPS;
    if (layer.cylindrical) {
      at(Math.sqrt(a0 * a0 + u * (a1 * a1 - a0 * a0)), 1 / STEPS); // even in area
      continue;
    }
    for (let j = 0; j < STEPS; ++j) {
      const v = (j + 0.5) / STEPS;
      at(Math.hypot(a0 + u * (a1 - a0), b0 + v * (b1 - b0)), 1 / STEPS ** 2);
    }
  }
  return found;
}
