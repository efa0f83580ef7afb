"""A NumPy evaluator of lwtnn JSON: what lwtnn computes, for a batch of events at a time.

It follows lwtnn 2.14 (``Graph.tcc`` and ``Stack.tcc`` of its sources) and shares no code with the
converter, so each checks the other. The only departures from lwtnn are of rounding: the complement
of a highway layer's carry gate is computed as ``sigmoid(-z)``, which float32 keeps exact where
``1 - sigmoid(z)`` cancels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lwtnn_converter._graph_json import (
    SEQUENCE,
    VECTOR,
    Input,
    field,
    in_order,
    listed,
    parse_node,
    read_file,
    read_inputs,
    reads_sequence,
    sequential_as_graph,
    variables_by_name,
)
from lwtnn_converter._layers_numpy import (
    Function,
    GraphError,
    feed_forward,
    recurrent,
)

__all__ = ["Graph", "GraphError"]

Array = npt.NDArray[Any]
# An input node: one array (n, k), or one (n,) for each variable.
NodeInput = npt.ArrayLike | Mapping[str, npt.ArrayLike]


@dataclass(frozen=True, slots=True)
class _Node:
    type: str
    sources: tuple[int, ...]
    width: int
    function: Function | None


class Graph:
    """A network in lwtnn JSON, graph or sequential.

    Parameters
    ----------
    source
        The JSON as a dict, or the path of a file.
    dtype
        ``numpy.float64`` as lwtnn's ``LightweightGraph``, or ``numpy.float32``.

    Attributes
    ----------
    inputs, sequences : dict of str to tuple of str
        Names of the input nodes, with the names of their variables in order. Input nodes that
        share a name each take their variables of those given under it. The nameless input of a
        sequential JSON is called ``inputs``.
    outputs : dict of str to tuple of str
        Names of the outputs, with their labels in order. A sequential JSON's output is called
        ``outputs``.

    Raises
    ------
    GraphError
        The JSON is not a network that lwtnn would run; the message names the field.
    """

    def __init__(
        self,
        source: Mapping[str, Any] | str | os.PathLike[str],
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"dtype is {self.dtype}; expected float32 or float64")
        config = source if isinstance(source, Mapping) else read_file(Path(source))
        if "nodes" not in config:
            config = sequential_as_graph(config)
        self._vectors = read_inputs(config, "inputs", self.dtype)
        self._matrices = read_inputs(config, "input_sequences", self.dtype)
        self.inputs = variables_by_name(self._vectors)
        self.sequences = variables_by_name(self._matrices)
        self._nodes = self._build_nodes(field(config, "nodes", "", list), config)
        self._outputs: dict[str, int] = {}
        self.outputs: dict[str, tuple[str, ...]] = {}
        for name, output in field(config, "outputs", "", dict).items():
            where = f"outputs.{name}"
            index = field(output, "node_index", where, int)
            labels = tuple(map(str, field(output, "labels", where, list)))
            self._check_node(index, f"{where}.node_index")
            width = self._nodes[index].width
            # lwtnn reads only the first values when there are fewer labels.
            if len(labels) > width:
                raise GraphError(
                    f"field {where}.labels has {len(labels)} labels, but node {index} has "
                    f"{width} values"
                )
            if len(set(labels)) < len(labels):
                twice = next(label for label in labels if labels.count(label) > 1)
                raise GraphError(f"field {where}.labels holds {twice!r} more than once")
            self._outputs[name] = index
            self.outputs[name] = labels
        if not self._outputs:
            raise GraphError("field outputs is empty; expected at least one output")

    def compute(
        self,
        inputs: Mapping[str, NodeInput] | None = None,
        sequences: Mapping[str, NodeInput] | None = None,
        output: str | None = None,
    ) -> Any:
        """Outputs as vectors, as lwtnn's ``compute``.

        Parameters
        ----------
        inputs
            For each input node an array (n, variables), or a mapping of variable names to (n,).
            A value given once serves all n events.
        sequences
            For each input sequence an array (n, steps, variables), or a mapping of variable names
            to (n, steps).
        output
            Name of an output; needed only for one of several.

        Returns
        -------
        array (n, labels), or for a network of several outputs without ``output`` a dict of them.
        A recurrent layer's vector is its last step.
        """
        return self._run(inputs, sequences, output, scan=False)

    def scan(
        self,
        inputs: Mapping[str, NodeInput] | None = None,
        sequences: Mapping[str, NodeInput] | None = None,
        output: str | None = None,
    ) -> Any:
        """Outputs as sequences (n, steps, labels), as lwtnn's ``scan``; arguments as `compute`."""
        return self._run(inputs, sequences, output, scan=True)

    def _run(
        self,
        inputs: Mapping[str, NodeInput] | None,
        sequences: Mapping[str, NodeInput] | None,
        output: str | None,
        scan: bool,
    ) -> Any:
        if output is not None and output not in self._outputs:
            raise ValueError(f"no output {output!r}; the outputs are {listed(self._outputs)}")
        wanted = list(self._outputs) if output is None else [output]
        for name in wanted:
            kind = self._nodes[self._outputs[name]].type
            if kind not in (SEQUENCE if scan else VECTOR):
                right = "compute" if scan else "scan"
                raise ValueError(f"output {name!r} comes from a {kind} node; use {right} for it")
        vectors = self._feed(inputs or {}, self._vectors, 2)
        matrices = self._feed(sequences or {}, self._matrices, 3)
        batch = {len(array) for array in (*vectors.values(), *matrices.values()) if len(array) != 1}
        if len(batch) > 1:
            raise ValueError(f"inputs differ in their number of events: {sorted(batch)}")
        events = batch.pop() if batch else 1
        done: dict[int, Array] = {}
        results = {}
        for name in wanted:
            index = self._outputs[name]
            result = self._evaluate(index, vectors, matrices, done)
            if self._nodes[index].type == "sequence" and not scan:
                result = _last(result)
            result = result[..., : len(self.outputs[name])]
            if len(result) != events:  # constants alone, or inputs given once
                result = np.repeat(result, events, axis=0)
            results[name] = result
        return results[wanted[0]] if len(wanted) == 1 else results

    def _feed(
        self, given: Mapping[str, NodeInput], nodes: Sequence[Input], rank: int
    ) -> dict[int, Array]:
        """Scaled inputs by position; those not given are missing until a node asks for them."""
        known = self.inputs if rank == 2 else self.sequences
        for name in given:
            if name not in known:
                what = "input" if rank == 2 else "input sequence"
                raise ValueError(f"no {what} {name!r}; the network has {listed(known)}")
        arrays = {
            name: self._as_array(name, value, known[name], rank) for name, value in given.items()
        }
        fed: dict[int, Array] = {}
        for index, node in enumerate(nodes):
            if node.name in arrays:
                array = arrays[node.name]
                if node.variables != known[node.name]:
                    place = {variable: i for i, variable in enumerate(known[node.name])}
                    array = array[..., [place[variable] for variable in node.variables]]
                fed[index] = (array + node.offset) * node.scale
        return fed

    def _as_array(self, name: str, value: NodeInput, variables: Sequence[str], rank: int) -> Array:
        """What is given under a name, (n, variables) or (n, steps, variables)."""
        if isinstance(value, Mapping):
            missing = [variable for variable in variables if variable not in value]
            if missing:
                raise ValueError(f"input {name!r} lacks the variables {listed(missing)}")
            columns = [np.asarray(value[variable], dtype=self.dtype) for variable in variables]
            array = np.stack(np.broadcast_arrays(*columns), axis=-1)
        else:
            array = np.asarray(value, dtype=self.dtype)
        while array.ndim < rank:
            array = array[np.newaxis]
        if array.ndim != rank or array.shape[-1] != len(variables):
            shape = "(n, {})" if rank == 2 else "(n, steps, {})"
            raise ValueError(
                f"input {name!r} has shape {array.shape}; expected " + shape.format(len(variables))
            )
        return array

    def _evaluate(
        self,
        target: int,
        vectors: Mapping[int, Array],
        matrices: Mapping[int, Array],
        done: dict[int, Array],
    ) -> Array:
        """Values of a node; those of every node on the way are kept in ``done``."""
        stack = [target]
        while stack:
            index = stack[-1]
            node = self._nodes[index]
            if node.type in ("input", "input_sequence"):
                vector = node.type == "input"
                fed = vectors if vector else matrices
                source = node.sources[0]
                if source not in fed:
                    item = (self._vectors if vector else self._matrices)[source]
                    what = "inputs" if vector else "sequences"
                    raise ValueError(f"{what} lacks {item.name!r}, which the output depends on")
                done[index] = fed[source]
            else:
                waiting = [source for source in node.sources if source not in done]
                if waiting:
                    stack.extend(waiting)
                    continue
                done[index] = self._apply(
                    node, [self._as_read(node, i, done) for i in node.sources]
                )
            stack.pop()
        return done[target]

    def _as_read(self, node: _Node, source: int, done: Mapping[int, Array]) -> Array:
        """Values of a source as the node reads them: vectors take the last step of a sequence."""
        if self._nodes[source].type == "sequence" and not reads_sequence(node.type):
            return _last(done[source])
        return done[source]

    @staticmethod
    def _apply(node: _Node, sources: list[Array]) -> Array:
        if node.type == "concatenate":
            events = max(len(array) for array in sources)
            same = [np.broadcast_to(array, (events, array.shape[1])) for array in sources]
            return np.concatenate(same, axis=1)
        if node.type == "add":
            total = sources[0]
            for array in sources[1:]:
                total = total + array
            return total
        if node.type == "sum":
            return cast(Array, sources[0].sum(axis=1))
        return cast(Function, node.function)(sources[0])

    def _build_nodes(self, items: list[Any], config: Mapping[str, Any]) -> list[_Node]:
        layers = field(config, "layers", "", list)
        parsed = [parse_node(item, f"nodes[{i}]", len(items)) for i, item in enumerate(items)]
        built: dict[int, _Node] = {}
        functions: dict[tuple[int, bool], tuple[int, Function, int]] = {}
        for index in in_order(parsed):
            kind, sources, size = parsed[index]
            where = f"nodes[{index}]"
            if kind in ("input", "input_sequence"):
                declared = self._vectors if kind == "input" else self._matrices
                built[index] = _input_node(kind, sources, size, declared, where)
                continue
            for source in sources:
                have = built[source].type
                if have not in (SEQUENCE if reads_sequence(kind) else VECTOR):
                    need = "a sequence" if reads_sequence(kind) else "a vector"
                    raise GraphError(
                        f"field {where}.sources holds {source}, a {have} node, but a {kind} node "
                        f"reads {need}"
                    )
            widths = [built[source].width for source in sources]
            function = None
            if kind == "concatenate":
                width = sum(widths)
            elif kind == "add":
                width = widths[0]
                if len(set(widths)) > 1:
                    raise GraphError(f"field {where}.sources adds vectors of widths {widths}")
            elif kind == "sum":
                width = widths[0]
            else:
                if not 0 <= size < len(layers):
                    raise GraphError(
                        f"field {where}.layer_index is {size}, but there are {len(layers)} layers"
                    )
                make = recurrent if kind == "sequence" else feed_forward
                key = (size, kind == "sequence")
                if key not in functions:
                    if not isinstance(layers[size], Mapping):
                        raise GraphError(f"field layers[{size}] is not an object")
                    made = make(layers[size], widths[0], f"layers[{size}]", self.dtype)
                    functions[key] = (widths[0], *made)
                # lwtnn builds a layer for its first use and runs it unchecked on the others.
                expected, function, width = functions[key]
                if widths[0] != expected:
                    raise GraphError(
                        f"field {where}.layer_index is {size}, a layer that reads {expected} "
                        f"values elsewhere and {widths[0]} here"
                    )
            built[index] = _Node(kind, sources, width, function)
        return [built[index] for index in range(len(items))]

    def _check_node(self, index: int, where: str) -> None:
        if not 0 <= index < len(self._nodes):
            raise GraphError(f"field {where} is {index}, but there are {len(self._nodes)} nodes")


def _last(sequence: Array) -> Array:
    """Last step of (n, steps, k); zeros for an empty sequence, as in lwtnn."""
    if sequence.shape[1] == 0:
        return np.zeros((sequence.shape[0], sequence.shape[2]), dtype=sequence.dtype)
    return sequence[:, -1]


def _input_node(
    kind: str, sources: tuple[int, ...], size: int, declared: Sequence[Input], where: str
) -> _Node:
    what = "inputs" if kind == "input" else "input_sequences"
    if sources[0] >= len(declared):
        raise GraphError(
            f"field {where}.sources holds {sources[0]}, but there are {len(declared)} {what}"
        )
    variables = len(declared[sources[0]].variables)
    if size != variables:
        raise GraphError(
            f"field {where}.size is {size}, but {what}[{sources[0]}] has {variables} variables"
        )
    return _Node(kind, sources, size, None)
