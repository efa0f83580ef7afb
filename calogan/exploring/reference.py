"""What the page shows of full simulation, out of an evaluation's metrics.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calogan.conditions import AnyCondition, Label
from calogan.errors import CaloganError
from calogan.generating.model_file import ModelFile

DIGITS = 6
"""Significant digits of the average shower, one number a voxel."""


def reference_of(metrics: Mapping[str, Any], model: ModelFile, where: Path) -> dict[str, Any]:
    """The reference sample of an evaluation, as far as the page draws it.

    "response": its histogram as entries per shower, and errors; "mean": the average shower, MeV,
    (n_voxels,); "spread": how its conditions are distributed, so that showers can be drawn alike;
    "bins": mean and resolution of the response in bins of the energy; None where there are labels.
    Raises CaloganError if the evaluation is of another calorimeter, lacks a condition of the
    generator, has it in another unit, is at another readout threshold, or has dead cells.
    """
    try:
        return _reference(metrics, model, where)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CaloganError(
            f"{where} is damaged: {error!r}; make it anew with `calogan evaluate`"
        ) from error


def _reference(metrics: Mapping[str, Any], model: ModelFile, where: Path) -> dict[str, Any]:
    settings, conditions = metrics["settings"], metrics["conditions"]
    mean = metrics["average_shower"]["reference"]["value"]
    if settings["geometry"] != model.geometry.name or len(mean) != model.geometry.n_voxels:
        raise CaloganError(
            f"{where} is of the calorimeter '{settings['geometry']}' with {len(mean)} voxels, "
            f"{model.where} makes showers in '{model.geometry.name}' with "
            f"{model.geometry.n_voxels}; give the evaluation of this generator"
        )
    # Full simulation may have more conditions than the generator knows.
    if any(_kind(conditions.get(c.name)) != _kind_of(c) for c in model.conditions):
        found = {name: _kind(bins) for name, bins in conditions.items()}
        raise CaloganError(
            f"{where} has the conditions {_words(found)}, {model.where} takes "
            f"{_words({c.name: _kind_of(c) for c in model.conditions})}; give the evaluation of "
            "this generator"
        )
    if settings.get("dead_cells"):
        raise CaloganError(
            f"{where} counts {settings['dead_cells']:.2%} of the cells as dark, for they were dead "
            "in full simulation, so its averages are not those of the page's showers; evaluate "
            "with a store that has no dead cells"
        )
    if settings["threshold_MeV"] != model.readout_threshold:
        raise CaloganError(
            f"{where} was evaluated at a readout threshold of {settings['threshold_MeV']:g} MeV, "
            f"{model.where} has {model.readout_threshold:g} MeV; give the evaluation of this "
            "generator"
        )
    response = metrics["observables"]["response"]
    entries, energy = response["entries_per_shower"]["reference"], conditions["energy"]
    return {
        "n_showers": settings["n_showers"],
        "response": {
            "edges": response["edges"],
            # The first and the last are underflow and overflow.
            "value": entries["value"][1:-1],
            "uncertainty": entries["uncertainty"][1:-1],
        },
        "mean": [float(f"{value:.{DIGITS}g}") for value in mean],
        "spread": {
            c.name: {
                "edges": conditions[c.name]["edges"],
                "counts": conditions[c.name]["counts"],
            }
            for c in model.conditions
        },
        # A bin of the energy mixes what labels tell apart.
        "bins": None
        if any(isinstance(c, Label) for c in model.conditions)
        else {
            "edges": energy["edges"],
            "response": _values(energy["response"]["reference"]),
            "resolution": _values(energy["resolution"]["reference"]),
        },
    }


def _values(numbers: Sequence[Mapping[str, Any]]) -> list[float | None]:
    return [number["value"] for number in numbers]


def _kind(bins: Mapping[str, Any] | None) -> str | None:
    """What an evaluation says of a condition: its unit, or the values of a label; None: nothing."""
    return None if bins is None else " or ".join(bins.get("values", [bins["unit"]]))


def _kind_of(condition: AnyCondition) -> str:
    """The same of a generator's condition."""
    if isinstance(condition, Label):
        return " or ".join(map(condition.words, condition.values))
    return condition.unit


def _words(kinds: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} in {kind}" if kind else name for name, kind in kinds.items())
