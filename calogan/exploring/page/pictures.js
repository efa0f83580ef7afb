// All that is drawn: numbers, space, maps, charts.
import { drawChart } from "./charts.js";
import { pageColour, scaleOf } from "./colours.js";
import { byId } from "./dom.js";
import { cellUnder, cellWords, drawLayer, drawScale } from "./maps.js";
import { binsFor, histogram, layerShares, moments, numbers, radialShares } from "./sample.js";
import { View3d } from "./view3d.js";
import { energyWords, plain, withError } from "./words.js";

const FEW = 8; // layers whose names fit below a chart
const DECADES = 1e-5; // of the radial profile, from its highest value down

export class Pictures {
  constructor(geometry, { threshold, reference, colours }, chooseLayer) {
    this.geometry = geometry;
    this.threshold = threshold;
    this.reference = reference;
    this.tables = colours;
    this.radii = geometry.radialEdges;
    this.parts = geometry.radialParts(this.radii);
    this.tiles = geometry.layers.map((layer, i) => tile(layer, () => chooseLayer(i)));
    byId("layers").replaceChildren(...this.tiles.map(({ button }) => button));
    byId("layers").classList.toggle("few", geometry.layers.length <= FEW);
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    try {
      this.view = new View3d(byId("space"), geometry, { turning: !still });
    } catch (error) {
      byId("space").replaceWith(`Not drawn: ${error.message}.`);
      byId("rotate").hidden = true;
    }
    byId("map").addEventListener("pointermove", (event) => this.point(event));
    byId("map").addEventListener("pointerdown", (event) => this.point(event));
    byId("map").addEventListener("pointerleave", () => this.point(null));
    this.pointed = -1;
  }

  // What one shower is.
  drawNumbers(energies, incident) {
    const { visible, lit } = numbers(energies);
    byId("visible").textContent = energyWords(visible);
    byId("response").textContent = (visible / (1000 * incident)).toFixed(4);
    byId("lit").textContent = `${lit} of ${energies.length}`;
  }

  // Maps and space: energies in MeV, of a shower or of an average.
  drawCells(energies, state) {
    const reversed = document.documentElement.dataset.theme !== "dark";
    const threshold = state.show === "shower" ? this.threshold : 0;
    const scale = scaleOf(energies, threshold, this.tables[state.colours], reversed);
    const layer = this.geometry.layers[state.layer];
    Object.assign(this, { energies, layer });
    this.view?.show(energies, scale, rgb(pageColour("--lines")));
    drawLayer(byId("map"), layer, energies, scale, true);
    this.tiles.forEach(({ button, canvas, sum }, i) => {
      const { first, nCells } = this.geometry.layers[i];
      drawLayer(canvas, this.geometry.layers[i], energies, scale, false);
      const { visible, lit } = numbers(energies.subarray(first, first + nCells));
      sum.textContent = lit ? energyWords(visible) : "dark";
      button.setAttribute("aria-pressed", String(i === state.layer));
    });
    const [front, back] = layer.z;
    const depth = this.geometry.hasDepth ? `, z ${plain(front)} to ${plain(back)} mm` : "";
    byId("layer-name").textContent = `${layer.name}${depth}`;
    drawScale(byId("scale"), scale);
    byId("scale-low").textContent = energyWords(scale.low);
    byId("scale-high").textContent = energyWords(scale.high);
    this.writeCell();
  }

  point(event) {
    this.pointed = event ? cellUnder(byId("map"), this.layer, event.offsetX, event.offsetY) : -1;
    this.writeCell();
  }

  writeCell() {
    const { layer, pointed } = this;
    byId("cell").textContent =
      pointed >= 0 && pointed < layer.nCells
        ? `cell ${pointed}, ${cellWords(layer, pointed)}: ${energyWords(this.energies[layer.first + pointed])}`
        : "Point at a cell to read its energy.";
  }

  // Charts: a shower's energies in MeV, its incident energy in GeV, and the sample that is filling.
  drawCharts(energies, incident, sample, state) {
    const full = state.sample === "range" ? this.reference : null;
    this.drawResponse(sample, state, full, numbers(energies).visible / (1000 * incident));
    const mean = sample.n ? sample.mean : null;
    this.drawProfile("depth", (cells) => layerShares(cells, this.geometry), { energies, mean, full });
    this.drawProfile("radius", (cells) => radialShares(cells, this.radii, this.parts), { energies, mean, full });
  }

  drawResponse(sample, state, full, own) {
    const near = state.sample === "fixed" ? this.energyBin(state.energy) : null;
    byId("response-key").innerHTML = key([
      ["generated", `${sample.n.toLocaleString("en")} generated`],
      ["shower", "this shower"],
      ...(full ? [["geant4", `${full.n_showers.toLocaleString("en")} Geant4`]] : []),
      ...(near ? [["geant4", `Geant4, ${near.words}`]] : []),
    ]);
    if (sample.n < 2) return;
    const edges = full?.response.edges ?? binsFor(sample.responses);
    const found = histogram(sample.responses, edges);
    const series = [
      { kind: "area", values: found, name: "generated" },
      { kind: "steps", values: found, name: "generated" },
    ];
    const high = 1.15 * Math.max(...found, ...(full?.response.value ?? []));
    if (full) {
      const { value: values, uncertainty: errors } = full.response;
      series.push({ kind: "points", values, errors, name: "geant4" });
    }
    const band = (centre, half, name) => ({ kind: "band", from: centre - half, to: centre + half, name });
    if (near) series.unshift(band(near.mean, near.deviation, "geant4"));
    series.push(band(own, (edges[1] - edges[0]) / 10, "shower"));
    const x = { edges, label: "visible / incident energy" };
    drawChart(byId("response-chart"), { x, y: { low: 0, high, log: false }, series });
    const { mean, deviation } = moments(sample.responses);
    const average = withError(mean, deviation / Math.sqrt(sample.n));
    byId("response-note").textContent =
      `Generated: mean ${average}, resolution ${percent(deviation, mean)}.` +
      (near
        ? ` Geant4, ${near.words}: mean ${plain(near.mean)}, ` +
          `resolution ${percent(near.deviation, near.mean)}; the band is one deviation.`
        : "");
  }

  // What is known of full simulation near an incident energy, GeV.
  energyBin(energy) {
    if (!this.reference?.bins) return null;
    const { edges, response, resolution } = this.reference.bins;
    const bin = edges.findIndex((edge, i) => energy >= edge && energy < edges[i + 1]);
    if (bin < 0 || !response[bin] || !resolution[bin]) return null;
    const [low, high] = [edges[bin], edges[bin + 1]].map((edge) => plain(edge, 3));
    const mean = response[bin];
    return { words: `${low} to ${high} GeV`, mean, deviation: mean * resolution[bin] };
  }

  // A profile of the shower, of the sample's mean and of full simulation's, as `shares` makes it.
  drawProfile(id, shares, { energies, mean, full }) {
    const log = id === "radius";
    byId(`${id}-key`).innerHTML = key([
      ["shower", "this shower"],
      ...(mean ? [["generated", "average"]] : []),
      ...(full ? [["geant4", "Geant4's average"]] : []),
    ]);
    const series = [
      { kind: "area", values: shares(energies), name: "shower" },
      ...(mean ? [{ kind: "steps", values: shares(mean), name: "generated" }] : []),
      ...(full ? [{ kind: "points", values: shares(full.mean), name: "geant4" }] : []),
    ];
    const top = Math.max(...series.flatMap(({ values }) => values)) || 1;
    const y = log ? { low: top * DECADES, high: 2 * top, log } : { low: 0, high: 1.1 * top, log };
    const radius = { edges: this.radii, label: "distance from the axis [mm]" };
    drawChart(byId(`${id}-chart`), { x: log ? radius : this.depthAxis, y, series });
  }

  get depthAxis() {
    const { layers, hasDepth } = this.geometry;
    const numbered = layers.map((_, i) => i);
    if (layers.length <= FEW) {
      return { edges: [...numbered, layers.length], label: "layer", names: layers.map(({ name }) => name) };
    }
    const touches = ({ z }, i) => !i || Math.abs(z[0] - layers[i - 1].z[1]) < 1e-6 * (z[1] - z[0]);
    if (hasDepth && layers.every(touches)) {
      return { edges: [layers[0].z[0], ...layers.map(({ z }) => z[1])], label: "depth z [mm]" };
    }
    return { edges: [...numbered, layers.length], label: "layer" };
  }
}

// A layer's button with its map.
function tile(layer, choose) {
  const button = Object.assign(document.createElement("button"), { type: "button", title: layer.name });
  const canvas = document.createElement("canvas");
  const name = Object.assign(document.createElement("span"), { textContent: layer.name });
  const sum = document.createElement("span");
  button.append(canvas, name, sum);
  button.addEventListener("click", choose);
  return { button, canvas, sum };
}

const percent = (part, whole) => `${((100 * part) / whole).toFixed(2)} %`;

function key(items) {
  return items.map(([name, words]) => `<span class="${name}"><i></i><b>${words}</b></span>`).join("");
}

// Red, green, blue of #rrggbb, 0 to 1.
function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
}
