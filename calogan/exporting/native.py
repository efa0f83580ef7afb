"""A run to one file: lwtnn graph JSON with the `calogan` block that makes it a generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lwtnn_converter import Graph, save
from numpy.typing import NDArray

from calogan.conditions import labels_of
from calogan.generating.generator import weights_sha256
from calogan.generating.model_file import OLD_SCHEMA_VERSION, SCHEMA_VERSION, graph_outputs
from calogan.generating.self_test import make_self_test
from calogan.training.run import Run
from calogan.version import __version__


def export_run(
    run_directory: str | Path, output: str | Path, *, digits: int | None = None
) -> dict[str, Any]:
    """Write the generator of a run as lwtnn JSON; returns the `calogan` block.

    `digits` as in `run_document`.
    """
    document = run_document(run_directory, digits)
    save(document, output)
    block: dict[str, Any] = document["calogan"]
    return block


def run_document(run_directory: str | Path, digits: int | None = None) -> dict[str, Any]:
    """The generator of a run as a model file holds it.

    With `digits`, its trained weights are rounded to so many significant digits before anything is
    made of them, which shortens the file; else they are what they are in the run.

    The graph's inputs are the latents and the conditions in physical units (natural logarithms
    for those on a log scale, named log_<name>; of a label <name>_<value> for each, 1 for its value
    and 0 for the others); lwtnn normalises them by the offsets and scales in the file. Its one
    output, "fractions", holds voxel energies as fractions of the incident energy. The self-test's
    expected outputs come from the NumPy evaluator in float64.
    """
    from lwtnn_converter import convert  # this and the next import Keras

    from calogan.networks.generator import latent_sizes, output_labels

    run = Run(Path(run_directory))
    card = run.card()
    geometry = card.build_geometry()
    conditions = card.condition_list
    sizes = latent_sizes(card.generator, geometry)
    condition_variables = [
        {"name": variable, "offset": offset, "scale": scale}
        for c in conditions
        for variable, (offset, scale) in zip(c.variables, c.offsets_and_scales, strict=True)
    ]
    latent_nodes = [
        {
            "name": name,
            "variables": [
                {"name": f"{name}_{i}", "offset": 0.0, "scale": 1.0} for i in range(size)
            ],
        }
        for name, size in sizes.items()
    ]
    model = run.load_generator()
    if digits is not None:
        model.set_weights([rounded(weights, digits) for weights in model.get_weights()])
    graph = convert(
        model,
        {
            "inputs": [
                *latent_nodes,
                {"name": "conditions", "variables": condition_variables},
            ],
            "input_sequences": [],
            "outputs": [
                {"name": "fractions", "labels": output_labels(geometry, model.outputs[0].shape[-1])}
            ],
        },
    )

    outputs = graph_outputs(Graph(graph), sizes, "conditions", "fractions")
    training = run.training()
    block = {
        "schema_version": SCHEMA_VERSION if labels_of(conditions) else OLD_SCHEMA_VERSION,
        "name": card.name,
        "producer": f"calogan {__version__}",
        "latent": {
            "nodes": [{"name": name, "size": size} for name, size in sizes.items()],
            "distribution": "normal",
            "mean": 0.0,
            "std": 1.0,
        },
        "conditions": {"node": "conditions", "variables": [c.to_dict() for c in conditions]},
        "output": "fractions",
        "readout_threshold": card.data.readout_threshold,
        "geometry": geometry.to_dict(),
        "weights_sha256": weights_sha256(model.get_weights()),
        "provenance": {
            **training,
            "inputs_sha256": training["store_provenance"].get("inputs_sha256", []),
            "card": card.model_dump(mode="json", exclude={"geometry"}),
        },
        "self_test": make_self_test(outputs, conditions, sum(sizes.values())),
    }
    return {**graph, "calogan": block}


def rounded(values: NDArray[np.float32], digits: int) -> NDArray[np.float32]:
    """Numbers with so many significant decimal digits, as near as float32 holds them."""
    exact = values.astype(np.float64)
    size = np.floor(np.log10(np.where(exact == 0, 1.0, np.abs(exact))))
    # Dividing by a whole power of ten is exact where multiplying by its inverse is not.
    up, down = (10.0 ** np.maximum(s, 0) for s in (digits - 1 - size, size + 1 - digits))
    found: NDArray[np.float32] = (np.round(exact * up / down) * down / up).astype(np.float32)
    return found
