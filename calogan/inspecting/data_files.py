"""Data files: ROOT, HDF5 and CSV, with the run card that would read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.inspecting.tables import (
    Inspection,
    Table,
    few,
    geometry_table,
    in_digits,
    provenance_facts,
    size_of,
)
from calogan.reading import hdf5, store
from calogan.reading.dialects.dialect import Contents, Dialect
from calogan.reading.dialects.registry import recognise
from calogan.reading.root_file import BranchInfo, TreeInfo, decode, open_root, tree_infos
from calogan.reading.suggest import Plan, plan_card, write_card, write_extending_card

SAMPLE_EVENTS = 1000
"""Events whose hits are read to guess units and cells."""
SAMPLE_BYTES = 64 << 20
"""Memory that these hits may take: of large events, fewer are read."""
CONDITION_EVENTS = 1_000_000
"""Events whose conditions are read to tell their range."""


def describe_root(path: Path, preset: str | None = None) -> Inspection:
    """Its trees and other objects, and the run card that would read its hits.

    Of these functions, `preset` is the dialect that a card is wanted for; None: that of the file.
    """
    with open_root(path) as directory:
        trees = tree_infos(directory, path)
        kinds = {str(k): str(v) for k, v in directory.classnames(cycle=False).items()}
        found = recognise(Contents(path, trees=tuple(trees)), preset)
        plan = plan_card(trees) if found is not None and found[0].by_branches else None
        card = None
        if plan is not None:
            card = decode(str(path), lambda: _card(directory, plan, trees, path))
        else:
            card = _dialect_card(found, path)
    others = [
        f"{name} ({kind})"
        for name, kind in kinds.items()
        if name not in {tree.name for tree in trees}
    ]
    facts = [("size", size_of(path)), ("trees", ", ".join(tree.name for tree in trees) or "none")]
    if others:
        facts.append(("other objects", ", ".join(others[:20]) + (", ..." if others[20:] else "")))
    if found is None:
        facts.append(("run card", "no tree has branches that look like hits or cells"))
    facts += dialect_facts(found)
    tables = tuple(
        Table(
            f"tree {tree.name}, {tree.entries:,} entries",
            ("branch", "type"),
            few(list(_families(tree.branches))),
        )
        for tree in trees
    )
    return Inspection(path, "ROOT file", tuple(facts), tables, card)


def _dialect_card(found: tuple[Dialect, str] | None, path: Path) -> str | None:
    """The card that extends the shipped one of a dialect which is not read by branches."""
    if found is None or found[0].by_branches:
        return None
    suggest = found[0].suggest
    return write_extending_card(found[0].name, path.name, "" if suggest is None else suggest(path))


def describe_csv(path: Path, preset: str | None = None) -> Inspection:
    """A table of numbers without a header."""
    with path.open(encoding="ascii", errors="replace") as file:
        n_columns = file.readline().count(",") + 1
    found = recognise(Contents(path, n_columns=n_columns), preset)
    facts = (("size", size_of(path)), ("columns", str(n_columns)), *dialect_facts(found))
    return Inspection(path, "CSV file", facts, card=_dialect_card(found, path))


def dialect_facts(found: tuple[Dialect, str] | None) -> list[tuple[str, str]]:
    """What a file was recognised as, and why."""
    if found is None:
        return []
    dialect, why = found
    return [("dialect", f"{dialect.name}, {dialect.about}"), ("recognised", why)]


def _families(branches: Iterable[BranchInfo]) -> Iterable[tuple[str, str]]:
    """Rows of name and type; ten or more numbered branches of one type take one row."""
    groups: dict[tuple[str, str], list[str]] = {}
    for branch in branches:
        groups.setdefault((re.sub(r"\d+$", "", branch.name), branch.typename), []).append(
            branch.name
        )
    for (_, typename), names in groups.items():
        if len(names) >= 10:
            yield f"{names[0]} .. {names[-1]} ({len(names)} branches)", typename
        else:
            yield from ((name, typename) for name in names)


def _card(directory: Any, plan: Plan, trees: Sequence[TreeInfo], path: Path) -> str:
    """The run card of a plan, its units and cells guessed from the first events."""
    tree = directory[plan.tree]
    info = next(t for t in trees if t.name == plan.tree)
    size = {branch.name: branch.size for branch in info.branches}
    event_bytes = sum(size[name] for name in plan.wanted) / info.entries
    n_events = min(SAMPLE_EVENTS, info.entries, max(1, int(SAMPLE_BYTES / max(event_bytes, 1.0))))
    arrays = tree.arrays(plan.wanted, entry_stop=n_events, library="ak")
    hits = {name: _flat(arrays[name]) for name in plan.wanted}
    source = directory[plan.condition_tree] if plan.condition_tree else tree
    branches = list(plan.conditions.values())
    values: dict[str, NDArray[Any]] = {}
    if branches:
        found = source.arrays(branches, entry_stop=CONDITION_EVENTS, library="ak")
        values = {name: _flat(found[name]) for name in branches}
    return write_card(plan, hits, values, n_events, path.name)


def _flat(array: Any) -> NDArray[Any]:
    import awkward as ak

    return np.asarray(ak.to_numpy(ak.flatten(array, axis=None)))


def describe_hdf5(path: Path, preset: str | None = None) -> Inspection:
    """Its datasets; of a store of showers, also the conditions, geometry and provenance."""
    with hdf5.open_hdf5(path) as file, hdf5.reading(path):
        found: list[Any] = []
        file.visititems(lambda _, item: found.append(item))
        rows = [
            (d.name.lstrip("/"), " x ".join(map(str, d.shape)) or "one", str(d.dtype), _range(d))
            for d in found
            if isinstance(d, h5py.Dataset)
        ]
        shapes = {d.name.lstrip("/"): d.shape for d in found if isinstance(d, h5py.Dataset)}
        attributes = {str(k): str(v) for k, v in file.attrs.items()}
    tables = [Table("datasets", ("name", "shape", "type", "range"), few(rows))]
    facts = [("size", size_of(path))]
    if "calogan_store" not in attributes:
        facts += [(k, v[:200]) for k, v in attributes.items()]
        dialect = recognise(Contents(path, datasets=shapes), preset)
        facts += dialect_facts(dialect)
        kind, card = "HDF5 file, not a store of showers", _dialect_card(dialect, path)
        if dialect is not None and dialect[0].name == "calochallenge":
            kind = "CaloChallenge HDF5 file; its geometry is in a binning XML file"
            card = f"{card}{_binning_beside(path, shapes['showers'][1])}"
        return Inspection(path, kind, tuple(facts), tuple(tables), card)
    about = store.info(path)
    facts.append(("showers", f"{about.n_showers:,} of {about.n_voxels} voxels"))
    facts.append(("conditions", ", ".join(f"{n} [{u}]" if u else n for n, u in about.conditions)))
    facts += provenance_facts(about.provenance)
    if about.geometry is not None:
        tables.append(geometry_table(about.geometry))
    kind = f"store of showers, version {about.version}"
    return Inspection(path, kind, tuple(facts), tuple(tables))


def _binning_beside(path: Path, n_voxels: int) -> str:
    """A card's geometry: the binning XML in the file's folder that has as many voxels."""
    for xml in sorted(path.parent.glob("*.xml")):
        with suppress(CaloganError):  # other XML
            if Geometry.load(xml).n_voxels == n_voxels:
                return f"\n[geometry]\nfile = {json.dumps(xml.name)}\n"
    return (
        f"\n# Name the binning XML of these {n_voxels} voxels, if it is not data set 2.\n"
        '# [geometry]\n# file = "binning.xml"\n'
    )


def _range(dataset: Any) -> str:
    """Smallest and largest value, read in pieces of bounded memory."""
    if dataset.dtype.kind not in "iuf" or not dataset.size:
        return ""
    if not dataset.shape:
        return in_digits(float(dataset[()]))
    per_row = max(1, dataset.size // max(1, dataset.shape[0]))
    step = max(1, (1 << 22) // per_row)
    low, high, bad = np.inf, -np.inf, 0
    for start in range(0, dataset.shape[0], step):
        values = np.asarray(dataset[start : start + step])
        finite = values[np.isfinite(values)]
        bad += values.size - finite.size
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    text = f"{in_digits(low)} .. {in_digits(high)}" if low <= high else ""
    return text + (f", {bad:,} not finite" if bad else "")
