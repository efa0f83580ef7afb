"""ROOT trees of hits, with the trees, branches and units of a run card: what it reads back.

Jagged hits, by position or by cell index, or one branch a cell; `calogan.reading.dialects.branches`
is the other way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.conditions import ConditionCard
from calogan.card.keys import Input, Role
from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.files import atomic_path, writing
from calogan.geometry import Geometry
from calogan.reading.hits import numbers_of_layers
from calogan.showers import Showers
from calogan.units import ANGLE_UNITS, ENERGY_UNITS, LENGTH_UNITS
from calogan.writing.calochallenge import in_xml_order
from calogan.writing.target import Names, Target

HITS, COUNTER = "hits", "n_hits"
"""Vectors of hits, and the branch beside them that says how many an event has."""


def write_par04(parts: Iterable[Showers], target: Target) -> None:
    """Write what the Geant4 example Par04 writes of its mesh: trees `virtualReadout` and `global`.

    Conditions other than the energy, which are in no branch there, get one in `global`.

    Raises CaloganError if layers differ in their cells, or are not those of a mesh.
    """
    first = target.geometry.layers[0]
    for layer in target.geometry.layers:
        same = layer.shape == first.shape and np.allclose(layer.first_edges, first.first_edges)
        if layer.system != "cylindrical" or not same:
            raise CaloganError(
                f"geometry '{target.geometry.name}' is no mesh of Par04: layer '{layer.name}' has "
                f"{layer.system} cells {layer.shape[0]} x {layer.shape[1]}; expected the same "
                "cylindrical cells in every layer"
            )
    # Its phi counts from -pi.
    geometry = in_xml_order(target.geometry)
    turned = (part.in_order_of(geometry) for part in parts)
    names = replace(Names.of_card(load_card(preset="par04")), geometry=None)
    write_trees(turned, replace(target, geometry=geometry, names=names))


def write_trees(parts: Iterable[Showers], target: Target) -> None:
    """Write hits, or one branch a cell, by the names of `target`; see `Names`.

    A hit is a cell with energy, at the middle of the cell. Energies, and conditions from a branch,
    are in the card's units: in single precision where those are MeV and the condition's own, else
    in double, so that reading gives the same numbers again. Event weights are left out, as are
    energy outside the cells and dead cells that the card names no branch for.
    """
    import awkward as ak
    import uproot

    names = target.names or _default_names(target)
    input, numbered = names.input, names.geometry
    if numbered is not None and numbered != target.geometry:
        parts = (part.in_order_of(numbered) for part in parts)
        target = replace(target, geometry=numbered)
    cells = _cell_table(target.geometry, input) if input.layout != "cells" else {}
    columns = {name: _column(name, unit, names) for name, unit in target.conditions}
    types: dict[str, dict[str, Any]] = {}
    hits = types.setdefault(input.tree, {})
    hits |= _hit_types(input, cells, target.geometry.n_voxels)
    if input.dead_branch is not None:
        hits[input.dead_branch] = ak.types.ListType(ak.types.NumpyType("int32"))
    beside = types.setdefault(input.condition_tree or input.tree, {})
    taken = {COUNTER, *input.branches.values()} if beside is hits else set()
    for branch, factor in columns.values():
        if branch in beside or branch in taken:
            raise CaloganError(
                f"cannot write {target.path}: branch '{branch}' would be there twice; set "
                "branch in [conditions] of the card"
            )
        beside[branch] = np.dtype(np.float32 if factor == 1.0 else np.float64)
    with (
        writing(target.path),
        atomic_path(target.path) as temporary,
        uproot.recreate(temporary) as file,
    ):
        for tree, branches in types.items():
            file.mktree(
                tree,
                branches,
                counter_name=lambda counted: COUNTER if counted == HITS else f"n_{counted}",
                field_name=lambda _, inner: inner,
            )
        for part in parts:
            _check_sign(part, target)
            filled: dict[str, dict[str, Any]] = {tree: {} for tree in types}
            filled[input.tree] |= (
                _jagged(part, input, cells) if cells else _dense(part, input, target)
            )
            if input.dead_branch is not None:
                filled[input.tree][input.dead_branch] = _dead(part)
            for name, (branch, factor) in columns.items():
                kind = beside[branch]
                values = part.conditions[name].astype(np.float64) / factor
                filled[input.condition_tree or input.tree][branch] = values.astype(kind)
            for tree, arrays in filled.items():
                file[tree].extend(arrays)


def _default_names(target: Target) -> Names:
    """As `calogan voxelize` reads without a card; hits name their layer if depth is not known."""
    depth = all(layer.z is not None for layer in target.geometry.layers)
    return Names(
        Input() if depth else Input(branches={"layer": "hit_layer"}),
        {
            name: ConditionCard(unit=unit, low=0, high=1, branch=f"gen_{name}")
            for name, unit in target.conditions
        },
    )


def _column(name: str, unit: str, names: Names) -> tuple[str, float]:
    """The branch of a condition, and the factor from its unit there to the condition's."""
    card = names.conditions.get(name)
    if card is None or card.branch is None:
        return name, 1.0
    if not isinstance(card, ConditionCard):
        return card.branch, 1.0
    if unit not in ("", card.unit):
        raise CaloganError(
            f"condition '{name}' is in {unit}, but in {card.unit} in the card that names the "
            f'branches; set unit = "{unit}" in [conditions.{name}]'
        )
    return card.branch, card.factor


def _cell_table(geometry: Geometry, input: Input) -> dict[Role, NDArray[Any]]:
    """Of every voxel what each role of the card says of it, in the file's units: (n_voxels,)."""
    depth = [layer.z for layer in geometry.layers]
    if "z" in input.branches and None in depth:
        raise CaloganError(
            f"layer '{geometry.layers[depth.index(None)].name}' of geometry '{geometry.name}' "
            "gives no depth, so hits in it have no z; set [input.branches] layer = ... in the card "
            "that names the branches, or z in the geometry"
        )
    found: dict[Role, NDArray[Any]] = {}
    n = geometry.n_voxels
    first, second, a, b = np.empty(n, int), np.empty(n, int), np.empty(n), np.empty(n)
    for layer, grid in zip(geometry.layers, geometry.grids, strict=True):
        first[grid], second[grid] = np.indices(grid.shape)
        middles = [0.5 * (e[1:] + e[:-1]) for e in (layer.first_edges, layer.second_edges)]
        a[grid], b[grid] = np.meshgrid(*middles, indexing="ij")
        if layer.system == "cylindrical":
            # Also of a ring: its centre is on the axis, outside it.
            a[grid], b[grid] = a[grid] * np.cos(b[grid]), a[grid] * np.sin(b[grid])
    layers = geometry.layer_index
    z = np.array([np.nan if span is None else 0.5 * (span[0] + span[1]) for span in depth])[layers]
    numbers = np.array(numbers_of_layers(input, geometry))
    values = {
        "x": a, "y": b, "z": z, "r": np.hypot(a, b), "phi": np.arctan2(b, a),
        "layer": numbers[layers], "first": first, "second": second,
    }  # fmt: skip
    for role in input.branches:
        if role in ("layer", "first", "second"):
            found[role] = values[role].astype(np.int32)
        elif role != "energy":
            unit = (
                ANGLE_UNITS[input.angle_unit] if role == "phi" else LENGTH_UNITS[input.length_unit]
            )
            found[role] = (values[role] / unit).astype(np.float32)
    return found


def _energy_type(input: Input) -> np.dtype[Any]:
    return np.dtype(np.float32 if ENERGY_UNITS[input.energy_unit] == 1.0 else np.float64)


def _hit_types(input: Input, cells: dict[Role, NDArray[Any]], n_voxels: int) -> dict[str, Any]:
    import awkward as ak

    energy = _energy_type(input)
    if not cells:
        return dict.fromkeys(
            [*(input.cells.format(i) for i in range(n_voxels)), *input.overflow_cells], energy
        )
    kinds = [energy if role == "energy" else cells[role].dtype for role in input.branches]
    record = ak.types.RecordType(
        [ak.types.NumpyType(kind.name) for kind in kinds], [*input.branches.values()]
    )
    return {HITS: ak.types.ListType(record)}


def _jagged(part: Showers, input: Input, cells: dict[Role, NDArray[Any]]) -> dict[str, Any]:
    """Hits of showers, in one array of records."""
    import awkward as ak

    event, voxel = np.nonzero(part.energies)
    energy = part.energies[event, voxel] / np.array(
        ENERGY_UNITS[input.energy_unit], _energy_type(input)
    )
    columns = {
        branch: energy if role == "energy" else cells[role][voxel]
        for role, branch in input.branches.items()
    }
    counts = np.bincount(event, minlength=len(part))
    return {HITS: ak.unflatten(ak.zip(columns), counts)}


def _dead(part: Showers) -> Any:
    """The numbers of the dead voxels of each shower, n * var * int32."""
    import awkward as ak

    dead = np.zeros(part.energies.shape, np.bool_) if part.dead is None else part.dead
    return ak.unflatten(np.nonzero(dead)[1].astype(np.int32), dead.sum(axis=1))


def _dense(part: Showers, input: Input, target: Target) -> dict[str, Any]:
    """One array a cell, and one for the energy beside each layer's cells."""
    factor = np.array(ENERGY_UNITS[input.energy_unit], _energy_type(input))
    found = {input.cells.format(i): column / factor for i, column in enumerate(part.energies.T)}
    if len(input.overflow_cells) not in (0, target.geometry.n_layers):
        raise CaloganError(
            f"cannot write {target.path}: [input] overflow_cells names "
            f"{len(input.overflow_cells)} branches, but geometry '{target.geometry.name}' has "
            f"{target.geometry.n_layers} layers"
        )
    for k, branch in enumerate(input.overflow_cells):
        values = np.zeros(len(part), np.float32) if part.overflow is None else part.overflow[:, k]
        found[branch] = values / factor
    return found


def _check_sign(part: Showers, target: Target) -> None:
    if part.energies.size and part.energies.min() < 0:
        raise CaloganError(
            f"cannot write {target.path}: {int((part.energies < 0).sum())} cells have negative "
            f"energies, down to {part.energies.min():g} MeV, which no hit has"
        )
