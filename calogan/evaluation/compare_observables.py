"""Two samples, observable by observable and profile by profile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from calogan.evaluation.observables import observables, projections
from calogan.evaluation.results import Comparison, Histogram, Profile
from calogan.features import layer_fractions
from calogan.metrics import histograms, statistics
from calogan.metrics.halves import Halves
from calogan.metrics.statistics import Floats, Value
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
        log = real.group == "layer_energy" and histograms.is_long_tailed(real.values)
        edges = histograms.reference_edges(real.values, spacing=real.spacing, log=log)
        counts = [histograms.shower_counts(o.values, edges) for o in (real, fake)]
        both = np.isfinite(real.values) & np.isfinite(fake.values)
        found.append(
            Comparison(
                name=real.name,
                group=real.group,
                label=real.label,
                layer=real.layer,
                log=log,
                reference=_histogram(edges, counts[0], real.label),
                generated=_histogram(edges, counts[1], real.label),
                undefined=(float(counts[0][:, -1].mean()), float(counts[1][:, -1].mean())),
                means=(
                    statistics.mean(real.values[np.isfinite(real.values)]),
                    statistics.mean(fake.values[np.isfinite(fake.values)]),
                ),
                difference=statistics.difference_of_means(fake.values[both], real.values[both]),
                separation=histograms.separation(counts[0], counts[1], rng),
                floor=histograms.separation_floor(counts[0], halves),
            )
        )
    found.append(_spectrum(reference, generated, threshold, halves, rng))
    return tuple(found)


def _spectrum(
    reference: Showers,
    generated: Showers,
    threshold: float,
    halves: Halves,
    rng: np.random.Generator,
) -> Comparison:
    """Energy of single cells over threshold, entries per shower in logarithmic bins."""
    positive = reference.energies[reference.energies > 0]
    low = threshold if threshold > 0 else float(positive.min(initial=1.0))
    high = max(float(positive.max(initial=0.0)), 2 * low)
    edges = np.geomspace(low, high * 1.001, 41)
    counts = [histograms.entry_counts(s.energies, edges) for s in (reference, generated)]
    label = "cell energy [MeV]"
    # The mean of a shower's mean cell energy would weigh small showers; this is energy per cell.
    means = [
        statistics.ratio(
            statistics.mean(s.energies.sum(axis=1)), statistics.mean((s.energies > 0).sum(axis=1))
        )
        for s in (reference, generated)
    ]
    return Comparison(
        name="cell_energy",
        group="cell_energy",
        label=label,
        layer=None,
        log=True,
        reference=_histogram(edges, counts[0], label),
        generated=_histogram(edges, counts[1], label),
        undefined=(0.0, 0.0),
        means=(means[0], means[1]),
        difference=Value(
            means[1].value - means[0].value,
            float(np.hypot(means[0].uncertainty, means[1].uncertainty)),
        ),
        separation=histograms.separation(counts[0], counts[1], rng),
        floor=histograms.separation_floor(counts[0], halves),
    )


def _histogram(edges: Floats, counts: NDArray[np.float32], label: str) -> Histogram:
    """Mean entries per shower; the variance is over showers, whose entries are correlated."""
    n = len(counts)
    filled: Histogram = hist.Hist(
        hist.axis.Variable(edges, name="x", label=label), hist.storage.Weight()
    )
    inside = counts[:, :-1].astype(np.float64)
    view: Any = filled.view(flow=True)
    view.value = inside.mean(axis=0)
    # Second moment, not variance, as for Poisson counts: the number of showers is not given.
    view.variance = (inside**2).mean(axis=0) / n
    return filled


def compare_profiles(reference: Showers, generated: Showers) -> tuple[Profile, ...]:
    """Mean longitudinal profile, and profiles along the axes of each layer's cells."""
    return tuple(_profiles(reference, generated))


def _profiles(reference: Showers, generated: Showers) -> Iterable[Profile]:
    geometry = reference.geometry
    fractions = layer_fractions(reference), layer_fractions(generated)
    if geometry.n_layers > 1:
        yield _profile(
            "longitudinal",
            "layer",
            None,
            np.arange(-0.5, geometry.n_layers),
            tuple(layer.name for layer in geometry.layers),
            *fractions,
        )
    scaled = [s.energies / (1000 * s.incident_energy[:, None]) for s in (reference, generated)]
    for p in projections(geometry):
        part = geometry.slices[p.layer]
        name = geometry.layers[p.layer].name
        yield _profile(
            f"{p.axis}[{name}]",
            f"{name}: {p.axis} [{p.unit}]",
            p.layer,
            p.edges,
            None,
            *(s[:, part] @ p.matrix for s in scaled),
        )


def _profile(
    name: str,
    label: str,
    layer: int | None,
    edges: Floats,
    ticks: tuple[str, ...] | None,
    reference: NDArray[Any],
    generated: NDArray[Any],
) -> Profile:
    columns = [
        [statistics.mean(x) for x in reference.T],
        [statistics.mean(x) for x in generated.T],
        [statistics.ratio_of_means(g, r) for g, r in zip(generated.T, reference.T, strict=True)],
    ]
    parts = [
        (np.array([v.value for v in c]), np.array([v.uncertainty for v in c])) for c in columns
    ]
    return Profile(name, label, layer, edges, ticks, parts[0], parts[1], parts[2])
