"""CaloChallenge HDF5: voxels already, in the order of a binning XML, r fastest within a layer.

The format: https://calochallenge.github.io/homepage/. The file does not hold the cells: the card
names the XML as its geometry, which numbers voxels in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from calogan.card.keys import Input
from calogan.errors import CaloganError
from calogan.reading.dialects.dialect import Contents, Dialect, Events
from calogan.reading.dialects.hdf5_layers import read_cells
from calogan.reading.hdf5 import open_hdf5, reading

VOXELS = "showers"
DEAD = "dead"
"""Where a store says which cells were not read out."""
SETS = {368: "1 (photons)", 533: "1 (pions)", 6480: "2", 40500: "3"}
"""The challenge's data sets by their number of voxels."""


def _recognise(contents: Contents) -> str | None:
    shapes = [contents.datasets.get(name, ()) for name in ("incident_energies", VOXELS)]
    if [len(shape) for shape in shapes] != [2, 2]:
        return None
    n_voxels = shapes[1][1]
    like = f", as many as data set {SETS[n_voxels]}" if n_voxels in SETS else ""
    return f"datasets 'incident_energies', and 'showers' of {n_voxels} voxels{like}"


def _read(
    path: Path, input: Input, columns: Mapping[str, str], chunk_bytes: int
) -> Iterator[Events]:
    if input.dead_branch is None:
        with open_hdf5(path) as file, reading(path):
            marked = DEAD in file
        if marked:
            raise CaloganError(
                f"{path} marks cells as dead, whose zeros are no energies: set [input] "
                f'dead_branch = "{DEAD}" in the card (a store of calogan is trained on as it is)'
            )
    yield from read_cells(path, input, columns, chunk_bytes, [VOXELS])


DIALECT = Dialect("calochallenge", "CaloChallenge HDF5: voxels of a binning XML", _recognise, _read)
