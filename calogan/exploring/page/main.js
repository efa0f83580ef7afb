// The explorer: one state, what follows from it, and a sample that fills between the frames.
import { SHOWN, readAddress, writeAddress } from "./address.js";
import { span, startOf } from "./conditions.js";
import { Controls } from "./controls.js";
import { byId } from "./dom.js";
import { Geometry } from "./geometry.js";
import { Graph } from "./graph.js";
import { Generator, ROWS, unpack } from "./model.js";
import { Pictures } from "./pictures.js";
import { philox } from "./random.js";
import { Sample, drawConditions, layerShares } from "./sample.js";

const BATCH = 1000; // showers that a sample grows by
const WORK = [20, 100]; // ms of every frame in which showers are made, at least and at most
const PAUSE = 250; // ms without a change before a new sample begins and the address is written
const REDRAW = 150; // ms between drawings of a sample that fills

class Explorer {
  constructor(header) {
    this.header = header;
    this.generator = new Generator(header);
    this.deviation = this.generator.selfTest(header.self_test);
    if (!(this.deviation < 1)) {
      throw new Error("the generator fails its own self-test: the page is damaged, make it anew");
    }
    this.geometry = new Geometry(header.geometry);
    const { conditions, reference } = header;
    if (reference) reference.mean = Float32Array.from(reference.mean);
    this.colours = Object.keys(header.colours);
    this.start = {
      seed: 1,
      event: 0,
      values: conditions.map(startOf),
      sample: reference ? "range" : "fixed",
      show: "shower",
      layer: 0,
      colours: this.colours[0],
      theme: "auto",
    };
    const first = layerShares(this.generator.generate([this.start]), this.geometry);
    this.start.layer = first.indexOf(Math.max(...first));
    const showWords = { shower: "this shower", mean: "average of the sample" };
    if (reference) showWords.geant4 = "Geant4's average";
    this.choices = SHOWN.filter((name) => name in showWords);
    const range = reference ? "whole range, as Geant4's" : "whole range";
    const words = { sampleWords: { range, fixed: "these conditions" }, showWords };
    const form = { conditions, colours: this.colours, nLayers: this.geometry.layers.length, ...words };
    this.controls = new Controls(form, (change) => this.change(change), (action) => this.act(action));
    this.pictures = new Pictures(
      this.geometry,
      { threshold: header.readout_threshold, reference, colours: header.colours },
      (layer) => this.change({ layer }),
    );
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => (this.stale = true));
    this.dark = dark;
    window.addEventListener("hashchange", () => this.readAddress());
    new ResizeObserver(() => (this.stale = true)).observe(byId("pictures"));
    this.wanted = BATCH;
    this.worked = 0; // ms of the last frame in which showers were made
    this.readAddress();
    requestAnimationFrame((now) => this.frame(now));
  }

  readAddress() {
    const known = {
      conditions: this.header.conditions,
      nLayers: this.geometry.layers.length,
      colours: this.colours,
      choices: this.choices,
    };
    const { state, remarks } = readAddress(location.hash, this.start, known);
    this.state = null;
    this.change(state);
    say(remarks.length ? `Not taken from the address: ${remarks.join("; ")}.` : "");
  }

  // Takes what is to change of the state, and draws what follows.
  change(some) {
    const before = this.state;
    const state = { ...before, ...some };
    this.state = state;
    say("");
    const of = ({ seed, sample, values }) => `${seed} ${sample} ${sample === "fixed" ? values : ""}`;
    if (!before || of(before) !== of(state)) this.restart(before ? PAUSE : 0);
    // Browsers take only so many changes of the address a second.
    clearTimeout(this.writing);
    const address = writeAddress(state, this.header.conditions);
    this.writing = setTimeout(() => history.replaceState(null, "", address), PAUSE);
    this.controls.set(state);
    this.shower = this.generator.generate([state]);
    this.writeCommand();
    this.stale = true;
  }

  act(action) {
    const { view } = this.pictures;
    if (action === "again") this.restart(0);
    if (action === "more") this.wanted += BATCH;
    if (action === "rotate" && view) view.turning = !view.turning;
  }

  get incident() {
    return this.state.values[this.generator.iEnergy];
  }

  restart(pause) {
    this.sample = new Sample(this.geometry.nVoxels);
    this.wanted = BATCH;
    this.busy = 0; // ms of making the sample
    this.drawn = 0; // when the charts were drawn last
    this.inCells = 0; // showers in the average that is drawn
    this.from = performance.now() + pause;
  }

  // Makes showers of the sample for so many ms; returns how many it took.
  fill(time) {
    const { conditions, reference } = this.header;
    const { seed, sample, values } = this.state;
    const { nVoxels } = this.geometry;
    const begin = performance.now();
    let now = begin;
    while (this.sample.n < this.wanted && now - begin < time) {
      const showers = Array.from({ length: Math.min(ROWS, this.wanted - this.sample.n) }, (_, i) => {
        const event = this.sample.n + i;
        const drawn = sample === "fixed" ? values : drawConditions(conditions, reference?.spread, seed, event);
        return { seed, event, values: drawn };
      });
      const energies = this.generator.generate(showers);
      showers.forEach((shower, i) => {
        const one = energies.subarray(i * nVoxels, (i + 1) * nVoxels);
        this.sample.add(one, shower.values[this.generator.iEnergy]);
      });
      now = performance.now();
    }
    this.busy += now - begin;
    return now - begin;
  }

  frame(now) {
    if (this.sample.n < this.wanted && performance.now() >= this.from) {
      // As long as the rest of the frame took: slow drawing is not to stop the showers.
      const others = now - this.last - this.worked || 0;
      this.worked = this.fill(Math.min(Math.max(others, WORK[0]), WORK[1]));
      const done = this.sample.n >= this.wanted;
      if (done || now - this.drawn > REDRAW) {
        this.drawn = now;
        this.drawSample();
      }
      // An average of all cells takes long to draw, and changes little until there are twice as many.
      if (this.state.show === "mean" && (done || this.sample.n >= 2 * this.inCells)) this.drawCells();
    }
    if (this.stale) this.draw();
    const { view } = this.pictures;
    view?.draw((now - this.last) / 1000 || 0);
    byId("rotate").setAttribute("aria-pressed", String(Boolean(view?.turning)));
    this.last = now;
    requestAnimationFrame((later) => this.frame(later));
  }

  draw() {
    this.stale = false;
    const { theme } = this.state;
    const dark = theme === "dark" || (theme === "auto" && this.dark.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    this.pictures.drawNumbers(this.shower, this.incident);
    this.drawCells();
    this.drawSample();
  }

  drawCells() {
    const { show } = this.state;
    this.inCells = this.sample.n;
    const average = this.sample.n ? this.sample.mean : this.shower;
    const energies = { shower: this.shower, mean: average, geant4: this.header.reference?.mean }[show];
    this.pictures.drawCells(energies, this.state);
  }

  drawSample() {
    const { sample, wanted, busy } = this;
    this.pictures.drawCharts(this.shower, this.incident, sample, { ...this.state, energy: this.incident });
    const rate = busy > 0 ? (1000 * sample.n) / busy : 0;
    byId("rate").textContent = rate ? Math.round(rate).toLocaleString("en") : "–";
    byId("progress").value = sample.n / wanted;
    byId("made").textContent = `${sample.n.toLocaleString("en")} of ${wanted.toLocaleString("en")} showers`;
  }

  writeCommand() {
    const { seed, event, values } = this.state;
    const asked = this.header.conditions.map(({ name }, k) => `--${name}=${values[k]}`);
    byId("command").textContent =
      `calogan-generate MODEL.json ${asked.join(" ")} --seed ${seed} --first-event ${event} -n 1 -o shower.csv`;
  }
}

function say(words) {
  byId("error").textContent = words;
  byId("error").hidden = !words;
}

function describe({ header, geometry, deviation, generator }) {
  const ranges = header.conditions.map((condition) => `${condition.name} ${span(condition)}`);
  const cells = `${geometry.nVoxels.toLocaleString("en")} cells in ${geometry.layers.length} layers`;
  byId("about").textContent = [cells, ...ranges].join(" · ");
  byId("fineprint").textContent = [
    "Every shower is made in this page by the exported network, from",
    `${generator.latentSize.toLocaleString("en")} random numbers: Philox4x32-10 and the Box-Muller`,
    "transform, by seed and event number.",
    `Energies below ${header.readout_threshold} MeV are 0.`,
    `The model's self-test passes at ${deviation.toPrecision(1)} of its tolerance.`,
    `Weights ${header.weights_sha256.slice(0, 12)},`,
    `${document.querySelector("meta[name=generator]").content}.`,
  ].join(" ");
}

try {
  const explorer = new Explorer(await unpack(byId("data").textContent));
  describe(explorer);
  document.querySelector("main").hidden = false;
  // For the console and for tests: calogan.generator.generate([{values: [10, 0.1], seed: 1, event: 0}])
  globalThis.calogan = Object.assign(explorer, { Graph, Geometry, drawConditions, philox });
} catch (error) {
  byId("about").textContent = "";
  say(`Nothing to show: ${error.message}.`);
  throw error;
}
