"""Cells that are lit much less, or much more, than those around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calogan.geometry import Geometry

FEWEST = 25
"""Showers that should light a cell before it is judged: by chance none does in one of 10^10."""
LEAST_READ = 0.1
"""A cell that is read in a smaller part of the showers is not judged, nor are others by it."""
DEAD = 0.05
"""A cell is dead that is lit less than this part of what its neighbours tell."""
HOT = 5.0
"""A cell is hot that is lit more often than this times any of its neighbours."""


def dead_cells(
    lit: NDArray[np.int64], read: NDArray[np.int64], geometry: Geometry
) -> tuple[NDArray[np.intp], int]:
    """Cells that are hardly ever lit though their neighbours are, and how many could be judged.

    What is expected of a cell is read off the lit cells before and behind it, evenly in the
    logarithm, since showers fall off so; of its two axes the one that tells less counts.

    Parameters
    ----------
    lit : in how many showers each cell has energy, (n_voxels,)
    read : in how many showers each cell is not marked as dead, (n_voxels,)
    """
    expected = np.zeros(len(lit))
    rate = _rate(lit, read)
    for layer, grid in zip(geometry.layers, geometry.grids, strict=True):
        counts = rate[grid]
        along_first = np.stack([_along(column, closed=False) for column in counts.T], axis=1)
        along_second = np.stack([_along(row, layer.closed) for row in counts])
        least = np.fmin(along_first, along_second)
        expected[grid] = np.nan_to_num(least)
    expected *= read
    judged = (expected >= FEWEST) & np.isfinite(rate)
    return np.flatnonzero(judged & (lit < DEAD * expected)), int(judged.sum())


def dark_layers(lit: NDArray[np.int64], geometry: Geometry) -> NDArray[np.intp]:
    """Layers that no shower lights, though those before and behind tell that some should.

    Showers that end before the last layer are no fault. `lit` is that of `dead_cells`.
    """
    counts = np.array([lit[voxels].sum() for voxels in geometry.slices], float)
    told = np.nan_to_num(_along(counts, closed=False), nan=np.inf)
    return np.flatnonzero((counts == 0) & (told >= FEWEST))


def _rate(lit: NDArray[np.int64], read: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often a cell is lit in the showers in which it is read; NaN where those are too few."""
    rate: NDArray[np.float64] = lit / np.maximum(read, 1)
    rate[read <= LEAST_READ * read.max()] = np.nan
    return rate


def _along(counts: NDArray[np.float64], closed: bool) -> NDArray[np.float64]:
    """What a line of cells tells of each of them without itself, (n,); NaN where it tells nothing.

    Between two lit cells evenly in the logarithm, beyond the last one as it fell off before, and
    never more than that. `closed`: the line comes round to where it began.
    """
    n = len(counts)
    if n < 3:
        return np.full(n, np.nan)
    places = np.arange(n)
    if closed:
        places = np.arange(-n, 2 * n)
        counts = np.tile(counts, 3)
    seen = counts > 0
    logs = np.log(np.where(seen, counts, 1.0))
    found = np.full(n, np.nan)
    for i in range(n):
        before, behind = (np.flatnonzero(seen & side) for side in (places < i, places > i))
        if closed:  # not itself, once round
            before, behind = before[places[before] > i - n], behind[places[behind] < i + n]
        if before.size and behind.size:
            ends = [before[-1], behind[0]]
            found[i] = np.exp(np.interp(i, places[ends], logs[ends]))
        elif before.size > 1 or behind.size > 1:
            near, next_ = (before[-1], before[-2]) if before.size else (behind[0], behind[1])
            slope = (logs[near] - logs[next_]) / abs(places[near] - places[next_])
            found[i] = np.exp(logs[near] + min(slope, 0.0) * abs(i - places[near]))
    return found


def hot_cells(
    lit: NDArray[np.int64], read: NDArray[np.int64], geometry: Geometry
) -> NDArray[np.intp]:
    """Cells that are lit far more often than any of their up to eight neighbours.

    The cell at the middle of a layer's showers, and those beside it, may be: they are not judged,
    and of cylindrical layers not the two rings at the axis; nor those beside which none is read.
    `lit` and `read` are those of `dead_cells`.
    """
    found = []
    rate = _rate(lit, read)
    for layer, grid in zip(geometry.layers, geometry.grids, strict=True):
        counts = rate[grid]
        around = np.pad(counts, 1, constant_values=np.nan)
        if layer.closed and layer.shape[1] > 2:
            around[1:-1, 0], around[1:-1, -1] = counts[:, -1], counts[:, 0]
        n, m = counts.shape
        largest = np.fmax.reduce(
            [
                around[1 + a : 1 + a + n, 1 + b : 1 + b + m]
                for a in (-1, 0, 1)
                for b in (-1, 0, 1)
                if (a, b) != (0, 0)
            ],
            axis=0,
        )
        core = _core(np.nan_to_num(counts), layer.system == "cylindrical")
        hot = (counts > HOT * largest) & (lit[grid] >= FEWEST) & ~core
        found.append(grid[hot])
    return np.sort(np.concatenate(found))


def _core(counts: NDArray[np.float64], rings: bool) -> NDArray[np.bool_]:
    """The middle of a layer's showers and what is beside it, in the shape of the counts."""
    core = np.zeros(counts.shape, np.bool_)
    if rings:
        core[:2] = True
    elif counts.any():
        # By medians, which one hot cell does not move far.
        a, b = (int(np.searchsorted(np.cumsum(s) / s.sum(), 0.5)) for s in
                (counts.sum(axis=1), counts.sum(axis=0)))  # fmt: skip
        core[max(a - 1, 0) : a + 2, max(b - 1, 0) : b + 2] = True
    return core
