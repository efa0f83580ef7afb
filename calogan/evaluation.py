"""What an evaluation found: frozen results, the summary's verdicts, and their form in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import hist
import numpy as np
from numpy.typing import NDArray

from calogan.classifier import ClassifierResult
from calogan.geometry import Geometry
from calogan.holdout import Study
from calogan.metrics import Floats, Value
from calogan.observables import GROUPS

if TYPE_CHECKING:
    from calogan.density_ratio import Reliability
    from calogan.refine import Efficiency

METRICS_FORMAT = 1
"""Version of metrics.json."""

Histogram: TypeAlias = "hist.Hist[Any]"


@dataclass(frozen=True, eq=False)
class ConditionBins:
    """Response and resolution in bins of one condition; every tuple has one entry per bin."""

    name: str
    unit: str
    scale: Literal["log", "linear"]
    edges: Floats
    counts: NDArray[np.int64]
    response: tuple[tuple[Value, ...], tuple[Value, ...]]
    """Mean of visible / incident energy: reference, generated."""
    response_ratio: tuple[Value, ...]
    """Generated over reference, from showers paired by their conditions."""
    resolution: tuple[tuple[Value, ...], tuple[Value, ...]]
    resolution_ratio: tuple[Value, ...]
    response_floor: tuple[Value, ...]
    """`response_ratio` of the reference against itself; so for the two below."""
    resolution_floor: tuple[Value, ...]
    chi2: tuple[Value, ...]
    """χ² / NDF of the distributions of visible / incident energy."""
    chi2_floor: tuple[Value, ...]

    @property
    def spans(self) -> list[str]:
        """The bins in words: "2.19 to 4.78 GeV"."""
        return spans_of(self.edges, self.unit)


@dataclass(frozen=True, eq=False)
class Comparison:
    """One observable's histograms and their separation power."""

    name: str
    group: str
    label: str
    layer: int | None
    log: bool
    """Whether the bins are logarithmic."""
    reference: Histogram
    """Entries per shower and bin, flow bins kept, with variances over showers."""
    generated: Histogram
    undefined: tuple[float, float]
    """Fraction of showers without a value (a layer without energy): reference, generated."""
    means: tuple[Value, Value]
    difference: Value
    """Mean of generated - reference over pairs in which both are defined."""
    separation: Value
    floor: Value
    """Separation power that a perfect generator would show."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean energy over incident energy along an axis; arrays (n_bins,) with standard errors."""

    name: str
    label: str
    layer: int | None
    """Position of the layer that it runs across; None along the shower."""
    edges: Floats
    ticks: tuple[str, ...] | None
    """Names of the bins, for an axis without lengths."""
    reference: tuple[Floats, Floats]
    generated: tuple[Floats, Floats]
    ratio: tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class Correlations:
    """Correlation of the layers' energy fractions, (n_layers, n_layers)."""

    reference: Floats
    generated: Floats
    uncertainty: Floats
    """Of generated - reference."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Average shower and a few single ones: energies in MeV."""

    reference: tuple[Floats, Floats]
    """Mean of every voxel and its standard error, (n_voxels,)."""
    generated: tuple[Floats, Floats]
    events: tuple[tuple[str, NDArray[np.float32], NDArray[np.float32]], ...]
    """Conditions in words, a reference and a generated shower made at them, (n_voxels,)."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number for the whole sample, beside what the reference gives against itself."""

    name: str
    """As in metrics.json."""
    label: str
    group: str
    """Line of the summary, where the worst of a group stands."""
    found: Value
    floor: Value
    worse: Literal["away", "above", "below"]
    """Which values are worse than the floor: all others (a ratio), those above it (a separation
    power, an AUC) or those below it (a recall)."""
    tolerance: float
    """Distance from the floor up to which a significant difference still counts as close."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A line of the summary: one number against what a perfect generator would show.

    `tolerance` and `worse` as in `Measure`.
    """

    name: str
    where: str
    """The bin or observable that is worst."""
    found: Value
    expected: Value
    """The floor: 1 for a ratio, else the reference against itself."""
    tolerance: float
    worse: Literal["away", "above", "below"] = "away"

    @property
    def distance(self) -> float:
        """How much worse than the floor; below 0 only for what is better than expected."""
        distance = self.found.value - self.expected.value
        return {"away": abs(distance), "above": distance, "below": -distance}[self.worse]

    @property
    def deviations(self) -> float:
        """`distance` in standard deviations."""
        error = np.hypot(self.found.uncertainty, self.expected.uncertainty)
        if error > 0:
            return float(self.distance / error)
        return 0.0 if self.distance == 0 else float(np.copysign(np.inf, self.distance))

    @property
    def level(self) -> Literal["equal", "close", "off"]:
        """equal: within three standard deviations of the floor; close: within the tolerance."""
        if not np.isfinite(self.distance):
            return "off"
        if self.deviations <= 3:
            return "equal"
        return "close" if self.distance <= self.tolerance else "off"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that was measured; `to_dict` is what metrics.json holds."""

    settings: Mapping[str, Any]
    geometry: Geometry
    response: tuple[Value, Value]
    """Mean of visible / incident energy: reference, generated."""
    response_ratio: Value
    conditions: tuple[ConditionBins, ...]
    comparisons: tuple[Comparison, ...]
    profiles: tuple[Profile, ...]
    correlations: Correlations
    pictures: Pictures
    classifiers: tuple[ClassifierResult, ...]
    measures: tuple[Measure, ...]
    held_out: tuple[Study, ...] = ()
    """Bands that the training held out, beside what it did not."""
    refinement: Refinement | None = None
    """The same for the refined generator, if there is a refiner."""

    @property
    def summary(self) -> tuple[Verdict, ...]:
        """The lines of the summary, worst bin or observable of each kind."""
        one = Value(1.0, 0.0)
        lines = [Verdict("Mean response", "all showers", self.response_ratio, one, 0.005)]
        for bins in self.conditions:
            ratios = [("Response", bins.response_ratio, 0.005)]
            if bins.name == "energy":
                ratios.append(("Resolution", bins.resolution_ratio, 0.1))
            for what, values, tolerance in ratios:
                lines.append(
                    _worst(
                        Verdict(f"{what} against {bins.name}", span, value, one, tolerance)
                        for span, value, count in zip(bins.spans, values, bins.counts, strict=True)
                        if count > 1  # few energies leave bins empty
                    )
                )
        for group, title in GROUPS.items():
            lines.append(
                _worst(
                    Verdict(title, c.label, c.separation, c.floor, 0.01, worse="above")
                    for c in self.comparisons
                    if c.group == group
                )
            )
        for group in dict.fromkeys(m.group for m in self.measures):
            lines.append(
                _worst(
                    Verdict(group, m.label, m.found, m.floor, m.tolerance, m.worse)
                    for m in self.measures
                    if m.group == group
                )
            )
        for result in self.classifiers:
            floor = result.floor or Value(0.5, 0.0)
            lines.append(
                Verdict("Classifier AUC", result.label, result.auc, floor, 0.2, worse="above")
            )
        return tuple(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; a number is `{"value", "uncertainty"}`, None where unknown."""
        return {
            "calogan_metrics": METRICS_FORMAT,
            "settings": dict(self.settings),
            "summary": [
                {
                    "name": v.name,
                    "where": v.where,
                    "found": v.found.to_dict(),
                    "floor": v.expected.to_dict(),
                    "level": v.level,
                }
                for v in self.summary
            ],
            "response": {
                "reference": self.response[0].to_dict(),
                "generated": self.response[1].to_dict(),
                "ratio": self.response_ratio.to_dict(),
            },
            "conditions": {bins.name: _bins_dict(bins) for bins in self.conditions},
            "observables": {c.name: _comparison_dict(c) for c in self.comparisons},
            "profiles": {
                p.name: {
                    "edges": p.edges.tolist(),
                    "reference": _arrays(*p.reference),
                    "generated": _arrays(*p.generated),
                    "ratio": _arrays(*p.ratio),
                }
                for p in self.profiles
            },
            "layer_correlations": {
                "reference": self.correlations.reference.tolist(),
                "generated": self.correlations.generated.tolist(),
                "difference": _arrays(
                    self.correlations.generated - self.correlations.reference,
                    self.correlations.uncertainty,
                ),
            },
            "average_shower": {
                "unit": "MeV",
                "reference": _arrays(*self.pictures.reference),
                "generated": _arrays(*self.pictures.generated),
            },
            "measures": {
                m.name: {**m.found.to_dict(), "floor": m.floor.to_dict(), "label": m.label}
                for m in self.measures
            },
            "classifiers": {
                r.name: {
                    "auc": r.auc.to_dict(),
                    "floor": None if r.floor is None else r.floor.to_dict(),
                    "jensen_shannon": r.jsd.to_dict(),
                    "jensen_shannon_floor": (
                        None if r.jsd_floor is None else r.jsd_floor.to_dict()
                    ),
                    "trainings": [t.to_dict() for t in r.trainings],
                }
                for r in self.classifiers
            },
            "held_out": [study.to_dict() for study in self.held_out],
            **({} if self.refinement is None else {"refined": self.refinement.to_dict()}),
        }


@dataclass(frozen=True, eq=False)
class Refinement:
    """The comparison of the refined generator's showers, and what refining costs."""

    path: str
    """Of the refiner."""
    evaluation: Evaluation
    """Against the same reference showers as the raw generator's."""
    efficiency: Efficiency
    """Of the raw generator's showers at the conditions of the reference."""
    rates: tuple[float, float]
    """Showers per second of processor time: raw, refined."""
    reliability: Reliability
    """Calibration, on showers that the refiner was not trained on."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "refiner": self.path,
            "efficiency": self.efficiency.to_dict(),
            "showers_per_second": {"raw": self.rates[0], "refined": self.rates[1]},
            "calibration": {
                "predicted": self.reliability.predicted.tolist(),
                "observed": _arrays(self.reliability.observed, self.reliability.uncertainty),
            },
            "evaluation": self.evaluation.to_dict(),
        }


def spans_of(edges: Sequence[float] | Floats, unit: str) -> list[str]:
    """Bins in words: "2.19 to 4.78 GeV"."""
    # Next to the range's width, 5e-06 is 0.
    width = edges[-1] - edges[0]
    ends = [f"{0.0 if abs(x) < 1e-4 * width else x:.3g}" for x in edges]
    return [f"{a} to {b} {unit}".rstrip() for a, b in pairwise(ends)]


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    rank = {"equal": 0, "close": 1, "off": 2}
    return max(verdicts, key=lambda v: (rank[v.level], np.nan_to_num(v.deviations, nan=np.inf)))


def _number(x: Any) -> float | None:
    return float(x) if np.isfinite(x) else None


def _arrays(values: Floats, errors: Floats) -> dict[str, Any]:
    nested = values.ndim > 1
    return {
        name: x.tolist() if nested else [_number(v) for v in x]
        for name, x in (("value", values), ("uncertainty", errors))
    }


def _bins_dict(bins: ConditionBins) -> dict[str, Any]:
    found: dict[str, Any] = {
        "unit": bins.unit,
        "edges": bins.edges.tolist(),
        "counts": bins.counts.tolist(),
    }
    for name in ("response", "resolution"):
        reference, generated = getattr(bins, name)
        found[name] = {
            "reference": [v.to_dict() for v in reference],
            "generated": [v.to_dict() for v in generated],
            "ratio": [v.to_dict() for v in getattr(bins, f"{name}_ratio")],
            "floor": [v.to_dict() for v in getattr(bins, f"{name}_floor")],
        }
    found["chi2_per_ndf"] = {
        "value": [v.to_dict() for v in bins.chi2],
        "floor": [v.to_dict() for v in bins.chi2_floor],
    }
    return found


def _comparison_dict(c: Comparison) -> dict[str, Any]:
    def entries(h: Histogram) -> dict[str, Any]:
        view: Any = h.view(flow=True)
        return _arrays(np.asarray(view.value), np.sqrt(view.variance))

    return {
        "group": c.group,
        "label": c.label,
        "mean": {
            "reference": c.means[0].to_dict(),
            "generated": c.means[1].to_dict(),
            "difference": c.difference.to_dict(),
        },
        "undefined": {"reference": c.undefined[0], "generated": c.undefined[1]},
        "separation_power": c.separation.to_dict(),
        "separation_power_floor": c.floor.to_dict(),
        "edges": c.reference.axes[0].edges.tolist(),
        "entries_per_shower": {
            "note": "first and last entry: underflow and overflow",
            "reference": entries(c.reference),
            "generated": entries(c.generated),
        },
    }
