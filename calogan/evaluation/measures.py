"""Numbers for two whole samples, each beside what the reference gives against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.evaluation.verdicts import Measure
from calogan.features import high_level_features, layer_fractions, log_cells, response
from calogan.metrics import correlations, distances
from calogan.metrics.bins import energy_chi2
from calogan.metrics.halves import Half, Halves, over_splits
from calogan.showers import Showers

N_DISTANCE_SPLITS = 5
"""Of the splits of the reference, for the Fréchet and kernel distance."""
NEIGHBOURHOOD_SHOWERS = 2500
"""At most, in either half; the work grows with its square."""


def measure(
    reference: Showers,
    generated: Showers,
    threshold: float,
    halves: Halves,
    rng: np.random.Generator,
    report: Callable[[str], None],
) -> tuple[Measure, ...]:
    """All measures of showers over threshold; the `halves` of the reference give the floors."""
    found = [
        _visible_energy(reference, generated, halves),
        *_layer_correlations(reference, generated, halves, rng),
    ]
    report("Fréchet and kernel distance")
    features = high_level_features(reference)[0], high_level_features(generated)[0]
    found += _distances(features, halves, rng)
    rows = rng.permutation(len(halves[0][0]))[:NEIGHBOURHOOD_SHOWERS]
    half = halves[0][0][rows], halves[0][1][rows]
    report("neighbourhoods: features")
    scaled = distances.standardised_by_reference(*features)
    found += _neighbourhoods("features", "features", scaled, half)
    report("neighbourhoods: log cell energies")
    cells = log_cells(reference, threshold), log_cells(generated, threshold)
    found += _neighbourhoods("voxels", "log cell energies", cells, half)
    return tuple(found)


def _visible_energy(reference: Showers, generated: Showers, halves: Halves) -> Measure:
    return Measure(
        "energy_chi2_per_ndf",
        "visible energy, χ²/NDF",
        "Energy distributions",
        *energy_chi2(reference.incident_energy, response(reference), response(generated), halves),
        "above",
        1.0,
    )


def _layer_correlations(
    reference: Showers, generated: Showers, halves: Halves, rng: np.random.Generator
) -> Iterator[Measure]:
    if reference.geometry.n_layers > 1:
        fractions = layer_fractions(reference), layer_fractions(generated)
        yield Measure(
            "layer_correlations",
            "correlations of layer energies",
            "Layer correlations",
            correlations.correlation_distance(*fractions, rng),
            correlations.correlation_floor(fractions[0], halves),
            "above",
            0.05,
        )


def _distances(
    features: tuple[NDArray[Any], NDArray[Any]], halves: Halves, rng: np.random.Generator
) -> Iterator[Measure]:
    """Fréchet and kernel distance of the high-level features."""
    reference, generated = features
    for name, label, tolerance, distance in (
        ("fpd", "Fréchet physics distance", 0.005, distances.frechet_physics_distance),
        ("kpd", "kernel physics distance", 0.002, distances.kernel_physics_distance),
    ):
        found = distance(reference, generated, rng)
        floors = [
            distance(reference[a], reference[b], rng).value for a, b in halves[:N_DISTANCE_SPLITS]
        ]
        yield Measure(
            name, label, "Distance of features", found, over_splits(floors), "above", tolerance
        )


def _neighbourhoods(
    name: str, words: str, samples: tuple[NDArray[Any], NDArray[Any]], half: Half
) -> Iterator[Measure]:
    """Precision, recall, density and coverage of samples (n, d), measured between halves."""
    reference, generated = samples
    found = distances.neighbourhoods_between_halves(reference, generated, half)
    floor = distances.neighbourhoods_between_halves(reference, reference, half)
    for what in distances.Neighbourhoods._fields:
        yield Measure(
            f"{what}_{name}",
            f"{what}, {words}",
            "Precision, density" if what in ("precision", "density") else "Recall, coverage",
            getattr(found, what),
            getattr(floor, what),
            # A density above the floor is that of showers which keep to the most common.
            "away" if what == "density" else "below",
            0.1,
        )
