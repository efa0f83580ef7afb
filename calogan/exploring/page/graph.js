// An lwtnn graph in typed arrays, for a batch of showers at a time.
import { LAYERS } from "./layers.js";

export class Graph {
  // Nodes, layers and inputs as in the model file, with arrays in place of numbers' lists; `target`
  // is the node that is wanted, `rows` how many showers are computed at a time at most.
  constructor({ inputs, nodes, layers }, target, rows) {
    this.inputs = inputs;
    this.nodes = nodes;
    this.rows = rows;
    this.steps = [];
    this.values = []; // of each node, (rows, width)
    this.widths = [];
    this.layers = layers;
    this.build(target);
    this.target = target;
  }

  // Appends the steps that a node takes, its sources first.
  build(index) {
    if (this.values[index]) return;
    const node = this.nodes[index];
    if (node.type !== "input") node.sources.forEach((source) => this.build(source));
    const step = this.step(node);
    this.widths[index] = step.width;
    this.values[index] = new Float64Array(this.rows * step.width);
    this.steps.push({ index, run: step.run });
  }

  // Width of a node, and the function (y, n, fed) that computes n rows of it.
  step({ type, sources, layer_index: number }) {
    const widths = sources.map((source) => this.widths[source]);
    const from = sources.map((source) => this.values[source]);
    if (type === "input") return this.inputStep(this.inputs[sources[0]]);
    if (type === "concatenate") {
      const width = widths.reduce((sum, part) => sum + part, 0);
      return {
        width,
        run(y, n) {
          for (let row = 0, to = 0; row < n; ++row) {
            for (let s = 0; s < from.length; to += widths[s], ++s) {
              y.set(from[s].subarray(row * widths[s], (row + 1) * widths[s]), to);
            }
          }
        },
      };
    }
    if (type === "add") {
      return {
        width: widths[0],
        run(y, n) {
          for (let i = 0; i < n * widths[0]; ++i) {
            let sum = 0;
            for (const source of from) sum += source[i];
            y[i] = sum;
          }
        },
      };
    }
    const make = type === "feed_forward" && LAYERS[this.layers[number].architecture];
    if (!make) throw new Error(`the network has a node ${type}, which this page lacks`);
    const layer = make(this.layers[number], widths[0]);
    return { width: layer.width, run: (y, n) => layer.run(from[0], y, n) };
  }

  inputStep({ name, offset, scale }) {
    const width = offset.length;
    return {
      width,
      run(y, n, fed) {
        for (let i = 0; i < n * width; ++i) {
          y[i] = (fed[name][i] + offset[i % width]) * scale[i % width];
        }
      },
    };
  }

  // The target's n rows, end to end. `fed` has n rows of each input, by name; what is returned is
  // written over by the next call.
  compute(fed, n) {
    for (const { index, run } of this.steps) run(this.values[index], n, fed);
    return this.values[this.target];
  }
}
