// Numbers in words.

// A number with so many significant digits, none of them idle zeros.
export function plain(value, digits = 4) {
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

// An energy in MeV, with its unit.
export function energyWords(energy) {
  const units = [[1000, "GeV"], [1, "MeV"], [1e-3, "keV"]];
  const [size, unit] = units.find(([least]) => energy >= least) ?? [1e-6, "eV"];
  return energy === 0 ? "0 MeV" : `${plain(energy / size, 3)} ${unit}`;
}

// A number and its error, which has one or two digits: "0.2057 ± 0.0002".
export function withError(value, error) {
  const decimals = error > 0 ? Math.min(Math.max(0, Math.ceil(-Math.log10(error))), 12) : 4;
  return `${value.toFixed(decimals)} ± ${error.toFixed(decimals)}`;
}
