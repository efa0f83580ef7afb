"""A file's arrays to hits: scaled, and checked with errors that say where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.reading.dialects.dialect import Particles
from calogan.reading.voxelize import Hits


def type_of(array: Any) -> str:
    """The type of a branch, for errors."""
    return f"'{array.type.content}' an event"


def jagged(array: Any, branch: str, where: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Offsets (n + 1,), from 0, and flat content of a branch with a vector an event."""
    layout = array.layout
    if layout.is_numpy and layout.data.ndim == 2:
        layout = layout.to_RegularArray()
    if layout.is_list and layout.parameter("__array__") is None:
        layout = layout.to_ListOffsetArray64(True)
        offsets, content = np.asarray(layout.offsets.data), layout.content
        if content.is_numpy and content.data.ndim == 1 and content.data.dtype.kind in "iuf":
            return offsets, np.asarray(content.data)[: offsets[-1]]
    raise CaloganError(
        f"branch '{branch}' in {where} is {type_of(array)}, expected a vector of numbers an event"
    )


def check_lengths(
    offsets: NDArray[np.int64],
    others: NDArray[np.int64],
    reference: str,
    branch: str,
    where: str,
    start: int,
) -> None:
    """Raise CaloganError for an event of which two branches have unequal numbers of values."""
    if not np.array_equal(offsets, others):
        counts, found = np.diff(offsets), np.diff(others)
        event = int(np.flatnonzero(counts != found)[0])
        raise CaloganError(
            f"event {start + event} in {where} has {counts[event]} values in '{reference}' "
            f"but {found[event]} in '{branch}'; they must have the same length"
        )


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


def incident_particles(
    offsets: NDArray[np.int64],
    momentum: Mapping[str, NDArray[Any]],
    others: Mapping[str, NDArray[Any]],
    where: str,
    start: int,
) -> Particles:
    """The primary of most energy of each event.

    Parameters
    ----------
    offsets : event i has the primaries offsets[i] to offsets[i + 1], (n + 1,)
    momentum : px, py, pz in GeV
    others : what there is of energy and mass in GeV, vertex x, y, z in mm, entry_r and entry_z in
        mm, entry_phi in rad
    """
    p = np.stack([np.asarray(momentum[role], np.float64) for role in ("px", "py", "pz")], axis=1)
    mass = np.asarray(others.get("mass", np.zeros(len(p))), np.float64)
    energy = np.asarray(others.get("energy", np.sqrt((p**2).sum(axis=1) + mass**2)), np.float64)
    for role, values in {**momentum, **others, "energy": energy}.items():
        if not np.isfinite(values).all():
            first = int(np.flatnonzero(~np.isfinite(values))[0])
            raise CaloganError(
                f"a primary particle in {where} has {role} = {values[first]:g} in event "
                f"{start + _event_of(first, offsets)}, expected finite numbers"
            )
    counts = np.diff(offsets)
    # Sorted by event, then energy: an event's last is its hardest.
    order = np.lexsort((energy, np.repeat(np.arange(len(counts)), counts)))
    some = counts > 0
    hardest = order[offsets[1:][some] - 1]

    def chosen(columns: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        result = np.zeros((len(counts), len(columns)))
        result[some] = np.stack([np.asarray(c, np.float64) for c in columns], axis=1)[hardest]
        return result

    zero = np.zeros(len(p))
    entry = None
    if "entry_phi" in others:
        r, phi = (np.asarray(others[role], np.float64) for role in ("entry_r", "entry_phi"))
        entry = chosen([r * np.cos(phi), r * np.sin(phi), others["entry_z"]])
    return Particles(
        counts,
        chosen([energy])[:, 0],
        chosen([*p.T]),
        chosen([others.get(role, zero) for role in ("x", "y", "z")]),
        entry,
    )


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
