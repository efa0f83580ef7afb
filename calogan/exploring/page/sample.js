// Many showers made alike: what is added up of them, and numbers of single showers and averages.
import { isLabel } from "./conditions.js";
import { uniforms } from "./random.js";

// Sums of showers.
export class Sample {
  constructor(nVoxels) {
    this.n = 0;
    this.sums = new Float64Array(nVoxels); // MeV
    this.responses = []; // visible over incident energy of each shower
  }

  // Energies of one shower, MeV, and its incident energy, GeV.
  add(energies, incident) {
    let visible = 0;
    for (let k = 0; k < energies.length; ++k) {
      this.sums[k] += energies[k];
      visible += energies[k];
    }
    this.responses.push(visible / (1000 * incident));
    this.n += 1;
  }

  get mean() {
    return this.sums.map((sum) => sum / this.n);
  }
}

// Mean and standard deviation.
export function moments(values) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const square = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(square / Math.max(1, values.length - 1)) };
}

// Entries per value in bins; what is outside is in none.
export function histogram(values, edges) {
  const counts = new Array(edges.length - 1).fill(0);
  for (const value of values) {
    const bin = edges.findIndex((edge) => value < edge) - 1;
    if (bin >= 0) counts[bin] += 1;
  }
  return counts.map((count) => count / values.length);
}

// Even bins that hold nearly all of the values.
export function binsFor(values, n = 40) {
  const { mean, deviation } = moments(values);
  const half = 4 * (deviation || 0.01 * Math.abs(mean) || 1);
  return Array.from({ length: n + 1 }, (_, i) => mean - half + (2 * half * i) / n);
}

const total = (energies) => energies.reduce((sum, energy) => sum + energy, 0);

// Parts of the energy in each layer.
export function layerShares(energies, geometry) {
  const all = total(energies) || 1;
  return geometry.layers.map(
    ({ first, nCells }) => total(energies.subarray(first, first + nCells)) / all,
  );
}

// Parts of the energy per mm of radius, a cell's energy spread evenly over the cell.
export function radialShares(energies, edges, { starts, bins, parts }) {
  const found = new Float64Array(edges.length - 1);
  for (let cell = 0; cell < energies.length; ++cell) {
    for (let i = starts[cell]; i < starts[cell + 1]; ++i) found[bins[i]] += energies[cell] * parts[i];
  }
  const all = total(energies) || 1;
  return Array.from(found, (sum, i) => sum / all / (edges[i + 1] - edges[i]));
}

// Visible energy in MeV, lit cells.
export function numbers(energies) {
  return { visible: total(energies), lit: energies.reduce((n, energy) => n + (energy > 0), 0) };
}

// Conditions of one shower of a sample over the whole range: drawn as full simulation's are
// distributed, in the bins of its report, else evenly on each condition's scale or among a label's
// values.
export function drawConditions(conditions, spread, seed, event) {
  const random = uniforms(seed, event, conditions.length);
  return conditions.map((condition, k) => {
    const { name, low, high, scale } = condition;
    const even = isLabel(condition) ? { counts: condition.values.map(() => 1) } : { edges: [low, high], counts: [1] };
    const { edges, counts } = spread?.[name] ?? even;
    let rest = random[k] * total(counts);
    let bin = 0;
    while (bin < counts.length - 1 && rest >= counts[bin]) rest -= counts[bin++];
    if (isLabel(condition)) return condition.values[bin];
    const part = rest / counts[bin];
    const [from, to] = [edges[bin], edges[bin + 1]];
    const value = scale === "log" ? from * (to / from) ** part : from + part * (to - from);
    return Math.fround(Math.min(Math.max(value, low), high));
  });
}
