"""The energy scale: the mean response is right everywhere, after the readout threshold."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers.samples import make_card

from calogan.conditions import network_input
from calogan.features import response
from calogan.networks.generator import (
    build_generator,
    latent_sizes,
    layer_energy_part,
    voxel_fractions,
)
from calogan.showers import Showers
from calogan.training.calibration import calibrate

THRESHOLD = 5.0
"""MeV: a tenth of the energy of a shower of a few GeV is in cells below it."""


# Eight hidden units, as the small card has, may not be enough to make the correction from.
@pytest.mark.parametrize("setting", [{}, {"heads": "joint", "layer_hidden": [32]}])
def test_the_mean_response_is_right_in_every_corner_of_the_conditions(
    showers: Showers, setting: dict[str, object]
) -> None:
    keras.utils.set_random_seed(1)
    card = make_card(generator=setting)
    geometry = showers.geometry
    mean = (showers.energies / (1000 * showers.incident_energy[:, None])).mean(axis=0)
    model = build_generator(card.generator, geometry, 2, mean)
    part = layer_energy_part(model, geometry.n_layers)
    kernel, bias = part.weights()
    bias[: geometry.n_layers] -= 0.2
    part.set_weights(0.2 * kernel, bias)  # as narrow as showers are, and too low
    inputs = network_input(card.condition_list, showers.conditions)

    def made() -> Showers:
        size = sum(latent_sizes(card.generator, geometry).values())
        latent = np.random.default_rng(5).standard_normal((len(showers), size), np.float32)
        fractions = voxel_fractions(model, geometry, latent, inputs)
        energies = fractions * 1000 * showers.incident_energy[:, None]
        return Showers(energies, showers.conditions, geometry).apply_threshold(THRESHOLD)

    wanted = response(showers.apply_threshold(THRESHOLD))
    quarters = [
        ((inputs[:, 0] < 0) == low) & ((inputs[:, 1] < 0) == ahead)
        for low in (True, False)
        for ahead in (True, False)
    ]
    for quarter in quarters:
        assert response(made())[quarter].mean() < 0.97 * wanted[quarter].mean()
    calibrate(model, showers, inputs, THRESHOLD, seed=1)
    for quarter in quarters:
        found = response(made())[quarter]
        error = np.hypot(found.std(), wanted[quarter].std()) / np.sqrt(quarter.sum())
        assert found.mean() == pytest.approx(wanted[quarter].mean(), abs=3 * error)
