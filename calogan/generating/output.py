"""Showers to a file: CSV or an HDF5 store, as the file's ending says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import labels_of
from calogan.errors import CaloganError
from calogan.files import atomic_path, writing
from calogan.generating.generator import Generator
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.showers import Showers

ENDINGS = (".csv", ".h5", ".hdf5")
BLOCK_CELLS = 1 << 18
"""Cells of the showers whose lines of CSV are in memory at once."""


def check_ending(path: str | Path) -> None:
    """Raise CaloganError if the ending of `path` names no format that showers are written in."""
    ending = Path(path).suffix
    if ending not in ENDINGS:
        raise CaloganError(
            f"cannot write {path}: its ending is '{ending}', expected .csv, .h5 or .hdf5"
        )


def generate_file(
    generator: Generator,
    conditions: Mapping[str, ArrayLike],
    output: str | Path,
    seed: int,
    *,
    like: str | Path | None = None,
    allow_extrapolation: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write generated showers to a file, which appears when it is complete.

    Parameters
    ----------
    output : path; its ending, .csv, .h5 or .hdf5, says the format
    like : for a store's provenance, the store that the conditions are from
    progress : called with the number of showers that were made since its last call

    Other arguments as for `Generator.stream`.
    """
    check_ending(output)
    units = [(c.name, c.unit) for c in generator.conditions]
    parts = generator.stream(conditions, seed, allow_extrapolation=allow_extrapolation)
    if Path(output).suffix == ".csv":
        write_csv(parts, output, generator.geometry, units, progress)
        return
    origin = {"like": None if like is None else str(like)}
    labels = labels_of(generator.conditions)
    with store.StoreWriter(output, generator.geometry, units, origin, labels) as writer:
        for part in parts:
            writer.append(part.energies, part.conditions)
            writer.provenance.update(part.provenance)
            progress(len(part))


def write_csv(
    parts: Iterable[Showers],
    path: str | Path,
    geometry: Geometry,
    conditions: Sequence[tuple[str, str]],
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write showers as `calogan-generate` does, to the last byte: a line for each cell with energy.

    `conditions` are names and units of the columns after `event`, which counts showers from 0.
    """
    header = ["event", *(f"{name}_{unit}" if unit else name for name, unit in conditions)]
    header += ["layer", "cell", "x_mm", "y_mm", "z_mm", "energy_MeV"]
    names = [name for name, _ in conditions]
    cells = _cell_columns(geometry)
    n_done = 0
    with writing(path), atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(f"{','.join(header)}\n".encode())
        for part in parts:
            for lines in _lines(part, n_done, names, cells):
                file.write(lines.encode())
            n_done += len(part)
            progress(len(part))


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
