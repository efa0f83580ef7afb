"""Small samples that several tests share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calogan.card.keys import Card
from calogan.conditions import Label
from calogan.showers import Showers

BAD_CONDITIONS: list[tuple[dict[str, Any], str]] = [
    ({"energy": 120, "theta": 0.1}, r"takes energy 1\.\.50 GeV, was asked for 120 GeV"),
    ({"energy": 10}, r"conditions \['theta'\] are missing"),
    ({"energy": 10, "theta": 0, "phi": 0}, r"knows no conditions \['phi'\]"),
    ({"energy": np.nan, "theta": 0}, "condition 'energy' is nan"),
    ({"energy": -1, "theta": 0}, "finite values above 0"),
    ({"energy": [1, 2, 3], "theta": [0, 0.1]}, "expected one length"),
    ({"energy": [[1, 2]], "theta": 0}, "expected one length"),
    ({"energy": "ten", "theta": 0}, "condition 'energy' is 'ten', expected numbers"),
    ({"energy": [], "theta": []}, "no shower was asked for"),
    ({}, r"conditions \['energy', 'theta'\] are missing"),
]
"""What a generator of energy 1..50 GeV and theta is asked for, and what it says to that."""


def make_card(**sections: dict[str, object]) -> Card:
    """A card of a two-layer calorimeter and small networks; keyword sections override keys."""
    fields: dict[str, dict[str, object]] = {
        "geometry": {
            "name": "small",
            "layers": [
                {
                    "name": "front",
                    "x": {"low": -30, "high": 30, "n": 3},
                    "y": {"low": -40, "high": 40, "n": 4},
                    "z": [0, 50],
                },
                {
                    "name": "back",
                    "x": {"low": -30, "high": 30, "n": 2},
                    "y": {"low": -40, "high": 40, "n": 2},
                    "z": [50, 200],
                },
            ],
        },
        "conditions": {
            "energy": {"unit": "GeV", "low": 1, "high": 50, "scale": "log", "branch": "gen_energy"},
            "theta": {"unit": "rad", "low": 0, "high": 0.35, "branch": "gen_theta"},
        },
        "data": {"readout_threshold": 0.1, "validation_fraction": 0.1, "mirror": ["x"]},
        "generator": {"latent_size": 4, "hidden": [16, 16], "layer_hidden": [8]},
        "critic": {"hidden": [16, 16], "feature_hidden": [16]},
        # Compiling by XLA takes longer than these trainings; one test of the loop does it.
        "training": {"updates": 12, "batch_size": 32, "updates_per_call": 4, "jit": False},
    }
    for section, keys in sections.items():
        fields[section] = {**fields.get(section, {}), **keys}
    return Card.model_validate({"name": "small", **fields})


def card_on(data: Path, every: int = 1000, **training: object) -> Card:
    """The card of a training on a store; keywords are keys of [training]."""
    return make_card(data={"train": str(data)}, training=training, selection={"every": every})


PARTICLES: dict[str, object] = {"values": ["e-", "gamma"], "branch": "pdg"}
"""A label, as the card's `[conditions.particle]`."""


def make_labelled(n: int, seed: int = 0) -> Showers:
    """As `make_showers`, electrons and photons; photons leave four fifths of the energy."""
    showers = make_showers(n, seed)
    codes = np.random.default_rng([seed, 1]).choice(np.float32([11, 22]), n)
    visible = np.where(codes == 22, 0.8, 1.0).astype(np.float32)
    return replace(
        showers,
        energies=showers.energies * visible[:, None],
        conditions={**showers.conditions, "particle": codes},
        labels={"particle": Label("particle", (11, 22), ("e-", "gamma"))},
    )


def make_showers(n: int, seed: int = 0, like: Showers | None = None) -> Showers:
    """Showers of the small calorimeter that widen with depth and lean with the angle.

    `like` gives the conditions of its n showers; else they are drawn.
    """
    rng = np.random.default_rng(seed)
    geometry = make_card().build_geometry()
    energy = np.exp(rng.uniform(0, np.log(50), n))
    theta = rng.uniform(0, 0.35, n)
    if like is not None:
        energy, theta = (like.conditions[name].astype(float) for name in ("energy", "theta"))
    x, y, z = geometry.centres.T
    depth = rng.normal(60, 10, (n, 1))
    distance = np.hypot(x, y - np.tan(theta)[:, None] * z)
    weight = np.exp(-distance / rng.normal(20, 2, (n, 1)) - ((z - depth) / 80) ** 2)
    visible = 200 * energy * (1 + 0.07 / np.sqrt(energy) * rng.standard_normal(n))
    noise = rng.gamma(4, 0.25, weight.shape)
    shares = weight * noise / (weight * noise).sum(axis=1, keepdims=True)
    return Showers(
        (visible[:, None] * shares).astype(np.float32),
        {"energy": energy.astype(np.float32), "theta": theta.astype(np.float32)},
        geometry,
        units={"energy": "GeV", "theta": "rad"},
    )
