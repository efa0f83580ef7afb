"""The start of joint heads: cells are lit as often as in the data, and share energy alike."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers.samples import make_card, make_showers

from calogan.conditions import network_input
from calogan.features import layer_sums
from calogan.networks.generator import build_generator, voxel_fractions
from calogan.showers import Showers
from calogan.training.start import match_start

THRESHOLD = 5.0


def test_cells_start_as_often_lit_as_in_the_data() -> None:
    keras.utils.set_random_seed(1)
    showers = make_showers(3000, seed=4)
    geometry = showers.geometry
    card = make_card(generator={"heads": "joint"})
    inputs = network_input(card.condition_list, showers.conditions)
    incident = 1000 * showers.incident_energy[:, None]
    # A builder that knows nothing of the data but that a tenth of all cells are lit.
    flat = np.full(geometry.n_voxels, 0.1 / geometry.n_voxels, np.float32)
    model = build_generator(
        card.generator, geometry, 2, flat, np.full(geometry.n_voxels, 0.1), dtype="float32"
    )

    def made() -> Showers:
        """With the energies that the layers really have."""
        size = sum(tensor.shape[-1] for tensor in model.inputs[:-1])
        latent = np.random.default_rng(5).standard_normal((len(showers), size), np.float32)
        fractions = voxel_fractions(model, geometry, latent, inputs)
        scale = layer_sums(showers.energies, geometry, np) / layer_sums(fractions, geometry, np)
        return Showers(fractions * scale[:, geometry.layer_index], showers.conditions, geometry)

    def off() -> tuple[float, float]:
        pairs = (
            [(s.energies > THRESHOLD).mean(axis=0) for s in (made(), showers)],
            [(s.energies / incident).mean(axis=0) for s in (made(), showers)],
        )
        lit, mean = (np.abs(a / b - 1).mean() for a, b in pairs)
        return float(lit), float(mean)

    before = off()
    alike = np.arange(geometry.n_voxels)
    match_start(model, showers, inputs, THRESHOLD, alike, np.arange(geometry.n_voxels), seed=1)
    after = off()
    assert min(before) > 0.2
    assert max(after) < 0.15


def test_groups_of_voxels_are_moved_together() -> None:
    showers = make_showers(500, seed=4)
    geometry = showers.geometry
    card = make_card(generator={"heads": "joint"})
    inputs = network_input(card.condition_list, showers.conditions)
    mean = np.full(geometry.n_voxels, 0.1 / geometry.n_voxels, np.float32)
    model = build_generator(card.generator, geometry, 2, mean)
    match_start(
        model,
        showers,
        inputs,
        THRESHOLD,
        geometry.layer_index,
        np.arange(geometry.n_voxels),
        seed=1,
    )
    for name in ("cell_chance", "voxels"):
        bias = model.get_layer(name).get_weights()[1]
        for part in geometry.slices:
            assert np.ptp(bias[part]) == pytest.approx(0, abs=1e-5)
