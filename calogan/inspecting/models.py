"""Models: generators and other lwtnn files, run directories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calogan.conditions import condition_from_dict
from calogan.errors import CaloganError
from calogan.exporting.bundle import INDEX
from calogan.files import read_text
from calogan.geometry import Geometry
from calogan.inspecting.bundles import describe_bundle
from calogan.inspecting.tables import (
    Inspection,
    Table,
    condition_table,
    few,
    geometry_table,
    in_digits,
    provenance_facts,
    size_of,
)
from calogan.training.run import Run


def describe_json(path: Path) -> Inspection:
    """A generator, or any other model in lwtnn's JSON."""
    try:
        fields = json.loads(read_text(path, "JSON file"))
    except json.JSONDecodeError as error:
        raise CaloganError(f"{path} is not valid JSON: {error}") from error
    if "calogan_bundle" in fields and path.name == INDEX:
        return describe_bundle(path.parent)
    if "calogan" in fields:
        return _describe_generator(path, fields)
    layers = fields.get("layers")
    if not isinstance(layers, list) or "inputs" not in fields or "outputs" not in fields:
        raise CaloganError(
            f"{path} is JSON, but not a generator or lwtnn model: keys {sorted(fields)[:10]}, "
            "expected inputs, layers, outputs"
        )
    facts = [("size", size_of(path)), *_layer_facts(fields), *_export_facts(fields)]
    if "nodes" not in fields:
        facts.append(("inputs", ", ".join(str(i.get("name")) for i in fields["inputs"][:20])))
        facts.append(("outputs", ", ".join(map(str, fields["outputs"][:20]))))
        return Inspection(path, "lwtnn sequential model", tuple(facts))
    return Inspection(path, "lwtnn graph", tuple(facts), tuple(_graph_tables(fields)))


def _export_facts(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of a generator that was exported for another program."""
    about = fields.get("calogan_export")
    if not isinstance(about, Mapping):
        return []
    settings = [str(line) for line in about.get("settings", [])]
    return [
        ("exported for", str(about.get("profile"))),
        ("generator", str(about.get("name"))),
        ("weights_sha256", str(about.get("weights_sha256"))),
        *([("settings", "\n".join(settings))] if settings else []),
    ]


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
        (str(node.get("name")), _listed([str(v.get("name")) for v in node.get("variables", [])]))
        for node in [*fields["inputs"], *fields.get("input_sequences", [])]
    ]
    outputs = [
        (str(name), _listed([str(label) for label in output.get("labels", [])]))
        for name, output in fields["outputs"].items()
    ]
    return [
        Table("inputs", ("node", "variables"), few(inputs)),
        Table("outputs", ("output", "labels"), few(outputs)),
    ]


def _listed(names: Sequence[str]) -> str:
    """All of a few names, the first and the last of many."""
    return ", ".join(names) if len(names) < 7 else f"{names[0]} .. {names[-1]} ({len(names)})"


def _describe_generator(path: Path, fields: Mapping[str, Any]) -> Inspection:
    try:
        block = fields["calogan"]
        variables = [condition_from_dict(v) for v in block["conditions"]["variables"]]
        geometry = Geometry.from_dict(block["geometry"], f"{path}: calogan.geometry")
        latent = block["latent"]
        facts = [
            ("name", str(block["name"])),
            ("size", size_of(path)),
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
            *provenance_facts(block.get("provenance", {})),
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise CaloganError(
            f"{path} has a 'calogan' block that is not complete: {type(error).__name__} {error}; "
            "export the run again"
        ) from error
    tables = (condition_table(variables), geometry_table(geometry), *_graph_tables(fields))
    return Inspection(path, "calogan generator", tuple(facts), tables)


def describe_run(path: Path) -> Inspection:
    """How far a training has come, its conditions and geometry, and its latest metrics."""
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
        facts.append((name, size_of(file) if file.is_file() else "not written yet"))
    tables = [condition_table(card.condition_list), geometry_table(card.build_geometry())]
    latest: dict[str, Any] = {}
    for line in history:
        latest.update(line)
    if latest:
        rows = [
            (key, in_digits(value))
            for key, value in latest.items()
            if isinstance(value, int | float)
        ]
        tables.append(Table("latest metrics", ("name", "value"), few(rows)))
    return Inspection(path, "run directory", tuple(facts), tuple(tables))
