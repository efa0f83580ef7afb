"""Writes small ROOT files in the schemas that calogan reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

SAMPLE = Path(__file__).parents[2] / "data" / "lar_photons" / "test" / "photons_22.root"
"""A real file of the LAr photons, with std::vector branches."""


def sample_arrays(n: int = 40, seed: int = 1) -> dict[str, Any]:
    """Branches like the sample's: jagged hits by position, with events that have none."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 30, n)
    counts[n // 2] = 0
    total = int(counts.sum())

    def jagged(values: Any) -> Any:
        return ak.unflatten(values, counts)

    return {
        "gen_energy": rng.uniform(1, 50, n).astype(np.float32),
        "gen_theta": rng.uniform(0, 0.34, n).astype(np.float32),
        "hit_energy": jagged(rng.exponential(5.0, total).astype(np.float32)),
        "hit_x": jagged(rng.uniform(-239, 239, total).astype(np.float32)),
        "hit_y": jagged(rng.uniform(-239, 239, total).astype(np.float32)),
        "hit_z": jagged(rng.uniform(-239, 239, total).astype(np.float32)),
        "hit_layer": jagged(rng.integers(0, 3, total).astype(np.int32)),
    }


def write_trees(path: Path, **trees: dict[str, Any]) -> Path:
    """Write trees by name; jagged arrays become branches with a counter, such as `float[]`."""
    with uproot.recreate(path) as file:
        for name, arrays in trees.items():
            file.mktree(name, {key: _type(values) for key, values in arrays.items()})
            file[name].extend(arrays)
    return path


def _type(values: Any) -> Any:
    return values.dtype if isinstance(values, np.ndarray) else values.type.content


def write_sample(path: Path, n: int = 40, seed: int = 1, **changes: Any) -> Path:
    """A file of the sample's schema; a change replaces a branch, None leaves it out."""
    arrays = {**sample_arrays(n, seed), **changes}
    return write_trees(path, showers={k: v for k, v in arrays.items() if v is not None})


def write_par04(path: Path, n: int = 30, seed: int = 2) -> Path:
    """The schema of Geant4's Par04: hits by cell index, energy in another tree."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(5, 60, n)
    total = int(counts.sum())

    def jagged(values: Any) -> Any:
        return ak.unflatten(values, counts)

    readout = {
        "EnergyCell": jagged(rng.exponential(1.5, total)),
        "rhoCell": jagged(rng.integers(0, 9, total).astype(np.int32)),
        "phiCell": jagged(rng.integers(0, 16, total).astype(np.int32)),
        "zCell": jagged(rng.integers(0, 45, total).astype(np.int32)),
    }
    conditions = {"EnergyMC": rng.uniform(1e3, 1.6e4, n), "SimTime": rng.uniform(0, 1, n)}
    return write_trees(path, **{"global": conditions, "virtualReadout": readout})


def write_fancy_tree(path: Path, n: int = 12, seed: int = 3) -> Path:
    """The schema of the CaloGAN program: one branch per cell, three overflow cells, all scalars."""
    rng = np.random.default_rng(seed)
    cells = rng.exponential(20.0, (n, 507)) * (rng.random((n, 507)) < 0.2)
    arrays = {f"cell_{i}": cells[:, i] for i in range(507)}
    return write_trees(path, fancy_tree={**arrays, "TotalEnergy": cells.sum(axis=1) / 1e3 + 0.1})
