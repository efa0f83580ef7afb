"""The HDF5 files on which CaloGAN was trained: one dataset of cells for each layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from calogan.card.keys import Input
from calogan.reading.dialects.dialect import Contents, Dialect, Events
from calogan.reading.dialects.hdf5_layers import read_cells

LAYERS = {"layer_0": (3, 96), "layer_1": (12, 12), "layer_2": (12, 6)}


def _recognise(contents: Contents) -> str | None:
    shapes = {name: shape[1:] for name, shape in contents.datasets.items()}
    if "energy" in shapes and all(shapes.get(name) == shape for name, shape in LAYERS.items()):
        return "datasets layer_0, layer_1, layer_2 have 3 x 96, 12 x 12, 12 x 6 cells"
    return None


def _read(
    path: Path, input: Input, columns: Mapping[str, str], chunk_bytes: int
) -> Iterator[Events]:
    return read_cells(path, input, columns, chunk_bytes, [*LAYERS], ["overflow"])


DIALECT = Dialect(
    "calogan_hdf5", "CaloGAN's HDF5: one dataset a layer, and overflow", _recognise, _read
)
