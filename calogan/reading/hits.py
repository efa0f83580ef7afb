"""Hits and conditions from files of any dialect, chunk by chunk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import ConditionCard, Input
from calogan.errors import CaloganError, nearest
from calogan.reading.dialects.registry import BY_NAME
from calogan.reading.root_file import expand_files
from calogan.reading.voxelize import Hits


@dataclass(frozen=True, eq=False)
class HitChunk:
    """Consecutive events of one file."""

    hits: Hits
    conditions: dict[str, NDArray[np.float32]]
    """Name to values (n,), in the card's units."""
    path: Path
    start: int
    """Entry number of the first event in the file."""
    entries: int
    """Entries of the whole file."""


def read_hits(
    files: Sequence[str | Path],
    input: Input,
    conditions: Mapping[str, ConditionCard],
    overrides: Mapping[str, float] | None = None,
    chunk_bytes: int = 32 << 20,
) -> Iterator[HitChunk]:
    """Read hits and conditions, chunk by chunk.

    Parameters
    ----------
    files : paths and globs
    input : the dialect, with trees, branches and units
    conditions : where the value of each condition comes from
    overrides : constants, in the card's units, that take the place of a condition's source
    chunk_bytes : memory that the branches of one chunk may take

    Raises CaloganError for anything missing, of the wrong type, inconsistent or unphysical, naming
    the file, and the event by its entry number. A file without entries gives no chunk.
    """
    overrides = dict(overrides or {})
    for name, value in overrides.items():
        if name not in conditions:
            raise CaloganError(
                f"--set {name}={value:g}: no such condition; nearest: {nearest(name, conditions)}; "
                f"add it to the card as [conditions.{name}]"
            )
    for path in expand_files(files)[0]:
        yield from _read_file(path, input, conditions, overrides, chunk_bytes)


def _read_file(
    path: Path,
    input: Input,
    conditions: Mapping[str, ConditionCard],
    overrides: Mapping[str, float],
    chunk_bytes: int,
) -> Iterator[HitChunk]:
    constants = _constants(path, conditions, overrides)
    columns = {n: str(card.branch) for n, card in conditions.items() if n not in constants}
    for events in BY_NAME[input.dialect].read(path, input, columns, chunk_bytes):
        n = len(events.hits)
        values = {name: np.full(n, value) for name, value in constants.items()}
        values |= events.columns
        yield HitChunk(
            events.hits,
            {
                name: _converted_condition(
                    name, card, values[name], name in overrides, path, events.start
                )
                for name, card in conditions.items()
            },
            path,
            events.start,
            events.entries,
        )


def _constants(
    path: Path, conditions: Mapping[str, ConditionCard], overrides: Mapping[str, float]
) -> dict[str, float]:
    """Conditions that are the same for a whole file, in their source's unit."""
    values: dict[str, float] = {}
    for name, card in conditions.items():
        if name in overrides:
            values[name] = float(overrides[name])
        elif card.value is not None:
            values[name] = card.value
        elif card.pattern is not None:
            match = re.search(card.pattern, path.name)
            text = match.group(1) if match else None
            try:
                values[name] = float(text or "")
            except ValueError as error:
                found = (
                    "does not match" if text is None else f"finds {text!r}, which is no number, in"
                )
                raise CaloganError(
                    f"[conditions.{name}] pattern {card.pattern!r} {found} the file name "
                    f"'{path.name}'; mend it, or give a constant with --set {name}=VALUE"
                ) from error
        elif card.branch is None:
            raise CaloganError(
                f"condition '{name}' has no source; set branch, value or pattern in "
                f"[conditions.{name}], or give a constant with --set {name}=VALUE"
            )
    return values


def _converted_condition(
    name: str,
    card: ConditionCard,
    values: NDArray[Any],
    is_override: bool,
    path: Path,
    start: int,
) -> NDArray[np.float32]:
    """In the card's unit and checked; overrides come in that unit."""
    factor = 1.0 if is_override else card.factor
    converted: NDArray[np.float32] = (values.astype(np.float64) * factor).astype(np.float32)
    positive = name == "energy" or card.scale == "log"
    bad = ~np.isfinite(converted) | ((converted <= 0) if positive else False)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise CaloganError(
            f"condition '{name}' is {converted[first]:g} {card.unit} in event {start + first} of "
            f"{path} ({int(bad.sum())} such in this chunk), expected a finite value"
            + (" above 0" if positive else "")
        )
    return converted
