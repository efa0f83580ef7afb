"""Several evaluations in one table: GAN beside VAE, refined beside raw, held out beside trained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calogan.errors import CaloganError
from calogan.evaluation.results import GROUPS, METRICS_FORMAT
from calogan.files import read_text
from calogan.metrics.bins import spans_of
from calogan.metrics.statistics import Value

SAMPLE = ("reference", "n_showers", "threshold_MeV", "seed", "classifier")
"""Settings on which the floors depend, and by which evaluations can be compared."""


@dataclass(frozen=True)
class SideBySide:
    """The numbers of several evaluations, row by row."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Value | None, ...], Value | None], ...]
    """What was measured, its value in every evaluation, and what Geant4 gives against itself in
    the first; None where an evaluation does not have it."""
    notes: tuple[str, ...]
    """Settings in which the evaluations differ: their floors may differ too."""

    def markdown(self) -> str:
        """The table, and the notes below it."""
        lines = [
            f"| | {' | '.join(self.names)} | Geant4 itself |",
            "|---|" + "---|" * (len(self.names) + 1),
            *(
                f"| {label} | {' | '.join(_cell(v) for v in values)} | {_cell(floor)} |"
                for label, values, floor in self.rows
            ),
        ]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"


def compare_evaluations(
    files: Sequence[str | Path], names: Sequence[str] | None = None
) -> SideBySide:
    """Read evaluations and put them side by side.

    Parameters
    ----------
    files : metrics.json of each, or the folder it is in
    names : of the columns; None: the folders' names

    Raises
    ------
    CaloganError
        A file is missing, no evaluation, or of another version; names and files do not match.
    """
    paths = [Path(f) / "metrics.json" if Path(f).is_dir() else Path(f) for f in files]
    if names is not None and len(names) != len(paths):
        raise CaloganError(
            f"found {len(names)} names {list(names)} for {len(paths)} evaluations; "
            "give one for each, in their order"
        )
    found = [_read(path) for path in paths]
    named = [path.resolve().parent.name for path in paths] if names is None else names
    rows: dict[str, list[Value | None]] = {}
    floors: dict[str, Value | None] = {}
    for i, metrics in enumerate(found):
        for label, value, floor in _numbers(metrics):
            rows.setdefault(label, [None] * len(found))[i] = value
            if i == 0:
                floors[label] = floor
    return SideBySide(
        tuple(named),
        tuple((label, tuple(values), floors.get(label)) for label, values in rows.items()),
        tuple(_differences(named, found)),
    )


def _read(path: Path) -> dict[str, Any]:
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
    return dict(found)


def _numbers(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Value | None, Value | None]]:
    """Label, value and floor of each number worth a row."""
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


def _cell(value: Value | None) -> str:
    return "–" if value is None else str(value)


def _differences(names: Sequence[str], found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for key in SAMPLE:
        values = [metrics["settings"].get(key) for metrics in found]
        if any(value != values[0] for value in values):
            each = ", ".join(f"{n}: {v}" for n, v in zip(names, values, strict=True))
            yield f"The evaluations differ in {key} ({each})."
