"""A file's arrays to hits: scaled, and checked with errors that say where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.reading.voxelize import Hits


def cell_hits(
    dense: NDArray[Any],
    factor: float,
    what: str,
    where: str,
    start: int,
    overflow: int = 0,
) -> Hits:
    """Hits of files that hold cells already: every cell that is not zero becomes one.

    Parameters
    ----------
    dense : energies, (n, cells + overflow), cells in the geometry's order
    factor : of the file's unit, to MeV
    what, where, start : name of the values, place, and number of the first event, for errors
    overflow : how many of the last columns are energy beside the cells, one a layer
    """
    event, column = np.nonzero(dense)
    energy = dense[event, column]
    offsets = np.searchsorted(event, np.arange(len(dense) + 1))
    check_energy(energy, offsets, what, where, start)
    cells = dense.shape[1] - overflow
    voxel = np.where(column < cells, column, cells - 1 - column)
    return Hits(offsets, scaled(energy, factor), "cells", {"voxel": voxel}, (cells, overflow))


def scaled(values: NDArray[Any], factor: float) -> NDArray[Any]:
    """Times the factor, in floating point; without a copy where there is nothing to do."""
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    return values if factor == 1.0 else values * factor


def _event_of(index: int, offsets: NDArray[np.int64]) -> int:
    return int(np.searchsorted(offsets, index, side="right")) - 1


def check_energy(
    energy: NDArray[Any], offsets: NDArray[np.int64], what: str, where: str, start: int
) -> None:
    # The smallest and largest value reveal any NaN, in two fast passes.
    if not energy.size or (energy.min() >= 0 and energy.max() < np.inf):
        return
    bad = ~(energy >= 0) | np.isinf(energy)
    first = int(np.flatnonzero(bad)[0])
    raise CaloganError(
        f"{what} in {where} is {energy[first]:g} in event {start + _event_of(first, offsets)} "
        f"({int(bad.sum())} such hits in this chunk), expected finite energies, 0 or more"
    )


def checked_finite(
    values: NDArray[Any],
    role: str,
    branch: str,
    offsets: NDArray[np.int64],
    where: str,
    start: int,
) -> NDArray[Any]:
    if not values.size or (np.isfinite(values.min()) and np.isfinite(values.max())):
        return values
    bad = ~np.isfinite(values)
    first = int(np.flatnonzero(bad)[0])
    raise CaloganError(
        f"branch '{branch}' in {where} is {values[first]:g} in event "
        f"{start + _event_of(first, offsets)} ({int(bad.sum())} such hits in this chunk), "
        f"expected finite positions ({role})"
    )
