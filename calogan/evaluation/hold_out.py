"""Hold-out studies: train without a band of a condition, then measure inside it.

A generator is of use between the conditions it was trained on. Whether it is right there is seen by
leaving a band out of the training and comparing inside it, beside what is trained: the same
numbers for as many showers just outside the band, and for a generator that was trained with
everything. Equal numbers of showers, since every classifier does better with more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calogan.bands import Bands, in_any, in_band
from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.evaluation.compare_samples import MIN_SHOWERS, compare_samples
from calogan.evaluation.results import Region, Study
from calogan.features import response
from calogan.generating.generator import Generator
from calogan.generating.reference import sample_like
from calogan.metrics import statistics
from calogan.showers import Showers


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
        found = compare_samples(
            real,
            made,
            threshold=generator.readout_threshold,
            seed=seed,
            classifier=classifier,
            progress=lambda stage: progress(f"{words}: {stage}"),
        )
        resolutions = [statistics.resolution(response(s)) for s in samples]
        return Region(name, words, found, statistics.ratio(resolutions[1], resolutions[0]))

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
    return ~reference.among(other.seen_events)
