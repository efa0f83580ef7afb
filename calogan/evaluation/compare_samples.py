"""Compare two samples of showers in memory: every number with its uncertainty and its floor.

`evaluate` reads the samples, calls `compare_samples` and writes what it finds.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import hist
import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.evaluation.observables import observables, projections
from calogan.evaluation.results import (
    Comparison,
    Correlations,
    Evaluation,
    Histogram,
    Pictures,
    Profile,
)
from calogan.evaluation.verdicts import Measure
from calogan.features import high_level_features, layer_fractions, log_cells, response
from calogan.metrics import correlations, distances, histograms, statistics
from calogan.metrics.bins import condition_bins, energy_chi2
from calogan.metrics.classifiers import compare_by_classifiers
from calogan.metrics.halves import Halves, matched_halves, over_splits
from calogan.metrics.statistics import Floats, Value
from calogan.showers import Showers
from calogan.version import __version__

MIN_SHOWERS = 500
"""Fewer showers than this say too little, and the classifiers nothing."""
N_FLOOR_SPLITS = 20
N_DISTANCE_SPLITS = 5
"""Of these, for the Fréchet and kernel distance."""
NEIGHBOURHOOD_SHOWERS = 2500
"""At most, in either half; the work grows with its square."""
Progress = Callable[[str], None]


def compare_samples(
    reference: Showers,
    generated: Showers,
    *,
    threshold: float,
    seed: int,
    classifier: Literal["quick", "full"] = "quick",
    progress: Progress | None = None,
) -> Evaluation:
    """Compare two samples made at the same conditions, shower by shower.

    Parameters
    ----------
    reference, generated : n showers each, equal geometry, equal conditions in equal order
    threshold : readout threshold in MeV, applied to both first
    seed : of splits, bootstrap and classifiers; the same seed gives the same numbers
    classifier : "quick", or "full" for the CaloChallenge's network and trees on voxels
    progress : called with a few words before each stage

    Raises
    ------
    CaloganError : for samples that do not match, fewer than `MIN_SHOWERS`, voxels that are
        not finite
    """
    check_comparable(reference, generated)
    if classifier not in ("quick", "full"):
        raise CaloganError(f"classifier is {classifier!r}, expected 'quick' or 'full'")
    if not (np.isfinite(threshold) and threshold >= 0):
        raise CaloganError(f"readout threshold is {threshold} MeV, expected 0 or more")
    report = progress or (lambda _: None)
    reference, generated = (s.apply_threshold(threshold) for s in (reference, generated))
    rng = np.random.default_rng(seed)
    matched_on = [*reference.conditions.values()]
    halves = [matched_halves(matched_on, rng) for _ in range(N_FLOOR_SPLITS)]

    report("response and resolution")
    responses = response(reference), response(generated)
    bins = tuple(
        condition_bins(name, values, *responses, halves, reference.unit(name))
        for name, values in reference.conditions.items()
    )
    report("observables")
    comparisons = _comparisons(reference, generated, threshold, halves, rng)
    profiles = tuple(_profiles(reference, generated))
    fractions = layer_fractions(reference), layer_fractions(generated)
    (rho, error), (rho_generated, error_generated) = (
        correlations.correlation(f) for f in fractions
    )
    measures = [
        Measure(
            "energy_chi2_per_ndf",
            "visible energy, χ²/NDF",
            "Energy distributions",
            *energy_chi2(reference.incident_energy, *responses, halves),
            "above",
            1.0,
        )
    ]
    if reference.geometry.n_layers > 1:
        measures.append(
            Measure(
                "layer_correlations",
                "correlations of layer energies",
                "Layer correlations",
                correlations.correlation_distance(*fractions, rng),
                correlations.correlation_floor(fractions[0], halves),
                "above",
                0.05,
            )
        )
    measures += _distances(reference, generated, threshold, halves, rng, report)
    results = compare_by_classifiers(reference, generated, halves[0], classifier, seed, report)
    settings = {
        "n_showers": len(reference),
        "threshold_MeV": float(threshold),
        "seed": int(seed),
        "classifier": classifier,
        "neighbourhood_showers": min(len(halves[0][0]), NEIGHBOURHOOD_SHOWERS),
        "distance_splits": N_DISTANCE_SPLITS,
        "geometry": reference.geometry.name,
        "conditions": {
            name: [float(v.min()), float(v.max())] for name, v in reference.conditions.items()
        },
        "versions": _versions(),
    }
    return Evaluation(
        settings=settings,
        geometry=reference.geometry,
        response=(statistics.mean(responses[0]), statistics.mean(responses[1])),
        response_ratio=statistics.ratio_of_means(responses[1], responses[0]),
        conditions=bins,
        comparisons=tuple(comparisons),
        profiles=profiles,
        correlations=Correlations(rho, rho_generated, np.hypot(error, error_generated)),
        pictures=_pictures(reference, generated),
        classifiers=results,
        measures=tuple(measures),
    )


def check_comparable(reference: Showers, generated: Showers) -> None:
    """Raise CaloganError unless both samples have equal geometry and conditions, and are sound."""
    if reference.geometry != generated.geometry:
        raise CaloganError(
            f"geometries differ: reference '{reference.geometry.name}' with "
            f"{reference.geometry.n_voxels} voxels, generated '{generated.geometry.name}' with "
            f"{generated.geometry.n_voxels}; voxelize both with the same run card"
        )
    if len(reference) != len(generated):
        raise CaloganError(
            f"{len(generated)} generated showers for {len(reference)} reference showers, expected "
            "one for each, in the same order"
        )
    if len(reference) < MIN_SHOWERS:
        raise CaloganError(
            f"{len(reference)} showers are too few to compare, expected {MIN_SHOWERS} or more"
        )
    if set(reference.conditions) != set(generated.conditions):
        raise CaloganError(
            f"conditions differ: reference has {sorted(reference.conditions)}, generated has "
            f"{sorted(generated.conditions)}"
        )
    for name, values in reference.conditions.items():
        other = generated.conditions[name]
        wrong: NDArray[np.bool_] = np.logical_not(np.isclose(other, values, rtol=1e-4, atol=1e-6))
        if wrong.any():
            i = int(np.argmax(wrong))
            raise CaloganError(
                f"condition '{name}' differs for {int(wrong.sum())} of {len(wrong)} showers, first "
                f"for shower {i}: reference {values[i]:g}, generated {other[i]:g}; both files must "
                "hold showers of the same conditions in the same order (generate --like)"
            )
    for what, showers in (("reference", reference), ("generated", generated)):
        sound = np.isfinite(showers.energies) & (showers.energies >= 0)
        bad = np.flatnonzero(~sound.all(axis=1))
        if len(bad):
            raise CaloganError(
                f"{len(bad)} of {len(showers)} {what} showers have voxel energies that are "
                f"negative or not finite, first shower {bad[0]}"
            )


def _distances(
    reference: Showers,
    generated: Showers,
    threshold: float,
    halves: Halves,
    rng: np.random.Generator,
    report: Progress,
) -> Iterable[Measure]:
    """Fréchet and kernel distance of the features; neighbourhoods in features and in cells."""
    report("Fréchet and kernel distance")
    features = high_level_features(reference)[0], high_level_features(generated)[0]
    some = halves[:N_DISTANCE_SPLITS]
    for name, label, tolerance, measure in (
        ("fpd", "Fréchet physics distance", 0.005, distances.frechet_physics_distance),
        ("kpd", "kernel physics distance", 0.002, distances.kernel_physics_distance),
    ):
        distance = measure(*features, rng)
        floors = [measure(features[0][a], features[0][b], rng).value for a, b in some]
        yield Measure(
            name, label, "Distance of features", distance, over_splits(floors), "above", tolerance
        )
    cells = log_cells(reference, threshold), log_cells(generated, threshold)
    rows = rng.permutation(len(halves[0][0]))[:NEIGHBOURHOOD_SHOWERS]
    half = halves[0][0][rows], halves[0][1][rows]
    for name, words, (x, y) in (
        ("features", "features", distances.standardised_by_reference(*features)),
        ("voxels", "log cell energies", cells),
    ):
        report(f"neighbourhoods: {words}")
        found = distances.neighbourhoods_between_halves(x, y, half)
        floor = distances.neighbourhoods_between_halves(x, x, half)
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


def _comparisons(
    reference: Showers,
    generated: Showers,
    threshold: float,
    halves: Halves,
    rng: np.random.Generator,
) -> list[Comparison]:
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
    return found


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


def _pictures(reference: Showers, generated: Showers) -> Pictures:
    averages = [
        (
            s.energies.mean(axis=0, dtype=np.float64),
            s.energies.std(axis=0, dtype=np.float64) / np.sqrt(len(s)),
        )
        for s in (reference, generated)
    ]
    order = np.argsort(reference.incident_energy, kind="stable")
    chosen = [int(order[int(q * (len(order) - 1))]) for q in (0.1, 0.5, 0.9)]
    events = tuple(
        (
            ", ".join(
                f"{name} {float(v[i]):.3g} {reference.unit(name)}".rstrip()
                for name, v in reference.conditions.items()
            ),
            reference.energies[i],
            generated.energies[i],
        )
        for i in chosen
    )
    return Pictures(averages[0], averages[1], events)


def _versions() -> dict[str, str]:
    found = {"calogan": __version__, "python": platform.python_version()}
    for package in ("numpy", "scikit-learn", "keras", "tensorflow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
