"""HDF5 files of "Getting High" (arXiv:2005.05334): photons in 30 x 30 x 30 cells of the ILD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from calogan.card.keys import Input
from calogan.reading.dialects.dialect import Contents, Dialect, Events
from calogan.reading.dialects.hdf5_layers import read_cells

CELLS, ENERGY = "30x30/layers", "30x30/energy"


def _recognise(contents: Contents) -> str | None:
    shape = contents.datasets.get(CELLS, ())
    if ENERGY in contents.datasets and len(shape) == 4:
        return f"group '30x30' has energy and layers of {' x '.join(map(str, shape[1:]))} cells"
    return None


def _read(
    path: Path, input: Input, columns: Mapping[str, str], chunk_bytes: int
) -> Iterator[Events]:
    return read_cells(path, input, columns, chunk_bytes, [CELLS])


DIALECT = Dialect(
    "getting_high", "Getting High's HDF5: 30 layers of 30 x 30 cells", _recognise, _read
)
