"""How long ROOT to HDF5 takes, against uproot reading the same branches, and the peak memory.

    python benchmarks/voxelize.py [FILES] [--repeat 5] [--copies 10]

Prints both times and their ratio from one run: the best of several, taken in turns, so that other
work on the machine weighs on both alike. Then voxelizes `--copies` times as many events, to show
that memory does not grow with them.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uproot

from calogan.card.loading import load_card
from calogan.reading.pipeline import voxelize_files
from calogan.reading.root_file import expand_files

SAMPLE = Path(__file__).parents[1] / "data" / "lar_photons" / "*" / "*.root"


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - processor


def peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", default=[str(SAMPLE)], help="of the sample's schema")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--copies", type=int, default=10)
    options = parser.parse_args()

    card = load_card()
    files = expand_files(options.files)
    branches = [*card.input.branches.values()]
    branches += [str(c.branch) for c in card.conditions.values()]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.h5"

        def read() -> None:
            for _ in uproot.iterate([f"{f}:{card.input.tree}" for f in files], branches):
                pass

        def whole() -> None:
            voxelize_files(files, output, card)

        times = [(seconds(read), seconds(whole)) for _ in range(1 + options.repeat)][1:]
        summary = voxelize_files(files, output, card)
        print(f"{len(files)} files, {summary.events:,} events, {summary.hits:,} hits")
        for clock, name in enumerate(("wall", "processor")):
            alone = min(t[0][clock] for t in times)
            total = min(t[1][clock] for t in times)
            print(
                f"{name:9s} time: uproot alone {alone:.3f} s, ROOT to HDF5 {total:.3f} s, "
                f"ratio {total / alone:.2f}, {summary.hits / total / 1e6:.2f} million hits/s"
            )
        print(f"peak memory {peak_megabytes():.0f} MB")
        if options.copies > 1:
            copies = []
            for i in range(options.copies):
                for file in files:
                    copies.append(Path(folder) / f"{i}_{file.parent.name}_{file.name}")
                    shutil.copyfile(file, copies[-1])
            summary = voxelize_files(copies, output, card)
            print(f"peak memory {peak_megabytes():.0f} MB with {summary.events:,} events")


if __name__ == "__main__":
    main()
