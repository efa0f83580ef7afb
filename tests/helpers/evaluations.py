"""Evaluations that several tests share."""

from __future__ import annotations

from functools import cache
from unittest.mock import patch

import numpy as np

from calogan.evaluation.compare_samples import compare_samples as compare
from calogan.evaluation.results import Evaluation
from calogan.geometry import Geometry
from calogan.metrics.classifiers import ClassifierResult
from calogan.metrics.halves import matched_halves
from calogan.metrics.statistics import Value
from calogan.showers import Showers
from helpers.samples import make_showers


def make_pair(n: int, seed: int = 0) -> tuple[Showers, Showers]:
    """Two samples of n independent showers each, made at the same conditions."""
    showers = make_showers(2 * n, seed)
    rng = np.random.default_rng(seed)
    conditions = [np.log(showers.conditions["energy"]), showers.conditions["theta"]]
    first, second = matched_halves(conditions, rng)
    reference, other = showers.select(first), showers.select(second)
    scale = reference.incident_energy / other.incident_energy
    energies = other.energies * scale[:, None]
    return reference, Showers(energies, reference.conditions, reference.geometry)


def make_flat(geometry: Geometry, n: int = 500, seed: int = 0) -> Showers:
    """Showers of any geometry: independent cells, more energy in the first layers."""
    rng = np.random.default_rng(seed)
    energy = np.linspace(1, 50, n)
    cells = rng.gamma(0.5, 2.0, (n, geometry.n_voxels)) / (1 + geometry.layer_index)
    cells *= energy[:, None] * 100 / geometry.n_voxels
    conditions = {"energy": energy.astype(np.float32)}
    return Showers(cells.astype(np.float32), conditions, geometry)


@cache
def quick() -> Evaluation:
    """The whole evaluation of equal samples, with its classifiers."""
    return compare(*make_pair(700), threshold=0.1, seed=3)


def without_classifiers(reference: Showers, generated: Showers) -> Evaluation:
    """An evaluation in no time: one classifier's result is made up."""
    line = np.linspace(0, 1, 201)
    made_up = ClassifierResult(
        name="trees_features",
        label="boosted trees",
        auc=Value(0.7, 0.01),
        trainings=(Value(0.7, 0.01),),
        roc=(line, line**0.5),
        jsd=Value(0.2, 0.01),
    )
    with (
        patch("calogan.evaluation.compare_samples.compare_by_classifiers", lambda *_: (made_up,)),
        patch("calogan.metrics.distances.FPD_BATCHES", 2),
        patch("calogan.metrics.distances.KPD_BATCHES", 2),
    ):
        return compare(reference, generated, threshold=0.1, seed=1)


def rings(n_layers: int) -> Geometry:
    """Layers of cylindrical cells whose depth is not known."""
    layer = {
        "system": "cylindrical",
        "r_edges": [0, 5, 10, 30],
        "alpha_edges": np.linspace(-np.pi, np.pi, 5).tolist(),
        "z": None,
    }
    layers = [{"name": f"layer_{i}", **layer} for i in range(n_layers)]
    return Geometry.from_dict({"name": "rings", "fastest": "first", "layers": layers})
