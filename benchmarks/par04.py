"""Full simulation of Geant4's example Par04 against fast simulation by an exported generator.

    python benchmarks/par04.py MODEL.json [--showers 200] [--lwtnn EXAMPLE_PAR04] [--onnx ...]

Runs electrons of each energy and angle through Par04: in full simulation, and in fast simulation
by the C++ runner; with `--lwtnn` and `--onnx`, an unchanged examplePar04 built with that library,
by it too, on what `calogan export --profile` makes of the model. Prints the visible energy and its
resolution, the separation power of Par04's own histograms of profiles, processor time and memory.
Full simulation takes 0.2 s for each GeV of each shower; what is there of an earlier run is used
again. Needs what `make cpp` builds where Geant4 is.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from calogan.exporting.profiles import export_onnx, export_par04
from calogan.metrics import histograms, statistics

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "cpp"
PROGRAM = BUILD / "examples" / "par04" / "par04_calogan"
PROFILES = {"longProfile": "longitudinal", "transProfile": "transverse"}
"""Par04's histograms of them, sums over all showers."""

# The detector of full simulation: showers are made in tungsten and read out in silicon. The hits of
# fast simulation are placed wherever a cell's middle is, so there both are sensitive.
MACRO = """\
/control/execute common_settings_lowgran.mac
/Par04/detector/setAbsorber 0 G4_W 1.4 mm {sensitive}
/run/initialize
/control/execute common_settings_postInit.mac
/random/setSeeds {seed} {seed}
{inference}/gun/energy {energy} GeV
/gun/direction 0 {y} {z}
/analysis/setFileName {output}
/param/ActivateModel defineMesh
/param/{activate} inferenceModel
/run/beamOn {showers}
"""


MEASURE = """
import resource, subprocess, sys
with open(sys.argv[1], "w") as log:
    status = subprocess.call(sys.argv[2:], stdout=log, stderr=log)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(status)
"""


@dataclass(frozen=True)
class Way:
    """One way to simulate."""

    name: str
    program: Path
    inference: str
    """Commands of Par04; empty for full simulation."""


def cached(name: str) -> str:
    """A setting of the C++ build."""
    found = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    if found is None:
        sys.exit(f"no {name} in {BUILD}: make cpp GEANT4_DIR=..., where Geant4 and Par04 are")
    return found[1]


def ways(options: argparse.Namespace) -> Iterator[Way]:
    yield Way("full", PROGRAM, "")
    exported = export_par04(options.model, options.out / "par04.json")
    sizes = [
        line
        for line in exported.settings
        if not any(name in line for name in ("setModelPathName", "setInferenceLibrary"))
    ]

    def commands(path: Path, library: str) -> str:
        # The library last: Par04 then reads the file.
        model = [f"setModelPathName {path.resolve()}", f"setInferenceLibrary {library}"]
        lines = [*sizes, *(f"/Par04/inference/{line}" for line in model)]
        return "".join(f"{line}\n" for line in lines)

    yield Way("runner", PROGRAM, commands(options.model, "LWTNN"))
    if options.lwtnn:
        yield Way("lwtnn", options.lwtnn, commands(options.out / "par04.json", "LWTNN"))
    if options.onnx:
        export_onnx(options.model, options.out / "par04.onnx", inputs="par04")
        yield Way("onnx", options.onnx, commands(options.out / "par04.onnx", "ONNX"))


@dataclass(frozen=True)
class Sample:
    """What Par04 wrote of electrons of one energy and angle."""

    visible: NDArray[np.float64]
    """MeV in the cells of each shower."""
    profiles: dict[str, NDArray[np.float64]]
    seconds: float
    """Of processor time for each shower, without the start."""
    memory: int
    """MB at most."""


def simulate(way: Way, energy: float, angle: float, options: argparse.Namespace) -> Sample:
    """Run Par04; full simulation that is there already is taken."""
    name = f"{way.name}_{energy:g}GeV_theta{angle:g}"
    output = options.out / f"{name}_{options.showers}.root"
    costs = output.with_suffix(".json")
    if way.inference or not (output.exists() and costs.exists()):
        macro = options.out / f"{name}.mac"
        radians = math.radians(angle)
        fields: dict[str, Any] = {
            "sensitive": "true" if way.inference else "false",
            "seed": 1 + round(100 * energy + angle),
            "inference": way.inference,
            "energy": energy,
            "y": math.sin(radians),
            "z": math.cos(radians),
            "output": output.resolve(),
            "activate": "ActivateModel" if way.inference else "InActivateModel",
        }
        used = []
        for showers in (1, options.showers):
            macro.write_text(MACRO.format(showers=showers, **fields), encoding="utf-8")
            used.append(run(way.program, macro))
        (start, _), (whole, memory) = used
        seconds = (whole - start) / (options.showers - 1)
        costs.write_text(json.dumps({"seconds": seconds, "memory": memory}), encoding="utf-8")
    with uproot.open(output) as file:
        cells = file["virtualReadout/EnergyCell"].array()
        visible = np.array([float(np.sum(shower)) for shower in cells])
        profiles = {profile: file[profile].values() for profile in PROFILES}
    cost = json.loads(costs.read_text(encoding="utf-8"))
    return Sample(visible, profiles, cost["seconds"], cost["memory"])


def run(program: Path, macro: Path) -> tuple[float, int]:
    """Processor time in s and the most memory in MB of Par04 with a macro."""
    log = macro.with_suffix(".log")
    # A process begins with the size of the one that starts it, so a small one does.
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, log.resolve(), program.resolve(), "-m", macro.resolve()],
        cwd=cached("PAR04"),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{program} failed, see {log}; is the environment Geant4's (geant4.sh)?")
    seconds, memory = done.stdout.split()
    return float(seconds), round(int(memory) / (1e6 if sys.platform == "darwin" else 1e3))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="native JSON of a generator on Par04's mesh")
    parser.add_argument("--showers", type=int, default=200, help="of each energy and angle")
    parser.add_argument("--energies", type=float, nargs="+", default=[2, 4, 12], metavar="GEV")
    parser.add_argument("--angles", type=float, nargs="+", default=[60, 75, 90], metavar="DEGREES")
    parser.add_argument("--lwtnn", type=Path, help="examplePar04 with lwtnn")
    parser.add_argument("--onnx", type=Path, help="examplePar04 with ONNX Runtime")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "par04-benchmark")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    all_ways = list(ways(options))
    head = ["electron", "by", "mean visible, MeV", "fast / full", "resolution", "fast / full"]
    head += [f"separation, {words}" for words in PROFILES.values()]
    head += ["ms a shower", "full / fast", "MB"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for energy in options.energies:
        for angle in options.angles:
            full: Sample | None = None
            for way in all_ways:
                made = simulate(way, energy, angle, options)
                full = full or made
                mean, width = statistics.mean(made.visible), statistics.resolution(made.visible)
                row = [f"{energy:g} GeV, {angle:g}°", way.name, f"{mean}", "", f"{width}", ""]
                row += [""] * len(PROFILES) + [f"{1000 * made.seconds:.3g}", "", f"{made.memory}"]
                if made is not full:
                    row[3] = f"{statistics.ratio(mean, statistics.mean(full.visible))}"
                    row[5] = f"{statistics.ratio(width, statistics.resolution(full.visible))}"
                    for i, profile in enumerate(PROFILES):
                        pair = full.profiles[profile], made.profiles[profile]
                        row[6 + i] = f"{float(histograms.separation_power(*pair)):.4f}"
                    row[-2] = f"{full.seconds / made.seconds:.0f}"
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
