// What a generator is conditioned on: quantities with a range, and labels, which take one of a few
// values and have `values` and `names`.
import { plain } from "./words.js";

// Where a condition begins: the middle of its range on its scale, rounded; the first of its values.
export function middle({ low, high, scale, values }) {
  if (values) return values[0];
  const value = scale === "log" ? Math.sqrt(low * high) : (low + high) / 2;
  return Math.min(Math.max(Number(value.toPrecision(2)), low), high);
}

// Whether the generator was trained on a value.
export function covers({ low, high, values }, value) {
  return values ? values.includes(value) : value >= low && value <= high;
}

// What it was trained on, in words.
export function span({ low, high, unit, names }) {
  return names ? names.join(", ") : `${plain(low)} to ${plain(high)} ${unit}`.trim();
}

// The network's variables of a value, before offset and scale.
export function variables({ scale, values }, value) {
  if (values) return values.map((one) => Number(one === value));
  return [scale === "log" ? Math.log(value) : value];
}

// The value at a random number between 0 and 1, distributed as `counts` in bins with these edges,
// of a label as counts of its values; without them evenly on the condition's scale.
export function draw({ low, high, scale, values }, random, { edges, counts } = {}) {
  counts ??= values ? values.map(() => 1) : [1];
  edges ??= [low, high];
  let rest = random * counts.reduce((sum, count) => sum + count, 0);
  let bin = 0;
  while (bin < counts.length - 1 && rest >= counts[bin]) rest -= counts[bin++];
  if (values) return values[bin];
  const part = rest / counts[bin];
  const [from, to] = [edges[bin], edges[bin + 1]];
  const value = scale === "log" ? from * (to / from) ** part : from + part * (to - from);
  return Math.fround(Math.min(Math.max(value, low), high));
}
