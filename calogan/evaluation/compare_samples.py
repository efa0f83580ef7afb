"""Compare two samples of showers in memory: every number with its uncertainty and its floor.

`evaluate` reads the samples, calls `compare_samples` and writes what it finds.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.evaluation.compare_observables import compare_observables, compare_profiles
from calogan.evaluation.measures import N_DISTANCE_SPLITS, NEIGHBOURHOOD_SHOWERS, measure
from calogan.evaluation.results import Correlations, Evaluation, Pictures
from calogan.features import layer_fractions, response
from calogan.metrics import statistics
from calogan.metrics.bins import condition_bins
from calogan.metrics.classifiers import compare_by_classifiers
from calogan.metrics.correlations import correlation
from calogan.metrics.halves import matched_halves
from calogan.showers import Showers, without_dead
from calogan.version import __version__

MIN_SHOWERS = 500
"""Fewer showers than this say too little, and the classifiers nothing."""
N_FLOOR_SPLITS = 20
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

    Cells that are dead in a shower of one sample count as dark in both.

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
    reference, generated = without_dead(reference, generated)
    reference, generated = (s.apply_threshold(threshold) for s in (reference, generated))
    rng = np.random.default_rng(seed)
    matched_on = [*reference.conditions.values()]
    halves = [matched_halves(matched_on, rng) for _ in range(N_FLOOR_SPLITS)]

    report("response and resolution")
    responses = response(reference), response(generated)
    bins = tuple(
        condition_bins(
            name, values, *responses, halves, reference.unit(name), reference.labels.get(name)
        )
        for name, values in reference.conditions.items()
    )
    report("observables")
    comparisons = compare_observables(reference, generated, threshold, halves, rng)
    profiles = compare_profiles(reference, generated)
    measures = measure(reference, generated, threshold, halves, rng, report)
    labels = {name: label.span for name, label in reference.labels.items()}
    results = compare_by_classifiers(reference, generated, halves[0], classifier, seed, report)
    return Evaluation(
        settings={
            "n_showers": len(reference),
            "threshold_MeV": float(threshold),
            "seed": int(seed),
            "classifier": classifier,
            "neighbourhood_showers": min(len(halves[0][0]), NEIGHBOURHOOD_SHOWERS),
            "distance_splits": N_DISTANCE_SPLITS,
            "geometry": reference.geometry.name,
            "conditions": {
                name: [float(v.min()), float(v.max())]
                for name, v in reference.conditions.items()
                if name not in reference.labels
            },
            **({"labels": labels} if labels else {}),
            "versions": _versions(),
            **({} if reference.dead is None else {"dead_cells": float(reference.dead.mean())}),
        },
        geometry=reference.geometry,
        response=(statistics.mean(responses[0]), statistics.mean(responses[1])),
        response_ratio=statistics.ratio_of_means(responses[1], responses[0]),
        conditions=bins,
        comparisons=comparisons,
        profiles=profiles,
        correlations=_correlations(reference, generated),
        pictures=_pictures(reference, generated),
        classifiers=results,
        measures=measures,
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


def _correlations(reference: Showers, generated: Showers) -> Correlations:
    """Those of the layers' fractions of the incident energy."""
    rho, error = correlation(layer_fractions(reference))
    rho_generated, error_generated = correlation(layer_fractions(generated))
    return Correlations(rho, rho_generated, np.hypot(error, error_generated))


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
            ", ".join(reference.words(name, i) for name in reference.conditions),
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
