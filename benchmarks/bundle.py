"""How quickly a bundle of 300 generators is opened, and what memory it takes as they are used.

    python benchmarks/bundle.py [--model data/models/lar_photons/generator.json]

The bundle is of one exported generator under 300 names: three particles, each in 100 slices in
eta, as JSON and compiled. Memory is by how much the process grew since before the bundle was
opened (its resident set, on Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from calogan import runner
from calogan.exporting.bundle import INDEX, write_bundle

ROOT = Path(__file__).parents[1]
PARTICLES, SLICES = (22, 11, 211), 100
TURNS = 20
USED = (0, 1, 10, 30)
"""Members in use when memory is measured."""


def make(model: Path, folder: Path, weights: str | None) -> None:
    """The bundle: one file under many names."""
    write_bundle({"first": model}, folder, weights=weights)
    index = json.loads((folder / INDEX).read_text())
    (one,) = index["members"]
    first = folder / one["file"]
    index["conditions"] += [{"name": n, "unit": "", "scale": "linear"} for n in ("particle", "eta")]
    index["members"] = []
    for particle in PARTICLES:
        for i in range(SLICES):
            name = f"{particle}_{i}"
            low, high = i / 20, (i + 1) / 20
            ranges = {"particle": [particle] * 4, "eta": [low, low, high, high]}
            file = f"{name}{first.suffix}"
            os.link(first, folder / file)
            entry = {"name": name, "file": file, "ranges": {**one["ranges"], **ranges}}
            index["members"].append({**one, **entry})
    (folder / INDEX).write_text(json.dumps(index))


def resident() -> float:
    """Of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(folder: Path) -> dict[str, list[float]]:
    """In a process of its own: seconds for each opening, and MB for each number of members."""
    np.zeros((1, 1)) @ np.zeros((1, 1))
    runner.Bundle.open(ROOT / "cpp_examples/tests/data")  # the library is loaded
    before = resident()
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        bundle = runner.Bundle.open(folder)
        times.append(time.perf_counter() - start)
    middle = {
        c.name: float(np.sqrt(c.low * c.high)) if c.scale == "log" else (c.low + c.high) / 2
        for c in bundle.conditions
    }
    memory, loading = [], []
    for used in USED:
        for i in range(bundle.n_loaded, used):
            asked = {**middle, "particle": PARTICLES[i % 3], "eta": (i + 0.5) / 20}
            start = time.perf_counter()
            bundle.generate(asked, seed=1)
            loading.append(time.perf_counter() - start)
        assert bundle.n_loaded == used
        memory.append(resident() - before)
    return {"open": times, "memory": memory, "load": loading}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reference = ROOT / "data/models/lar_photons/generator.json"
    parser.add_argument("--model", type=Path, default=reference)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    print("| members | open, first | open, median | first shower of a member |", end="")
    print("".join(f" MB, {n} of 300 used |" for n in USED))
    print("|---|---|---|---|" + "---|" * len(USED))
    with tempfile.TemporaryDirectory() as folder:
        for weights in (None, "float32", "int8"):
            path = Path(folder) / str(weights)
            make(options.model, path, weights)
            command = [sys.executable, __file__, "--measure", str(path)]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found = json.loads(printed)
            first, median = found["open"][0], statistics.median(found["open"])
            load = statistics.median(found["load"])
            print(
                f"| {'JSON' if weights is None else f'compiled, {weights}'} | {1e3 * first:.2f} ms "
                f"| {1e3 * median:.2f} ms | {1e3 * load:.1f} ms |",
                "".join(f" {mb:.1f} |" for mb in found["memory"]),
                sep="",
            )


if __name__ == "__main__":
    main()
