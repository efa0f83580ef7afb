"""Hold-out studies: train without a band of a condition, then measure inside it.

A generator is of use between the conditions it was trained on. Whether it is right there is seen by
leaving a band out of the training and comparing inside it, beside what is trained: the same
numbers for as many showers just outside the band, and for a generator that was trained with
everything. Equal numbers of showers, since every classifier does better with more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.bands import Bands, in_any, in_band
from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.evaluation.compare_samples import MIN_SHOWERS
from calogan.evaluation.results import Evaluation, Region, Study
from calogan.features import response
from calogan.generating.generator import Generator
from calogan.generating.reference import sample_like
from calogan.metrics import statistics
from calogan.showers import Showers, without_dead


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
    compare: Callable[..., Evaluation],
    progress: Callable[[str], None],
) -> Study:
    """Compare inside the band of the condition `name`, and beside it.

    Parameters
    ----------
    bands : all that were held out of the training: what lies in another one is left out here
    generator : the one whose training held them out
    pair : reference showers that it has not seen, and what it made at their conditions
    other : a generator trained with everything; reference showers it has seen are left out
    seed : of the showers that `other` makes
    compare : `compare_samples` but for the samples and `progress`

    Raises
    ------
    CaloganError : too few showers to compare; `other` does not fit, or has a held-out band there
    """
    reference, generated = pair
    condition = next(c for c in generator.conditions if isinstance(c, Condition) and c.name == name)
    inside, beside = _inside_and_beside(condition, bands, generator, other, reference)

    def region(words: str, short: str, real: Showers, made: Showers) -> Region:
        progress(f"{words}: {len(real)} showers")
        found = compare(real, made, progress=lambda stage: progress(f"{words}: {stage}"))
        resolutions = [
            statistics.resolution(response(s.apply_threshold(generator.readout_threshold)))
            for s in without_dead(real, made)
        ]
        return Region(short, words, found, statistics.ratio(resolutions[1], resolutions[0]))

    held, near = reference.select(inside), reference.select(beside)
    values = near.conditions[name]
    ends = f"{values.min():.3g} to {values.max():.3g} {condition.unit}".rstrip()
    regions = [
        region("inside the held-out band", "held out", held, generated.select(inside)),
        region(
            f"nearest trained, {name} {ends}", "trained, beside it", near, generated.select(beside)
        ),
    ]
    if other is not None:
        words = f"{other.identity['model']}, trained with everything"
        regions.append(region(words, "trained, inside it", held, sample_like(other, held, seed)))
    return Study(name, condition.unit, bands[name], tuple(regions))


def _inside_and_beside(
    condition: Condition,
    bands: Bands,
    generator: Generator,
    other: Generator | None,
    reference: Showers,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows inside the band, and as many of the nearest that were trained."""
    name = condition.name
    band, values = bands[name], reference.conditions[name]
    elsewhere = {k: v for k, v in {**generator.hold_out, **bands}.items() if k != name}
    pure = ~in_any(elsewhere, reference.conditions)
    # All that was held out of this condition, of which `band` may be a part.
    trained = pure & ~in_band(generator.hold_out[name], values)
    unseen = _unseen_by(other, reference, condition, band)
    inside = np.flatnonzero(in_band(band, values) & pure & unseen)
    # The nearest on either side, as the condition is scaled.
    low, middle, high = (condition.to_variable(x) for x in (band[0], values, band[1]))
    distance = np.maximum(low - middle, middle - high)
    near = np.flatnonzero(trained)
    near = near[np.argsort(distance[near], kind="stable")][: len(inside)]
    for rows, where in ((inside, "inside"), (near, "trained, outside")):
        if len(rows) < MIN_SHOWERS:
            raise CaloganError(
                f"{len(rows)} reference showers that can be compared are {where} the band "
                f"{name} = {band[0]:g}:{band[1]:g}, expected {MIN_SHOWERS} or more; give a "
                "reference of more showers, or hold out a wider band"
            )
    return inside[: len(near)], np.sort(near)


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
    return ~reference.among(other.seen_events)
