"""Keras 3 models to lwtnn JSON.

The graph is walked from the model's outputs to its inputs; each layer is looked up by its exact
type in one table, and a type that is not there is an error. What lwtnn computes differently from
Keras is written so that the results are the same, or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from lwtnn_converter import variables
from lwtnn_converter._group_softmax import STAGES
from lwtnn_converter._keras_graph import arguments, calls, endpoints, leaves, output_names
from lwtnn_converter._layers_keras import (
    PER_STEP,
    SEQUENCE,
    ConversionError,
    LayerJson,
    reject,
)
from lwtnn_converter.layers import Gate, GroupSoftmax, Sum

__all__ = ["ConversionError", "convert", "template"]


def convert(
    model: Any,
    inputs: Mapping[str, Any] | None = None,
    *,
    output_labels: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    sequential: bool = False,
) -> dict[str, Any]:
    """Convert a Keras 3 functional or Sequential model to lwtnn JSON.

    Parameters
    ----------
    model
        A built model. Layers count as they are at inference.
    inputs
        Names, offsets and scales of the inputs and labels of the outputs, as in lwtnn's
        ``variables.json`` (see :mod:`lwtnn_converter.variables`); what it does not name is called
        ``<input>_0``, ``<input>_1``, … with offset 0 and scale 1. lwtnn applies
        ``(x + offset) * scale`` before the network, so the model must not do it again.
    output_labels
        Labels of the only output, or of each output by name; they override those in ``inputs``.
    sequential
        Write lwtnn's sequential JSON, for a model that is one chain of layers.

    Returns
    -------
    dict
        JSON data, for :func:`lwtnn_converter.dumps` or :class:`lwtnn_converter.Graph`.

    Raises
    ------
    ConversionError
        The model holds what lwtnn cannot compute; the message names the layer.
    ValueError
        ``inputs`` or ``output_labels`` do not fit the model.
    """
    builder = _built(model)
    scalars, sequences, outputs = builder.widths()
    names = variables.resolve(inputs, output_labels, scalars, sequences, outputs)
    graph: dict[str, Any] = {
        "inputs": names["inputs"],
        "input_sequences": names["input_sequences"],
        "nodes": builder.nodes,
        "layers": builder.layers,
        "outputs": {
            entry["name"]: {"labels": entry["labels"], "node_index": value.node}
            for entry, value in zip(names["outputs"], builder.outputs.values(), strict=True)
        },
    }
    if names["miscellaneous"] or sequential:
        graph["miscellaneous"] = names["miscellaneous"]
    return _as_sequential(graph, builder) if sequential else graph


def template(model: Any) -> dict[str, Any]:
    """The specification of variables for a model, to be filled in and given to :func:`convert`."""
    return variables.default_variables(*_built(model).widths())


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the model, and the node that computes it."""

    node: int
    width: int
    sequence: bool  # a row for each step, in lwtnn
    rank: int  # as the Keras layer sees it, batch included: 2 for the steps in a TimeDistributed
    steps: int | None = None  # if the model fixes their number
    masked: bool = False  # steps may be masked: in Keras skipped, to lwtnn not given


class _Builder:
    """Nodes and layers of a graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.layers: list[dict[str, Any]] = []
        self.inputs: dict[str, _Value] = {}
        self.outputs: dict[str, _Value] = {}
        self.layer_names: dict[int, str] = {}
        self._layer_index: dict[tuple[int, str, int, int], int] = {}
        self._chains: dict[tuple[int, str, int, int], list[LayerJson]] = {}
        self._path: list[str] = []

    def widths(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Widths by name of vector inputs, input sequences and outputs."""
        vectors = {name: v.width for name, v in self.inputs.items() if not self._is_sequence(v)}
        sequences = {name: v.width for name, v in self.inputs.items() if self._is_sequence(v)}
        return vectors, sequences, {name: v.width for name, v in self.outputs.items()}

    def name(self, layer: Any) -> str:
        return "/".join([*self._path, layer.name])

    def reject(self, layer: Any, problem: str) -> ConversionError:
        return reject(self.name(layer), layer, problem)

    def node(self, kind: str, sources: Sequence[_Value], **fields: int) -> int:
        self.nodes.append({"type": kind, "sources": [v.node for v in sources], **fields})
        return len(self.nodes) - 1

    def chain(
        self,
        layer: Any,
        value: _Value,
        kind: str,
        build: Callable[[str, Any, int, int], list[LayerJson]],
        stage: str = "",
    ) -> _Value:
        """Nodes for the lwtnn layers of one Keras layer; a layer used again keeps its weights.

        `stage` tells chains apart if a layer needs several.
        """
        key = (id(layer), stage, value.width, value.rank)
        if key not in self._chains:
            self._chains[key] = build(self.name(layer), layer, value.width, value.rank)
        for part, item in enumerate(self._chains[key]):
            place = (id(layer), stage, value.width, part)
            if place not in self._layer_index:
                self._layer_index[place] = len(self.layers)
                self.layer_names[len(self.layers)] = self.name(layer)
                self.layers.append(item.json)
            index = self._layer_index[place]
            # A convolution's activation, if a layer of its own, acts on each step.
            step = "time_distributed" if value.sequence else "feed_forward"
            node = self.node(kind if item.over_steps else step, [value], layer_index=index)
            value = replace(value, node=node, width=item.width)
        return value

    def add_model(self, model: Any) -> None:
        """Nodes of a whole model."""
        values = []
        for number, tensor in enumerate(endpoints(model, "inputs")):
            name = _unused(tensor.name or f"input_{number}", self.inputs)
            shape = tuple(tensor.shape)
            # The width of an Embedding's input, which is a number of steps, may be open.
            width = shape[-1] or (0 if len(shape) == 2 else None)
            if len(shape) not in (2, 3) or width is None:
                raise ConversionError(
                    f"input {name!r} has shape {shape}; lwtnn takes vectors, (None, k), and "
                    "sequences, (None, steps, k)"
                )
            kind = "input" if len(shape) == 2 else "input_sequence"
            node = self.node(kind, [], size=width)
            steps = shape[1] if len(shape) == 3 else None
            value = _Value(node, width, len(shape) == 3, len(shape), steps)
            self.inputs[name] = value
            values.append(value)
        for name, value in zip(output_names(model), self.run(model, values), strict=True):
            self.outputs[_unused(name, self.outputs)] = value
        self._number_inputs()

    def run(self, model: Any, values: Sequence[_Value]) -> list[_Value]:
        """Nodes of a model applied to these values."""
        known: dict[int, _Value] = {}
        for tensor, value in zip(endpoints(model, "inputs"), values, strict=True):
            known[id(tensor)] = value
        outputs = endpoints(model, "outputs")
        for call in calls(outputs, known):
            layer = call.operation
            tensors = arguments(self.name(layer), call)
            masked = any(known[id(tensor)].masked for tensor in tensors)
            self._check_keywords(layer, call.arguments.kwargs, masked)
            if masked and not getattr(layer, "supports_masking", False):
                raise self.reject(
                    layer, "reads a masked sequence and loses the mask; Keras uses the masked steps"
                )
            results = self.apply(layer, [known[id(tensor)] for tensor in tensors])
            if len(call.output_tensors) != len(results):
                raise self.reject(
                    layer, f"has {len(call.output_tensors)} outputs; use one without its states"
                )
            for tensor, result in zip(call.output_tensors, results, strict=True):
                known[id(tensor)] = self._placed(layer, tensor, result)
        return [known[id(tensor)] for tensor in outputs]

    def apply(self, layer: Any, values: list[_Value]) -> list[_Value]:
        """Nodes of one layer, or of a model used as one."""
        if isinstance(layer, keras.Model):
            self._path.append(layer.name)
            results = self.run(layer, values)
            self._path.pop()
            return results
        if type(layer) not in TABLE:
            raise self.reject(layer, "cannot be computed by lwtnn" + _supported())
        return [TABLE[type(layer)](self, layer, values)]

    def _placed(self, layer: Any, tensor: Any, value: _Value) -> _Value:
        """A layer's result, checked against the shape Keras gives it."""
        shape = tuple(tensor.shape)
        if value.rank != len(shape) or value.width != shape[-1]:
            raise self.reject(
                layer,
                f"gives shape {shape}, which is not the vector or sequence of {value.width} "
                "values that lwtnn would compute",
            )
        return replace(value, steps=shape[1] if len(shape) == 3 else value.steps)

    def _check_keywords(self, layer: Any, keywords: Mapping[str, Any], masked: bool) -> None:
        for key, given in keywords.items():
            if all(value is None or value is False for value in leaves(given)):
                continue
            if key == "mask" and masked:
                continue
            raise self.reject(layer, f"is called with {key}={given!r}, which lwtnn has no form of")

    def _is_sequence(self, value: _Value) -> bool:
        return bool(self.nodes[value.node]["type"] == "input_sequence")

    def _number_inputs(self) -> None:
        """Positions of the inputs, once it is known which of them are sequences."""
        count = {"input": 0, "input_sequence": 0}
        for name, value in self.inputs.items():
            node = self.nodes[value.node]
            node["sources"] = [count[node["type"]]]
            count[node["type"]] += 1
            # An input (None, steps) of an Embedding became a sequence; no vector may read it.
            if node["type"] == "input_sequence" and not value.sequence:
                readers = [n for n in self.nodes if n is not node and value.node in n["sources"]]
                readers = [n for n in readers if not n["type"].startswith("input")]
                if any(n["type"] != "sequence" for n in readers) or any(
                    output.node == value.node for output in self.outputs.values()
                ):
                    raise ConversionError(
                        f"input {name!r} feeds both an Embedding and other layers or outputs; "
                        "lwtnn reads it as a sequence or as a vector, not both"
                    )


def _built(model: Any) -> _Builder:
    if not isinstance(model, keras.Model):
        raise TypeError(f"expected a Keras model, found {type(model).__name__}")
    builder = _Builder()
    builder.add_model(model)
    return builder


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    number, new = 0, name
    while new in taken:
        number += 1
        new = f"{name}_{number}"
    return new


# What becomes of each type of layer


def _drop(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    return values[0]


def _per_step(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    """A layer on a vector, or on each step of a sequence."""
    return builder.chain(layer, values[0], "", PER_STEP[type(layer)])


def _recurrent(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    value = values[0]
    if len(values) != 1:
        raise builder.reject(layer, "is called with initial states; lwtnn starts from zeros")
    if value.rank != 3:
        raise builder.reject(layer, "reads a vector for each step; lwtnn needs a sequence")
    result = builder.chain(layer, value, "sequence", SEQUENCE[type(layer)])
    if getattr(layer, "return_sequences", True):
        return result
    return replace(result, sequence=False, rank=2, masked=False)


def _embedding(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    value = values[0]
    node = builder.nodes[value.node]
    if value.rank != 2 or value.sequence or not node["type"].startswith("input"):
        raise builder.reject(layer, "must read an Input of shape (steps,); lwtnn embeds only there")
    # Keras's (None, steps) is, to lwtnn, a sequence of one variable.
    node.update(type="input_sequence", size=1)
    for name, known in builder.inputs.items():
        if known.node == value.node:
            builder.inputs[name] = replace(known, width=1)
    sequence = replace(value, width=1, sequence=True, rank=3, masked=bool(layer.mask_zero))
    return builder.chain(layer, sequence, "sequence", SEQUENCE[type(layer)])


def _merge(kind: str) -> Callable[[_Builder, Any, list[_Value]], _Value]:
    def convert_merge(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
        if any(value.sequence for value in values):
            raise builder.reject(layer, "merges sequences; lwtnn merges vectors only")
        if kind == "concatenate" and layer.axis not in (-1, 1):
            raise builder.reject(layer, f"has axis={layer.axis}; expected -1")
        widths = [value.width for value in values]
        if kind == "add" and len(set(widths)) > 1:
            raise builder.reject(layer, f"adds widths {widths}; lwtnn adds equal widths only")
        return _merged(builder, kind, *values)

    return convert_merge


def _merged(builder: _Builder, kind: str, *values: _Value) -> _Value:
    width = sum(value.width for value in values) if kind == "concatenate" else values[0].width
    return _Value(builder.node(kind, values), width, False, 2)


def _gate(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    if any(value.sequence for value in values):
        raise builder.reject(layer, "gates sequences; lwtnn merges vectors only")
    return builder.chain(layer, _merged(builder, "concatenate", *values), "", PER_STEP[Gate])


def _group_softmax(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    """softmax(y + spread(g - log(sums(softmax(y))))), y being x within its limit and a 0."""
    if any(value.sequence for value in values):
        raise builder.reject(layer, "shares out sequences; lwtnn merges vectors only")
    logits, groups = values

    def stage(name: str, value: _Value) -> _Value:
        return builder.chain(layer, value, "", STAGES[name], name)

    logits = stage("limited", logits)
    logits = _merged(builder, "concatenate", logits, stage("zero", groups))
    gained = _merged(builder, "add", groups, stage("minus_log_sums", logits))
    return stage("softmax", _merged(builder, "add", logits, stage("spread", gained)))


def _time_distributed(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    if values[0].rank != 3:
        raise builder.reject(layer, "must read a sequence, (None, steps, k)")
    inner = builder.apply(layer.layer, [replace(values[0], rank=2)])
    if len(inner) != 1 or not inner[0].sequence:
        raise builder.reject(layer, "must give one vector for each step")
    return replace(inner[0], rank=3)


def _sum(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    value = values[0]
    axis = [1] if isinstance(layer, Sum) else _axes(layer.axis)
    if value.rank != 3 or axis not in ([1], [-2]) or getattr(layer, "keepdims", False):
        raise builder.reject(layer, "must sum a sequence over its steps, axis=1")
    return _Value(builder.node("sum", values), value.width, False, 2)


def _axes(axis: Any) -> list[int]:
    return list(axis) if isinstance(axis, (list, tuple)) else [axis]


def _flat(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    """Flatten, or a Reshape: nothing on a vector; a sequence of one step becomes its sum."""
    value = values[0]
    target = getattr(layer, "target_shape", (-1,))
    if tuple(target) not in ((-1,), (value.width,)):
        raise builder.reject(layer, f"reshapes to {tuple(target)}; lwtnn cannot reshape")
    if value.rank == 2:
        return value
    if value.steps != 1 or value.masked:
        raise builder.reject(layer, "flattens a sequence of more than one step; lwtnn cannot")
    return _Value(builder.node("sum", values), value.width, False, 2)


def _cast(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    # Keras casts between the precisions of layers; lwtnn has one precision throughout.
    if "float" not in str(layer.dtype):
        raise builder.reject(layer, f"casts to {layer.dtype}; lwtnn has floating point only")
    return values[0]


def _masking(builder: _Builder, layer: Any, values: list[_Value]) -> _Value:
    # The sequence given to lwtnn holds only the steps that Keras would not skip.
    return replace(values[0], masked=True)


def _operation(function: Callable[..., Any], *arguments: Any) -> type:
    """Type of a ``keras.ops`` function as it stands in a model's graph."""
    return type(function(*arguments)._keras_history.operation)


def _make_table() -> dict[type, Callable[[_Builder, Any, list[_Value]], _Value]]:
    layers = keras.layers
    table: dict[type, Callable[[_Builder, Any, list[_Value]], _Value]] = {
        **dict.fromkeys(PER_STEP, _per_step),
        **dict.fromkeys(SEQUENCE, _recurrent),
        layers.Embedding: _embedding,
        layers.Add: _merge("add"),
        layers.Concatenate: _merge("concatenate"),
        Gate: _gate,
        GroupSoftmax: _group_softmax,
        Sum: _sum,
        layers.TimeDistributed: _time_distributed,
        layers.Flatten: _flat,
        layers.Reshape: _flat,
        layers.Masking: _masking,
        layers.InputLayer: _drop,
        layers.Identity: _drop,
        layers.Dropout: _drop,
        layers.AlphaDropout: _drop,
        layers.GaussianDropout: _drop,
        layers.GaussianNoise: _drop,
        layers.SpatialDropout1D: _drop,
        layers.ActivityRegularization: _drop,
    }
    vector, steps = keras.KerasTensor((None, 2)), keras.KerasTensor((None, 2, 2))
    table[_operation(keras.ops.add, vector, vector)] = _merge("add")
    table[_operation(keras.ops.concatenate, [vector, vector])] = _merge("concatenate")
    table[_operation(keras.ops.sum, steps, 1)] = _sum
    table[_operation(keras.ops.cast, vector, "float16")] = _cast
    return table


TABLE = _make_table()


def _supported() -> str:
    names = sorted({kind.__name__ for kind in TABLE} - {"InputLayer", "Sum"})
    return "; supported are " + ", ".join(names) + ", and models of these"


def _as_sequential(graph: dict[str, Any], builder: _Builder) -> dict[str, Any]:
    """lwtnn's sequential form of a graph that is one chain."""
    inputs = graph["inputs"] + graph["input_sequences"]
    if len(inputs) != 1 or len(graph["outputs"]) != 1:
        raise ConversionError(
            f"sequential JSON has one input and one output; this model has {len(inputs)} and "
            f"{len(graph['outputs'])}; leave out sequential"
        )
    (output,) = graph["outputs"].values()
    order = []
    for number, node in enumerate(graph["nodes"][1:], start=1):
        name = builder.layer_names.get(node.get("layer_index", -1), node["type"])
        if node["type"] not in ("feed_forward", "sequence") or node["sources"] != [number - 1]:
            raise ConversionError(
                "sequential JSON is one chain of layers, each on a vector or recurrent; "
                f"{name!r} becomes {node['type']!r} in a graph; leave out sequential"
            )
        layer = graph["layers"][node["layer_index"]]
        if layer["architecture"] == "conv1d":
            raise ConversionError(
                f"layer {name!r}: lwtnn's sequential form has no convolutions; leave out sequential"
            )
        order.append(layer)
    last = graph["nodes"][-1]
    if output["node_index"] != len(graph["nodes"]) - 1 or (
        last["type"] == "sequence" and next(iter(builder.outputs.values())).sequence
    ):
        raise ConversionError("sequential JSON gives the last layer's vector; leave out sequential")
    defaults = {v["name"]: v.pop("default") for v in inputs[0]["variables"] if "default" in v}
    return {
        "inputs": inputs[0]["variables"],
        "layers": order,
        "outputs": output["labels"],
        "defaults": defaults,
        "miscellaneous": graph["miscellaneous"],
    }
