"""CSV: a line for each cell with energy, as the C++ program `calogan-generate` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from calogan.files import atomic_path, writing
from calogan.geometry import Geometry
from calogan.showers import Showers
from calogan.writing.target import Target

BLOCK_CELLS = 1 << 18
"""Cells of the showers whose lines of CSV are in memory at once."""


def write_csv(parts: Iterable[Showers], target: Target) -> None:
    """Write showers as `calogan-generate` does, to the last byte.

    Conditions are the columns after `event`, which counts showers from 0.
    """
    header = ["event", *(f"{name}_{unit}" if unit else name for name, unit in target.conditions)]
    header += ["layer", "cell", "x_mm", "y_mm", "z_mm", "energy_MeV"]
    names = [name for name, _ in target.conditions]
    cells = _cell_columns(target.geometry)
    n_done = 0
    with (
        writing(target.path),
        atomic_path(target.path) as temporary,
        temporary.open("wb") as file,
    ):
        file.write(f"{','.join(header)}\n".encode())
        for part in parts:
            for lines in _lines(part, n_done, names, cells):
                file.write(lines.encode())
            n_done += len(part)


def _cell_columns(geometry: Geometry) -> list[str]:
    """The columns `layer` to `z_mm` of each cell; cells count from 0 in their layer."""
    columns = []
    for number, span in enumerate(geometry.slices):
        centres = geometry.centres[span].astype(np.float32)
        places = zip(*(decimals(axis) for axis in centres.T), strict=True)
        columns += [f"{number},{i},{','.join(place)}" for i, place in enumerate(places)]
    return columns


def _lines(
    part: Showers, first_event: int, names: Sequence[str], cells: Sequence[str]
) -> Iterator[str]:
    """The lines of some showers, a block of them at a time."""
    events = map(str, range(first_event, first_event + len(part)))
    conditions = (decimals(part.conditions[name]) for name in names)
    begin = [",".join(columns) for columns in zip(events, *conditions, strict=True)]
    rows = max(1, BLOCK_CELLS // len(cells))
    for start in range(0, len(part), rows):
        block = part.energies[start : start + rows]
        shower, cell = np.nonzero(block > 0)
        hits = zip(
            (shower + start).tolist(), cell.tolist(), decimals(block[shower, cell]), strict=True
        )
        yield "".join([f"{begin[s]},{cells[c]},{energy}\n" for s, c, energy in hits])


def decimals(values: NDArray[np.float32]) -> list[str]:
    """The shortest decimals that give single-precision numbers back, as std::to_chars has them."""
    found = [str(value) for value in values]
    # NumPy writes most numbers as C++ does, but 1.0 for 1, and others where 1e-05 is shorter.
    size = np.abs(values)
    alike = (size >= 1e-3) & (size < 1e5) & (values != np.trunc(values))
    for i in np.flatnonzero(~alike).tolist():
        found[i] = _decimal(values[i])
    return found


def _decimal(value: np.float32) -> str:
    if not np.isfinite(value):
        return str(value)
    if value == 0:
        return "-0" if np.signbit(value) else "0"
    scientific = np.format_float_scientific(value, trim="-", exp_digits=2)
    fixed = (
        str(int(value))
        if float(value).is_integer()
        else np.format_float_positional(value, trim="-")
    )
    return scientific if len(scientific) < len(fixed) else fixed
