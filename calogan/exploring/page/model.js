// The generator: unpacked from the page's data, from conditions and random numbers to energies.
import { variables } from "./conditions.js";
import { Graph } from "./graph.js";
import { normals } from "./random.js";

export const ROWS = 8; // showers computed at a time

// What packing.py packed, base64: its JSON, with arrays where it has their start and length.
export async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const floats = new Float32Array(buffer, 4 + length);
  const withArrays = (value, key) => {
    if (key === "weights" || key === "bias") return floats.subarray(value[0], value[0] + value[1]);
    if (Array.isArray(value)) return value.map((inner) => withArrays(inner));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withArrays(v, k)]));
  };
  header.layers = withArrays(header.layers);
  return header;
}

export class Generator {
  constructor(header) {
    this.conditions = header.conditions;
    this.threshold = header.readout_threshold; // MeV
    this.graph = new Graph(header, header.output.node, ROWS);
    this.voxels = Uint32Array.from(header.output.voxels); // which outputs they are
    this.nOutputs = this.graph.widths[header.output.node];
    this.conditionsNode = header.conditions_node;
    const sizes = Object.fromEntries(header.inputs.map((node) => [node.name, node.offset.length]));
    this.latents = header.latents.map((name) => ({ name, size: sizes[name] }));
    this.latentSize = this.latents.reduce((sum, { size }) => sum + size, 0);
    this.fed = {};
    for (const [name, size] of Object.entries(sizes)) this.fed[name] = new Float64Array(ROWS * size);
    this.nInputs = sizes[this.conditionsNode];
    this.row = new Float64Array(this.latentSize);
    this.iEnergy = this.conditions.findIndex(({ name }) => name === "energy");
  }

  // Outputs of the graph, (n, nOutputs) end to end, for n <= ROWS lists of latents and of
  // conditions' values, in their units; written over by the next call.
  outputs(latents, values) {
    values.forEach((row, i) => this.feed(latents[i], row, i));
    return this.graph.compute(this.fed, values.length);
  }

  // Puts one shower's latents and conditions into row i of the graph's inputs.
  feed(latents, values, i) {
    let first = 0;
    for (const { name, size } of this.latents) {
      this.fed[name].set(latents.slice(first, first + size), i * size);
      first += size;
    }
    const inputs = this.conditions.flatMap((condition, k) => variables(condition, values[k]));
    this.fed[this.conditionsNode].set(inputs, i * this.nInputs);
  }

  // Energies in MeV, (n, number of voxels) end to end, those below the threshold 0, of n <= ROWS
  // showers {values, seed, event}.
  generate(showers) {
    showers.forEach(({ values, seed, event }, i) => {
      normals(seed, event, this.latentSize, this.row);
      // As in the runner, conditions are what single precision holds.
      this.feed(this.row, values.map(Math.fround), i);
    });
    const outputs = this.graph.compute(this.fed, showers.length);
    const nVoxels = this.voxels.length;
    const energies = new Float32Array(showers.length * nVoxels);
    showers.forEach(({ values }, i) => {
      const unit = 1000 * Math.fround(values[this.iEnergy]);
      for (let k = 0; k < nVoxels; ++k) {
        const energy = unit * outputs[i * this.nOutputs + this.voxels[k]];
        energies[i * nVoxels + k] = energy < this.threshold ? 0 : energy;
      }
    });
    return energies;
  }

  // The model file's cases, replayed: the largest deviation from what they expect, in units of
  // the tolerance that all readers of the file have (1e-3, and 1e-7 or 1e-5 for leftovers).
  selfTest(cases) {
    const leftover = new Uint8Array(this.nOutputs).fill(1);
    for (const voxel of this.voxels) leftover[voxel] = 0;
    let worst = 0;
    for (const { latent, conditions, fractions } of cases) {
      const found = this.outputs([latent], [conditions]);
      fractions.forEach((expected, i) => {
        const allowed = (leftover[i] ? 1e-5 : 1e-7) + 1e-3 * Math.abs(expected);
        worst = Math.max(worst, Math.abs(found[i] - expected) / allowed); // NaN stays
      });
    }
    return worst;
  }
}
