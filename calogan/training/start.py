"""The start of a generator with joint heads: cells as bright, and as often lit, as in the data."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from calogan.features import layer_sums
from calogan.networks.generator import voxel_fractions
from calogan.showers import Showers
from calogan.training.data import living_mean

ITERATIONS = 20
SHOWERS = 1000
"""Made in each of them, at low and at high energies."""
STEP = 0.5
"""Of the change of a cell's chance that would be right if cells did not share a layer's energy."""
ENERGY_STEP = 0.2
"""The same of the logarithm of its energy, which the chance moves too."""
LEAST_LIT, LEAST_MEAN = 1e-4, 1e-10
"""Part of the showers that light a cell, and its mean share of the incident energy, at least."""


def match_start(
    model: keras.Model,
    showers: Showers,
    conditions: NDArray[np.float32],
    threshold: float,
    alike: NDArray[np.intp],
    stand_ins: NDArray[np.intp],
    seed: int,
) -> None:
    """Change the biases of a new generator with joint heads and cell latents towards the data.

    Its builder sets them as if each cell had a layer to itself. Left to the training, cells that
    are lit in one shower of a thousand would take thousands of updates to come right.

    Parameters
    ----------
    model : made by `build_generator`; changed in place
    showers : of the training set; the generator shares out the energies of their layers
    conditions : (n, n_conditions), theirs, as the network sees them
    threshold : MeV; a cell over it is lit
    alike : (n_voxels,), the group of each voxel; those of a group are expected to be alike
    stand_ins : (n_voxels,), as `TrainingData.stand_ins`
    seed : of the latents
    """
    geometry, dead = showers.geometry, showers.dead
    incident = 1000 * showers.incident_energy[:, None]
    layers = layer_sums(showers.energies, geometry, np)
    sizes = np.bincount(alike)

    def averages(
        energies: Any, incident: Any, dead: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        each = (
            living_mean(energies > threshold, dead)[stand_ins],
            living_mean(energies / incident, dead)[stand_ins],
        )
        lit, mean = ((np.bincount(alike, values) / sizes)[alike] for values in each)
        return np.clip(lit, LEAST_LIT, 1 - LEAST_LIT), np.maximum(mean, LEAST_MEAN)

    # Low and high energies apart: how a cell depends on the energy is part of the start.
    halves = [np.flatnonzero(conditions[:, 0] < 0), np.flatnonzero(conditions[:, 0] >= 0)]
    wanted = [
        averages(showers.energies[half], incident[half], None if dead is None else dead[half])
        for half in halves
    ]
    apart = np.subtract(*(conditions[half, 0].mean() for half in halves[::-1]))
    middle = np.mean([conditions[half, 0].mean() for half in halves])
    rng = np.random.default_rng(seed)
    n_latents = sum(tensor.shape[-1] for tensor in model.inputs[:-1])
    sharpness = model.get_layer("cell_sharpness").get_weights()[0]
    row = -conditions.shape[1]  # of the energy among what the heads take; conditions come last
    for _ in range(ITERATIONS):
        changes: dict[str, list[NDArray[np.float64]]] = {"cell_chance": [], "voxels": []}
        for half, (lit, mean) in zip(halves, wanted, strict=True):
            rows = rng.choice(half, SHOWERS)
            latent = rng.standard_normal((SHOWERS, n_latents), np.float32)
            made = voxel_fractions(model, geometry, latent, conditions[rows])
            seen = made if dead is None else np.where(dead[rows], 0, made)
            scale = layers[rows] / np.maximum(layer_sums(seen, geometry, np), 1e-30)
            lit_now, mean_now = averages(made * scale[:, geometry.layer_index], incident[rows])
            rarer = STEP * sharpness * (ndtri(lit) - ndtri(lit_now))
            brighter = ENERGY_STEP * np.log(mean / mean_now)
            changes["cell_chance"].append(np.clip(rarer, -1, 1))
            changes["voxels"].append(np.clip(brighter, -1, 1))
        for name, (low, high) in changes.items():
            head = model.get_layer(name)
            kernel, bias = head.get_weights()
            slope = (high - low) / apart
            kernel[row] += slope
            head.set_weights([kernel, bias + (0.5 * (low + high) - slope * middle).astype("f4")])
