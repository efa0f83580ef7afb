"""Bands of conditions that a training holds out, to test interpolation inside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import AnyCondition, Label
from calogan.errors import CaloganError, nearest

Bands = Mapping[str, tuple[float, float]]
"""Name of a condition to the band, in the condition's unit: low <= value < high is held out."""


def check_bands(bands: Bands, conditions: Sequence[AnyCondition]) -> None:
    """Raise CaloganError unless each band is within a condition's range, with range on both sides.

    Without trained values on both sides it would be extrapolation.
    """
    known = {c.name: c for c in conditions}
    for name, (low, high) in bands.items():
        if name not in known:
            raise CaloganError(
                f"hold_out has a band of '{name}', which is no condition; it has "
                f"{list(known)}, nearest: {nearest(name, known)}"
            )
        c = known[name]
        if isinstance(c, Label):
            raise CaloganError(
                f"hold_out has a band of '{name}', which has values ({c.span}) and nothing between "
                "them; hold out a band of a condition with a range"
            )
        band, span = f"{name} = {low:g}:{high:g}", f"{c.low:g}:{c.high:g} {c.unit}".rstrip()
        if not (np.isfinite([low, high]).all() and low < high):
            raise CaloganError(f"hold_out {band} is no band, expected low < high")
        if high <= c.low or low >= c.high:
            raise CaloganError(
                f"hold_out {band} is outside the trained range {span}, so it holds nothing out"
            )
        if low <= c.low or high >= c.high:
            what = "everything" if low <= c.low and high >= c.high else "an end"
            raise CaloganError(
                f"hold_out {band} covers {what} of the trained range {span}; "
                "expected a band with trained values on both sides of it"
            )


def in_band(band: tuple[float, float], values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each value lies in a band, low <= value < high."""
    inside: NDArray[np.bool_] = (values >= band[0]) & (values < band[1])
    return inside


def in_any(bands: Bands, conditions: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Whether each shower has some condition in its band, (n,)."""
    n = len(next(iter(conditions.values())))
    found = np.zeros(n, np.bool_)
    for name, band in bands.items():
        found |= in_band(band, conditions[name])
    return found
