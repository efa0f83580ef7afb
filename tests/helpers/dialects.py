"""Small files in the dialects of other programs, their energies known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import uproot
from numpy.typing import NDArray

from helpers.rootfiles import write_trees

ENCODING = "system:8,barrel:3,module:4,layer:6,slice:5,x:32:-16,y:-16"
COLLECTION = "ECalBarrelCollection"
RADIUS = 1250.0
LAYER_STEP = 5.05


def cells(n: int, width: int, seed: int) -> NDArray[np.float64]:
    """Energies of cells, most of them 0, (n, width)."""
    rng = np.random.default_rng(seed)
    return rng.exponential(20.0, (n, width)) * (rng.random((n, width)) < 0.2)


def write_hdf5(path: Path, datasets: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            if values is not None:
                file[name] = values
    return path


def write_calogan_hdf5(path: Path, n: int = 12, seed: int = 4, **changes: Any) -> Path:
    """A change replaces a dataset, None leaves it out."""
    dense = cells(n, 507, seed)
    datasets = {
        "layer_0": dense[:, :288].reshape(n, 3, 96),
        "layer_1": dense[:, 288:432].reshape(n, 12, 12),
        "layer_2": dense[:, 432:504].reshape(n, 12, 6),
        "overflow": dense[:, 504:],
        "energy": dense.sum(axis=1, keepdims=True) / 1e3 + 1.0,
    }
    return write_hdf5(path, {**datasets, **changes})


def write_getting_high(path: Path, n: int = 3, seed: int = 5, **changes: Any) -> Path:
    dense = cells(n, 27_000, seed) / 100
    group = {"energy": np.linspace(15, 90, n)[:, None], "layers": dense.reshape(n, 30, 30, 30)}
    return write_hdf5(path, {f"30x30/{k}": v for k, v in {**group, **changes}.items()})


def csv_lines(n: int = 9, width: int = 20, seed: int = 6, leading: bool = True) -> list[str]:
    """Lines as FastCaloGAN's voxelisation writes them: phiMod, eta, voxels."""
    before = [f"0.00{i}, 0.2{i}, " if leading else "" for i in range(n)]
    rows = (", ".join(f"{value:.6g}" for value in row) for row in cells(n, width, seed))
    return [a + row for a, row in zip(before, rows, strict=True)]


def write_csv(folder: Path, lines: list[str], name: str = "") -> Path:
    path = folder / (name or "pid22_E65536_eta_20_25_voxalisation.csv")
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def csv_card(folder: Path, text: str = "") -> Path:
    """A card for these files: two layers of 4 rings in 2 sectors, and one of 4 rings."""
    path = folder / "card.toml"
    ring = 'system = "cylindrical", r_edges = [0, 5, 10, 20, 40], alpha = { low = 0, high = 6.28, n'
    path.write_text(
        'extends = "fastcalogan.toml"\nname = "csv"\n[geometry]\nlayers = [\n'
        f"  {{ {ring} = 2 }} }},\n  {{ {ring} = 2 }} }},\n  {{ {ring} = 1 }} }},\n]\n" + text
    )
    return path


def jagged(values: Any, counts: Any) -> Any:
    return ak.unflatten(values, counts)


def write_fastcalosim(path: Path, n: int = 8, seed: int = 7, **changes: Any) -> Path:
    """The standalone writer's flat hits, GeV and mm, with particles from the origin."""
    rng = np.random.default_rng(seed)
    _, hits = _showers(rng, n)
    counts = hits.pop("counts")
    branches = {
        "hits.hit_energy": hits["energy"].astype(np.float32),
        "hits.sampling": hits["layer"].astype(np.int32),
        **{f"hits.hit_{k}": hits[k].astype(np.float32) for k in "xyz"},
    }
    arrays = {name: jagged(values, counts) for name, values in branches.items()}
    arrays["newTTC_Angle3D"] = jagged(np.zeros(n, np.float32), np.ones(n, int))
    arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
    return write_trees(path, FCS_ParametrizationInput=arrays)


def write_edm4hep(
    path: Path,
    n: int = 8,
    seed: int = 8,
    encoding: str | None = ENCODING,
    second: str | None = None,
    several: int = 0,
    **changes: Any,
) -> Path:
    """Photons from the origin into a barrel, with daughters in the truth.

    Parameters
    ----------
    encoding : in the metadata; None: none there
    second : another collection of hits
    several : events, the first ones, that have a second primary of half the energy
    changes : replace branches, or leave them out where None
    """
    rng = np.random.default_rng(seed)
    direction, hits = _showers(rng, n)
    counts = hits.pop("counts")
    energy = np.linspace(5, 60, n)
    arrays: dict[str, Any] = {}
    for name in [COLLECTION, *([second] if second else [])]:
        cell_id = np.uint64(0x3F) | (hits["layer"].astype(np.uint64) << np.uint64(15))
        cell_id |= np.uint64(0xFFFF) << np.uint64(48)  # y = -1: the sign must not spill
        arrays[f"{name}.cellID"] = jagged(cell_id, counts)
        arrays[f"{name}.energy"] = jagged(hits["energy"].astype(np.float32), counts)
        for k in "xyz":
            arrays[f"{name}.position.{k}"] = jagged(hits[k].astype(np.float32), counts)
    # A secondary first, then the primary: the first is not always the one.
    particles = np.where(np.arange(n) < several, 3, 2)
    rows: dict[str, list[float]] = {k: [] for k in ("generatorStatus", "mass", "PDG")}
    rows |= {f"{what}.{k}": [] for what in ("momentum", "vertex") for k in "xyz"}
    for i in range(n):
        for status, part in [(0, 2.0), (1, 1.0), (1, 0.5)][: particles[i]]:
            rows["generatorStatus"].append(status)
            rows["mass"].append(0.0)
            rows["PDG"].append(22)
            for axis, k in enumerate("xyz"):
                rows[f"momentum.{k}"].append(part * energy[i] * direction[i, axis])
                rows[f"vertex.{k}"].append(0.0)
    for name, values in rows.items():
        kind = np.int32 if name in ("generatorStatus", "PDG") else np.float64
        arrays[f"MCParticles.{name}"] = jagged(np.array(values, kind), particles)
    arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
    with uproot.recreate(path) as file:
        types = {name: values.type.content for name, values in arrays.items()}
        # Counters whose names look like no collection.
        file.mktree("events", types, counter_name=lambda name: f"count_{name.replace('.', '_')}")
        file["events"].extend(arrays)
        if encoding is not None:
            keys = [f"{name}__CellIDEncoding" for name in (COLLECTION, second) if name]
            values = ak.Array([[[encoding] for _ in keys]])
            file.mkrntuple("metadata", {"GPStringKeys": ak.Array([keys]), "GPStringValues": values})
    return path


def _showers(
    rng: np.random.Generator, n: int
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Directions (n, 3), and hits in layers 1 to 40 near the line of each, from RADIUS on."""
    phi, theta = rng.uniform(-np.pi, np.pi, n), rng.uniform(1.0, 2.0, n)
    direction = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1
    )
    counts = rng.integers(5, 40, n)
    event = np.repeat(np.arange(n), counts)
    layer = rng.integers(1, 41, len(event))
    depth = (layer - 0.5) * LAYER_STEP
    line = direction[event] * (RADIUS / np.sin(theta[event]) + depth)[:, None]
    at = line + rng.normal(0, 6, (len(event), 3))
    hits = {"energy": rng.exponential(2e-3, len(event)), "layer": layer, "counts": counts}
    return direction, {**hits, **dict(zip("xyz", at.T, strict=True))}
