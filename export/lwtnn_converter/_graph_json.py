"""Reading the fields of lwtnn JSON, and checking that they make a graph."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lwtnn_converter._layers_numpy import GraphError, is_number

Array = npt.NDArray[Any]

VECTOR = {"input", "feed_forward", "concatenate", "add", "sum", "sequence"}
SEQUENCE = {"input_sequence", "time_distributed", "sequence"}
_RECURRENT = {"lstm", "gru", "simplernn", "embedding"}


@dataclass(frozen=True, slots=True)
class Input:
    """An input node: variables in order, and what lwtnn does to them, ``(x + offset) * scale``."""

    name: str
    variables: tuple[str, ...]
    offset: Array
    scale: Array


def reads_sequence(kind: str) -> bool:
    return kind in ("sequence", "time_distributed", "sum")


def parse_node(item: Any, where: str, count: int) -> tuple[str, tuple[int, ...], int]:
    """Type, sources, and size or layer index (0 for nodes that have neither)."""
    if not isinstance(item, Mapping):
        raise GraphError(f"field {where} is not an object")
    kind = field(item, "type", where, str)
    if kind not in VECTOR | SEQUENCE:
        raise GraphError(
            f"field {where}.type is {kind!r}; expected one of {listed(VECTOR | SEQUENCE)}"
        )
    sources = tuple(field(item, "sources", where, list))
    single = kind not in ("concatenate", "add")
    if not sources or (single and len(sources) != 1):
        wanted = "1 source" if single else "at least 1 source"
        raise GraphError(f"field {where}.sources has {len(sources)} entries; expected {wanted}")
    for source in sources:
        if not isinstance(source, int) or isinstance(source, bool) or source < 0:
            raise GraphError(f"field {where}.sources holds {source!r}; expected a node's number")
        if source >= count and kind not in ("input", "input_sequence"):
            raise GraphError(f"field {where}.sources holds {source}, but there are {count} nodes")
    if kind in ("input", "input_sequence"):
        return kind, sources, field(item, "size", where, int)
    if kind in ("feed_forward", "time_distributed", "sequence"):
        return kind, sources, field(item, "layer_index", where, int)
    return kind, sources, 0


def in_order(parsed: Sequence[tuple[str, tuple[int, ...], int]]) -> list[int]:
    """Indices of nodes, sources before those that read them."""
    order: list[int] = []
    state: dict[int, str] = {}
    for start in range(len(parsed)):
        stack = [start]
        while stack:
            index = stack[-1]
            kind, sources, _ = parsed[index]
            if state.get(index) == "done":
                stack.pop()
                continue
            waiting = [
                source
                for source in sources
                if kind not in ("input", "input_sequence") and state.get(source) != "done"
            ]
            if not waiting:
                state[index] = "done"
                order.append(index)
                stack.pop()
                continue
            state[index] = "open"
            for source in waiting:
                if state.get(source) == "open":
                    raise GraphError(
                        f"field nodes[{index}].sources holds {source}, which is a cycle"
                    )
            stack.extend(waiting[:1])
    return order


def read_inputs(config: Mapping[str, Any], key: str, dtype: np.dtype[Any]) -> list[Input]:
    nodes: list[Input] = []
    for number, item in enumerate(field(config, key, "", list)):
        where = f"{key}[{number}]"
        if not isinstance(item, Mapping):
            raise GraphError(f"field {where} is not an object")
        variables = field(item, "variables", where, list)
        names = [field(v, "name", f"{where}.variables[{i}]", str) for i, v in enumerate(variables)]
        columns = []
        for name in ("offset", "scale"):
            values = [
                field(v, name, f"{where}.variables[{i}]", float) for i, v in enumerate(variables)
            ]
            columns.append(np.array(values, dtype=dtype))
        nodes.append(Input(field(item, "name", where, str), tuple(names), *columns))
    return nodes


def variables_by_name(nodes: Sequence[Input]) -> dict[str, tuple[str, ...]]:
    """The variables to give under each name, in order; nodes may share a name, and variables."""
    names: dict[str, dict[str, None]] = {}
    for node in nodes:
        names.setdefault(node.name, {}).update(dict.fromkeys(node.variables))
    return {name: tuple(variables) for name, variables in names.items()}


def sequential_as_graph(config: Mapping[str, Any]) -> dict[str, Any]:
    """Graph form of a sequential JSON: one input, one chain, one output.

    As in lwtnn, a JSON with recurrent or embedding layers reads a sequence (``LightweightRNN``);
    these layers come first, whatever their place in the file, the others read their last step.
    """
    layers = field(config, "layers", "", list)
    variables = field(config, "inputs", "", list)
    labels = field(config, "outputs", "", list)
    kinds = [
        field(layer, "architecture", f"layers[{i}]", str) if isinstance(layer, Mapping) else ""
        for i, layer in enumerate(layers)
    ]
    first = [i for i, kind in enumerate(kinds) if kind in _RECURRENT]
    rest = [i for i, kind in enumerate(kinds) if kind not in _RECURRENT]
    declared = [{"name": "inputs", "variables": variables}]
    nodes: list[dict[str, Any]] = [
        {"type": "input_sequence" if first else "input", "sources": [0], "size": len(variables)}
    ]
    for index in first + rest:
        kind = "sequence" if index in first else "feed_forward"
        nodes.append({"type": kind, "sources": [len(nodes) - 1], "layer_index": index})
    return {
        "inputs": [] if first else declared,
        "input_sequences": declared if first else [],
        "nodes": nodes,
        "layers": layers,
        "outputs": {"outputs": {"node_index": len(nodes) - 1, "labels": labels}},
    }


def read_file(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise GraphError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise GraphError(f"{path} holds a {type(config).__name__}; expected a JSON object")
    return config


def field(item: Any, key: str, where: str, kind: type) -> Any:
    """A field of the right type; ints pass for floats, infinities and NaN do not pass."""
    name = f"{where}.{key}" if where else key
    if not isinstance(item, Mapping):
        raise GraphError(f"field {where or 'model'} is not an object")
    if key not in item:
        raise GraphError(f"field {name} is missing; {where or 'the model'} has {listed(item)}")
    value = item[key]
    accepted: Callable[[Any], bool] = {
        float: is_number,
        int: lambda v: isinstance(v, int) and not isinstance(v, bool),
        list: lambda v: isinstance(v, (list, tuple)),
        dict: lambda v: isinstance(v, Mapping),
        str: lambda v: isinstance(v, str),
    }[kind]
    if not accepted(value):
        expected = {
            float: "a finite number",
            int: "an integer",
            list: "an array",
            dict: "an object",
            str: "a string",
        }[kind]
        raise GraphError(f"field {name} is {str(value)[:40]!r}; expected {expected}")
    return value


def listed(names: Any) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
