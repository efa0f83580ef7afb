// Conditions of both kinds: quantities {name, unit, low, high, scale}, and labels {name, values,
// names}, of which the network has an input for each value.
import { plain } from "./words.js";

export const isLabel = (condition) => "values" in condition;

// What the network is fed for a value, before offset and scale.
export function variables(condition, value) {
  if (isLabel(condition)) return condition.values.map((each) => Number(each === value));
  return [condition.scale === "log" ? Math.log(value) : value];
}

// Where a condition starts: the middle of its range on its scale, rounded; of a label the first.
export function startOf(condition) {
  if (isLabel(condition)) return condition.values[0];
  const { low, high, scale } = condition;
  const value = scale === "log" ? Math.sqrt(low * high) : (low + high) / 2;
  return Math.min(Math.max(Number(value.toPrecision(2)), low), high);
}

// All values in words.
export function span(condition) {
  if (isLabel(condition)) return condition.names.join(", ");
  return `${plain(condition.low)} to ${plain(condition.high)} ${condition.unit}`.trim();
}

// A value as it is written in addresses: of a label its name.
export function written(condition, value) {
  return isLabel(condition) ? condition.names[condition.values.indexOf(value)] : String(value);
}

// The value that a text means, a number or a label's name; null if it was not trained on.
export function read(condition, text) {
  const value = text.trim() === "" ? NaN : Number(text);
  if (isLabel(condition)) {
    // In an address that somebody typed, a plus is read as a space.
    const named = condition.names.findIndex((name) => name === text || name === text.replaceAll(" ", "+"));
    if (named >= 0) return condition.values[named];
    return condition.values.includes(value) ? value : null;
  }
  return value >= condition.low && value <= condition.high ? value : null;
}
