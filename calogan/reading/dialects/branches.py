"""Hits from the branches that the card names: jagged hits, or one branch a cell.

Any ROOT tree of hits can be read so; other dialects whose files are such trees share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Input
from calogan.errors import CaloganError, nearest
from calogan.reading.dialects.arrays import (
    cell_hits,
    check_energy,
    check_lengths,
    checked_finite,
    incident_particles,
    jagged,
    scaled,
    type_of,
)
from calogan.reading.dialects.dialect import Contents, DeadCells, Dialect, Events, Particles
from calogan.reading.root_file import Tree, branch_names, open_root
from calogan.reading.suggest import plan_card
from calogan.reading.voxelize import Hits
from calogan.units import ANGLE_UNITS, ENERGY_UNITS, LENGTH_UNITS

INDEX_ROLES = ("layer", "first", "second")


def _recognise(contents: Contents) -> str | None:
    plan = plan_card(contents.trees)
    if plan is None:
        return None
    if plan.layout == "cells":
        return f"tree '{plan.tree}' has a branch for each of {plan.n_cells} cells"
    found = ", ".join(f"{role} '{branch}'" for role, branch in plan.roles.items())
    return f"tree '{plan.tree}' has vectors of hits: {found}"


def read(
    path: Path, input: Input, columns: Mapping[str, str], chunk_bytes: int
) -> Iterator[Events]:
    """Events of the tree and branches of `input`."""
    with open_root(path) as directory:
        tree = Tree(directory, path, input.tree, "tree")
        if not tree.entries:
            return
        cells = _cell_branches(tree, input) if input.layout == "cells" else []
        for role, branch in input.branches.items():
            tree.require(branch, f"[input.branches] {role}")
        source = tree
        if input.condition_tree not in (None, input.tree):
            source = _condition_tree(directory, path, input, tree)
        for part, branch in input.particle.items():
            source.require(branch, f"[input.particle] {part}")
        for name, branch in columns.items():
            key = f"[conditions.{name}] branch"
            source.require(branch, key, f", or give a constant with --set {name}=VALUE")
        wanted = [*cells, *input.overflow_cells, *input.branches.values()]
        if input.dead_branch is not None:
            tree.require(input.dead_branch, "[input] dead_branch")
            wanted.append(input.dead_branch)
        truth = [*columns.values(), *input.particle.values()]
        if source is tree:
            wanted += truth
        for start, arrays in tree.chunks(wanted, chunk_bytes):
            beside = arrays
            if truth and source is not tree:
                beside = source.read(truth, start, start + len(arrays))
            hits_of = _jagged_hits if input.layout != "cells" else partial(_cell_hits, cells=cells)
            yield Events(
                hits_of(arrays, input, tree.where, start),
                {
                    name: _scalar(beside[branch], branch, source.where, start)
                    for name, branch in columns.items()
                },
                start,
                tree.entries,
                _particles(beside, input, source.where, start) if input.particle else None,
                _dead_cells(arrays, input, tree.where),
            )


DIALECT = Dialect(
    "branches", "a ROOT tree of hits or cells by its branches", _recognise, read, by_branches=True
)


def _condition_tree(directory: Any, path: Path, input: Input, hits: Tree) -> Tree:
    tree = Tree(directory, path, str(input.condition_tree), "condition_tree")
    if tree.entries != hits.entries:
        raise CaloganError(
            f"{tree.where} has {tree.entries} entries, but '{input.tree}' has {hits.entries}; "
            "conditions and hits must go entry by entry"
        )
    return tree


def _scalar(array: Any, branch: str, where: str, start: int) -> NDArray[Any]:
    """One number an event; a vector that holds exactly one is taken as that."""
    layout = array.layout
    if layout.is_numpy and layout.data.ndim == 1 and layout.data.dtype.kind in "iuf":
        return np.asarray(layout.data)
    if layout.is_list and layout.purelist_depth == 2:
        offsets, content = jagged(array, branch, where)
        counts = np.diff(offsets)
        if (counts == 1).all():
            return content
        first = int(np.flatnonzero(counts != 1)[0])
        raise CaloganError(
            f"branch '{branch}' in {where} holds {counts[first]} values in event {start + first}, "
            "expected one number an event for a condition"
        )
    raise CaloganError(
        f"branch '{branch}' in {where} is {type_of(array)}, expected one number an event"
    )


def _jagged_hits(arrays: Any, input: Input, where: str, start: int) -> Hits:
    """Vectors of equal lengths, one for each role: every entry becomes a hit."""
    reference = input.branches["energy"]
    offsets, energy = jagged(arrays[reference], reference, where)
    coordinates: dict[str, NDArray[Any]] = {}
    for role, branch in input.branches.items():
        if role == "energy":
            continue
        others, values = jagged(arrays[branch], branch, where)
        check_lengths(offsets, others, reference, branch, where, start)
        if role in INDEX_ROLES:
            _check_integers(values, arrays, branch, where, f"[input.branches] {role}")
        else:
            values = checked_finite(values, role, branch, offsets, where, start)
            values = scaled(
                values,
                ANGLE_UNITS[input.angle_unit] if role == "phi" else LENGTH_UNITS[input.length_unit],
            )
        coordinates[role] = values
    check_energy(energy, offsets, f"branch '{reference}'", where, start)
    factor = ENERGY_UNITS[input.energy_unit]
    return Hits(offsets, scaled(energy, factor), input.layout, coordinates)


def _check_integers(values: NDArray[Any], arrays: Any, branch: str, where: str, key: str) -> None:
    if values.dtype.kind == "f":
        raise CaloganError(
            f"branch '{branch}' in {where} is {type_of(arrays[branch])}, expected integers for "
            f"{key}"
        )


def _dead_cells(arrays: Any, input: Input, where: str) -> DeadCells | None:
    if input.dead_branch is None:
        return None
    offsets, voxels = jagged(arrays[input.dead_branch], input.dead_branch, where)
    _check_integers(voxels, arrays, input.dead_branch, where, "[input] dead_branch")
    return DeadCells(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), voxels)


def _cell_hits(arrays: Any, input: Input, where: str, start: int, cells: list[str]) -> Hits:
    """One branch a cell: every cell that is not zero becomes a hit."""
    columns = [_scalar(arrays[b], b, where, start) for b in [*cells, *input.overflow_cells]]
    dense, overflow = np.stack(columns, axis=1), len(input.overflow_cells)
    factor = ENERGY_UNITS[input.energy_unit]
    return cell_hits(dense, factor, f"cells '{input.cells}'", where, start, overflow)


def _particles(arrays: Any, input: Input, where: str, start: int) -> Particles:
    """The particle of each event, from branches of one number, or one a primary."""
    found: dict[str, NDArray[Any]] = {}
    offsets, reference = np.arange(len(arrays) + 1), ""
    for role, branch in input.particle.items():
        layout = arrays[branch].layout
        if layout.is_numpy and layout.data.ndim == 1:
            own, values = np.arange(len(arrays) + 1), _scalar(arrays[branch], branch, where, start)
        else:
            own, values = jagged(arrays[branch], branch, where)
        if not found:
            offsets, reference = own, branch
        check_lengths(offsets, own, reference, branch, where, start)
        found[role] = scaled(values, _particle_factor(role, input))
    return incident_particles(offsets, found, found, where, start)


def _particle_factor(role: str, input: Input) -> float:
    if role in ("px", "py", "pz", "energy", "mass"):
        return ENERGY_UNITS[input.particle_unit] / ENERGY_UNITS["GeV"]
    if role in ("x", "y", "z", "entry_r", "entry_z"):
        return LENGTH_UNITS[input.length_unit]
    return ANGLE_UNITS[input.angle_unit] if role == "entry_phi" else 1.0


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
