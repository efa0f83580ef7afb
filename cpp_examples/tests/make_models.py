"""Write the runner's test models: lwtnn graph JSON with expected outputs in double precision.

    python make_models.py data        # gated.json, cells.json and layers.json, the tests' models
    python make_models.py --corpus ../fuzz/corpus/json
    python make_models.py --benchmark 130-320-320-320-504 --cell-latents -o big.json

Needs numpy alone. The evaluator here is written from lwtnn's definitions, in double precision on
the weights as stored (rounded to float32), and shares no code with the runner.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return e / e.sum()


ACTIVATIONS: dict[str, Callable[[Array, float], Array]] = {
    "linear": lambda x, a: x,
    "sigmoid": lambda x, a: sigmoid(x),
    "rectified": lambda x, a: np.maximum(x, 0),
    "softmax": lambda x, a: softmax(x),
    "tanh": lambda x, a: np.tanh(x),
    "hard_sigmoid": lambda x, a: np.clip(0.2 * x + 0.5, 0, 1),
    "elu": lambda x, a: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    "leakyrelu": lambda x, a: np.where(x > 0, x, a * x),
    "swish": lambda x, a: x * sigmoid(a * x),
    "abs": lambda x, a: np.abs(x),
}


def activate(spec: Any, x: Array) -> Array:
    if isinstance(spec, dict):
        return ACTIVATIONS[spec["function"]](x, spec["alpha"])
    return ACTIVATIONS[spec](x, 1.0)


def affine(matrix: dict[str, Any], x: Array) -> Array:
    if len(matrix["weights"]):
        x = np.reshape(np.asarray(matrix["weights"]), (-1, len(x))) @ x
    return x + np.asarray(matrix["bias"]) if len(matrix["bias"]) else x


def evaluate_layer(layer: dict[str, Any], x: Array) -> Array:
    kind = layer["architecture"]
    if kind == "dense":
        return activate(layer["activation"], affine(layer, x))
    if kind == "normalization":
        return (x + np.asarray(layer["bias"])) * np.asarray(layer["weights"])
    if kind == "maxout":
        return np.max([affine(sub, x) for sub in layer["sublayers"]], axis=0)
    if kind == "highway":
        c = sigmoid(affine(layer["components"]["carry"], x))
        t = activate(layer["activation"], affine(layer["components"]["t"], x))
        return c * t + (1 - c) * x
    if kind == "embedding":
        for sub in layer["sublayers"]:
            table = np.reshape(np.asarray(sub["weights"]), (sub["n_out"], -1))
            i = sub["index"]
            x = np.concatenate([x[:i], table[:, int(x[i])], x[i + 1 :]])
        return x
    raise ValueError(kind)


class Graph:
    """Builds a graph node by node."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: list[dict[str, Any]] = []
        self.nodes: list[dict[str, Any]] = []
        self.layers: list[dict[str, Any]] = []
        self.widths: list[int] = []

    def numbers(self, *shape: int, scale: float = 1.0) -> list[float]:
        values = self.rng.normal(0, scale, shape).astype(np.float32)
        return values.ravel().astype(float).tolist()

    def _node(self, width: int, **fields: Any) -> int:
        self.nodes.append(fields)
        self.widths.append(width)
        return len(self.nodes) - 1

    def input(self, name: str, variables: list[dict[str, Any]]) -> int:
        self.inputs.append({"name": name, "variables": variables})
        return self._node(
            len(variables), type="input", sources=[len(self.inputs) - 1], size=len(variables)
        )

    def concatenate(self, *sources: int) -> int:
        width = sum(self.widths[s] for s in sources)
        return self._node(width, type="concatenate", sources=list(sources))

    def add(self, *sources: int) -> int:
        return self._node(self.widths[sources[0]], type="add", sources=list(sources))

    def layer(self, source: int, width: int, **fields: Any) -> int:
        self.layers.append(fields)
        return self._node(
            width, type="feed_forward", sources=[source], layer_index=len(self.layers) - 1
        )

    def again(self, node: int, source: int) -> int:
        """The layer of another node, shared."""
        index = self.nodes[node]["layer_index"]
        return self._node(
            self.widths[node], type="feed_forward", sources=[source], layer_index=index
        )

    def dense(self, source: int, width: int, activation: Any = "linear", bias: bool = True) -> int:
        n = self.widths[source]
        return self.layer(
            source,
            width,
            architecture="dense",
            activation=activation,
            weights=self.numbers(width, n, scale=n**-0.5),
            bias=self.numbers(width, scale=0.3) if bias else [],
        )

    def activation(self, source: int, activation: Any) -> int:
        return self.layer(
            source,
            self.widths[source],
            architecture="dense",
            activation=activation,
            weights=[],
            bias=[],
        )

    def normalization(self, source: int, bias: float = 0.2) -> int:
        n = self.widths[source]
        return self.layer(
            source,
            n,
            architecture="normalization",
            weights=(1 + 0.2 * np.asarray(self.numbers(n))).astype(np.float32).tolist(),
            bias=self.numbers(n, scale=bias),
        )

    def maxout(self, source: int, width: int, pieces: int) -> int:
        n = self.widths[source]
        subs = [
            {"weights": self.numbers(width, n, scale=n**-0.5), "bias": self.numbers(width)}
            for _ in range(pieces)
        ]
        return self.layer(source, width, architecture="maxout", sublayers=subs)

    def highway(self, source: int, activation: Any) -> int:
        n = self.widths[source]
        components = {
            key: {"weights": self.numbers(n, n, scale=n**-0.5), "bias": self.numbers(n)}
            for key in ("t", "carry")
        }
        return self.layer(
            source, n, architecture="highway", components=components, activation=activation
        )

    def gate(self, source: int) -> int:
        """All of the source times the sigmoid of its last element."""
        n = self.widths[source]
        carry = np.zeros((n, n))
        carry[:, -1] = -1
        zero = [0] * n
        components = {
            "t": {"weights": [0] * (n * n), "bias": zero},
            "carry": {"weights": carry.astype(int).ravel().tolist(), "bias": zero},
        }
        return self.layer(
            source, n, architecture="highway", components=components, activation="linear"
        )

    def embedding(self, source: int, tables: list[tuple[int, int, int]]) -> int:
        """tables: (index, categories, outputs), one after another."""
        subs = [
            {"index": i, "n_out": n, "weights": self.numbers(n, categories)}
            for i, categories, n in tables
        ]
        width = self.widths[source] + sum(n - 1 for _, _, n in tables)
        return self.layer(source, width, architecture="embedding", sublayers=subs)

    def evaluate(self, values: list[Array], output: int) -> Array:
        results: dict[int, Array] = {}

        def value(i: int) -> Array:
            if i not in results:
                node = self.nodes[i]
                if node["type"] == "input":
                    variables = self.inputs[node["sources"][0]]["variables"]
                    offset = np.asarray([v["offset"] for v in variables])
                    scale = np.asarray([v["scale"] for v in variables])
                    results[i] = (values[node["sources"][0]] + offset) * scale
                else:
                    sources = [value(s) for s in node["sources"]]
                    if node["type"] == "concatenate":
                        results[i] = np.concatenate(sources)
                    elif node["type"] == "add":
                        results[i] = np.sum(sources, axis=0)
                    else:
                        results[i] = evaluate_layer(self.layers[node["layer_index"]], sources[0])
            return results[i]

        return value(output)


def condition_variables(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """lwtnn input variables that map each condition's range to -1..1 (categories stay)."""
    out = []
    for c in conditions:
        low, high, name = c["low"], c["high"], c["name"]
        if c["scale"] == "log":
            low, high, name = np.log(low), np.log(high), "log_" + name
        if c["unit"] == "":
            offset, scale = 0.0, 1.0
        else:
            offset, scale = -0.5 * (low + high), 2.0 / (high - low)
        out.append({"name": name, "offset": float(offset), "scale": float(scale)})
    return out


def latent_variables(
    n: int, node: str = "latent", offset: float = 0.0, scale: float = 1.0
) -> list[dict[str, Any]]:
    return [{"name": f"{node}_{i}", "offset": offset, "scale": scale} for i in range(n)]


def model(
    graph: Graph,
    output: int,
    labels: list[str],
    name: str,
    conditions: list[dict[str, Any]],
    geometry: dict[str, Any],
    tests: list[list[float]],
    threshold: float,
    latent: tuple[float, float] = (0.0, 1.0),
) -> dict[str, Any]:
    assert len(labels) == graph.widths[output], (len(labels), graph.widths[output])
    latent_nodes = [
        {"name": node["name"], "size": len(node["variables"])}
        for node in graph.inputs
        if node["name"] != "conditions"
    ]
    sizes = [node["size"] for node in latent_nodes]
    self_test = []
    for values in tests:
        z = graph.rng.normal(*latent, sum(sizes)).astype(np.float32).astype(float)
        fed = [
            np.log(value) if condition["scale"] == "log" else value
            for value, condition in zip(values, conditions, strict=True)
        ]
        parts = dict(
            zip([n["name"] for n in latent_nodes], np.split(z, np.cumsum(sizes)[:-1]), strict=True)
        )
        parts["conditions"] = np.asarray(fed)
        fractions = graph.evaluate([parts[node["name"]] for node in graph.inputs], output)
        self_test.append(
            {"latent": z.tolist(), "conditions": values, "fractions": fractions.tolist()}
        )
    return {
        "input_sequences": [],
        "inputs": graph.inputs,
        "nodes": graph.nodes,
        "layers": graph.layers,
        "outputs": {"fractions": {"labels": labels, "node_index": output}},
        "calogan": {
            "schema_version": 1,
            "name": name,
            "producer": "make_models.py",
            "latent": {
                "nodes": latent_nodes,
                "distribution": "normal",
                "mean": latent[0],
                "std": latent[1],
            },
            "conditions": {"node": "conditions", "variables": conditions},
            "output": "fractions",
            "readout_threshold": threshold,
            "geometry": geometry,
            "weights_sha256": "",
            "provenance": {"made_by": "make_models.py"},
            "self_test": self_test,
        },
    }


ENERGY = {"name": "energy", "unit": "GeV", "low": 1.0, "high": 50.0, "scale": "log"}
THETA = {"name": "theta", "unit": "rad", "low": 0.0, "high": 0.35, "scale": "linear"}


def cartesian(name: str, nx: int, ny: int, z: list[float] | None) -> dict[str, Any]:
    return {
        "name": name,
        "system": "cartesian",
        "x_edges": np.linspace(-240, 240, nx + 1).tolist(),
        "y_edges": np.linspace(-240, 240, ny + 1).tolist(),
        "z": z,
    }


def generator(
    sizes: list[int],
    n_latent: int,
    shape: list[tuple[int, int]],
    seed: int,
    name: str,
    cell_latents: bool = False,
    gated: bool = True,
) -> dict[str, Any]:
    """A generator as calogan trains them: a softmax per layer, gated by the layer's energy.

    cell_latents: with a latent for each cell too, and the trunk's inputs beside its output.
    gated: without, the softmaxes are the output.
    """
    graph = Graph(seed)
    conditions = [ENERGY, THETA]
    swish = {"function": "swish", "alpha": 1.0}
    latent = graph.input("latent", latent_variables(n_latent))
    cells = []
    if cell_latents:
        for k, (nx, ny) in enumerate(shape):
            node_name = f"cell_latent_{k}"
            cells.append(graph.input(node_name, latent_variables(nx * ny, node_name)))
    joined = graph.concatenate(latent, graph.input("conditions", condition_variables(conditions)))
    node = joined
    for size in sizes:
        node = graph.dense(node, size)
        node = graph.normalization(node)
        node = graph.activation(node, swish)
    if cell_latents:
        node = graph.concatenate(node, joined)
    gates, labels, first = [], [], 0
    for k, (nx, ny) in enumerate(shape):
        if cell_latents:
            logits = graph.dense(node, nx * ny)
            openness = graph.dense(node, nx * ny)
            noise = graph.normalization(cells[k], bias=0.0)
            single = graph.activation(graph.add(openness, noise), swish)
            fractions = graph.activation(graph.add(logits, single), "softmax")
        else:
            fractions = graph.dense(node, nx * ny, "softmax")
        labels += [f"voxel_{first + i}" for i in range(nx * ny)]
        if gated:
            gates.append(graph.gate(graph.concatenate(fractions, graph.dense(node, 1))))
            labels.append(f"unused_layer_{k}")
        else:
            gates.append(fractions)
        first += nx * ny
    output = graph.concatenate(*gates)
    z = [-240.0, -150.0, 197.0, 240.0]  # mm
    geometry = {
        "name": name,
        "fastest": "last",
        "layers": [
            cartesian(f"layer_{k}", nx, ny, z[k : k + 2] if k < 3 else None)
            for k, (nx, ny) in enumerate(shape)
        ],
    }
    tests = [[1.0, 0.0], [10.0, 0.1], [49.5, 0.35]]
    return model(graph, output, labels, name, conditions, geometry, tests, 0.3)


def every_layer(width: int = 19) -> dict[str, Any]:
    """Each kind of node, layer and activation, shared layers, and what must not be folded."""
    graph = Graph(7)
    region = {"name": "region", "unit": "", "low": 0.0, "high": 3.0, "scale": "linear"}
    conditions = [ENERGY, THETA, region]
    latent = graph.input("latent", latent_variables(5, "latent", -0.5, 2.0))
    conds = graph.input("conditions", condition_variables(conditions))
    start = graph.embedding(graph.concatenate(conds, latent), [(2, 4, 3)])
    trunk = graph.dense(start, width, "tanh")
    parts = []
    specs: list[Any] = [*(a for a in ACTIVATIONS if a not in ("elu", "leakyrelu", "swish"))]
    specs += ["elu"]
    specs += [{"function": f, "alpha": 0.3} for f in ("elu", "leakyrelu", "swish")]
    for spec in specs:
        parts.append(graph.dense(trunk, 3, spec))
        parts.append(graph.activation(trunk, spec))
    linear = graph.dense(trunk, width, bias=False)
    parts.append(graph.normalization(linear))  # folds into `linear`
    twice = graph.dense(trunk, width)
    parts.append(graph.normalization(twice))  # does not: `twice` is used again
    parts.append(graph.add(twice, trunk, twice))
    # Sums whose terms may be changed in place or scaled on the way, and some that may not.
    parts.append(graph.add(graph.normalization(trunk), graph.dense(trunk, width), trunk))
    parts.append(graph.add(graph.normalization(trunk), graph.normalization(twice)))
    scaled = graph.normalization(trunk)
    parts.append(graph.add(scaled, graph.activation(scaled, "tanh")))
    pair = graph.concatenate(graph.dense(trunk, 4), scaled)
    parts.append(graph.add(pair, graph.dense(trunk, 4 + width)))
    parts.append(graph.activation(graph.concatenate(scaled, twice), "rectified"))
    parts.append(graph.activation(graph.activation(graph.highway(trunk, "tanh"), "abs"), "sigmoid"))
    parts.append(graph.activation(latent, "abs"))
    parts.append(graph.add(latent, latent))
    highway = graph.highway(trunk, "rectified")
    parts += [highway, graph.again(highway, twice)]
    gate = graph.gate(trunk)
    parts += [gate, graph.gate(highway)]
    # Like a gate, but its transform is sigmoid(0) = 1/2, or its carry looks at other elements.
    layers = graph.layers
    parts.append(graph.gate(trunk))
    layers[-1]["activation"] = "sigmoid"
    parts.append(graph.gate(trunk))
    layers[-1]["components"]["carry"]["weights"][0] = 0.5
    parts.append(graph.gate(trunk))
    layers[-1]["components"]["carry"]["bias"] = graph.numbers(width)
    parts.append(graph.maxout(trunk, width - 2, 3))
    shared = graph.dense(trunk, width, {"function": "swish", "alpha": 1.0})
    parts += [graph.again(shared, highway), shared]
    bias = graph.layer(
        trunk,
        width,
        architecture="dense",
        activation="linear",
        weights=[],
        bias=graph.numbers(width),
    )
    nested = graph.concatenate(bias, latent)
    parts += [nested, nested, latent]
    # Away from 0, where a relative tolerance would ask for more than single precision has.
    together = graph.concatenate(*parts)
    n = graph.widths[together]
    output = graph.layer(
        together, n, architecture="dense", activation="linear", weights=[], bias=[5.0] * n
    )
    half = n // 2
    geometry = {
        "name": "every-layer",
        "fastest": "first",
        "layers": [
            {
                "name": "rings",
                "system": "cylindrical",
                "r_edges": np.linspace(0, 100, half + 1).tolist(),
                "alpha_edges": [-np.pi, 0.0],
                "z": None,
            },
            cartesian("rest", 1, n - half, [10.0, 20.0]),
        ],
    }
    labels = [f"voxel_{i}" for i in range(n)]
    tests = [[1.0, 0.0, 0.0], [10.0, 0.1, 1.0], [20.0, 0.2, 2.0], [49.5, 0.35, 3.0]]
    return model(graph, output, labels, "every-layer", conditions, geometry, tests, 0.0, (0.5, 0.5))


def write(path: Path, document: dict[str, Any]) -> None:
    # Floats as the shortest decimal that gives the float32 back.
    def shorten(value: Any) -> Any:
        if isinstance(value, float):
            return float(str(np.float32(value))) if float(np.float32(value)) == value else value
        if isinstance(value, list):
            return [shorten(v) for v in value]
        if isinstance(value, dict):
            return {k: shorten(v) for k, v in value.items()}
        return value

    path.write_text(json.dumps(shorten(document), separators=(",", ":"), allow_nan=False) + "\n")


def write_benchmark(path: Path, sizes: str, cell_latents: bool = False, gated: bool = True) -> None:
    """sizes: "latent+2-hidden-...-cells"."""
    first, *hidden, cells = (int(s) for s in sizes.split("-"))
    shape = {504: [(3, 96), (12, 12), (12, 6)], 6480: [(144, 1)] * 45}[cells]
    write(path, generator(hidden, first - 2, shape, 1, "benchmark", cell_latents, gated))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "data")
    parser.add_argument("--corpus", type=Path, help="write small models for the fuzzers here")
    parser.add_argument("--benchmark", metavar="SIZES", help="latent+2, hidden ..., cells")
    parser.add_argument("--cell-latents", action="store_true", help="in the benchmark's model")
    parser.add_argument("-o", type=Path, help="where the benchmark's model goes")
    arguments = parser.parse_args()
    if arguments.benchmark:
        write_benchmark(arguments.o, arguments.benchmark, arguments.cell_latents)
        return
    if arguments.corpus:
        small = [(1, 2), (2, 1)]
        write(arguments.corpus / "gated.json", generator([3], 2, small, 3, "gated"))
        cells = generator([2], 1, small, 5, "cells", cell_latents=True)
        write(arguments.corpus / "cells.json", cells)
        write(arguments.corpus / "layers.json", every_layer(3))
        return
    shape = [(2, 3), (4, 5)]
    write(arguments.folder / "gated.json", generator([12, 16], 6, shape, 3, "gated"))
    write(arguments.folder / "cells.json", generator([12], 6, shape, 5, "cells", cell_latents=True))
    write(arguments.folder / "layers.json", every_layer())


if __name__ == "__main__":
    main()
