// lwtnn's feed-forward layers on rows of doubles: each function of LAYERS makes of a layer's JSON
// and the width of what it reads {width, run(x, y, n)}, which writes n rows of its own width to y.
// Formulas and their cuts are those of lwtnn.

const clip = (x, low, high) => Math.min(Math.max(x, low), high);

export function sigmoid(x) {
  if (x < -30) return 0;
  return x > 30 ? 1 : 1 / (1 + Math.exp(-x));
}

function softmax(y, n, width) {
  for (let row = 0; row < n * width; row += width) {
    let highest = -Infinity;
    for (let i = row; i < row + width; ++i) if (y[i] > highest) highest = y[i];
    let sum = 0;
    for (let i = row; i < row + width; ++i) sum += y[i] = Math.exp(y[i] - highest);
    const scale = 1 / sum;
    for (let i = row; i < row + width; ++i) y[i] *= scale;
  }
}

// Functions of one number, and of the activation's alpha.
const POINTWISE = {
  sigmoid: () => sigmoid,
  rectified: () => (x) => (x < 0 ? 0 : x),
  tanh: () => Math.tanh,
  hard_sigmoid: () => (x) => clip(0.2 * x + 0.5, 0, 1),
  abs: () => Math.abs,
  elu: (alpha = 1) => (x) => (x >= 0 ? x : alpha * Math.expm1(x)),
  leakyrelu: (alpha) => (x) => (x > 0 ? x : alpha * x),
  swish: (alpha) => (x) => x * sigmoid(alpha * x),
};

// A function that changes n rows in place.
function activation(json) {
  const { function: name, alpha } = typeof json === "string" ? { function: json } : json;
  if (name === "linear") return () => {};
  if (name === "softmax") return softmax;
  const make = POINTWISE[name];
  if (!make) throw new Error(`the network has the activation ${name}, which this page lacks`);
  const apply = make(alpha);
  return (y, n, width) => {
    for (let i = 0; i < n * width; ++i) y[i] = apply(y[i]);
  };
}

// y = W x + b with every weight; four rows at a time, so that a weight is read once for four.
function full(weights, bias, width) {
  const out = weights.length / width;
  return (x, y, n) => {
    let row = 0;
    for (; row + 4 <= n; row += 4) {
      const r0 = row * width;
      const r1 = r0 + width;
      const r2 = r1 + width;
      const r3 = r2 + width;
      for (let j = 0, w = 0; j < out; ++j) {
        let s0 = bias[j];
        let s1 = s0;
        let s2 = s0;
        let s3 = s0;
        for (let k = 0; k < width; ++k, ++w) {
          const weight = weights[w];
          s0 += weight * x[r0 + k];
          s1 += weight * x[r1 + k];
          s2 += weight * x[r2 + k];
          s3 += weight * x[r3 + k];
        }
        const to = row * out + j;
        y[to] = s0;
        y[to + out] = s1;
        y[to + 2 * out] = s2;
        y[to + 3 * out] = s3;
      }
    }
    for (; row < n; ++row) {
      const from = row * width;
      for (let j = 0, w = 0; j < out; ++j) {
        let sum = bias[j];
        for (let k = 0; k < width; ++k, ++w) sum += weights[w] * x[from + k];
        y[row * out + j] = sum;
      }
    }
  };
}

// The same where most weights are 0, as in gates and in sums over groups.
function sparse(weights, bias, width) {
  const out = weights.length / width;
  const starts = new Uint32Array(out + 1);
  const columns = [];
  const values = [];
  for (let j = 0; j < out; ++j) {
    for (let k = 0; k < width; ++k) {
      if (weights[j * width + k] !== 0) {
        columns.push(k);
        values.push(weights[j * width + k]);
      }
    }
    starts[j + 1] = columns.length;
  }
  const column = Uint32Array.from(columns);
  const value = Float64Array.from(values);
  return (x, y, n) => {
    for (let row = 0; row < n; ++row) {
      for (let j = 0; j < out; ++j) {
        let sum = bias[j];
        for (let i = starts[j]; i < starts[j + 1]; ++i) sum += value[i] * x[row * width + column[i]];
        y[row * out + j] = sum;
      }
    }
  };
}

function affine(weights, bias, width) {
  let used = 0;
  for (const weight of weights) used += weight !== 0;
  return (used * 4 < weights.length ? sparse : full)(weights, bias, width);
}

// Either of weights and bias may be empty: an activation or a bias alone.
function dense({ weights, bias, activation: json }, width) {
  const activate = activation(json);
  const out = weights.length ? weights.length / width : width;
  const offsets = bias.length ? bias : new Float32Array(out);
  const linear = weights.length
    ? affine(weights, offsets, width)
    : (x, y, n) => {
        for (let i = 0; i < n * width; ++i) y[i] = x[i] + offsets[i % width];
      };
  return {
    width: out,
    run(x, y, n) {
      linear(x, y, n);
      activate(y, n, out);
    },
  };
}

function normalization({ weights, bias }, width) {
  return {
    width,
    run(x, y, n) {
      for (let i = 0; i < n * width; ++i) y[i] = (x[i] + bias[i % width]) * weights[i % width];
    },
  };
}

function maxout({ sublayers }, width) {
  const pieces = sublayers.map(({ weights, bias }) => affine(weights, bias, width));
  const out = sublayers[0].bias.length;
  let other = new Float64Array(0);
  return {
    width: out,
    run(x, y, n) {
      if (other.length < n * out) other = new Float64Array(n * out);
      pieces[0](x, y, n);
      for (const piece of pieces.slice(1)) {
        piece(x, other, n);
        for (let i = 0; i < n * out; ++i) if (other[i] > y[i]) y[i] = other[i];
      }
    },
  };
}

function highway({ components: { t, carry }, activation: json }, width) {
  const activate = activation(json);
  const transform = affine(t.weights, t.bias, width);
  const gate = affine(carry.weights, carry.bias, width);
  let gates = new Float64Array(0);
  return {
    width,
    run(x, y, n) {
      if (gates.length < n * width) gates = new Float64Array(n * width);
      transform(x, y, n);
      activate(y, n, width);
      gate(x, gates, n);
      for (let i = 0; i < n * width; ++i) y[i] = sigmoid(gates[i]) * y[i] + sigmoid(-gates[i]) * x[i];
    },
  };
}

export const LAYERS = { dense, normalization, maxout, highway };
