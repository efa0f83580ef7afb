"""What is wrong with stores: one verdict for each question, from what `scan` found."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from calogan.card.conditions import AnyConditionCard
from calogan.checking.cells import dark_layers, dead_cells, hot_cells
from calogan.checking.scan import Scan
from calogan.conditions import AnyCondition
from calogan.reading.pipeline import OUTSIDE_WARNING

Level = Literal["fine", "look", "wrong"]
FEW_VISIBLE = 1e-4
"""Mean visible fraction below which units are likely wrong; real sampling fractions are larger."""
CONDITION: TypeAdapter[AnyConditionCard] = TypeAdapter(AnyConditionCard)
SHOWN = 5
"""Cells, showers or files that a finding names."""


@dataclass(frozen=True)
class Finding:
    """One question, and its answer."""

    name: str
    where: str
    """The store, or two."""
    level: Level
    """wrong: do not train on it; look: may be as it should."""
    words: str


def check(scans: Sequence[Scan], conditions: Sequence[AnyCondition] | None = None) -> list[Finding]:
    """Every question, asked of every store and of every two.

    Parameters
    ----------
    conditions : with the ranges that values must be in; None: those of the card by which each
        store was voxelized, if it says so
    """
    found = []
    for one in scans:
        found += [
            _fraction(one),
            _negative(one),
            _empty(one),
            _outside(one),
            *_layers(one),
            *_cells(one),
            *_ranges(one, conditions),
            _duplicates(one),
        ]
    for first, second in combinations(scans, 2):
        found += [_overlap(first, second), _sources(first, second)]
    return found


def _fraction(one: Scan) -> Finding:
    name = "visible fraction"
    incident = 1000.0 * float(one.conditions["energy"].sum(dtype=np.float64))
    mean = float(one.visible.sum(dtype=np.float64)) / incident if incident > 0 else np.inf
    over = int((one.fraction > 1).sum())
    words = f"{mean:.4g} of the incident energy is visible, up to {one.fraction.max():.4g}"
    level: Level = "fine"
    if over:
        level, words = "look", f"{words}; it is over 1 in {over:,} of {len(one):,} showers"
    if mean > 1 or mean < FEW_VISIBLE:
        level = "wrong"
        words += "; are the deposits in MeV, and the energy in GeV?"
    return Finding(name, str(one.path), level, words)


def _negative(one: Scan) -> Finding:
    if one.negative:
        words = f"{one.negative:,} cells of showers have energies below 0"
        return Finding("negative energies", str(one.path), "wrong", words)
    return Finding("negative energies", str(one.path), "fine", "none")


def _empty(one: Scan) -> Finding:
    n = int(one.empty.sum())
    part = n / len(one)
    level: Level = "fine" if part < 0.01 else "look" if n < len(one) else "wrong"
    return Finding(
        "empty showers", str(one.path), level, f"{n:,} of {len(one):,} light no cell ({part:.2%})"
    )


def _outside(one: Scan) -> Finding:
    total = one.outside + float(one.visible.sum(dtype=np.float64))
    part = one.outside / total if total > 0 else 0.0
    words = f"{part:.3%} of the energy is beside the cells"
    level: Level = "fine" if part <= OUTSIDE_WARNING else "look"
    return Finding("energy outside the cells", str(one.path), level, words)


def _layers(one: Scan) -> list[Finding]:
    names = [layer.name for layer in one.geometry.layers]
    read = [k for k, voxels in enumerate(one.geometry.slices) if one.read[voxels].any()]
    dark = [k for k in read if not one.lit[one.geometry.slices[k]].any()]
    missed = np.intersect1d(dark, dark_layers(one.lit, one.geometry)).astype(int)
    if missed.size:
        words = (
            f"no shower has energy in {_few([names[k] for k in missed])}; is the layer read, or "
            "its number another?"
        )
        return [Finding("dark layers", str(one.path), "wrong", words)]
    if dark:
        shown = _few([names[k] for k in dark])
        words = f"no shower has energy in {shown}; the layers beside hardly have any"
        return [Finding("dark layers", str(one.path), "look", words)]
    return []


def _cells(one: Scan) -> list[Finding]:
    dead, judged = dead_cells(one.lit, one.read, one.geometry)
    words = f"none of {judged:,} cells that the showers are enough to judge" if judged else (
        "too few showers to judge any cell"
    )  # fmt: skip
    level: Level = "fine" if judged else "look"
    if dead.size:
        level = "wrong"
        words = (
            f"{dead.size:,} of {judged:,} cells: {_named(dead, one)}; name them in [[data.dead]]"
        )
    hot = hot_cells(one.lit, one.read, one.geometry)
    hot_words = "none lit far more often than those around it"
    if hot.size:
        hot_words = f"{hot.size:,} lit far more often than any beside them: {_named(hot, one)}"
    return [
        Finding("dead cells", str(one.path), level, words),
        Finding("hot cells", str(one.path), "wrong" if hot.size else "fine", hot_words),
    ]


def _named(cells: NDArray[np.intp], one: Scan) -> str:
    """Layer and place of the first cells, and in how many showers they are lit."""
    names = []
    for voxel in cells[:SHOWN].tolist():
        layer = int(one.geometry.layer_index[voxel])
        place = np.argwhere(one.geometry.grids[layer] == voxel)[0].tolist()
        names.append(f"{one.geometry.layers[layer].name} {place} ({one.lit[voxel]:,} showers)")
    return ", ".join(names) + (", ..." if cells[SHOWN:].size else "")


def _ranges(one: Scan, given: Sequence[AnyCondition] | None) -> list[Finding]:
    found = []
    known = {c.name: c for c in (_of_card(one) if given is None else given)}
    for name, values in one.conditions.items():
        unit = one.units.get(name, "")
        span = f"{values.min():g}..{values.max():g} {unit}".strip()
        condition = known.get(name)
        if condition is None:
            bad = values <= 0 if name == "energy" else np.zeros(len(values), np.bool_)
            words = f"{span}; no card says what it should be"
        else:
            bad = ~condition.covers(values)
            words = f"{span}, allowed {condition.span}"
            if unit not in ("", condition.unit):
                bad[:] = True
        level: Level = "wrong" if bad.any() else "fine"
        if bad.any():
            words += f"; {int(bad.sum()):,} outside, first in shower {int(np.argmax(bad))}"
        found.append(Finding(f"range of {name}", str(one.path), level, words.strip()))
    for name in known.keys() - one.conditions.keys():
        words = f"the store has none, only {sorted(one.conditions)}"
        found.append(Finding(f"range of {name}", str(one.path), "wrong", words))
    return found


def _of_card(one: Scan) -> list[AnyCondition]:
    """The conditions of the card by which a store was voxelized, as far as it says."""
    found = []
    for name, fields in one.provenance.get("conditions", {}).items():
        with suppress(ValidationError):  # without a range, or of another version
            card: AnyConditionCard = CONDITION.validate_python(fields)
            found.append(card.condition(name))
    return found


def _duplicates(one: Scan) -> Finding:
    """Equal showers of equal energy; empty ones are all alike, and do not count."""
    rows = np.flatnonzero(~one.empty)
    prints = one.fingerprints[rows]
    _, first, inverse = np.unique(prints, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(prints)))
    if not again.size:
        return Finding("duplicates", str(one.path), "fine", "no shower is there twice")
    pairs = [f"{rows[i]} is {rows[first[inverse[i]]]}" for i in again[:SHOWN].tolist()]
    words = f"{again.size:,} showers are there before: {', '.join(pairs)}"
    return Finding("duplicates", str(one.path), "wrong", words + (", ..." * (again.size > SHOWN)))


def _overlap(first: Scan, second: Scan) -> Finding:
    where = f"{first.path} and {second.path}"
    if first.geometry != second.geometry:
        words = "their cells differ, so equal showers cannot be told"
        return Finding("showers in both", where, "look", words)
    a, b = (s.fingerprints[~s.empty] for s in (first, second))
    both = np.intersect1d(a, b).size
    if both:
        words = f"{both:,} showers are in both; neither may judge what the other trained"
        return Finding("showers in both", where, "wrong", words)
    return Finding("showers in both", where, "fine", "none")


def _sources(first: Scan, second: Scan) -> Finding:
    """Input files of both, by their hashes: what other cells or thresholds hide."""
    where = f"{first.path} and {second.path}"
    a, b = (set(s.provenance.get("inputs_sha256", [])) for s in (first, second))
    # A generator's showers name the files that it was trained on.
    made = [s for s in (first, second) if s.provenance.get("command") == "generate"]
    if a & b and not made:
        words = f"{len(a & b)} input files are in both: {_few(sorted(_paths(first, a & b)))}"
        return Finding("input files in both", where, "wrong", words)
    known = "none" if a and b else "not known of a store that was not voxelized here"
    return Finding("input files in both", where, "fine", "none" if made else known)


def _paths(one: Scan, hashes: set[str]) -> list[str]:
    files = one.provenance.get("files", [])
    return [str(f.get("path")) for f in files if f.get("sha256") in hashes]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if names[SHOWN:] else "")
