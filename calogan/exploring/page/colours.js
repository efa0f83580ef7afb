// From energies to colours, and the page's own colours for what is drawn by hand.

// On a logarithmic scale from `low` to `high`: more energy stands out more from the page, so light
// pages have the table the other way round.
export class ColourScale {
  constructor(table, low, high, reversed) {
    this.table = table; // red, green, blue of 256 colours
    this.low = low;
    this.high = Math.max(high, low * 1.001);
    this.reversed = reversed;
  }

  // 0 at the lower end, 1 at the upper.
  part(energy) {
    const part = Math.log(energy / this.low) / Math.log(this.high / this.low);
    return Math.min(Math.max(part, 0), 1);
  }

  // Red, green, blue, 0 to 255, at a part of the scale.
  at(part) {
    const i = 3 * Math.round(255 * (this.reversed ? 1 - part : part));
    return this.table.slice(i, i + 3);
  }

  css(energy) {
    return `rgb(${this.at(this.part(energy)).join(" ")})`;
  }
}

// The scale of some energies, MeV: single showers begin at the readout threshold, averages, which
// have none, at a hundred-thousandth of the highest.
export function scaleOf(energies, threshold, table, reversed) {
  const high = energies.reduce((most, energy) => Math.max(most, energy), 0) || 1;
  const low = threshold > 0 && threshold < high ? threshold : high * 1e-5;
  return new ColourScale(table, low, high, reversed);
}

// A colour of the style sheet.
export function pageColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
