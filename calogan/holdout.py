"""Hold-out studies: train without a band of a condition, then measure inside it.

A generator is of use between the conditions it was trained on. Whether it is right there is seen by
leaving a band out of the training and comparing inside it, beside what is trained: the same
numbers for as many showers just outside the band, and for a generator that was trained with
everything. Equal numbers of showers, since every classifier does better with more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calogan import metrics
from calogan.conditions import Condition
from calogan.dataset import Showers
from calogan.errors import CaloganError, nearest
from calogan.metrics import Value
from calogan.observables import GROUPS, response

if TYPE_CHECKING:
    from calogan.evaluation import Evaluation
    from calogan.generator import Generator

Bands = Mapping[str, tuple[float, float]]
"""Name of a condition to the band, in the condition's unit: low <= value < high is held out."""


def parse_bands(options: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Read NAME=LOW:HIGH options."""
    bands: dict[str, tuple[float, float]] = {}
    for option in options:
        name, _, text = option.partition("=")
        try:
            low, high = (float(end) for end in text.split(":"))
        except ValueError as error:
            raise CaloganError(
                f"--hold-out {option}: expected NAME=LOW:HIGH, such as --hold-out energy=8:12"
            ) from error
        if name in bands:
            raise CaloganError(f"--hold-out {option}: '{name}' has a band already, expected one")
        bands[name] = (low, high)
    return bands


def check_bands(bands: Bands, conditions: Sequence[Condition]) -> None:
    """Raise CaloganError unless each band is within a condition's range, with range on both sides.

    Without trained values on both sides it would be extrapolation.
    """
    known = {c.name: c for c in conditions}
    for name, (low, high) in bands.items():
        if name not in known:
            raise CaloganError(
                f"hold_out has a band of '{name}', which is no condition; it has "
                f"{list(known)}, nearest: {nearest(name, known)}"
            )
        c = known[name]
        band, span = f"{name} = {low:g}:{high:g}", f"{c.low:g}:{c.high:g} {c.unit}".rstrip()
        if not (np.isfinite([low, high]).all() and low < high):
            raise CaloganError(f"hold_out {band} is no band, expected low < high")
        if high <= c.low or low >= c.high:
            raise CaloganError(
                f"hold_out {band} is outside the trained range {span}, so it holds nothing out"
            )
        if low <= c.low or high >= c.high:
            what = "everything" if low <= c.low and high >= c.high else "an end"
            raise CaloganError(
                f"hold_out {band} covers {what} of the trained range {span}; "
                "expected a band with trained values on both sides of it"
            )


def in_band(band: tuple[float, float], values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each value lies in a band, low <= value < high."""
    inside: NDArray[np.bool_] = (values >= band[0]) & (values < band[1])
    return inside


def in_any(bands: Bands, conditions: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Whether each shower has some condition in its band, (n,)."""
    n = len(next(iter(conditions.values())))
    found = np.zeros(n, np.bool_)
    for name, band in bands.items():
        found |= in_band(band, conditions[name])
    return found


def split_off(bands: Bands, showers: Showers, where: str) -> tuple[Showers, int]:
    """The showers outside all bands, and how many are in one.

    Raises CaloganError for a band without showers, and if no shower is left; `where` names the
    store in it.
    """
    for name, band in bands.items():
        values = showers.conditions[name]
        inside = in_band(band, values)
        if not inside.any() or inside.all():
            raise CaloganError(
                f"hold_out {name} = {band[0]:g}:{band[1]:g} covers "
                f"{'every shower' if inside.all() else 'no shower'} of {where}, which holds {name} "
                f"{values.min():g}..{values.max():g}; expected some inside, and some to train on"
            )
    held = in_any(bands, showers.conditions)
    return showers.select(~held), int(held.sum())


# ---------------------------------------------------------------------------------- the study


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


def bands_to_study(asked: Bands, generator: Generator, run: object) -> dict[str, Any]:
    """The bands asked for, or if none is, all that the generator's training held out.

    Raises CaloganError for a band that was trained on.
    """
    for name, (low, high) in asked.items():
        held = generator.hold_out.get(name)
        if held is None or not held[0] <= low < high <= held[1]:
            known = {n: f"{a:g}:{b:g}" for n, (a, b) in generator.hold_out.items()}
            raise CaloganError(
                f"{name} = {low:g}:{high:g} was not held out of the training of {run}, which held "
                f"out {known or 'nothing'}; train a run with "
                f"`calogan train CARD --hold-out {name}={low:g}:{high:g}`"
            )
    return dict(asked or generator.hold_out)


def study(
    name: str,
    bands: Bands,
    generator: Generator,
    pair: tuple[Showers, Showers],
    other: Generator | None,
    *,
    seed: int,
    classifier: Literal["quick", "full"],
    progress: Callable[[str], None],
) -> Study:
    """Compare inside the band of the condition `name`, and beside it.

    Parameters
    ----------
    bands : all that were held out of the training: what lies in another one is left out here
    generator : the one whose training held them out
    pair : reference showers that it has not seen, and what it made at their conditions
    other : a generator trained with everything; reference showers it has seen are left out

    Raises
    ------
    CaloganError : too few showers to compare; `other` does not fit, or has a held-out band there
    """
    from calogan.compare import MIN_SHOWERS, compare
    from calogan.generator import sample_like

    reference, generated = pair
    condition = next(c for c in generator.conditions if c.name == name)
    band = bands[name]
    values = reference.conditions[name]
    inside = in_band(band, values)
    elsewhere = {k: v for k, v in {**generator.hold_out, **bands}.items() if k != name}
    pure = ~in_any(elsewhere, reference.conditions)
    # All that was held out of this condition, of which `band` may be a part.
    trained = pure & ~in_band(generator.hold_out[name], values)
    held = np.flatnonzero(inside & pure & _unseen_by(other, reference, condition, band))
    # The nearest on either side, as the condition is scaled, as many as lie inside.
    low, middle, high = (condition.to_variable(x) for x in (band[0], values, band[1]))
    distance = np.maximum(low - middle, middle - high)
    near = np.flatnonzero(trained)
    near = near[np.argsort(distance[near], kind="stable")][: len(held)]
    for rows, where in ((held, "inside"), (near, "trained, outside")):
        if len(rows) < MIN_SHOWERS:
            raise CaloganError(
                f"{len(rows)} reference showers that can be compared are {where} the band "
                f"{name} = {band[0]:g}:{band[1]:g}, expected {MIN_SHOWERS} or more; give a "
                "reference of more showers, or hold out a wider band"
            )
    held = held[: len(near)]
    near.sort()

    def region(words: str, name: str, rows: NDArray[np.intp], made: Showers) -> Region:
        progress(f"{words}: {len(rows)} showers")
        real = reference.select(rows)
        samples = [s.apply_threshold(generator.readout_threshold) for s in (real, made)]
        found = compare(
            real,
            made,
            threshold=generator.readout_threshold,
            seed=seed,
            classifier=classifier,
            progress=lambda stage: progress(f"{words}: {stage}"),
        )
        resolutions = [metrics.resolution(response(s)) for s in samples]
        return Region(name, words, found, metrics.ratio(resolutions[1], resolutions[0]))

    ends = f"{values[near].min():.3g} to {values[near].max():.3g} {condition.unit}".rstrip()
    regions = [
        region("inside the held-out band", "held out", held, generated.select(held)),
        region(
            f"nearest trained, {name} {ends}", "trained, beside it", near, generated.select(near)
        ),
    ]
    if other is not None:
        at = sample_like(other, reference.select(held), seed)
        words = f"{other.identity['model']}, trained with everything"
        regions.append(region(words, "trained, inside it", held, at))
    return Study(name, condition.unit, band, tuple(regions))


def _unseen_by(
    other: Generator | None, reference: Showers, condition: Condition, band: tuple[float, float]
) -> NDArray[np.bool_]:
    if other is None:
        return np.ones(len(reference), np.bool_)
    model = other.identity["model"]
    if other.geometry != reference.geometry:
        raise CaloganError(
            f"{model} makes showers in geometry '{other.geometry.name}', expected "
            f"'{reference.geometry.name}' as the generator that it is put beside"
        )
    there = other.hold_out.get(condition.name)
    if there is not None and there[0] < band[1] and band[0] < there[1]:
        raise CaloganError(
            f"{model} held out {condition.name} = {there[0]:g}:{there[1]:g} as well, so it says "
            "nothing of a generator trained with everything; give one that was"
        )
    if other.seen_events is None:
        return np.ones(len(reference), np.bool_)
    return ~np.isin(reference.fingerprints(), other.seen_events)
