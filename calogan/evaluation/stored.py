"""An evaluation as metrics.json holds it: its curves, histograms and numbers, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import hist
import numpy as np

from calogan.errors import CaloganError
from calogan.evaluation.results import GROUPS, METRICS_FORMAT
from calogan.files import read_text
from calogan.metrics.bins import spans_of
from calogan.metrics.statistics import Floats, Value
from calogan.observables import Histogram

Points = tuple[Floats, Floats]
"""Values and their standard errors; NaN where they are not known."""


class Curve(NamedTuple):
    """A quantity in bins of a condition."""

    edges: Floats
    unit: str
    log: bool
    """Whether the bins are even in the logarithm."""
    reference: Points
    generated: Points
    ratio: Points


class StoredVerdict(NamedTuple):
    """A line of the summary."""

    name: str
    where: str
    found: Value | None
    level: str


class Auc(NamedTuple):
    """What a classifier gave."""

    found: Value
    floor: Value | None
    challenge: bool
    """Whether it is the CaloChallenge's, not the small network."""


@dataclass(frozen=True, eq=False)
class Stored:
    """One evaluation: what it is called, and what its metrics.json holds."""

    name: str
    metrics: Mapping[str, Any]

    @staticmethod
    def read(path: Path, name: str) -> Stored:
        """Read a metrics.json; a damaged one, or of another version, raises CaloganError."""
        try:
            found = json.loads(read_text(path, "evaluation"))
        except json.JSONDecodeError as error:
            raise CaloganError(f"{path} is damaged: {error}") from error
        version = found.get("calogan_metrics") if isinstance(found, dict) else None
        if version != METRICS_FORMAT:
            raise CaloganError(
                f"{path} is no metrics.json of this version: calogan_metrics is {version!r}, "
                f"expected {METRICS_FORMAT}; make one with `calogan evaluate`"
            )
        return Stored(name, found)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was compared, and how."""
        found: Mapping[str, Any] = self.metrics["settings"]
        return found

    def curve(self, quantity: Literal["response", "resolution"]) -> Curve:
        """A quantity in bins of the incident energy."""
        bins = self.metrics["conditions"]["energy"]
        parts = [_points(bins[quantity][which]) for which in ("reference", "generated", "ratio")]
        return Curve(np.array(bins["edges"]), bins["unit"], True, *parts)

    def histograms(self, observable: str) -> tuple[Histogram, Histogram]:
        """Entries per shower, with variances, of reference and generated."""
        found = self.metrics["observables"][observable]
        made = []
        for which in ("reference", "generated"):
            entries = found["entries_per_shower"][which]
            h: Histogram = hist.Hist(
                hist.axis.Variable(found["edges"], name="x", label=found["label"]),
                hist.storage.Weight(),
            )
            view: Any = h.view(flow=True)
            view.value = entries["value"]
            view.variance = np.square(entries["uncertainty"])
            made.append(h)
        return made[0], made[1]

    def auc(self, space: Literal["features", "voxels"]) -> Auc | None:
        """Of the CaloChallenge's classifier if it was trained, else of the small network."""
        classifiers = self.metrics["classifiers"]
        for name, challenge in ((space, True), (f"quick_{space}", False)):
            value = _value(classifiers.get(name, {}).get("auc"))
            if value is not None:
                return Auc(value, _value(classifiers[name]["floor"]), challenge)
        return None

    @property
    def verdicts(self) -> list[StoredVerdict]:
        """The summary, line by line."""
        return [
            StoredVerdict(line["name"], line["where"], _value(line["found"]), line["level"])
            for line in self.metrics["summary"]
        ]

    def numbers(self) -> Iterator[tuple[str, Value | None, Value | None]]:
        """Label, value and floor of each number worth a row."""
        metrics = self.metrics
        one = Value(1.0, 0.0)
        yield "mean response, generated / Geant4", _value(metrics["response"]["ratio"]), one
        for name, bins in metrics["conditions"].items():
            spans = bins.get("values") or spans_of(bins["edges"], bins["unit"])
            for what in ("response", "resolution"):
                if what == "resolution" and name != "energy":
                    continue  # a bin of another condition mixes all energies
                floors = bins[what].get("floor", [one.to_dict()] * len(spans))  # older files: none
                for span, ratio, floor in zip(spans, bins[what]["ratio"], floors, strict=True):
                    yield f"{what}, {name} {span}", _value(ratio), _value(floor)
        for group, title in GROUPS.items():
            members = [o for o in metrics["observables"].values() if o["group"] == group]
            if members:
                worst = max(members, key=lambda o: o["separation_power"]["value"] or 0.0)
                yield (
                    f"largest separation power: {title.lower()}",
                    _value(worst["separation_power"]),
                    _value(worst["separation_power_floor"]),
                )
        for measure in metrics.get("measures", {}).values():  # older files have none
            yield measure["label"], _value(measure), _value(measure["floor"])
        for name, result in metrics["classifiers"].items():
            label = f"AUC, {name.replace('_', ' on ')}"
            yield label, _value(result["auc"]), _value(result["floor"])


def _value(number: Mapping[str, Any] | None) -> Value | None:
    if number is None or number["value"] is None:
        return None
    error = number["uncertainty"]
    return Value(number["value"], float("nan") if error is None else error)


def _points(numbers: list[dict[str, float | None]]) -> Points:
    """Of a list of numbers as metrics.json has them."""
    values, errors = (
        np.array([number[key] for number in numbers], np.float64)  # None becomes NaN
        for key in ("value", "uncertainty")
    )
    return values, errors
