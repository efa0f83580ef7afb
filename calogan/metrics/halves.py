"""A sample against itself: matched halves give the floor of a metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.metrics.statistics import UNKNOWN, Value

Half = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Positions of two halves of a sample, row by row alike in their conditions."""
Halves = Sequence[Half]


def matched_halves(conditions: Sequence[ArrayLike], rng: np.random.Generator) -> Half:
    """Two disjoint halves of a sample, (n // 2,) positions each, paired by like conditions.

    Row i of one half is a neighbour in the conditions (each (n,)) of row i of the other, and
    chance says which of the two is in which half. So the halves differ as two samples made at
    the same conditions differ, and no more.
    """
    columns = [np.asarray(c, np.float64) for c in conditions]
    n = len(columns[0])
    # Sorted in the first condition, cut into slabs, sorted in the next within a slab, and so on.
    n_slabs = max(1, round((n / 2) ** (1 / len(columns))))
    slab = np.zeros(n, np.intp)
    order = np.arange(n)
    for column in columns:
        # Chance breaks ties, so that constant conditions are paired at random.
        order = np.lexsort((rng.random(n), column, slab))
        rank = np.empty(n, np.intp)
        rank[order] = np.arange(n)
        size = np.bincount(slab)
        start = np.concatenate([[0], np.cumsum(size)[:-1]])
        inside = rank - start[slab]
        slab = np.unique(slab * n_slabs + inside * n_slabs // size[slab], return_inverse=True)[
            1
        ].astype(np.intp)
    pairs = order[: n - n % 2].reshape(-1, 2)
    swap = rng.random(len(pairs)) < 0.5
    first = np.where(swap, pairs[:, 1], pairs[:, 0])
    second = np.where(swap, pairs[:, 0], pairs[:, 1])
    return first, second


def over_splits(found: Sequence[float]) -> Value:
    """Mean and standard deviation over splits of a sample; unknown if one is, or for under two."""
    if len(found) < 2:
        return UNKNOWN
    return Value(float(np.mean(found)), float(np.std(found, ddof=1)))
