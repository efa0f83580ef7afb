"""Names, offsets and scales of a network's inputs, and labels of its outputs.

The form is that of lwtnn's own converters (``variables.json``)::

    {"inputs": [{"name": "node", "variables": [{"name": "pt", "offset": 0, "scale": 1}]}],
     "input_sequences": [],
     "outputs": [{"name": "probabilities", "labels": ["signal", "background"]}]}

A variable may have a ``default``; ``miscellaneous``, an object of strings, is passed on.
lwtnn itself applies offset and scale, ``(x + offset) * scale``, before the network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_KEYS = ("inputs", "input_sequences", "outputs")


def default_variables(
    inputs: Mapping[str, int], sequences: Mapping[str, int], outputs: Mapping[str, int]
) -> dict[str, Any]:
    """Specification with made-up names, ``<node>_0``, ``<node>_1``, …, for widths by name."""

    def nodes(widths: Mapping[str, int]) -> list[dict[str, Any]]:
        return [{"name": name, "variables": _plain(name, width)} for name, width in widths.items()]

    return {
        "inputs": nodes(inputs),
        "input_sequences": nodes(sequences),
        "outputs": [
            {"name": name, "labels": [f"{name}_{i}" for i in range(width)]}
            for name, width in outputs.items()
        ],
    }


def resolve(
    spec: Mapping[str, Any] | None,
    output_labels: Mapping[str, Sequence[str]] | Sequence[str] | None,
    inputs: Mapping[str, int],
    sequences: Mapping[str, int],
    outputs: Mapping[str, int],
) -> dict[str, Any]:
    """Complete a specification for a model whose inputs and outputs have these widths.

    Entries are matched to the model by name; when none of the names is the model's, by position,
    as in lwtnn's converters, and the model's inputs or outputs take the new names.

    Raises
    ------
    ValueError
        The specification does not fit the model; the message names the field.
    """
    result = default_variables(inputs, sequences, outputs)
    widths = {"inputs": inputs, "input_sequences": sequences, "outputs": outputs}
    spec = _unflattened({} if spec is None else spec, inputs, sequences, outputs)
    unknown = [key for key in spec if key not in (*_KEYS, "miscellaneous")]
    if unknown:
        raise ValueError(f"variables: unknown field {unknown[0]!r}; expected {', '.join(_KEYS)}")
    for key in _KEYS:
        check = _labels if key == "outputs" else _variables
        entries = _objects(spec.get(key, []), key)
        for position, number in _match(entries, widths[key], key):
            name = list(widths[key])[position]
            where = f"{key}[{number}]"
            result[key][position] = check(entries[number], name, widths[key][name], where)
    miscellaneous = spec.get("miscellaneous", {})
    if not isinstance(miscellaneous, Mapping):
        raise ValueError(f"variables: miscellaneous is {miscellaneous!r}; expected an object")
    result["miscellaneous"] = {str(key): str(value) for key, value in miscellaneous.items()}
    if output_labels is not None:
        _apply_labels(result["outputs"], output_labels, outputs)
    for key in _KEYS:
        names = [entry["name"] for entry in result[key]]
        _unique(names, key)
    return result


def _plain(node: str, width: int) -> list[dict[str, Any]]:
    return [{"name": f"{node}_{i}", "offset": 0.0, "scale": 1.0} for i in range(width)]


def _unflattened(
    spec: Mapping[str, Any],
    inputs: Mapping[str, int],
    sequences: Mapping[str, int],
    outputs: Mapping[str, int],
) -> Mapping[str, Any]:
    """The form of lwtnn's keras2json, a list of variables and ``class_labels``, as nodes."""
    if not isinstance(spec, Mapping):
        raise ValueError(f"variables: found {type(spec).__name__}; expected a JSON object")
    entries = spec.get("inputs", [])
    flat = "class_labels" in spec or (
        isinstance(entries, list)
        and any(isinstance(entry, Mapping) and "variables" not in entry for entry in entries)
    )
    if not flat:
        return spec
    if len(inputs) + len(sequences) != 1 or len(outputs) != 1:
        raise ValueError(
            "variables: a plain list of variables fits a model of one input and one output; this "
            f"one has the inputs {_list(*inputs, *sequences)} and the outputs {_list(*outputs)}"
        )
    key, widths = ("inputs", inputs) if inputs else ("input_sequences", sequences)
    nodes: dict[str, Any] = {
        other: value for other, value in spec.items() if other not in ("inputs", "class_labels")
    }
    nodes[key] = [{"name": next(iter(widths)), "variables": entries}]
    if "class_labels" in spec:
        nodes["outputs"] = [{"name": next(iter(outputs)), "labels": spec["class_labels"]}]
    return nodes


def _match(
    entries: Sequence[Mapping[str, Any]], widths: Mapping[str, int], key: str
) -> list[tuple[int, int]]:
    """Pairs of a position in the model and one in the specification."""
    names = [_text(entry, "name", f"{key}[{i}]") for i, entry in enumerate(entries)]
    _unique(names, key)
    known = list(widths)
    if all(name in known for name in names):
        return [(known.index(name), i) for i, name in enumerate(names)]
    if len(names) == len(known) and not any(name in known for name in names):
        return [(i, i) for i in range(len(names))]
    raise ValueError(
        f"variables: {key} are named {_list(*names)}, the model's {_list(*known)}; use the model's "
        f"names, or {len(known)} new ones in the model's order"
    )


def _variables(entry: Mapping[str, Any], model: str, width: int, where: str) -> dict[str, Any]:
    variables = []
    for number, item in enumerate(_objects(entry.get("variables"), f"{where}.variables")):
        place = f"{where}.variables[{number}]"
        variable: dict[str, Any] = {"name": _text(item, "name", place)}
        for key in ("offset", "scale", "default"):
            if key in item or key != "default":
                variable[key] = _number(item, key, place)
        variables.append(variable)
    if len(variables) != width:
        raise ValueError(
            f"variables: {where}.variables has {len(variables)} entries, but the model's input "
            f"{model!r} has {width}"
        )
    _unique([variable["name"] for variable in variables], f"{where}.variables")
    return {"name": _text(entry, "name", where), "variables": variables}


def _labels(entry: Mapping[str, Any], model: str, width: int, where: str) -> dict[str, Any]:
    labels = _checked_labels(entry.get("labels"), model, width, f"{where}.labels")
    return {"name": _text(entry, "name", where), "labels": labels}


def _checked_labels(labels: Any, model: str, width: int, where: str) -> list[str]:
    if not isinstance(labels, Sequence) or isinstance(labels, str):
        raise ValueError(f"variables: {where} is {labels!r}; expected an array of strings")
    if not all(isinstance(label, str) for label in labels):
        raise ValueError(f"variables: {where} holds something that is not a string")
    if len(labels) != width:
        raise ValueError(
            f"variables: {where} has {len(labels)} entries, but the model's output {model!r} has "
            f"{width}"
        )
    _unique(labels, where)
    return list(labels)


def _apply_labels(
    entries: list[dict[str, Any]],
    given: Mapping[str, Sequence[str]] | Sequence[str],
    outputs: Mapping[str, int],
) -> None:
    if not isinstance(given, Mapping):
        if len(entries) != 1:
            raise ValueError(
                f"output_labels is one list, but the model has {len(entries)} outputs, "
                f"{_list(*outputs)}; give a dict of lists"
            )
        given = {entries[0]["name"]: given}
    current = {entry["name"]: width for entry, width in zip(entries, outputs.values(), strict=True)}
    wanted = [{"name": name} for name in given]
    for position, number in _match(wanted, current, "output_labels"):
        name = wanted[number]["name"]
        width = list(outputs.values())[position]
        labels = _checked_labels(given[name], list(outputs)[position], width, f"outputs.{name}")
        entries[position] = {"name": name, "labels": labels}


def _objects(value: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ValueError(f"variables: {where} is {str(value)[:40]!r}; expected an array of objects")
    return value


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"variables: {where}.{key} is {value!r}; expected a string")
    return value


def _number(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"variables: {where}.{key} is {value!r}; expected a finite number")
    return float(value)


def _unique(names: Sequence[str], where: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"variables: {where} holds the name {twice!r} more than once")


def _list(*names: str) -> str:
    return ", ".join(map(repr, names)) or "none"
