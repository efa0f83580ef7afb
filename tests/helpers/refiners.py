"""A generator whose density ratio to its reference is known, and a refiner trained for it."""

from __future__ import annotations

from functools import cache

import numpy as np

from calogan.features import response
from calogan.generating.generator import Generator
from calogan.reweighting.density_ratio import RatioSettings
from calogan.reweighting.fit import train_refiner
from calogan.reweighting.refiner import Refiner
from calogan.showers import Showers
from helpers.samples import make_card

SMALL = RatioSettings(members=1, width=32, depth=2, dropout=0.0, batch_size=250, epochs=5)
MEAN, SPREAD = 0.20, 0.020
"""Response of the reference, a Gaussian; the generator's is shifted and wider."""
SHIFT, WIDER = 0.015, 1.2


def make_generator(mean: float, spread: float) -> Generator:
    """Showers of one shape, whose response is Gaussian: all that a classifier can use."""
    card = make_card()
    geometry = card.build_geometry()
    shape = np.linspace(1, 2, geometry.n_voxels)
    shape /= shape.sum()

    def network(latent: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        visible = np.maximum(mean + spread * latent[:, :1], 0)
        return (visible * shape).astype(np.float32)

    return Generator(
        name="toy",
        geometry=geometry,
        conditions=tuple(card.condition_list),
        latent_size=1,
        readout_threshold=0.0,
        seen_events=np.zeros(0, np.uint64),
        hold_out={},
        identity={"model": "toy.json", "weights_sha256": "ab" * 32, "inputs_sha256": ["11"]},
        network=network,
    )


RAW = make_generator(MEAN + SHIFT, WIDER * SPREAD)


def conditions(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"energy": np.exp(rng.uniform(0, np.log(50), n)), "theta": rng.uniform(0, 0.35, n)}


def reference(n: int, seed: int) -> Showers:
    return make_generator(MEAN, SPREAD).sample(conditions(n, seed), seed)


def known_ratio(showers: Showers) -> np.ndarray:
    r = response(showers)
    p, q = (r - MEAN) / SPREAD, (r - MEAN - SHIFT) / (WIDER * SPREAD)
    return WIDER * np.exp(0.5 * (q**2 - p**2))


@cache
def toy_refiner() -> Refiner:
    """Of `RAW`; trained once."""
    return train_refiner(RAW, reference(5000, 1), 3, settings=SMALL)
