"""What an evaluation found: frozen results, the summary's verdicts, and their form in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.evaluation.verdicts import Measure, Verdict, worst
from calogan.geometry import Geometry
from calogan.metrics.bins import ConditionBins
from calogan.metrics.classifiers import ClassifierResult
from calogan.metrics.statistics import Floats, Value
from calogan.observables import Histogram
from calogan.reweighting.density_ratio import Reliability
from calogan.reweighting.refiner import Efficiency

METRICS_FORMAT = 1
"""Version of metrics.json."""
GROUPS = {
    "response": "Visible energy",
    "layer_energy": "Layer energies",
    "centre": "Shower centres",
    "width": "Shower widths",
    "sparsity": "Sparsity and occupancy",
    "cell_energy": "Cell energy spectrum",
}
"""Groups of observables, and their headings."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """One observable's histograms and their separation power."""

    name: str
    group: str
    """One of `GROUPS`."""
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
                    worst(
                        Verdict(f"{what} against {bins.name}", span, value, one, tolerance)
                        for span, value, count in zip(bins.spans, values, bins.counts, strict=True)
                        if count > 1  # few energies leave bins empty
                    )
                )
        for group, title in GROUPS.items():
            lines.append(
                worst(
                    Verdict(title, c.label, c.separation, c.floor, 0.01, worse="above")
                    for c in self.comparisons
                    if c.group == group
                )
            )
        for group in dict.fromkeys(m.group for m in self.measures):
            lines.append(
                worst(
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
                    "reference": arrays(*p.reference),
                    "generated": arrays(*p.generated),
                    "ratio": arrays(*p.ratio),
                }
                for p in self.profiles
            },
            "layer_correlations": {
                "reference": self.correlations.reference.tolist(),
                "generated": self.correlations.generated.tolist(),
                "difference": arrays(
                    self.correlations.generated - self.correlations.reference,
                    self.correlations.uncertainty,
                ),
            },
            "average_shower": {
                "unit": "MeV",
                "reference": arrays(*self.pictures.reference),
                "generated": arrays(*self.pictures.generated),
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
                "observed": arrays(self.reliability.observed, self.reliability.uncertainty),
            },
            "evaluation": self.evaluation.to_dict(),
        }


def _number(x: Any) -> float | None:
    return float(x) if np.isfinite(x) else None


def arrays(values: Floats, errors: Floats) -> dict[str, Any]:
    nested = values.ndim > 1
    return {
        name: x.tolist() if nested else [_number(v) for v in x]
        for name, x in (("value", values), ("uncertainty", errors))
    }


def _bins_dict(bins: ConditionBins) -> dict[str, Any]:
    found: dict[str, Any] = {
        "unit": bins.unit,
        "edges": bins.edges.tolist(),
        **({} if bins.values is None else {"values": [*bins.values]}),
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
        return arrays(np.asarray(view.value), np.sqrt(view.variance))

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


@dataclass(frozen=True, eq=False)
class Region:
    """One column of the table: showers that one generator is compared on."""

    name: str
    words: str
    """Which generator, at which conditions."""
    evaluation: Evaluation
    resolution_ratio: Value
    """Of all showers of the region, generated / real."""

    @property
    def numbers(self) -> dict[str, tuple[Value, Value]]:
        """What was found, and what a perfect generator gives, by the name of the quantity."""
        e, one = self.evaluation, Value(1.0, 0.0)
        found = {
            "mean response, ratio": (e.response_ratio, one),
            "resolution, ratio": (self.resolution_ratio, one),
        }
        for result in e.classifiers:
            found[f"AUC, {result.label}"] = (result.auc, result.floor or Value(0.5, 0.0))
        for measure in e.measures:
            found[measure.label] = (measure.found, measure.floor)
        for group, title in GROUPS.items():
            worst = max(
                (c for c in e.comparisons if c.group == group),
                key=lambda c: c.separation.value - c.floor.value,
            )
            found[f"separation power, {title.lower()}"] = (worst.separation, worst.floor)
        return found


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity in all regions."""

    name: str
    found: tuple[Value, ...]
    floors: tuple[Value, ...]
    difference: Value
    """Held out less trained beside it."""


@dataclass(frozen=True, eq=False)
class Study:
    """One held-out band, beside what was trained."""

    condition: str
    unit: str
    band: tuple[float, float]
    regions: tuple[Region, ...]
    """The band, its trained neighbours, and, if given, the band of another generator."""

    @property
    def words(self) -> str:
        return f"{self.condition} {self.band[0]:g} to {self.band[1]:g} {self.unit}".rstrip()

    @property
    def rows(self) -> tuple[Row, ...]:
        columns = [region.numbers for region in self.regions]
        found = []
        for name in columns[0]:
            values = tuple(column[name][0] for column in columns)
            held, beside = values[:2]
            error = float(np.hypot(held.uncertainty, beside.uncertainty))
            found.append(
                Row(
                    name,
                    values,
                    tuple(column[name][1] for column in columns),
                    Value(held.value - beside.value, error),
                )
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """As in metrics.json."""
        return {
            "condition": self.condition,
            "unit": self.unit,
            "band": list(self.band),
            "regions": [
                {
                    "name": r.name,
                    "words": r.words,
                    "n_showers": r.evaluation.settings["n_showers"],
                    "conditions": r.evaluation.settings["conditions"],
                }
                for r in self.regions
            ],
            "rows": {
                row.name: {
                    "found": [v.to_dict() for v in row.found],
                    "floor": [v.to_dict() for v in row.floors],
                    "difference": row.difference.to_dict(),
                }
                for row in self.rows
            },
        }
