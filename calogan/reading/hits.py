"""Hits and conditions from ROOT files: one reader for every layout of the card."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.conditions import AnyConditionCard, ConditionCard
from calogan.card.keys import Input
from calogan.errors import CaloganError, nearest
from calogan.reading.root_file import Tree, branch_names, expand_files, open_root
from calogan.reading.voxelize import Hits
from calogan.units import ANGLE_UNITS, ENERGY_UNITS, LENGTH_UNITS

INDEX_ROLES = ("layer", "first", "second")


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
    dead: tuple[NDArray[np.intp], NDArray[Any]] | None = None
    """Event of the chunk, counted from 0, and voxel of each dead cell, (n_dead,) each; None where
    the files do not say it."""


def read_hits(
    files: Sequence[str | Path],
    input: Input,
    conditions: Mapping[str, AnyConditionCard],
    overrides: Mapping[str, float | str] | None = None,
    chunk_bytes: int = 32 << 20,
) -> Iterator[HitChunk]:
    """Read hits and conditions, chunk by chunk.

    Parameters
    ----------
    files : paths and globs
    input : trees, branches and units
    conditions : where the value of each condition comes from
    overrides : constants, in the card's units, that take the place of a condition's source; of
        labels their names too
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
        yield from _read_file(path, input, conditions, overrides, chunk_bytes)


def _read_file(
    path: Path,
    input: Input,
    conditions: Mapping[str, AnyConditionCard],
    overrides: Mapping[str, float | str],
    chunk_bytes: int,
) -> Iterator[HitChunk]:
    constants = _constants(path, conditions, overrides)
    branch_of = {n: str(card.branch) for n, card in conditions.items() if n not in constants}
    with open_root(path) as directory:
        tree = Tree(directory, path, input.tree, "tree")
        if not tree.entries:
            return
        cells = _cell_branches(tree, input) if input.layout == "cells" else []
        for role, branch in input.branches.items():
            tree.require(branch, f"[input.branches] {role}")
        if input.dead_branch is not None:
            tree.require(input.dead_branch, "[input] dead_branch")
        source = tree
        if input.condition_tree not in (None, input.tree):
            source = _condition_tree(directory, path, input, tree)
        for name, branch in branch_of.items():
            key = f"[conditions.{name}] branch"
            source.require(branch, key, f", or give a constant with --set {name}=VALUE")
        wanted = [*cells, *input.overflow_cells, *input.branches.values()]
        wanted += [] if input.dead_branch is None else [input.dead_branch]
        if source is tree:
            wanted += branch_of.values()
        for start, arrays in tree.chunks(wanted, chunk_bytes):
            n = len(arrays)
            beside = arrays
            if branch_of and source is not tree:
                beside = source.read(branch_of.values(), start, start + n)
            values = {name: np.full(n, value) for name, value in constants.items()}
            for name, branch in branch_of.items():
                values[name] = _scalar(beside[branch], branch, source.where, start)
            read = _jagged_hits if input.layout != "cells" else partial(_cell_hits, cells=cells)
            yield HitChunk(
                read(arrays, input, tree.where, start),
                {
                    name: _converted_condition(
                        name, card, values[name], name in overrides, path, start
                    )
                    for name, card in conditions.items()
                },
                path,
                start,
                tree.entries,
                _dead_cells(arrays, input, tree.where),
            )


def _dead_cells(
    arrays: Any, input: Input, where: str
) -> tuple[NDArray[np.intp], NDArray[Any]] | None:
    if input.dead_branch is None:
        return None
    offsets, voxels = _jagged(arrays[input.dead_branch], input.dead_branch, where)
    _check_integers(voxels, arrays, input.dead_branch, where, "[input] dead_branch")
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), voxels


def _condition_tree(directory: Any, path: Path, input: Input, hits: Tree) -> Tree:
    tree = Tree(directory, path, str(input.condition_tree), "condition_tree")
    if tree.entries != hits.entries:
        raise CaloganError(
            f"{tree.where} has {tree.entries} entries, but '{input.tree}' has {hits.entries}; "
            "conditions and hits must go entry by entry"
        )
    return tree


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
        elif card.branch is None:
            raise CaloganError(
                f"condition '{name}' has no source; set branch, value or pattern in "
                f"[conditions.{name}], or give a constant with --set {name}=VALUE"
            )
    return values


def _converted_condition(
    name: str,
    card: AnyConditionCard,
    values: NDArray[Any],
    is_override: bool,
    path: Path,
    start: int,
) -> NDArray[np.float32]:
    """In the card's unit and checked; overrides come in that unit."""
    if not isinstance(card, ConditionCard):
        label = card.condition(name)
        other = ~label.covers(values)
        if other.any():
            first = int(np.flatnonzero(other)[0])
            raise CaloganError(
                f"condition '{name}' is {values[first]:g} in event {start + first} of {path} "
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
            f"condition '{name}' is {converted[first]:g} {card.unit} in event {start + first} of "
            f"{path} ({int(bad.sum())} such in this chunk), expected a finite value"
            + (" above 0" if positive else "")
        )
    return converted


def _scalar(array: Any, branch: str, where: str, start: int) -> NDArray[Any]:
    """One number an event; a vector that holds exactly one is taken as that."""
    layout = array.layout
    if layout.is_numpy and layout.data.ndim == 1 and layout.data.dtype.kind in "iuf":
        return np.asarray(layout.data)
    if layout.is_list and layout.purelist_depth == 2:
        offsets, content = _jagged(array, branch, where)
        counts = np.diff(offsets)
        if (counts == 1).all():
            return content
        first = int(np.flatnonzero(counts != 1)[0])
        raise CaloganError(
            f"branch '{branch}' in {where} holds {counts[first]} values in event {start + first}, "
            "expected one number an event for a condition"
        )
    raise CaloganError(
        f"branch '{branch}' in {where} is {_type(array)}, expected one number an event"
    )


def _type(array: Any) -> str:
    return f"'{array.type.content}' an event"


def _jagged(array: Any, branch: str, where: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Offsets (n + 1,), from 0, and flat content of a branch with a vector an event."""
    layout = array.layout
    if layout.is_numpy and layout.data.ndim == 2:
        layout = layout.to_RegularArray()
    if layout.is_list and layout.parameter("__array__") is None:
        layout = layout.to_ListOffsetArray64(True)
        offsets, content = np.asarray(layout.offsets.data), layout.content
        if content.is_numpy and content.data.ndim == 1 and content.data.dtype.kind in "iuf":
            return offsets, np.asarray(content.data)[: offsets[-1]]
    raise CaloganError(
        f"branch '{branch}' in {where} is {_type(array)}, expected a vector of numbers an event"
    )


def _jagged_hits(arrays: Any, input: Input, where: str, start: int) -> Hits:
    """Vectors of equal lengths, one for each role: every entry becomes a hit."""
    reference = input.branches["energy"]
    offsets, energy = _jagged(arrays[reference], reference, where)
    coordinates: dict[str, NDArray[Any]] = {}
    for role, branch in input.branches.items():
        if role == "energy":
            continue
        others, values = _jagged(arrays[branch], branch, where)
        if not np.array_equal(offsets, others):
            counts, found = np.diff(offsets), np.diff(others)
            event = int(np.flatnonzero(counts != found)[0])
            raise CaloganError(
                f"event {start + event} in {where} has {counts[event]} values in '{reference}' "
                f"but {found[event]} in '{branch}'; all hit branches must have the same length"
            )
        if role in INDEX_ROLES:
            _check_integers(values, arrays, branch, where, f"[input.branches] {role}")
        else:
            values = _checked_finite(values, role, branch, offsets, where, start)
            values = _scaled(
                values,
                ANGLE_UNITS[input.angle_unit] if role == "phi" else LENGTH_UNITS[input.length_unit],
            )
        coordinates[role] = values
    _check_energy(energy, offsets, f"branch '{reference}'", where, start)
    factor = ENERGY_UNITS[input.energy_unit]
    return Hits(offsets, _scaled(energy, factor), input.layout, coordinates)


def _check_integers(values: NDArray[Any], arrays: Any, branch: str, where: str, key: str) -> None:
    if values.dtype.kind == "f":
        raise CaloganError(
            f"branch '{branch}' in {where} is {_type(arrays[branch])}, expected integers for {key}"
        )


def _cell_hits(arrays: Any, input: Input, where: str, start: int, cells: list[str]) -> Hits:
    """One branch a cell: every cell that is not zero becomes a hit."""
    columns = [_scalar(arrays[b], b, where, start) for b in [*cells, *input.overflow_cells]]
    dense = np.stack(columns, axis=1)
    event, column = np.nonzero(dense)
    energy = dense[event, column]
    offsets = np.searchsorted(event, np.arange(len(dense) + 1))
    _check_energy(energy, offsets, f"cells '{input.cells}'", where, start)
    voxel = np.where(column < len(cells), column, len(cells) - 1 - column)
    factor = ENERGY_UNITS[input.energy_unit]
    counts = (len(cells), len(input.overflow_cells))
    return Hits(offsets, _scaled(energy, factor), "cells", {"voxel": voxel}, counts)


def _cell_branches(tree: Tree, input: Input) -> list[str]:
    """The branches of voxels 0, 1, ... in order, without the overflow cells."""
    before, after = input.cells.split("{}")
    form = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    known = branch_names(tree.tree)
    numbered = {int(m.group(1)): m.group(0) for m in map(form.fullmatch, known) if m}
    for branch in input.overflow_cells:
        tree.require(branch, "[input] overflow_cells")
    cells = {i: b for i, b in numbered.items() if b not in input.overflow_cells}
    if not cells:
        raise CaloganError(
            f"no branch like '{input.cells}' in {tree.where}; "
            f"nearest: {nearest(input.cells, known)}; "
            "set [input] cells = ... with {} for the number"
        )
    gaps = [i for i in range(len(cells)) if i not in cells]
    if gaps:
        raise CaloganError(
            f"no branch '{input.cells.format(gaps[0])}' in {tree.where}, though there is "
            f"'{cells[max(cells)]}'; cells must count from 0 without gaps"
        )
    return [cells[i] for i in range(len(cells))]


def _scaled(values: NDArray[Any], factor: float) -> NDArray[Any]:
    """Times the factor, in floating point; without a copy where there is nothing to do."""
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    return values if factor == 1.0 else values * factor


def _event_of(index: int, offsets: NDArray[np.int64]) -> int:
    return int(np.searchsorted(offsets, index, side="right")) - 1


def _check_energy(
    energy: NDArray[Any], offsets: NDArray[np.int64], what: str, where: str, start: int
) -> None:
    # The smallest and largest value reveal any NaN, in two fast passes.
    if not energy.size or (energy.min() >= 0 and energy.max() < np.inf):
        return
    bad = ~(energy >= 0) | np.isinf(energy)
    first = int(np.flatnonzero(bad)[0])
    raise CaloganError(
        f"{what} in {where} is {energy[first]:g} in event {start + _event_of(first, offsets)} "
        f"({int(bad.sum())} such hits in this chunk), expected finite energies, 0 or more"
    )


def _checked_finite(
    values: NDArray[Any],
    role: str,
    branch: str,
    offsets: NDArray[np.int64],
    where: str,
    start: int,
) -> NDArray[Any]:
    if not values.size or (np.isfinite(values.min()) and np.isfinite(values.max())):
        return values
    bad = ~np.isfinite(values)
    first = int(np.flatnonzero(bad)[0])
    raise CaloganError(
        f"branch '{branch}' in {where} is {values[first]:g} in event "
        f"{start + _event_of(first, offsets)} ({int(bad.sum())} such hits in this chunk), "
        f"expected finite positions ({role})"
    )
