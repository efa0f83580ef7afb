"""A model as the page takes it: JSON with the arrays taken out, then these as float32; gzip."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.generating.model_file import ModelFile

COLOURS = ("viridis", "cividis")
"""Of maps: even in lightness, and told apart by colour-blind eyes."""
_ARRAYS = frozenset({"weights", "bias"})


class _Floats:
    """Arrays end to end; each is known by its start and length."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float32]] = []
        self.size = 0

    def add(self, values: ArrayLike) -> list[int]:
        array = np.asarray(values, "<f4").ravel()
        self.parts.append(array)
        self.size += array.size
        return [self.size - array.size, array.size]


def pack(model: ModelFile, reference: Mapping[str, Any] | None) -> bytes:
    """What `page/model.js` unpacks.

    After decompression: four bytes that say how long the JSON is, the JSON, padded by spaces to a
    multiple of four, and little-endian float32 numbers. In the JSON's layers an array is
    `[start, length]` of these.
    """
    floats = _Floats()
    graph, block = model.document, model.block
    header = {
        "name": model.name,
        "geometry": model.geometry.to_dict(),
        "conditions": [c.to_dict() for c in model.conditions],
        "readout_threshold": model.readout_threshold,
        "weights_sha256": str(block.get("weights_sha256", "")),
        "latents": [*model.latents],
        "conditions_node": model.conditions_node,
        "inputs": [
            {
                "name": node["name"],
                "offset": [v["offset"] for v in node["variables"]],
                "scale": [v["scale"] for v in node["variables"]],
            }
            for node in graph["inputs"]
        ],
        "nodes": graph["nodes"],
        "layers": [_without_arrays(layer, floats) for layer in graph["layers"]],
        "output": {
            "node": graph["outputs"][model.output]["node_index"],
            "voxels": model.voxel_columns.tolist(),
        },
        "self_test": block["self_test"],
        "reference": reference,
        "colours": {name: _colours(name) for name in COLOURS},
    }
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    parts = [np.uint32(len(text)).astype("<u4").tobytes(), text, *map(bytes, floats.parts)]
    return gzip.compress(b"".join(parts), mtime=0)


def _without_arrays(value: Any, floats: _Floats) -> Any:
    if isinstance(value, Mapping):
        return {
            key: floats.add(inner) if key in _ARRAYS else _without_arrays(inner, floats)
            for key, inner in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_arrays(inner, floats) for inner in value]
    return value


def _colours(name: str) -> list[int]:
    """Red, green, blue of 256 colours, 0 to 255, one after the other."""
    import matplotlib

    table = matplotlib.colormaps[name](np.arange(256), bytes=True)
    found: list[int] = table[:, :3].ravel().tolist()
    return found
