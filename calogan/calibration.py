"""The energy scale of a generator: after training, its mean response is set right everywhere."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from calogan.dataset import Showers
from calogan.networks import voxel_fractions
from calogan.preprocessing import condition_basis

ITERATIONS = 2
"""The correction is linearised; the second pass takes what the first left."""
RIDGE = 1e-4
"""Relative to the mean square of the inputs; keeps the correction from depending on latents."""


def calibrate(
    model: keras.Model,
    showers: Showers,
    conditions: NDArray[np.float32],
    threshold: float,
    seed: int,
) -> None:
    """Change the heads of the layer energies so that the mean response is that of `showers`.

    Both mean responses are fitted as polynomials of the conditions. The logarithm of their ratio,
    a few per mille after a training, is added to the logits of the layer energies, as the linear
    combination of the heads' inputs that comes nearest to it. The graph stays as it is.

    Parameters
    ----------
    model : made by `build_generator`; changed in place
    showers : of the training set
    conditions : (n, n_conditions), theirs, as the network sees them
    threshold : readout threshold, MeV
    seed : of the latents
    """
    geometry = showers.geometry
    incident = 1000 * showers.incident_energy
    basis = condition_basis(conditions.astype(np.float64), np)
    wanted = _fit(basis, showers.apply_threshold(threshold).energies.sum(axis=1) / incident)
    heads = [model.get_layer(f"layer_energy_{k}") for k in range(geometry.n_layers)]
    trunk = keras.Model(model.inputs, heads[0].input)
    sizes = [tensor.shape[-1] for tensor in model.inputs[:-1]]
    rng = np.random.default_rng(seed)
    for _ in range(ITERATIONS):
        latent = rng.standard_normal((len(showers), sum(sizes)), np.float32)
        energies = voxel_fractions(model, geometry, latent, conditions) * incident[:, None]
        made = Showers(energies, showers.conditions, geometry).apply_threshold(threshold)
        found = _fit(basis, made.energies.sum(axis=1) / incident)
        correction = np.log(np.maximum(wanted, 1e-9) / np.maximum(found, 1e-9))
        parts = np.split(latent, np.cumsum(sizes)[:-1], axis=1)
        hidden = np.asarray(trunk([*parts, conditions]), np.float64)
        inputs = np.concatenate([hidden, np.ones((len(hidden), 1))], axis=1)
        normal = inputs.T @ inputs
        normal += RIDGE * np.trace(normal) / len(normal) * np.eye(len(normal))
        for head in heads:
            kernel, bias = head.get_weights()
            share = 1 / (1 + np.exp(-(hidden @ kernel + bias)[:, 0]))
            # d log sigmoid(l) = (1 - sigmoid(l)) dl
            change = np.linalg.solve(normal, inputs.T @ (correction / (1 - share)))
            head.set_weights(
                [
                    (kernel + change[:-1, None]).astype(np.float32),
                    (bias + change[-1:]).astype(np.float32),
                ]
            )


def _fit(basis: NDArray[np.float64], response: NDArray[np.float32]) -> NDArray[np.float64]:
    """The response's mean as a polynomial of the conditions, at each shower's own, (n,)."""
    coefficients = np.linalg.lstsq(basis, response.astype(np.float64), rcond=None)[0]
    return np.asarray(basis @ coefficients)
