// What is shown as the part of the page's address behind #, so that a link shows the same again.
import { read, span, written } from "./conditions.js";

export const SAMPLES = ["range", "fixed"];
export const SHOWN = ["shower", "mean", "geant4"];
export const THEMES = ["auto", "light", "dark"];
const MOST = 2 ** 53 - 1;

// The state of an address, and words on what in it could not be taken.
export function readAddress(hash, start, { conditions, nLayers, colours, choices }) {
  const state = { ...start, values: [...start.values] };
  const remarks = [];
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = (key, most) => {
    if (!given.has(key)) return;
    const value = Number(given.get(key));
    if (given.get(key) !== "" && Number.isInteger(value) && value >= 0 && value <= most) state[key] = value;
    else remarks.push(`${key}=${given.get(key)}: expected a whole number of 0 to ${most}`);
  };
  const oneOf = (key, known) => {
    if (!given.has(key)) return;
    if (known.includes(given.get(key))) state[key] = given.get(key);
    else remarks.push(`${key}=${given.get(key)}: expected one of ${known.join(", ")}`);
  };
  whole("seed", MOST);
  whole("event", MOST);
  whole("layer", nLayers - 1);
  oneOf("sample", SAMPLES);
  oneOf("show", choices);
  oneOf("colours", colours);
  oneOf("theme", THEMES);
  conditions.forEach((condition, k) => {
    const { name } = condition;
    if (!given.has(name)) return;
    const value = read(condition, given.get(name));
    if (value !== null) state.values[k] = value;
    else remarks.push(`${name}=${given.get(name)}: it was trained on ${span(condition)}`);
  });
  for (const key of given.keys()) {
    if (!(key in start) && !conditions.some(({ name }) => name === key)) remarks.push(`${key}: not known`);
  }
  return { state, remarks };
}

// What leads back to a state.
export function writeAddress(state, conditions) {
  const { seed, event, sample, show, layer, colours, theme } = state;
  const pairs = conditions.map((condition, k) => [condition.name, written(condition, state.values[k])]);
  const others = Object.entries({ seed, event, sample, show, layer, colours, theme });
  return `#${new URLSearchParams([...pairs, ...others.map(([key, value]) => [key, String(value)])])}`;
}
