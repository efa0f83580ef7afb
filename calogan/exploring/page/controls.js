// The form and the keys: they show a state and ask for changes of it.
import { SAMPLES, THEMES } from "./address.js";
import { isLabel } from "./conditions.js";
import { byId } from "./dom.js";

const STEPS = 1000; // of a slider
const DIGITS = 4; // significant, of what a slider gives

const next = (list, item) => list[(list.indexOf(item) + 1) % list.length];

export class Controls {
  // `change` is called with what is to change of the state; `act` with the name of an action:
  // "more", "again", "rotate".
  constructor({ conditions, sampleWords, showWords, colours, nLayers }, change, act) {
    this.conditions = conditions;
    this.change = change;
    this.act = act;
    this.choices = { show: Object.keys(showWords), colours, nLayers };
    this.rows = conditions.map((condition, k) =>
      isLabel(condition) ? this.labelRow(condition, k) : this.conditionRow(condition, k),
    );
    byId("conditions").replaceChildren(...this.rows.map(({ element }) => element));
    this.radios = { sample: this.choice("sample", sampleWords), show: this.choice("show", showWords) };
    byId("colours").replaceChildren(...colours.map((name) => new Option(name, name)));
    byId("colours").addEventListener("change", (event) => change({ colours: event.target.value }));
    for (const id of ["seed", "event"]) {
      byId(id).addEventListener("change", (event) => {
        const value = Number(event.target.value);
        if (event.target.value !== "" && Number.isSafeInteger(value) && value >= 0) change({ [id]: value });
      });
    }
    byId("next").addEventListener("click", () => this.step(1));
    byId("previous").addEventListener("click", () => this.step(-1));
    byId("theme").addEventListener("click", () => this.turnTheme());
    for (const action of ["more", "again", "rotate"]) byId(action).addEventListener("click", () => act(action));
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // A choice among a label's values.
  labelRow({ name, values, names }, k) {
    const element = Object.assign(document.createElement("div"), { className: "condition" });
    const label = Object.assign(document.createElement("label"), { htmlFor: `condition-${name}`, textContent: name });
    const select = Object.assign(document.createElement("select"), { id: `condition-${name}` });
    select.replaceChildren(...values.map((value, i) => new Option(names[i], value)));
    select.addEventListener("change", () => this.give(k, Number(select.value)));
    element.append(label, select);
    return { element, set: (value) => (select.value = value) };
  }

  // Asks for another value of a condition.
  give(k, value) {
    this.change({ values: this.state.values.map((old, i) => (i === k ? value : old)) });
  }

  conditionRow({ name, unit, low, high, scale }, k) {
    const element = document.createElement("div");
    element.className = "condition";
    const log = scale === "log";
    const toPart = (value) => (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
    const toValue = (part) => (log ? low * (high / low) ** part : low + part * (high - low));
    const add = (tag, properties, parent = element) => {
      const made = Object.assign(document.createElement(tag), properties);
      parent.append(made);
      return made;
    };
    add("label", { htmlFor: `condition-${name}`, textContent: name });
    const place = add("span", { className: "value" });
    const box = { type: "number", id: `condition-${name}`, min: low, max: high, step: "any" };
    const number = add("input", box, place);
    place.append(` ${unit}`);
    const slider = add("input", { type: "range", min: 0, max: STEPS, step: 1 });
    slider.setAttribute("aria-label", name);
    const ends = add("div", { className: "ends" });
    for (const end of [low, high]) add("span", { textContent: String(Number(end.toPrecision(DIGITS))) }, ends);
    slider.addEventListener("input", () => {
      const value = Number(toValue(slider.value / STEPS).toPrecision(DIGITS));
      this.give(k, Math.min(Math.max(value, low), high));
    });
    number.addEventListener("change", () => {
      const value = Number(number.value);
      if (number.value !== "" && value >= low && value <= high) this.give(k, value);
    });
    const set = (value) => {
      slider.value = Math.round(STEPS * toPart(value));
      slider.setAttribute("aria-valuetext", `${value} ${unit}`);
      if (document.activeElement !== number) number.value = value;
    };
    return { element, set };
  }

  // Buttons of which one is down; words may be empty for what cannot be chosen.
  choice(id, words) {
    const radios = Object.entries(words).map(([value, text]) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: id, value });
      radio.addEventListener("change", () => this.change({ [id]: value }));
      label.append(radio, Object.assign(document.createElement("span"), { textContent: text }));
      byId(id).append(label);
      return radio;
    });
    return (value) => radios.forEach((radio) => (radio.checked = radio.value === value));
  }

  // Shows a state.
  set(state) {
    this.state = state;
    this.rows.forEach(({ set }, k) => set(state.values[k]));
    for (const id of ["seed", "event"]) if (document.activeElement !== byId(id)) byId(id).value = state[id];
    this.radios.sample(state.sample);
    this.radios.show(state.show);
    byId("colours").value = state.colours;
    byId("theme").textContent = `theme: ${state.theme}`;
    byId("previous").disabled = state.event === 0;
  }

  step(by) {
    const event = this.state.event + by;
    if (event >= 0) this.change({ event });
  }

  turnTheme() {
    this.change({ theme: next(THEMES, this.state.theme) });
  }

  key(event) {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.tagName === "SELECT" || target.type === "number") return;
    const { show, colours, nLayers } = this.choices;
    const { state } = this;
    const layer = (by) => this.change({ layer: (state.layer + by + nLayers) % nLayers });
    const actions = {
      n: () => this.step(1),
      p: () => this.step(-1),
      m: () => this.act("more"),
      r: () => this.act("rotate"),
      w: () => this.change({ sample: next(SAMPLES, state.sample) }),
      v: () => this.change({ show: next(show, state.show) }),
      c: () => this.change({ colours: next(colours, state.colours) }),
      t: () => this.turnTheme(),
      ",": () => layer(-1),
      ".": () => layer(1),
      "?": () => byId("keys").toggleAttribute("open"),
    };
    if (!actions[event.key]) return;
    actions[event.key]();
    event.preventDefault();
  }
}
