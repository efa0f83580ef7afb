"""Hits and conditions from files of any dialect, chunk by chunk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.conditions import AnyConditionCard, ConditionCard
from calogan.card.frame import Frame
from calogan.card.keys import Input
from calogan.errors import CaloganError, nearest
from calogan.geometry import Geometry
from calogan.reading.dialects.dialect import DeadCells
from calogan.reading.dialects.registry import BY_NAME
from calogan.reading.frame import MISSING, find_frames, particle_values, to_shower
from calogan.reading.root_file import expand_files
from calogan.reading.voxelize import Hits

NO_PRIMARY = "no primary particle"
SEVERAL_PRIMARIES = "more than one primary particle"


@dataclass(frozen=True, eq=False)
class HitChunk:
    """Events of consecutive entries of one file."""

    hits: Hits
    conditions: dict[str, NDArray[np.float32]]
    """Name to values (n,), in the card's units."""
    path: Path
    start: int
    """Number of the first entry that was read for this chunk ..."""
    stop: int
    """... and of the entry after the last."""
    entries: int
    """Entries of the whole file."""
    left_out: dict[str, int]
    """Why events were left out, to how many."""
    several: int
    """Events with several primary particles, whether left out or not."""
    dead: DeadCells | None = None
    """Dead cells of its events; None where the files do not say them."""


def read_hits(
    files: Sequence[str | Path],
    input: Input,
    conditions: Mapping[str, AnyConditionCard],
    overrides: Mapping[str, float | str] | None = None,
    frame: Frame | None = None,
    chunk_bytes: int = 32 << 20,
) -> Iterator[HitChunk]:
    """Read hits and conditions, chunk by chunk.

    Parameters
    ----------
    files : paths and globs
    input : the dialect, with trees, branches and units
    conditions : where the value of each condition comes from
    overrides : constants, in the card's units, that take the place of a condition's source; of
        labels their names too
    frame : moves hits from the detector's frame to the particle's; None: they stay
    chunk_bytes : memory that the branches of one chunk may take

    Raises CaloganError for anything missing, of the wrong type, inconsistent or unphysical, naming
    the file, and the event by its entry number. A file without entries gives no chunk.
    """
    overrides = dict(overrides or {})
    for name, value in overrides.items():
        if name not in conditions:
            shown = value if isinstance(value, str) else f"{value:g}"
            raise CaloganError(
                f"--set {name}={shown}: no such condition; nearest: {nearest(name, conditions)}; "
                f"add it to the card as [conditions.{name}]"
            )
    for path in expand_files(files)[0]:
        yield from _read_file(path, input, conditions, overrides, frame, chunk_bytes)


def _read_file(
    path: Path,
    input: Input,
    conditions: Mapping[str, AnyConditionCard],
    overrides: Mapping[str, float | str],
    frame: Frame | None,
    chunk_bytes: int,
) -> Iterator[HitChunk]:
    constants = _constants(path, conditions, overrides)
    sources = {name: card for name, card in conditions.items() if name not in constants}
    columns = {name: card.branch for name, card in sources.items() if card.branch is not None}
    for events in BY_NAME[input.dialect].read(path, input, columns, chunk_bytes):
        n = len(events.hits)
        if input.dead_branch is not None and events.dead is None:
            raise CaloganError(
                f"{path}: [input] dead_branch has no use for dialect {input.dialect}, whose files "
                "do not say which cells are dead; leave it out, or name them in [[data.dead]]"
            )
        values = {name: np.full(n, value) for name, value in constants.items()}
        values |= events.columns
        particles, frames = events.particles, None
        try:
            hits = _numbered(events.hits, input.layer_numbers)
            if frame is not None:
                frames = find_frames(frame, particles, hits)
            for name, card in sources.items():
                if isinstance(card, ConditionCard) and card.particle is not None:
                    values[name] = particle_values(name, card.particle, particles, frames)
        except CaloganError as error:
            raise CaloganError(f"{path}: {error}") from error
        left_out: dict[str, int] = {}
        keep, several = np.ones(n, bool), 0
        if particles is not None:
            keep = _drop(keep, particles.primaries > 0, NO_PRIMARY, left_out)
            several = int((particles.primaries > 1).sum())
            if input.primaries == "one":
                keep = _drop(keep, particles.primaries == 1, SEVERAL_PRIMARIES, left_out)
        if frame is not None and frames is not None:
            keep = _drop(keep, frames.found, MISSING[frame.entry], left_out)
            hits = to_shower(hits, frames, frame.entry_at)
        dead = events.dead
        if not keep.all():
            hits = hits.select(keep)
            dead = None if dead is None else dead.select(keep)
        entry = events.start + np.flatnonzero(keep)
        yield HitChunk(
            hits,
            {
                name: _converted_condition(
                    name, card, values[name][keep], name in overrides, path, entry
                )
                for name, card in conditions.items()
            },
            path,
            events.start,
            events.start + n,
            events.entries,
            left_out,
            several,
            dead,
        )


def _drop(
    keep: NDArray[np.bool_], good: NDArray[np.bool_], why: str, left_out: dict[str, int]
) -> NDArray[np.bool_]:
    """Which events are kept still; those that are not are counted."""
    if dropped := int((keep & ~good).sum()):
        left_out[why] = dropped
    return keep & good


def numbers_of_layers(input: Input, geometry: Geometry) -> list[int]:
    """What the file calls each of the geometry's layers.

    Raises CaloganError if [input] layer_numbers does not say that of each layer once.
    """
    numbers = input.layer_numbers or [*range(geometry.n_layers)]
    if len(numbers) != geometry.n_layers:
        raise CaloganError(
            f"[input] layer_numbers has {len(numbers)} numbers, but geometry '{geometry.name}' has "
            f"{geometry.n_layers} layers: expected one for each, in their order"
        )
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    if twice:
        raise CaloganError(f"[input] layer_numbers has {twice} twice, expected each number once")
    return numbers


def _numbered(hits: Hits, numbers: Sequence[int]) -> Hits:
    """Hits with the numbers of layers in a file made those of the geometry."""
    if not numbers:
        return hits
    if "layer" not in hits.coordinates:
        raise CaloganError(
            "[input] layer_numbers is given, but hits do not say their layer; name its branch in "
            "[input.branches] layer, or leave layer_numbers out"
        )
    found = hits.coordinates["layer"].astype(np.int64)
    order = np.argsort(numbers)
    known = np.array(numbers)[order]
    place = np.clip(np.searchsorted(known, found), 0, len(known) - 1)
    layer = np.where(known[place] == found, order[place], -1)
    coordinates = {**hits.coordinates, "layer": layer}
    return Hits(hits.offsets, hits.energy, hits.layout, coordinates, hits.n_cells)


def _constants(
    path: Path, conditions: Mapping[str, AnyConditionCard], overrides: Mapping[str, float | str]
) -> dict[str, float]:
    """Conditions that are the same for a whole file, in their source's unit."""
    values: dict[str, float] = {}
    for name, card in conditions.items():
        condition = card.condition(name)
        if name in overrides:
            values[name] = float(condition.to_values(overrides[name]))
        elif card.value is not None:
            values[name] = float(condition.to_values(card.value))
        elif card.pattern is not None:
            match = re.search(card.pattern, path.name)
            text = match.group(1) if match else None
            try:
                values[name] = float(condition.to_values(text or ""))
            except CaloganError as error:
                no_value = "no number" if isinstance(card, ConditionCard) else "no value of it"
                found = (
                    "does not match" if text is None else f"finds {text!r}, which is {no_value}, in"
                )
                raise CaloganError(
                    f"[conditions.{name}] pattern {card.pattern!r} {found} the file name "
                    f"'{path.name}'; mend it, or give a constant with --set {name}=VALUE"
                ) from error
        elif card.branch is None and getattr(card, "particle", None) is None:
            raise CaloganError(
                f"condition '{name}' has no source; set branch, value, pattern or particle in "
                f"[conditions.{name}], or give a constant with --set {name}=VALUE"
            )
    return values


def _converted_condition(
    name: str,
    card: AnyConditionCard,
    values: NDArray[Any],
    is_override: bool,
    path: Path,
    entry: NDArray[np.int64],
) -> NDArray[np.float32]:
    """In the card's unit and checked; overrides come in that unit."""
    if not isinstance(card, ConditionCard):
        label = card.condition(name)
        other = ~label.covers(values)
        if other.any():
            first = int(np.flatnonzero(other)[0])
            raise CaloganError(
                f"condition '{name}' is {values[first]:g} in event {entry[first]} of {path} "
                f"({int(other.sum())} such in this chunk), expected among {label.span}; add it to "
                f"values in [conditions.{name}], or leave such events out"
            )
        return values.astype(np.float32)
    factor = 1.0 if is_override else card.factor
    converted: NDArray[np.float32] = (values.astype(np.float64) * factor).astype(np.float32)
    positive = name == "energy" or card.scale == "log"
    bad = ~np.isfinite(converted) | ((converted <= 0) if positive else False)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise CaloganError(
            f"condition '{name}' is {converted[first]:g} {card.unit} in event {entry[first]} of "
            f"{path} ({int(bad.sum())} such in this chunk), expected a finite value"
            + (" above 0" if positive else "")
        )
    return converted
