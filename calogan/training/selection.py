"""Scores of a generator during its training, the choice of the best, the alarm for mode collapse.

The same validation showers are scored again and again, with the same latents, so that two scores of
one run differ by the generator alone. The score of a generator is the root mean square of six
parts, each the distance from a perfect generator in units of what still passes:

- classifier: AUC of boosted trees on high-level features, less 0.5; passes at 0.15
- cells: the same on the logarithms of all cells
- response: generated over real in every bin of the conditions, less 1; passes at 0.002
- resolution: the same; passes at 0.03
- recall: of cells, as in an evaluation (`neighbourhoods_between_halves` of `log_cells`): what it
  lacks of that of full simulation against itself; passes at 0.2
- diversity: spread over latents at the same conditions, generated over real, less 1; passes at 0.1

To each unit the standard uncertainty is added in quadrature: what few validation showers measure
badly counts little. A score of 1 is a generator that just passes in all, on average. The
classifier alone cannot be trusted to see mode collapse, nor can response and resolution (a
generator that knows a few showers by heart has them right), so recall and diversity stand beside
them; and a generator that raises the alarm is never chosen over one that does not.

The trees of the first part see each feature in units of its spread at the shower's conditions. On
1000 photons in liquid argon their AUC told a generator of 3000 updates from one of 36 000 by 6
standard deviations of repeated measurements (10 on 3000 photons); trees on the features as they
are did by 1.3 (11), the Fréchet physics distance by 0.8 (4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import (
    AnyCondition,
    condition_basis,
    input_columns,
    network_input,
    spread_by_condition,
)
from calogan.features import (
    condition_features,
    high_level_features,
    log_cells,
    log_voxel_features,
    response,
)
from calogan.metrics.bins import condition_bins
from calogan.metrics.classifiers import classify, fit_trees
from calogan.metrics.distances import neighbourhoods_between_halves
from calogan.metrics.halves import Half, matched_halves
from calogan.metrics.statistics import UNKNOWN, Floats, Value
from calogan.showers import Showers

TOLERANCES = {
    "classifier": 0.15,
    "cells": 0.15,
    "response": 0.002,
    "resolution": 0.03,
    "recall": 0.2,
    "diversity": 0.1,
}
"""Distance from a perfect generator that still passes."""
LEAST_DIVERSITY = 0.5
"""The alarm is raised below it: spread over latents at the same conditions, generated / real."""
LEAST_FEATURE_DIVERSITY = 0.2
"""The same of a single high-level feature."""
LEAST_RECALL = 0.5
"""The alarm is raised below it: recall of high-level features over that of real against real."""
RECALL_DROP = 0.5
"""The alarm is raised when the recall of cells falls below this part of the run's highest."""
CLIP = 5.0
"""Standardised features are cut here: an empty layer would else outweigh all others."""
NEIGHBOURS = 5
"""Fewer if there are hardly any showers."""
RESAMPLES = 100
MIN_PER_BIN = 10
"""Showers that a bin of a condition needs to count."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What the validation showers say of one generator."""

    classifier: Value
    """AUC of boosted trees on standardised high-level features, cross-validated."""
    cells: Value
    """AUC of boosted trees on log10 voxels, cross-validated."""
    response: tuple[Value, ...]
    """Generated over real in every bin of every condition that holds enough showers."""
    resolution: tuple[Value, ...]
    precision: Value
    """Of log10 cells."""
    recall: Value
    """Of log10 cells."""
    real_recall: Value
    """Recall of one half of the validation showers by the other: what to expect at best."""
    feature_recall: float
    """Recall of standardised high-level features, over that of real against real."""
    diversity: Value
    """Spread over latents at the same conditions, generated / real: geometric mean of features."""
    least_diverse: tuple[str, float]
    """The feature with the smallest such ratio."""
    response_ratio: float
    """Mean over all showers, generated / real."""
    resolution_ratio: float
    """Geometric mean of `resolution`."""
    occupancy_ratio: float
    """Cells over threshold, generated / real."""

    @property
    def parts(self) -> dict[str, float]:
        """Distance from a perfect generator in units of tolerance and uncertainty, by part.

        A part that cannot be measured, for lack of showers, is left out.
        """
        missing = max(self.real_recall.value - self.recall.value, 0.0)
        missing_error = float(np.hypot(self.real_recall.uncertainty, self.recall.uncertainty))
        deviations = {
            "classifier": [Value(self.classifier.value - 0.5, self.classifier.uncertainty)],
            "cells": [Value(self.cells.value - 0.5, self.cells.uncertainty)],
            "response": [Value(v.value - 1, v.uncertainty) for v in self.response],
            "resolution": [Value(v.value - 1, v.uncertainty) for v in self.resolution],
            "recall": [Value(missing, missing_error)],
            "diversity": [Value(self.diversity.value - 1, self.diversity.uncertainty)],
        }
        found = {}
        for name, values in deviations.items():
            units = [v.value / np.hypot(TOLERANCES[name], v.uncertainty) for v in values]
            known = [u for u in units if np.isfinite(u)]
            if known:
                found[name] = float(np.sqrt(np.mean(np.square(known))))
        return found

    @property
    def total(self) -> float:
        """Root mean square of the parts; the best generator has the lowest."""
        return float(np.sqrt(np.mean(np.square([*self.parts.values()]))))

    def to_dict(self) -> dict[str, float]:
        """Flat numbers for a line of metrics.jsonl; what is not known is left out."""
        found = {
            "validation_score": self.total,
            **{f"validation_score_{name}": value for name, value in self.parts.items()},
            "validation_auc": self.classifier.value,
            "validation_auc_uncertainty": self.classifier.uncertainty,
            "validation_cells_auc": self.cells.value,
            "validation_response_ratio": self.response_ratio,
            "validation_resolution_ratio": self.resolution_ratio,
            "validation_occupancy_ratio": self.occupancy_ratio,
            "validation_precision": self.precision.value,
            "validation_recall": self.recall.value,
            "validation_recall_uncertainty": self.recall.uncertainty,
            "validation_feature_recall": self.feature_recall,
            "validation_diversity": self.diversity.value,
            "validation_least_diversity": self.least_diverse[1],
        }
        return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def collapse(scores: Scores, earlier: Sequence[Mapping[str, Any]]) -> str:
    """Why a generator seems to have collapsed, in words; empty if it does not.

    `earlier` are the lines of metrics.jsonl so far: the recall of cells is low for any generator
    that is a little off, so what is judged is whether it falls.
    """
    found = []
    if scores.diversity.value < LEAST_DIVERSITY:
        found.append(
            f"at the same conditions showers vary {scores.diversity.value:.2f} times as much as "
            f"real ones (bound {LEAST_DIVERSITY:g})"
        )
    name, least = scores.least_diverse
    if least < LEAST_FEATURE_DIVERSITY:
        found.append(
            f"{name} varies {least:.2f} times as much as in real showers at the same conditions "
            f"(bound {LEAST_FEATURE_DIVERSITY:g})"
        )
    if scores.feature_recall < LEAST_RECALL:
        found.append(
            f"recall of high-level features is {scores.feature_recall:.2f} of that of real showers "
            f"(bound {LEAST_RECALL:g})"
        )
    highest = max((line.get("validation_recall", 0.0) for line in earlier), default=0.0)
    recall = scores.recall
    if recall.value + 3 * recall.uncertainty < RECALL_DROP * highest:
        found.append(
            f"recall of cells fell to {recall.value:.3f} from {highest:.3f} "
            f"(bound: {RECALL_DROP:g} of the highest)"
        )
    return "mode collapse: " + "; ".join(found) if found else ""


def best(lines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The line of metrics.jsonl whose generator is kept; None before the first score.

    The lowest score of those without the alarm, or of all if every one has it; the earliest of
    equals.
    """
    scored = [line for line in lines if "validation_score" in line]
    return min(scored, key=lambda x: ("warning" in x, x["validation_score"]), default=None)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Validation showers, and what of them is the same for every generator; see `fit`."""

    showers: Showers
    """Validation showers, readout threshold applied."""
    threshold: float
    seed: int
    names: tuple[str, ...]
    """Of the high-level features, conditions left out."""
    centre: Floats
    """(n, n_features): the features' means at each shower's conditions."""
    scale: Floats
    """(n, n_features): their spreads there."""

    @staticmethod
    def fit(
        training: Showers,
        validation: Showers,
        conditions: Sequence[AnyCondition],
        threshold: float,
        seed: int,
    ) -> Yardstick:
        """Measure means and spreads of the features on training showers.

        Parameters
        ----------
        training : showers to fit on; some thousand are enough
        validation : showers that generators are compared with
        conditions : those that the generator knows
        threshold : readout threshold, MeV
        seed : of splits and trees
        """
        training, validation = (s.apply_threshold(threshold) for s in (training, validation))
        bases = [
            condition_basis(
                network_input(conditions, s.conditions).astype(np.float64),
                np,
                columns=input_columns(conditions),
            )
            for s in (training, validation)
        ]
        features, names = _features(training)
        mean, log_spread = spread_by_condition(features, bases[0])
        return Yardstick(
            validation,
            threshold,
            seed,
            names,
            bases[1] @ mean,
            np.exp(bases[1] @ log_spread),
        )

    def score(self, first: Showers, second: Showers) -> Scores:
        """Score a generator by two samples of it at the validation showers' conditions.

        The second, made from other latents, is there for the diversity alone. Cells dead in a
        validation shower are dead in the first's too; in the second's those of another one, for the
        diversity compares what differs between real showers, dead cells included.
        """
        dead = self.showers.dead
        if dead is not None:
            first, second = first.without(dead), second.without(np.roll(dead, 1, axis=0))
        first, second = (s.apply_threshold(self.threshold) for s in (first, second))
        x, y, z = self._real_features, self._standardised(first), self._standardised(second)
        voxels = log_voxel_features(first)
        on_features = classify("trees", "boosted trees", x, y, _train_few_trees, 5, self.seed)
        on_cells = classify(
            "trees_voxels",
            "boosted trees",
            self._real_voxels,
            voxels,
            _train_few_trees,
            2,
            self.seed,
        )
        responses = response(self.showers), response(first)
        bins = [
            condition_bins(name, values, *responses, label=self.showers.labels.get(name))
            for name, values in self.showers.conditions.items()
        ]
        enough = [(b, i) for b in bins for i in np.flatnonzero(b.counts >= MIN_PER_BIN)]
        resolutions = tuple(b.resolution_ratio[i] for b, i in enough)
        known = [v.value for v in resolutions if v.value > 0]
        cells = log_cells(first, self.threshold)
        near = neighbourhoods_between_halves(self._real_cells, cells, self._half, self._k)
        features = neighbourhoods_between_halves(x, y, self._half, self._k)
        diversity, ratios = spread_ratio(x, y - z, np.random.default_rng(self.seed))
        narrowest = int(np.argmin(ratios))
        occupancies = [float((s.energies > 0).mean()) for s in (first, self.showers)]
        return Scores(
            classifier=on_features.auc,
            cells=on_cells.auc,
            response=tuple(b.response_ratio[i] for b, i in enough),
            resolution=resolutions,
            precision=near.precision,
            recall=near.recall,
            real_recall=self._real_recalls[0],
            feature_recall=features.recall.value / max(self._real_recalls[1].value, 1e-9),
            diversity=diversity,
            least_diverse=(self.names[narrowest], float(ratios[narrowest])),
            response_ratio=float(responses[1].mean() / responses[0].mean()),
            resolution_ratio=float(np.exp(np.mean(np.log(known)))) if known else float("nan"),
            occupancy_ratio=occupancies[0] / occupancies[1],
        )

    def _standardised(self, showers: Showers) -> NDArray[np.float32]:
        units = (_features(showers)[0] - self.centre) / self.scale
        return np.clip(units, -CLIP, CLIP).astype(np.float32)

    @property
    def _k(self) -> int:
        return min(NEIGHBOURS, len(self.showers) // 2 - 1)

    @cached_property
    def _real_features(self) -> NDArray[np.float32]:
        return self._standardised(self.showers)

    @cached_property
    def _real_voxels(self) -> NDArray[np.float32]:
        return log_voxel_features(self.showers)

    @cached_property
    def _real_cells(self) -> NDArray[np.float32]:
        return log_cells(self.showers, self.threshold)

    @cached_property
    def _half(self) -> Half:
        on = [*self.showers.conditions.values()]
        return matched_halves(on, np.random.default_rng(self.seed))

    @cached_property
    def _real_recalls(self) -> tuple[Value, Value]:
        """Recall of cells and of features, half of the validation showers by the other."""
        cells, features = (
            neighbourhoods_between_halves(s, s, self._half, self._k).recall
            for s in (self._real_cells, self._real_features)
        )
        return cells, features


def _features(showers: Showers) -> tuple[Floats, tuple[str, ...]]:
    """High-level features without the conditions, (n, n_features), and their names."""
    values, names = high_level_features(showers)
    first = len(condition_features(showers))
    return values[:, first:].astype(np.float64), names[first:]


def _train_few_trees(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    x_validation: NDArray[np.float32],
    y_validation: NDArray[np.float32],
    x_test: NDArray[np.float32],
    seed: int,
) -> tuple[None, NDArray[np.float64]]:
    """Scores (n_test,) of a fixed number of boosted trees, not calibrated.

    Setting showers apart to tell when to stop, as an evaluation does, would make the AUC of 1000
    showers 1.5 times as noisy.
    """
    x, y = np.concatenate([x, x_validation]), np.concatenate([y, y_validation])
    (scores,) = fit_trees(x, y, (x_test,), seed, max_iter=60, early_stopping=False)
    return None, scores


def spread_ratio(
    real: NDArray[Any], difference: NDArray[Any], rng: np.random.Generator
) -> tuple[Value, Floats]:
    """Spread over latents at the same conditions, generated / real.

    Two generated showers of the same conditions differ by sqrt(2) times that spread, whatever
    the generator's mean there is.

    Parameters
    ----------
    real : standardised features, (n, k), so that their mean at all conditions is 0
    difference : of two generated showers at the conditions of each real one, (n, k)
    rng : draws the Poisson bootstrap of the showers, whose spread is the uncertainty

    Returns
    -------
    Geometric mean over the features that vary in the real showers, and each feature's ratio,
    (k,), infinite for those that do not. A ratio counts as 0.001 at least.
    """
    squares = [np.asarray(a, np.float64) ** 2 for a in (difference / np.sqrt(2), real)]
    varies = squares[1].mean(axis=0) > 1e-6

    def ratios(weights: NDArray[Any]) -> Floats:
        made, true = (weights @ s[:, varies] for s in squares)
        return np.sqrt(np.maximum(made / true, 1e-6))

    n = len(real)
    each = np.full(len(varies), np.inf)
    if not varies.any():
        return UNKNOWN, each
    each[varies] = ratios(np.ones((1, n)))[0]
    replicas = np.log(ratios(rng.poisson(1.0, (RESAMPLES, n)))).mean(axis=1)
    value = float(np.exp(np.log(each[varies]).mean()))
    return Value(value, value * float(replicas.std(ddof=1))), each
