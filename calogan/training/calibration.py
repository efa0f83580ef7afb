"""The energy scale of a generator: after training, its mean response is set right everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from calogan.conditions import condition_basis
from calogan.features import layer_fractions, response
from calogan.networks.generator import layer_energy_part, voxel_fractions
from calogan.showers import Showers

ITERATIONS = 2
"""The correction is linearised; the second pass removes what the first left over."""
DRAWS = 10
"""Of the latents, for each shower, so that the generated mean adds next to no error."""
RIDGE = 1e-4
"""Of the least-squares fit, relative to the mean square of the heads' inputs: keeps the correction
a function of the conditions, not of the latents."""


def calibrate(
    model: keras.Model,
    showers: Showers,
    conditions: NDArray[np.float32],
    threshold: float,
    seed: int,
    columns: Sequence[int] | None = None,
) -> None:
    """Change the heads of the layer energies so that the mean response is that of `showers`.

    Both mean responses are fitted as polynomials of the conditions. The logarithm of their ratio,
    a few per mille after a training, is what the logarithm of each layer's energy should gain; the
    kernel and bias of its head change by what comes nearest to that. The graph stays as it is.

    The part of a layer's energy that lies in living cells over the threshold hardly varies from
    shower to shower, so it is measured on one set of showers; the layer energies do vary, and are
    drawn many times.

    Parameters
    ----------
    model : made by `build_generator`; changed in place
    showers : of the training set
    conditions : of the showers, as the network sees them, (n, n_conditions)
    threshold : readout threshold, MeV
    seed : of the latents
    columns : as those of `condition_basis`
    """
    geometry = showers.geometry
    incident = 1000 * showers.incident_energy
    basis = condition_basis(conditions.astype(np.float64), np, columns=columns)
    wanted = _fit(basis, response(showers.apply_threshold(threshold)))
    sizes = [tensor.shape[-1] for tensor in model.inputs[:-1]]
    part = layer_energy_part(model, geometry.n_layers)
    rng = np.random.default_rng(seed)
    for _ in range(ITERATIONS):
        latent = rng.standard_normal((len(showers), sum(sizes)), np.float32)
        energies = voxel_fractions(model, geometry, latent, conditions) * incident[:, None]
        made = Showers(energies, showers.conditions, geometry)
        # Dead cells are left out of both samples, as what is under threshold is.
        seen = made.without(showers.dead).apply_threshold(threshold)
        over = _fit(basis, layer_fractions(seen))
        # Of a layer with hardly any energy, polynomials may be below zero somewhere.
        kept = np.clip(over / np.maximum(_fit(basis, layer_fractions(made)), 1e-9), 0, 1)
        visible = np.zeros(len(showers))
        for _ in range(DRAWS):
            latent = rng.standard_normal((len(showers), sizes[0]), np.float32)
            logits = np.asarray(part.logits([latent, conditions]), np.float64)
            shares = np.asarray(part.fractions(logits))
            visible += (kept * shares).sum(axis=1) / DRAWS
        found = _fit(basis, visible)
        correction = np.log(np.maximum(wanted, 1e-9) / np.maximum(found, 1e-9))
        hidden = np.asarray(part.hidden([latent, conditions]), np.float64)
        inputs = np.concatenate([hidden, np.ones((len(hidden), 1))], axis=1)
        normal = inputs.T @ inputs
        normal += RIDGE * np.trace(normal) / len(normal) * np.eye(len(normal))
        kernel, bias = part.weights()
        change = np.zeros((len(normal), len(bias)))
        change[:, : geometry.n_layers] = np.linalg.solve(
            normal, inputs.T @ (correction[:, None] / part.gain(shares))
        )
        part.set_weights(kernel + change[:-1], bias + change[-1])


def _fit(basis: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of values as a polynomial of the conditions, at each shower's own; values' shape."""
    return np.asarray(basis @ np.linalg.lstsq(basis, values, rcond=None)[0])
