"""What is in a file: ROOT (with a run card that would read it), HDF5, JSON model, run directory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.files import read_text, refuse_remote
from calogan.geometry import Geometry
from calogan.suggest import BranchInfo, Plan, TreeInfo, plan_card, write_card

if TYPE_CHECKING:
    from rich.console import Group

SAMPLE_EVENTS = 1000
"""Events whose hits are read to guess units and cells."""
SAMPLE_BYTES = 64 << 20
MAX_ROWS = 40


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Inspection:
    """The content of one file or run directory; `rich` can print it."""

    path: Path
    kind: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    card: str | None = None
    """For a ROOT file with hits: a run card that would read it, TOML."""

    def __rich__(self) -> Group:
        from rich import box
        from rich.console import Group
        from rich.syntax import Syntax
        from rich.table import Table as RichTable
        from rich.text import Text

        parts: list[Any] = [Text(f"{self.path}: {self.kind}", style="bold")]
        if self.facts:
            grid = RichTable.grid(padding=(0, 2))
            for key, value in self.facts:
                grid.add_row(Text(key, style="cyan"), Text(value))
            parts.append(grid)
        for table in self.tables:
            shown = RichTable(title=Text(table.title), title_justify="left", box=box.SIMPLE_HEAD)
            for column in table.columns:
                shown.add_column(column, overflow="fold")
            for row in table.rows:
                shown.add_row(*(Text(cell) for cell in row))
            parts.append(shown)
        if self.card is not None:
            parts.append(Text("A run card to begin with (--card prints it alone):", style="bold"))
            parts.append(Syntax(self.card, "toml", background_color="default", word_wrap=True))
        return Group(*parts)


def inspect(path: str | Path) -> Inspection:
    """Describe a ROOT file, HDF5 file, JSON model or run directory; the content tells which.

    Raises CaloganError for anything else.
    """
    refuse_remote(path)
    path = Path(path).expanduser()
    if path.is_dir():
        return _run(path)
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise CaloganError(f"no file or folder {path}") from error
    except OSError as error:
        raise CaloganError(f"cannot read {path}: {error}") from error
    if head.startswith(b"root"):
        return _root(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _hdf5(path)
    if head.lstrip()[:1] == b"{":
        return _json(path)
    found = "it is empty" if not head else f"it begins with {head[:8]!r}"
    raise CaloganError(
        f"{path} is not a ROOT file, HDF5 file, JSON model or run directory: {found}"
    )


def _number(value: float) -> str:
    return f"{value:.6g}"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.3g} MB"


def _few(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    if len(rows) <= MAX_ROWS:
        return tuple(rows)
    rest = (f"... and {len(rows) - MAX_ROWS} more", *("" for _ in rows[0][1:]))
    return (*rows[:MAX_ROWS], rest)


# ROOT


def _root(path: Path) -> Inspection:
    from calogan.io.root import decode, open_root, tree_names

    with open_root(path) as directory:
        trees = [
            decode(f"tree '{name}' of {path}", partial(_tree_info, directory, name))
            for name in tree_names(directory)
        ]
        kinds = {str(k): str(v) for k, v in directory.classnames(cycle=False).items()}
        plan = plan_card(trees)
        card = None
        if plan is not None:
            card = decode(str(path), lambda: _card(directory, plan, trees, path))
    others = [
        f"{name} ({kind})"
        for name, kind in kinds.items()
        if name not in {tree.name for tree in trees}
    ]
    facts = [("size", _size(path)), ("trees", ", ".join(tree.name for tree in trees) or "none")]
    if others:
        facts.append(("other objects", ", ".join(others[:20]) + (", ..." if others[20:] else "")))
    if card is None:
        facts.append(("run card", "no tree has branches that look like hits or cells"))
    tables = tuple(
        Table(
            f"tree {tree.name}, {tree.entries:,} entries",
            ("branch", "type"),
            _few(list(_families(tree.branches))),
        )
        for tree in trees
    )
    return Inspection(path, "ROOT file", tuple(facts), tables, card)


def _tree_info(directory: Any, name: str) -> TreeInfo:
    tree = directory[name]
    branches = tuple(
        BranchInfo(
            str(key).rsplit("/", 1)[-1],
            str(branch.typename),
            int(getattr(branch, "uncompressed_bytes", 0)),
        )
        for key, branch in zip(tree.keys(recursive=True), tree.values(recursive=True), strict=True)
    )
    return TreeInfo(name, int(tree.num_entries), branches)


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
    tree = directory[plan.tree]
    info = next(t for t in trees if t.name == plan.tree)
    size = {branch.name: branch.size for branch in info.branches}
    weight = sum(size[name] for name in plan.wanted) / info.entries
    n_events = min(SAMPLE_EVENTS, info.entries, max(1, int(SAMPLE_BYTES / max(weight, 1.0))))
    arrays = tree.arrays(plan.wanted, entry_stop=n_events, library="ak")
    hits = {name: _flat(arrays[name]) for name in plan.wanted}
    source = directory[plan.condition_tree] if plan.condition_tree else tree
    branches = list(plan.conditions.values())
    values: dict[str, NDArray[Any]] = {}
    if branches:
        found = source.arrays(branches, entry_stop=1_000_000, library="ak")
        values = {name: _flat(found[name]) for name in branches}
    return write_card(plan, hits, values, n_events, path.name)


def _flat(array: Any) -> NDArray[Any]:
    import awkward as ak

    return np.asarray(ak.to_numpy(ak.flatten(array, axis=None)))


# HDF5


def _hdf5(path: Path) -> Inspection:
    import h5py

    from calogan.io import store

    with store.open_hdf5(path) as file, store.reading(path):
        found: list[Any] = []
        file.visititems(lambda _, item: found.append(item))
        rows = [
            (d.name.lstrip("/"), " x ".join(map(str, d.shape)) or "one", str(d.dtype), _range(d))
            for d in found
            if isinstance(d, h5py.Dataset)
        ]
        names = set(file)
        attributes = {str(k): str(v) for k, v in file.attrs.items()}
    tables = [Table("datasets", ("name", "shape", "type", "range"), _few(rows))]
    facts = [("size", _size(path))]
    if not {"incident_energies", "showers"} <= names:
        facts += [(k, v[:200]) for k, v in attributes.items()]
        return Inspection(path, "HDF5 file, not a store of showers", tuple(facts), tuple(tables))
    about = store.info(path)
    facts.append(("showers", f"{about.n_showers:,} of {about.n_voxels} voxels"))
    if about.geometry is None:
        kind = "CaloChallenge HDF5 file; its geometry is in a binning XML file"
    else:
        kind = f"store of showers, version {about.version}"
        facts.append(
            ("conditions", ", ".join(f"{n} [{u}]" if u else n for n, u in about.conditions))
        )
        facts += _provenance(about.provenance)
        tables.append(_geometry_table(about.geometry))
    return Inspection(path, kind, tuple(facts), tuple(tables))


def _range(dataset: Any) -> str:
    """Smallest and largest value, read in pieces of bounded memory."""
    if dataset.dtype.kind not in "iuf" or not dataset.size:
        return ""
    if not dataset.shape:
        return _number(float(dataset[()]))
    per_row = max(1, dataset.size // max(1, dataset.shape[0]))
    step = max(1, (1 << 22) // per_row)
    low, high, bad = np.inf, -np.inf, 0
    for start in range(0, dataset.shape[0], step):
        values = np.asarray(dataset[start : start + step])
        finite = values[np.isfinite(values)]
        bad += values.size - finite.size
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    text = f"{_number(low)} .. {_number(high)}" if low <= high else ""
    return text + (f", {bad:,} not finite" if bad else "")


def _provenance(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, value in provenance.items():
        if key == "files" and isinstance(value, list):
            first = value[0].get("path", "") if value and isinstance(value[0], dict) else ""
            rows.append(("made from", f"{len(value)} files, first {first}"))
        elif isinstance(value, str | int | float):
            rows.append((key.replace("_", " "), str(value)))
    return rows


# JSON and run directories


def _json(path: Path) -> Inspection:
    try:
        fields = json.loads(read_text(path, "JSON file"))
    except json.JSONDecodeError as error:
        raise CaloganError(f"{path} is not valid JSON: {error}") from error
    if "calogan" in fields:
        return _generator(path, fields)
    layers = fields.get("layers")
    if not isinstance(layers, list) or "inputs" not in fields or "outputs" not in fields:
        raise CaloganError(
            f"{path} is JSON, but not a generator or lwtnn model: keys {sorted(fields)[:10]}, "
            "expected inputs, layers, outputs"
        )
    facts = [("size", _size(path)), *_layer_facts(fields)]
    if "nodes" not in fields:
        facts.append(("inputs", ", ".join(str(i.get("name")) for i in fields["inputs"][:20])))
        facts.append(("outputs", ", ".join(map(str, fields["outputs"][:20]))))
        return Inspection(path, "lwtnn sequential model", tuple(facts))
    return Inspection(path, "lwtnn graph", tuple(facts), tuple(_graph_tables(fields)))


def _layer_facts(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    counts: dict[str, int] = {}
    for layer in fields["layers"]:
        kind = str(layer.get("architecture", "?"))
        counts[kind] = counts.get(kind, 0) + 1
    numbers = sum(_count_numbers(layer) for layer in fields["layers"])
    return [
        ("layers", ", ".join(f"{n} {kind}" for kind, n in counts.items())),
        ("weights", f"{numbers:,}"),
    ]


def _count_numbers(item: Any) -> int:
    if isinstance(item, list):
        if item and isinstance(item[0], int | float):
            return len(item)
        return sum(_count_numbers(part) for part in item)
    if isinstance(item, dict):
        return sum(_count_numbers(part) for part in item.values())
    return 0


def _graph_tables(fields: Mapping[str, Any]) -> list[Table]:
    inputs = [
        (str(node.get("name")), _names([str(v.get("name")) for v in node.get("variables", [])]))
        for node in [*fields["inputs"], *fields.get("input_sequences", [])]
    ]
    outputs = [
        (str(name), _names([str(label) for label in output.get("labels", [])]))
        for name, output in fields["outputs"].items()
    ]
    return [
        Table("inputs", ("node", "variables"), _few(inputs)),
        Table("outputs", ("output", "labels"), _few(outputs)),
    ]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 7 else f"{names[0]} .. {names[-1]} ({len(names)})"


def _generator(path: Path, fields: Mapping[str, Any]) -> Inspection:
    try:
        block = fields["calogan"]
        variables = [Condition.from_dict(v) for v in block["conditions"]["variables"]]
        geometry = Geometry.from_dict(block["geometry"], f"{path}: calogan.geometry")
        latent = block["latent"]
        facts = [
            ("name", str(block["name"])),
            ("size", _size(path)),
            ("schema version", str(block["schema_version"])),
            ("producer", str(block["producer"])),
            (
                "latents",
                ", ".join(f"{node['name']} ({node['size']})" for node in latent["nodes"])
                + f", {latent['distribution']}",
            ),
            ("readout threshold", f"{block['readout_threshold']} MeV"),
            ("self tests", str(len(block["self_test"]))),
            *_layer_facts(fields),
            *_provenance(block.get("provenance", {})),
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise CaloganError(
            f"{path} has a 'calogan' block that is not complete: {type(error).__name__} {error}; "
            "export the run again"
        ) from error
    tables = (_condition_table(variables), _geometry_table(geometry), *_graph_tables(fields))
    return Inspection(path, "calogan generator", tuple(facts), tables)


def _condition_table(conditions: Sequence[Condition]) -> Table:
    rows = tuple((c.name, _number(c.low), _number(c.high), c.unit, c.scale) for c in conditions)
    return Table("conditions", ("name", "low", "high", "unit", "scale"), rows)


def _geometry_table(geometry: Geometry) -> Table:
    rows = []
    for layer in geometry.layers:
        axes = ("x", "y") if layer.system == "cartesian" else ("r", "alpha")
        first, second = layer.first_edges, layer.second_edges
        depth = "" if layer.z is None else f"{layer.z[0]:g} .. {layer.z[1]:g} mm"
        spans = (f"{a} {e[0]:g} .. {e[-1]:g}" for a, e in zip(axes, (first, second), strict=True))
        rows.append((layer.name, f"{layer.shape[0]} x {layer.shape[1]}", *spans, depth))
    title = f"geometry {geometry.name}, {geometry.n_voxels} voxels"
    return Table(title, ("layer", "cells", "first axis", "second axis", "z"), _few(rows))


def _run(path: Path) -> Inspection:
    from calogan.run import Run

    run = Run(path)
    card = run.card()
    history = run.history()
    facts = [
        ("name", card.name),
        ("method", card.training.method.upper()),
        ("training data", str(card.data.train)),
    ]
    done = int(history[-1]["update"]) if history else 0
    planned = card.training.updates
    facts.append(("updates", f"{done:,} of {planned:,} ({done / planned:.0%})"))
    files = [("generator weights", run.generator_weights)]
    if card.training.method == "gan":
        files.append(("critic weights", run.critic_weights))
    for name, file in files:
        facts.append((name, _size(file) if file.is_file() else "not written yet"))
    tables = [_condition_table(card.condition_list), _geometry_table(card.build_geometry())]
    latest: dict[str, Any] = {}
    for line in history:
        latest.update(line)
    if latest:
        rows = [
            (key, _number(value)) for key, value in latest.items() if isinstance(value, int | float)
        ]
        tables.append(Table("latest metrics", ("name", "value"), _few(rows)))
    return Inspection(path, "run directory", tuple(facts), tuple(tables))
