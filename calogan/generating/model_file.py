"""The model file: lwtnn graph JSON with the `calogan` block that makes it a generator, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from lwtnn_converter import Graph
from numpy.typing import NDArray

from calogan.conditions import AnyCondition, condition_from_dict
from calogan.errors import CaloganError
from calogan.files import read_text
from calogan.generating.self_test import Outputs, check_self_test
from calogan.geometry import Geometry

SCHEMA_VERSION = 2
"""Written where a condition is a label."""
OLD_SCHEMA_VERSION = 1
"""Written where none is: programs that know no other read it."""


@dataclass(frozen=True)
class ModelFile:
    """A model file that passed its self-test."""

    document: Mapping[str, Any]
    """The whole JSON."""
    where: str
    """What errors call it."""
    graph: Graph
    name: str
    geometry: Geometry
    conditions: tuple[AnyCondition, ...]
    latents: Mapping[str, int]
    """The graph's latent inputs and their sizes, in order; all are standard normal."""
    conditions_node: str
    """The graph's input for the conditions."""
    output: str
    """Name of the graph's output."""
    readout_threshold: float
    """MeV; voxels below it are set to zero."""

    @staticmethod
    def read(path: str | Path) -> ModelFile:
        """Read a file; raises CaloganError if it is no generator, or fails its own self-test."""
        path = Path(path)
        try:
            document = json.loads(read_text(path, "generator"))
        except json.JSONDecodeError as error:
            raise CaloganError(f"{path} is not valid JSON: {error}") from error
        return ModelFile.parse(document, str(path))

    @staticmethod
    def parse(document: Any, where: str) -> ModelFile:
        """The same from JSON that is read already; errors call it `where`."""
        block = document.get("calogan") if isinstance(document, dict) else None
        if not isinstance(block, dict):
            about = document.get("calogan_export") if isinstance(document, dict) else None
            if isinstance(about, dict):
                raise CaloganError(
                    f"{where} was exported for another program, by the profile "
                    f"{about.get('profile')}; give the run or native file that it was made from"
                )
            raise CaloganError(
                f"{where} has no 'calogan' block, so it is no generator; "
                "export one with `calogan export RUN -o MODEL.json`"
            )
        if block.get("schema_version") not in (OLD_SCHEMA_VERSION, SCHEMA_VERSION):
            raise CaloganError(
                f"{where} has schema version {block.get('schema_version')!r}, this calogan reads "
                f"{OLD_SCHEMA_VERSION} and {SCHEMA_VERSION}; use the calogan that exported it, or "
                "export again"
            )
        try:
            model = ModelFile(
                document,
                where,
                Graph(document),
                str(block.get("name", Path(where).stem)),
                Geometry.from_dict(block["geometry"], f"{where}: calogan.geometry"),
                tuple(condition_from_dict(c) for c in block["conditions"]["variables"]),
                {str(node["name"]): int(node["size"]) for node in block["latent"]["nodes"]},
                block["conditions"]["node"],
                block["output"],
                float(block["readout_threshold"]),
            )
            labels = model.graph.outputs[model.output]
            check_self_test(
                block["self_test"],
                model.outputs,
                model.conditions,
                model.latent_size,
                labels,
                where,
            )
            _ = model.voxel_columns
        except (KeyError, TypeError, ValueError) as error:
            raise CaloganError(f"{where}: the 'calogan' block is damaged: {error!r}") from error
        return model

    @property
    def block(self) -> Mapping[str, Any]:
        """What the file says of itself."""
        block: Mapping[str, Any] = self.document["calogan"]
        return block

    @property
    def latent_size(self) -> int:
        """Standard normal numbers that one shower takes."""
        return sum(self.latents.values())

    @cached_property
    def outputs(self) -> Outputs:
        return graph_outputs(self.graph, self.latents, self.conditions_node, self.output)

    @cached_property
    def voxel_columns(self) -> NDArray[np.intp]:
        """The graph's outputs that are voxels, in their order, (n_voxels,)."""
        labels = [*self.graph.outputs[self.output]]
        return np.array(
            [labels.index(f"voxel_{i}") for i in range(self.geometry.n_voxels)], dtype=np.intp
        )


def graph_outputs(
    graph: Graph, latent_nodes: Mapping[str, int], conditions_node: str, output: str
) -> Outputs:
    """An exported graph as a function: latents are shared out to the nodes, by name and size."""
    ends = np.cumsum([*latent_nodes.values()])[:-1]

    def outputs(latents: NDArray[Any], variables: NDArray[Any]) -> NDArray[Any]:
        parts = np.split(latents, ends, axis=1)
        fed = {**dict(zip(latent_nodes, parts, strict=True)), conditions_node: variables}
        return np.asarray(graph.compute(fed, output=output))

    return outputs
