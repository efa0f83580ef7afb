"""CaloChallenge HDF5: voxels already, in the order of a binning XML, r fastest within a layer.

The format: https://calochallenge.github.io/homepage/. The file does not hold the cells: the card
names the XML as its geometry, which numbers voxels in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py

from calogan.card.keys import Input
from calogan.errors import CaloganError, nearest
from calogan.reading.dialects.arrays import cell_hits
from calogan.reading.dialects.dialect import Contents, Dialect, Events
from calogan.reading.hdf5 import open_hdf5, reading
from calogan.units import ENERGY_UNITS

VOXELS = "showers"
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
    with open_hdf5(path) as file:
        voxels = _dataset(file, path, VOXELS)
        if voxels.ndim != 2:
            raise CaloganError(
                f"dataset '{VOXELS}' of {path} has shape {voxels.shape}, expected (showers, voxels)"
            )
        n = len(voxels)
        values = {name: _dataset(file, path, column) for name, column in columns.items()}
        for column in values.values():
            if column.shape not in ((n,), (n, 1)):
                raise CaloganError(
                    f"dataset '{column.name.lstrip('/')}' of {path} has shape {column.shape}, "
                    f"expected ({n}, 1), as '{VOXELS}' has {n} rows; is the file cut short, or "
                    "are two mixed?"
                )
        rows = max(1, chunk_bytes // (8 * max(1, voxels.shape[1])))
        for start in range(0, n, rows):
            stop = min(start + rows, n)
            with reading(path):
                dense = voxels[start:stop]
                found = {k: column[start:stop].reshape(-1) for k, column in values.items()}
            where = f"dataset '{VOXELS}' of {path}"
            factor = ENERGY_UNITS[input.energy_unit]
            yield Events(cell_hits(dense, factor, "voxels", where, start), found, start, n)


def _dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    with reading(path):
        found, names = file.get(name), list(file)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
        raise CaloganError(
            f"no dataset '{name}' of numbers in {path}; nearest: {nearest(name, names)}; the "
            "CaloChallenge's files have 'showers' and 'incident_energies'"
        )
    return found


DIALECT = Dialect("calochallenge", "CaloChallenge HDF5: voxels of a binning XML", _recognise, _read)
