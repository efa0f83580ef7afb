"""CSV files of FastCaloGAN's voxelisation: one event a line, no header.

The writer puts phiMod and eta before the voxels, which go by layer, r, alpha, alpha fastest; the
kind of particle, its momentum in MeV and eta are in the name, as in
pid22_E65536_eta_20_25_voxalisation.csv.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Input
from calogan.errors import CaloganError, nearest
from calogan.reading.dialects.arrays import cell_hits
from calogan.reading.dialects.dialect import Contents, Dialect, Events
from calogan.units import ENERGY_UNITS

BYTES_PER_NUMBER = 24
"""Of a number and its text."""


def _recognise(contents: Contents) -> str | None:
    named = re.search(r"pid-?\d+_E\d+_eta_\d+_\d+", contents.path.name)
    if contents.n_columns > 1:
        why = f"its first line is {contents.n_columns} numbers with commas"
        return f"{why}, and its name has particle, energy and eta" if named else why
    return None


def _read(
    path: Path, input: Input, columns: Mapping[str, str], chunk_bytes: int
) -> Iterator[Events]:
    try:
        with path.open(encoding="ascii", newline="\n") as file:
            first = file.readline()
            width = first.count(",") + 1
        if not first:
            return
        leading = _leading(path, input, columns, width)
        n = _lines(path)
        lines = max(1, chunk_bytes // (BYTES_PER_NUMBER * width))
        with path.open(encoding="ascii", newline="\n") as file:
            for start in range(0, n, lines):
                table = _table(list(islice(file, lines)), width, path, start)
                dense = table[:, len(input.leading_columns) :]
                hits = cell_hits(
                    dense,
                    ENERGY_UNITS[input.energy_unit],
                    "a voxel",
                    str(path),
                    start,
                )
                yield Events(hits, {c: table[:, k] for c, k in leading.items()}, start, n)
    except (OSError, UnicodeDecodeError) as error:
        raise CaloganError(f"cannot read {path} as CSV: {error}") from error


def _leading(path: Path, input: Input, columns: Mapping[str, str], width: int) -> dict[str, int]:
    """Condition to the number of its column."""
    names = input.leading_columns
    for condition, name in columns.items():
        if name not in names:
            raise CaloganError(
                f"no column '{name}' in {path}, which has no header; nearest of [input] "
                f"leading_columns: {nearest(name, names)}; set [conditions.{condition}] branch = "
                f"..., or use --set {condition}=VALUE"
            )
    if width <= len(names):
        raise CaloganError(
            f"line 1 of {path} has {width} columns, but [input] leading_columns names {names} "
            "before the voxels; is it a file of FastCaloGAN's voxels, with commas between numbers?"
        )
    return {condition: names.index(name) for condition, name in columns.items()}


def _lines(path: Path) -> int:
    n, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            n += block.count(b"\n")
            last = block[-1:]
    return n + (last != b"\n")


def _table(lines: Sequence[str], width: int, path: Path, start: int) -> NDArray[Any]:
    """The numbers of some lines, (n, width)."""
    try:
        table = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None)
        if table.shape == (len(lines), width):
            return table
    except ValueError:
        pass
    for number, line in enumerate(lines, start + 1):
        cells = line.rstrip("\r\n").split(",")
        if len(cells) != width:
            raise CaloganError(
                f"line {number} of {path} has {len(cells)} columns, but line 1 has {width}; "
                "was the file cut short, or two files joined? make or copy it again"
            )
        for column, cell in enumerate(cells, 1):
            try:
                float(cell)
            except ValueError as error:
                raise CaloganError(
                    f"column {column} in line {number} of {path} is {cell.strip()[:40]!r}, "
                    "expected a number; the files have no header, and commas between columns"
                ) from error
    raise CaloganError(f"cannot read lines {start + 1} to {start + len(lines)} of {path} as CSV")


def _suggest(path: Path) -> str:
    with path.open(encoding="ascii", errors="replace") as file:
        width = file.readline().count(",") + 1
    return (
        f"\n[geometry] # of {width - 2} voxels: {width} columns, but for phiMod and eta\n"
        'file = "binning.xml"\nfastest = "last"\n'
    )


DIALECT = Dialect(
    "fastcalogan", "FastCaloGAN's CSV of voxels, one event a line", _recognise, _read, _suggest
)
