"""A small cylindrical calorimeter such as Par04 and FastCaloSim hold, and showers in it."""

from __future__ import annotations

import numpy as np

from calogan.card.keys import Card
from calogan.geometry import Geometry
from calogan.showers import Showers
from helpers.samples import make_card

LAYER = {
    "name": "z",
    "system": "cylindrical",
    "r": {"low": 0, "high": 15, "n": 3},
    "alpha": {"low": -np.pi, "high": np.pi, "n": 4},
    "z": {"low": 10, "high": 30, "n": 5},
}
CONDITIONS = {
    "energy": {"unit": "GeV", "low": 1, "high": 16, "scale": "log", "branch": "gen_energy"},
    "theta": {"unit": "rad", "low": 1.0, "high": 1.5, "branch": "gen_theta"},
}


def make_cylinder_card(data: str = "train.h5") -> Card:
    """Five layers of 3 x 4 cells in r and alpha, conditions energy and theta."""
    return make_card(
        geometry={"name": "cylinders", "layers": [LAYER]},
        conditions=CONDITIONS,
        data={"train": data, "readout_threshold": 5.0, "mirror": []},
    )


def make_cylinder_showers(n: int) -> Showers:
    """Showers without any physics, some cells of which are under the threshold."""
    rng = np.random.default_rng(0)
    geometry = make_cylinder_card().build_geometry()
    energy = np.exp(rng.uniform(0, np.log(16), n))
    shares = rng.dirichlet(np.full(geometry.n_voxels, 0.5), n)
    return Showers(
        (500 * energy[:, None] * shares).astype(np.float32),
        {
            "energy": energy.astype(np.float32),
            "theta": rng.uniform(1.0, 1.5, n).astype(np.float32),
        },
        geometry,
        units={"energy": "GeV", "theta": "rad"},
    )


def voxel_at(geometry: Geometry, r: float, alpha: float, z: float | int) -> int:
    """The voxel at a place, found by edges; z is a depth, or the number of a layer if whole."""
    for k, layer in enumerate(geometry.layers):
        inside = k == z if isinstance(z, int) else layer.z[0] <= z < layer.z[1]  # type: ignore[index]
        if inside:
            turned = (alpha - layer.second_edges[0]) % (2 * np.pi) + layer.second_edges[0]
            i = int(np.searchsorted(layer.first_edges, r)) - 1
            j = int(np.searchsorted(layer.second_edges, turned)) - 1
            n_r, n_alpha = layer.shape
            within = i * n_alpha + j if geometry.fastest == "last" else j * n_r + i
            return geometry.slices[k].start + within
    raise ValueError(f"no layer at {z}")
