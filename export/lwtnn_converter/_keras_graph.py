"""Reading the graph of a Keras model: its inputs, outputs, and the calls of layers between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from lwtnn_converter._layers_keras import ConversionError, reject


def endpoints(model: Any, which: str) -> list[Any]:
    """A model's inputs or outputs."""
    if type(model).call not in _GRAPH_CALLS:
        problem = "computes by a call of its own; rebuild it as keras.Model(inputs, outputs)"
    elif not model.built:
        problem = "is not built; give it an Input, or call it once on data"
    else:
        return list(getattr(model, which))
    raise ConversionError(f"model {model.name!r} ({type(model).__name__}) {problem}")


def output_names(model: Any) -> list[str]:
    """Names of outputs: keys of a dict of outputs, else names of the layers they come from."""
    if not isinstance(model, keras.Sequential) and isinstance(model.output, Mapping):
        return sorted(model.output)
    return [tensor._keras_history.operation.name for tensor in endpoints(model, "outputs")]


def calls(outputs: Sequence[Any], known: Mapping[int, Any]) -> Iterator[Any]:
    """Keras's records of layer calls between the known tensors and the outputs, in order."""
    done: set[int] = set()
    for output in outputs:
        stack = [output]
        while stack:
            tensor = stack[-1]
            history = tensor._keras_history
            call = history.operation._inbound_nodes[history.node_index]
            if id(tensor) in known or id(call) in done:
                stack.pop()
                continue
            waiting = [
                source
                for source in arguments(history.operation.name, call)
                if id(source) not in known and id(_call_of(source)) not in done
            ]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            done.add(id(call))
            stack.pop()
            yield call


def _call_of(tensor: Any) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def arguments(name: str, call: Any) -> list[Any]:
    """Tensors a layer was called on; anything else among the positional arguments is an error."""
    tensors = list(leaves(call.arguments.args))
    for tensor in tensors:
        if not isinstance(tensor, keras.KerasTensor):
            raise reject(
                name,
                call.operation,
                f"is called with the argument {tensor!r}; lwtnn takes constants only as weights",
            )
    if not tensors:
        raise reject(name, call.operation, "is called without positional tensors")
    return tensors


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from leaves(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def _graph_calls() -> tuple[Any, ...]:
    """How models call their layers when they do it by the graph."""
    tensor = keras.Input((1,))
    return type(keras.Model(tensor, tensor)).call, keras.Sequential.call


_GRAPH_CALLS = _graph_calls()
