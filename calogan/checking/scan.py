"""What checking needs to know of a store, read once, some showers at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import Label
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.reading.store import StoreInfo

BLOCK_BYTES = 64 << 20
"""Memory for the voxels of the showers that are read at once."""


@dataclass(frozen=True)
class Scan:
    """A store's n showers, summed over or in one number each."""

    path: Path
    geometry: Geometry
    units: Mapping[str, str]
    """Of the conditions."""
    labels: Mapping[str, Label]
    """The conditions that are labels, by name."""
    provenance: Mapping[str, Any]
    lit: NDArray[np.int64]
    """In how many showers each cell has energy, (n_voxels,)."""
    read: NDArray[np.int64]
    """In how many showers each cell is not marked as dead, (n_voxels,)."""
    energy: NDArray[np.float64]
    """Of all showers in each cell, MeV, (n_voxels,)."""
    visible: NDArray[np.float32]
    """Energy of each shower in the cells, MeV, (n,)."""
    outside: float
    """Energy beside the cells, MeV, of all showers."""
    conditions: Mapping[str, NDArray[np.float32]]
    """Name to values (n,)."""
    negative: int
    """Cells of showers with an energy below 0."""
    fingerprints: NDArray[np.uint64]
    """Of each shower, see `Showers.fingerprints`."""

    def __len__(self) -> int:
        return len(self.visible)

    @property
    def fraction(self) -> NDArray[np.float64]:
        """Visible over incident energy of each shower, (n,); 0 where the latter is not above 0."""
        incident = 1000.0 * self.conditions["energy"].astype(np.float64)
        zero = np.zeros(len(self))
        return np.divide(self.visible, incident, out=zero, where=incident > 0)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Whether a shower has no energy in any cell, (n,)."""
        return np.equal(self.visible, 0)


def scan(
    path: str | Path,
    geometry: Geometry | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> Scan:
    """Read a store.

    Parameters
    ----------
    geometry : needed for a CaloChallenge file, which does not hold it
    progress : called with the part of the showers that was read, 0 to 1

    Raises CaloganError for a file that is no store, or is damaged.
    """
    about: StoreInfo = store.info(path)
    cells = store.geometry_of(about, path, geometry)
    lit, energy = np.zeros(cells.n_voxels, np.int64), np.zeros(cells.n_voxels)
    read = np.full(cells.n_voxels, about.n_showers, np.int64)
    visible, prints = np.empty(about.n_showers, np.float32), []
    columns: dict[str, list[NDArray[np.float32]]] = {}
    outside, negative, done = 0.0, 0, 0
    for part in store.iterate(path, max(1, BLOCK_BYTES // (4 * cells.n_voxels)), cells):
        lit += (part.energies > 0).sum(axis=0)
        read -= 0 if part.dead is None else part.dead.sum(axis=0)
        energy += part.energies.sum(axis=0, dtype=np.float64)
        negative += int((part.energies < 0).sum())
        visible[done : done + len(part)] = part.energies.sum(axis=1, dtype=np.float64)
        outside += 0.0 if part.overflow is None else float(part.overflow.sum(dtype=np.float64))
        prints.append(part.fingerprints())
        for name, values in part.conditions.items():
            columns.setdefault(name, []).append(values)
        done += len(part)
        progress(done / about.n_showers)
    return Scan(
        Path(path),
        cells,
        dict(about.conditions),
        about.labels,
        about.provenance,
        lit,
        read,
        energy,
        visible,
        outside,
        {name: np.concatenate(parts) for name, parts in columns.items()},
        negative,
        np.concatenate(prints),
    )
