"""Response, resolution and energy distributions in bins of the conditions, each with its floor.

A floor is what a metric gives for the reference against itself: the best a generator can reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import Label
from calogan.metrics import histograms, statistics
from calogan.metrics.halves import Half, Halves, over_splits
from calogan.metrics.statistics import Floats, Value


@dataclass(frozen=True, eq=False)
class ConditionBins:
    """Response and resolution in bins of one condition; every tuple has one entry per bin."""

    name: str
    unit: str
    scale: Literal["log", "linear"]
    edges: Floats
    """(n_bins + 1,), in `unit`."""
    counts: NDArray[np.int64]
    """Showers in each bin, of either sample."""
    response: tuple[tuple[Value, ...], tuple[Value, ...]]
    """Mean of visible / incident energy: reference, generated."""
    response_ratio: tuple[Value, ...]
    """Generated over reference, from showers paired by their conditions."""
    resolution: tuple[tuple[Value, ...], tuple[Value, ...]]
    """Standard deviation over mean of the same: reference, generated."""
    resolution_ratio: tuple[Value, ...]
    response_floor: tuple[Value, ...]
    """`response_ratio` of the reference against itself; the other floors likewise."""
    resolution_floor: tuple[Value, ...]
    chi2: tuple[Value, ...]
    """χ² / NDF of the distributions of visible / incident energy."""
    chi2_floor: tuple[Value, ...]
    values: tuple[str, ...] | None = None
    """Of a label: the value of each bin, in words; its edges then are -0.5, 0.5, ..."""

    @property
    def spans(self) -> list[str]:
        """The bins in words: "2.19 to 4.78 GeV"."""
        return [*self.values] if self.values is not None else spans_of(self.edges, self.unit)


def spans_of(edges: Sequence[float] | Floats, unit: str) -> list[str]:
    """Bins in words: "2.19 to 4.78 GeV"."""
    # An edge that is rounding noise beside the range, like 5e-06, is called 0.
    width = edges[-1] - edges[0]
    ends = [f"{0.0 if abs(x) < 1e-4 * width else x:.3g}" for x in edges]
    return [f"{a} to {b} {unit}".rstrip() for a, b in pairwise(ends)]


N_CONDITION_BINS = 5
MIN_FOR_CHI2 = 20
"""Fewer showers than this in a bin have no distribution to speak of."""


def condition_bins(
    name: str,
    values: ArrayLike,
    reference: Floats,
    generated: Floats,
    halves: Halves = (),
    unit: str = "",
    label: Label | None = None,
) -> ConditionBins:
    """Response and resolution in five bins of a condition over its range, or one for each label.

    Parameters
    ----------
    values : the condition, (n,); bins are even in its logarithm for the energy
    reference, generated : visible / incident energy of both samples, (n,)
    halves : matched halves of the reference, for the floors; without any they are unknown
    unit : of the condition
    label : what the condition is, if it is one
    """
    edges, members = bins_of(name, values, label)
    r, g = ([x[inside] for inside in members] for x in (reference, generated))
    resolutions = tuple(map(statistics.resolution, r)), tuple(map(statistics.resolution, g))
    # Pairs of the halves of which both showers are in the bin
    split = [
        [(reference[a], reference[b]) for a, b in _inside(halves, inside)] for inside in members
    ]
    chi2 = [
        (_response_chi2(x, x, y), [_response_chi2(x, *pair) for pair in pairs])
        for x, y, pairs in zip(r, g, split, strict=True)
    ]
    return ConditionBins(
        name=name,
        unit=unit,
        scale="log" if name == "energy" else "linear",
        edges=edges,
        counts=np.array([len(x) for x in r]),
        response=(tuple(map(statistics.mean, r)), tuple(map(statistics.mean, g))),
        response_ratio=tuple(map(statistics.ratio_of_means, g, r)),
        resolution=resolutions,
        resolution_ratio=tuple(map(statistics.ratio, resolutions[1], resolutions[0])),
        response_floor=tuple(
            _ratio_floor([statistics.ratio_of_means(y, x) for x, y in pairs]) for pairs in split
        ),
        resolution_floor=tuple(
            _ratio_floor(
                [
                    statistics.ratio(statistics.resolution(y), statistics.resolution(x))
                    for x, y in pairs
                ]
            )
            for pairs in split
        ),
        chi2=tuple(histograms.reduced_chi2(*found) for found, _ in chi2),
        chi2_floor=tuple(_chi2_floor(floors) for _, floors in chi2),
        values=None if label is None else tuple(map(label.words, label.values)),
    )


def bins_of(
    name: str, values: ArrayLike, label: Label | None = None
) -> tuple[Floats, list[NDArray[np.bool_]]]:
    """Edges of a condition's bins, and for each bin which showers (n,) are in it.

    Five bins over the range of the values, even in the logarithm for the energy; one bin for a
    condition that does not vary. Of a label a bin for each value, with edges -0.5, 0.5, ...
    """
    values = np.asarray(values, np.float64)
    if label is not None:
        edges = np.arange(len(label.values) + 1, dtype=np.float64) - 0.5
        return edges, [values == v for v in label.values]
    low, high = values.min(), values.max()
    if low == high:
        pad = 0.01 * max(abs(low), 1e-3)
        edges = np.array([low - pad, high + pad])
    elif name == "energy":
        edges = np.geomspace(low, high, N_CONDITION_BINS + 1)
    else:
        edges = np.linspace(low, high, N_CONDITION_BINS + 1)
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return edges, [index == i for i in range(len(edges) - 1)]


def _inside(halves: Halves, inside: NDArray[np.bool_]) -> Iterable[Half]:
    """The pairs of matched halves of which both showers are among those chosen."""
    for a, b in halves:
        both = inside[a] & inside[b]
        yield a[both], b[both]


def _response_chi2(like: Floats, reference: Floats, generated: Floats) -> tuple[float, int]:
    """χ² and NDF of 30 bins over mean ± 3 deviations of `like`, and the flow bins.

    As in FastCaloGAN. Arrays (n,) of visible / incident energy. 0 degrees of freedom for fewer than
    `MIN_FOR_CHI2` showers or ones that are all equal. Source: ATLAS, arXiv:2109.02551.
    """
    if len(like) < MIN_FOR_CHI2 or like.std() == 0:
        return 0.0, 0
    edges = like.mean() + like.std() * np.linspace(-3, 3, 31)
    counts = [
        np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1)
        for x in (reference, generated)
    ]
    return histograms.chi2(*counts)


def energy_chi2(
    energy: ArrayLike, reference: Floats, generated: Floats, halves: Halves
) -> tuple[Value, Value]:
    """χ² / NDF summed over bins of the energy, by which FastCaloGAN chooses its networks.

    Returns it and its floor. Parameters as in `condition_bins`, `energy` the incident energy.
    """
    _, members = bins_of("energy", energy)

    def total(split: Sequence[tuple[Floats, Floats]]) -> tuple[float, int]:
        parts = [
            _response_chi2(reference[inside], *pair)
            for inside, pair in zip(members, split, strict=True)
        ]
        return sum(chi2 for chi2, _ in parts), sum(ndf for _, ndf in parts)

    found = total([(reference[inside], generated[inside]) for inside in members])
    by_half = zip(*(list(_inside(halves, inside)) for inside in members), strict=True)
    floors = [total([(reference[a], reference[b]) for a, b in split]) for split in by_half]
    return histograms.reduced_chi2(*found), _chi2_floor(floors)


def _ratio_floor(found: Sequence[Value]) -> Value:
    """Of a ratio between halves; one of whole samples spreads less by sqrt(2)."""
    floor = over_splits([v.value for v in found])
    return Value(floor.value, floor.uncertainty / np.sqrt(2))


def _chi2_floor(found: Sequence[tuple[float, int]]) -> Value:
    return over_splits([histograms.reduced_chi2(*f).value for f in found])
