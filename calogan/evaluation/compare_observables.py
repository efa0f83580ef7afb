"""Two samples, observable by observable and profile by profile."""

from __future__ import annotations

import numpy as np

from calogan.evaluation.results import Comparison, Profile
from calogan.metrics import histograms, statistics
from calogan.metrics.halves import Halves
from calogan.metrics.statistics import Value
from calogan.observables import Observable, Profiled, observables, profiles
from calogan.showers import Showers


def compare_observables(
    reference: Showers,
    generated: Showers,
    threshold: float,
    halves: Halves,
    rng: np.random.Generator,
) -> tuple[Comparison, ...]:
    """Histograms of every observable, and of the cells' energies, of showers over threshold.

    `halves` of the reference give the floor of each separation power.
    """
    found = []
    for real, fake in zip(observables(reference), observables(generated), strict=True):
        edges, log = real.binning(threshold)
        counts = [o.counts(edges) for o in (real, fake)]
        means, difference = (_means_of_cells if real.of_cells else _means)(real, fake)
        found.append(
            Comparison(
                name=real.name,
                group=real.group,
                label=real.label,
                layer=real.layer,
                log=log,
                reference=real.histogram(counts[0], edges),
                generated=fake.histogram(counts[1], edges),
                undefined=(float(counts[0][:, -1].mean()), float(counts[1][:, -1].mean())),
                means=means,
                difference=difference,
                separation=histograms.separation(counts[0], counts[1], rng),
                floor=histograms.separation_floor(counts[0], halves),
            )
        )
    return tuple(found)


def _means(real: Observable, fake: Observable) -> tuple[tuple[Value, Value], Value]:
    """Of both samples where there is a value, and of the difference where both have one."""
    known = np.isfinite(real.values), np.isfinite(fake.values)
    both = known[0] & known[1]
    return (
        (statistics.mean(real.values[known[0]]), statistics.mean(fake.values[known[1]])),
        statistics.difference_of_means(fake.values[both], real.values[both]),
    )


def _means_of_cells(real: Observable, fake: Observable) -> tuple[tuple[Value, Value], Value]:
    """Energy per cell: the mean of a shower's mean cell energy would weigh small showers."""
    first, second = (
        statistics.ratio(
            statistics.mean(o.values.sum(axis=1)), statistics.mean((o.values > 0).sum(axis=1))
        )
        for o in (real, fake)
    )
    error = float(np.hypot(first.uncertainty, second.uncertainty))
    return (first, second), Value(second.value - first.value, error)


def compare_profiles(reference: Showers, generated: Showers) -> tuple[Profile, ...]:
    """Mean longitudinal profile, and profiles along the axes of each layer's cells."""
    pairs = zip(profiles(reference), profiles(generated), strict=True)
    return tuple(_profile(real, fake) for real, fake in pairs)


def _profile(real: Profiled, fake: Profiled) -> Profile:
    columns = [
        [statistics.mean(x) for x in real.values.T],
        [statistics.mean(x) for x in fake.values.T],
        [
            statistics.ratio_of_means(g, r)
            for g, r in zip(fake.values.T, real.values.T, strict=True)
        ],
    ]
    parts = [
        (np.array([v.value for v in c]), np.array([v.uncertainty for v in c])) for c in columns
    ]
    return Profile(real.name, real.label, real.layer, real.edges, real.ticks, *parts)
