"""EDM4hep files as podio writes them: SimCalorimeterHits, with MCParticles for the truth.

The layer of a hit is a field of its cellID, whose encoding podio keeps in the metadata under the
name of the collection (https://github.com/key4hep/EDM4hep, https://github.com/AIDASoft/podio).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Input
from calogan.errors import CaloganError, nearest
from calogan.reading.dialects.arrays import (
    check_energy,
    check_lengths,
    checked_finite,
    incident_particles,
    jagged,
    scaled,
)
from calogan.reading.dialects.dialect import Contents, Dialect, Events, Particles
from calogan.reading.root_file import Tree, branch_names, open_root, tree_names
from calogan.reading.voxelize import Hits
from calogan.units import ENERGY_UNITS, LENGTH_UNITS

TREE = "events"
HIT_MEMBERS = ("energy", "position.x", "position.y", "position.z")
PARTICLE_MEMBERS = {
    **{f"p{k}": f"momentum.{k}" for k in "xyz"},
    **{k: f"vertex.{k}" for k in "xyz"},
    "mass": "mass",
}
SAMPLE_EVENTS = 100
PRIMARY = 1
"""generatorStatus of what a generator hands to the simulation."""


@dataclass(frozen=True)
class BitField:
    """A field of cellID."""

    offset: int
    width: int
    signed: bool

    def decode(self, cell_id: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Its values, by shifting it up to the sign, then down."""
        up, down = 64 - self.offset - self.width, 64 - self.width
        value = cell_id << np.uint64(up)
        kind: type = np.int64 if self.signed else np.uint64
        field: NDArray[np.int64] = (value.view(kind) >> kind(down)).view(np.int64)
        return field


def parse_encoding(text: str, where: str) -> dict[str, BitField]:
    """Fields of a cellID by name: "name:width" behind the last, or "name:offset:width".

    A negative width says that the value is signed.
    """
    fields: dict[str, BitField] = {}
    end = 0
    for part in text.split(","):
        name, *numbers = part.strip().split(":")
        try:
            offset, width = ([end] + [int(n) for n in numbers])[-2:] if numbers else (0, 0)
        except ValueError:
            width = 0
        if len(numbers) not in (1, 2) or not width or offset < 0 or offset + abs(width) > 64:
            raise CaloganError(
                f"{where}: field '{part}' of the cellID encoding '{text}' is not name:width or "
                "name:offset:width within 64 bits; set [input] cell_encoding = ..."
            )
        fields[name] = BitField(offset, abs(width), width < 0)
        end = offset + abs(width)
    return fields


def _recognise(contents: Contents) -> str | None:
    for tree in contents.trees:
        found = hit_collections([branch.name for branch in tree.branches])
        if tree.name == TREE and found:
            return (
                f"tree '{TREE}' has collections of SimCalorimeterHits ({', '.join(found)}), "
                "with cellID, energy and position"
            )
    return None


def hit_collections(branches: list[str]) -> list[str]:
    """The collections of SimCalorimeterHits among the branches of an EDM4hep file."""
    names = {name for name in branches if "/" not in name}  # paths name a branch once more
    collections = [name.removesuffix(".cellID") for name in names if name.endswith(".cellID")]
    whole = (c for c in collections if all(f"{c}.{member}" in names for member in HIT_MEMBERS))
    return sorted(whole)


def _read(
    path: Path, input: Input, columns: Mapping[str, str], chunk_bytes: int
) -> Iterator[Events]:
    with open_root(path) as directory:
        tree = Tree(directory, path, TREE, "dialect")
        if not tree.entries:
            return
        known = hit_collections(branch_names(tree.tree))
        if not input.collections:
            raise CaloganError(
                f"[input] collections is empty; {tree.where} has {', '.join(known) or 'none'}: "
                "name those to read"
            )
        layers = {}
        for collection in input.collections:
            if collection not in known:
                raise CaloganError(
                    f"no collection '{collection}' of SimCalorimeterHits in {tree.where}; nearest: "
                    f"{nearest(collection, known)}; set [input] collections = [...]"
                )
            layers[collection] = _layer_field(directory, path, collection, input)
        for name, branch in columns.items():
            tree.require(branch, f"[conditions.{name}] branch", f", or use --set {name}=VALUE")
        particles = input.particle_collection
        wanted = [f"{particles}.{member}" for member in PARTICLE_MEMBERS.values()]
        wanted.append(f"{particles}.generatorStatus")
        for branch in wanted:
            tree.require(branch, "[input] particle_collection")
        wanted += [f"{c}.{m}" for c in input.collections for m in ("cellID", *HIT_MEMBERS)]
        for start, arrays in tree.chunks([*wanted, *columns.values()], chunk_bytes):
            parts = [
                _collection(arrays, collection, field, input, tree.where, start)
                for collection, field in layers.items()
            ]
            yield Events(
                _merged(parts),
                {name: _number(arrays, b, tree.where, start) for name, b in columns.items()},
                start,
                tree.entries,
                _particles(arrays, particles, tree.where, start),
            )


def _layer_field(directory: Any, path: Path, collection: str, input: Input) -> BitField:
    text, where = input.cell_encoding, "[input] cell_encoding"
    if text is None:
        text, where = stored_encoding(directory, path, collection), f"{path}: {collection}"
    if text is None:
        raise CaloganError(
            f"no cellID encoding of '{collection}' in the metadata of {path}; give it: "
            '[input] cell_encoding = "system:8,layer:6,..." as in the <id> of the readout'
        )
    fields = parse_encoding(text, where)
    if input.layer_field not in fields:
        raise CaloganError(
            f"{where}: no field '{input.layer_field}' in the cellID encoding '{text}'; nearest: "
            f"{nearest(input.layer_field, fields)}; set [input] layer_field = ..."
        )
    return fields[input.layer_field]


def stored_encoding(directory: Any, path: Path, collection: str) -> str | None:
    """The encoding of a collection's cellID, as podio keeps it; None if it does not."""
    for name in ("metadata", "runs", TREE):
        if name not in tree_names(directory):
            continue
        tree = Tree(directory, path, name, "dialect")
        if not tree.entries or not {"GPStringKeys", "GPStringValues"} <= set(tree.tree.keys()):
            continue
        first = tree.read(["GPStringKeys", "GPStringValues"], 0, 1)
        keys, lists = (first[name].tolist()[0] for name in first.fields)
        for key, values in zip(keys, lists, strict=False):
            if key == f"{collection}__CellIDEncoding" and values:
                return str(values[0])
    return None


def _collection(
    arrays: Any, collection: str, field: BitField, input: Input, where: str, start: int
) -> Hits:
    """The hits of one collection, in mm."""
    reference = f"{collection}.energy"
    offsets, energy = jagged(arrays[reference], reference, where)
    check_energy(energy, offsets, f"branch '{reference}'", where, start)
    coordinates: dict[str, NDArray[Any]] = {}
    for role in "xyz":
        branch = f"{collection}.position.{role}"
        others, values = jagged(arrays[branch], branch, where)
        check_lengths(offsets, others, reference, branch, where, start)
        values = checked_finite(values, role, branch, offsets, where, start)
        coordinates[role] = scaled(values, LENGTH_UNITS[input.length_unit])
    branch = f"{collection}.cellID"
    others, cell_id = jagged(arrays[branch], branch, where)
    check_lengths(offsets, others, reference, branch, where, start)
    coordinates["layer"] = field.decode(cell_id.astype(np.uint64))
    return Hits(offsets, scaled(energy, ENERGY_UNITS[input.energy_unit]), "xyz", coordinates)


def _merged(parts: list[Hits]) -> Hits:
    """The hits of several collections of the same events."""
    if len(parts) == 1:
        return parts[0]
    n = len(parts[0])
    event = np.concatenate([np.repeat(np.arange(n), np.diff(hits.offsets)) for hits in parts])
    order = np.argsort(event, kind="stable")
    return Hits(
        np.sum([hits.offsets for hits in parts], axis=0),
        np.concatenate([hits.energy for hits in parts])[order],
        "xyz",
        {
            role: np.concatenate([hits.coordinates[role] for hits in parts])[order]
            for role in parts[0].coordinates
        },
    )


def _number(arrays: Any, branch: str, where: str, start: int) -> NDArray[Any]:
    """One number an event, as event headers have it in a vector of one."""
    offsets, values = jagged(arrays[branch], branch, where)
    check_lengths(np.arange(len(arrays) + 1), offsets, "one an event", branch, where, start)
    return values


def _particles(arrays: Any, collection: str, where: str, start: int) -> Particles:
    reference = f"{collection}.generatorStatus"
    offsets, status = jagged(arrays[reference], reference, where)
    primary = status == PRIMARY
    members: dict[str, NDArray[Any]] = {}
    for role, member in PARTICLE_MEMBERS.items():
        branch = f"{collection}.{member}"
        others, values = jagged(arrays[branch], branch, where)
        check_lengths(offsets, others, reference, branch, where, start)
        members[role] = values[primary]
    counts = np.concatenate([[0], np.cumsum(primary)])[offsets]
    return incident_particles(counts, members, members, where, start)


def _suggest(path: Path) -> str:
    """The collection of most hits in the first events, and what is known of its layers."""
    with open_root(path) as directory:
        tree = Tree(directory, path, TREE, "dialect")
        known = hit_collections(branch_names(tree.tree))
        arrays = tree.read([f"{c}.cellID" for c in known], 0, SAMPLE_EVENTS)
        cell_ids = {c: jagged(arrays[f"{c}.cellID"], c, tree.where)[1] for c in known}
        most = max(known, key=lambda c: len(cell_ids[c]))
        text = stored_encoding(directory, path, most)
    hits = ", ".join(f"{c} {len(ids):,}" for c, ids in cell_ids.items())
    lines = [
        "",
        "[input]",
        f"# hits in the first events: {hits}",
        f"collections = [{json.dumps(most)}]",
    ]
    fields = {} if text is None else parse_encoding(text, f"{path}: {most}")
    if text is not None:
        lines.append(f"# cellID of {most}: {text}")
    if "layer" in fields and len(cell_ids[most]):
        layer = fields["layer"].decode(cell_ids[most].astype(np.uint64))
        lines.append(f"# its layers seen: {layer.min()} .. {layer.max()}; see layer_numbers")
    return "\n".join(lines) + "\n"


DIALECT = Dialect(
    "edm4hep",
    "EDM4hep (Key4hep): SimCalorimeterHits and MCParticles",
    _recognise,
    _read,
    _suggest,
)
