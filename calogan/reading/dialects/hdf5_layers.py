"""HDF5 files with one dataset of cells, or one a layer, beside a dataset of energies, in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Input
from calogan.errors import CaloganError, nearest
from calogan.reading.dialects.arrays import cell_hits
from calogan.reading.dialects.dialect import DeadCells, Events
from calogan.reading.hdf5 import open_hdf5, reading
from calogan.units import ENERGY_UNITS

DEAD_KEY = "set [input] dead_branch = ..."
OTHER_DIALECT = "is it of another dialect? `calogan inspect` tells"


def read_cells(
    path: Path,
    input: Input,
    columns: Mapping[str, str],
    chunk_bytes: int,
    cells: Sequence[str],
    overflow: Sequence[str] = (),
) -> Iterator[Events]:
    """Events of files whose datasets hold one event a row.

    Parameters
    ----------
    cells : datasets of cells, which follow one another, each in C order
    overflow : datasets of energy beside the cells, a column for each layer
    """
    with open_hdf5(path) as file:
        found = {name: _dataset(file, path, name, OTHER_DIALECT) for name in (*cells, *overflow)}
        for condition, name in columns.items():
            key = f"set [conditions.{condition}] branch = ..., or use --set {condition}=VALUE"
            found[name] = _dataset(file, path, name, key)
        if input.dead_branch is not None:
            found[input.dead_branch] = _dataset(file, path, input.dead_branch, DEAD_KEY, "fiub")
        n = found[cells[0]].shape[0]
        for name, dataset in found.items():
            if dataset.shape[0] != n:
                raise CaloganError(
                    f"dataset '{name}' of {path} has {dataset.shape[0]} rows, but '{cells[0]}' has "
                    f"{n}; all must have one row an event: make or copy the file again"
                )
        width = sum(int(np.prod(found[name].shape[1:])) for name in (*cells, *overflow))
        rows = max(1, chunk_bytes // (8 * max(1, width)))
        n_cells = sum(int(np.prod(found[name].shape[1:])) for name in cells)
        if input.dead_branch is not None and found[input.dead_branch].shape[1:] != (n_cells,):
            raise CaloganError(
                f"dataset '{input.dead_branch}' of {path} has shape "
                f"{found[input.dead_branch].shape}, expected ({n}, {n_cells}), not 0 where a cell "
                f"is dead; {DEAD_KEY}"
            )
        beside = sum(int(np.prod(found[name].shape[1:])) for name in overflow)
        factor = ENERGY_UNITS[input.energy_unit]
        for start in range(0, n, rows):
            part = slice(start, min(start + rows, n))
            dense = [_rows(found[name], path, part) for name in (*cells, *overflow)]
            hits = cell_hits(
                np.concatenate([values.reshape(len(values), -1) for values in dense], axis=1),
                factor,
                f"dataset '{cells[0]}'" if len(cells) == 1 else "the cells",
                str(path),
                start,
                beside,
            )
            values = {c: _column(found[name], path, part) for c, name in columns.items()}
            dead = None
            if input.dead_branch is not None:
                dead = DeadCells(*np.nonzero(_rows(found[input.dead_branch], path, part)))
            yield Events(hits, values, start, n, dead=dead)


def _dataset(
    file: h5py.File, path: Path, name: str, remedy: str, kinds: str = "fiu"
) -> h5py.Dataset:
    with reading(path):
        found = file.get(name)
        names: list[str] = []
        if not isinstance(found, h5py.Dataset):
            file.visit(names.append)
    if names or found is None:
        raise CaloganError(
            f"no dataset '{name}' in {path}; nearest: {nearest(name, names)}; {remedy}"
        )
    if found.dtype.kind not in kinds or not found.shape:
        raise CaloganError(
            f"dataset '{name}' of {path} has shape {found.shape} and type {found.dtype}, expected "
            "numbers, one row an event"
        )
    return found


def _rows(dataset: h5py.Dataset, path: Path, part: slice) -> NDArray[Any]:
    with reading(path):
        return np.asarray(dataset[part])


def _column(dataset: h5py.Dataset, path: Path, part: slice) -> NDArray[Any]:
    values = _rows(dataset, path, part)
    if values[0].size != 1:
        raise CaloganError(
            f"dataset '{dataset.name.lstrip('/')}' of {path} has shape {dataset.shape}, expected "
            "one number an event for a condition"
        )
    return values.reshape(len(values))
