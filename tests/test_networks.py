"""The generator's shape, its start, and what it conserves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from samples import make_card

from calogan.dataset import Showers
from calogan.networks import (
    build_critic,
    build_generator,
    latent_sizes,
    output_labels,
    voxel_columns,
    voxel_fractions,
)


def _mean_fractions(showers: Showers) -> NDArray[np.float32]:
    fractions = showers.energies / (1000 * showers.incident_energy[:, None])
    return fractions.mean(axis=0).astype(np.float32)


@pytest.mark.parametrize("setting", [{}, {"latent_skip": False}, {"cell_latents": False}])
def test_generator_starts_near_the_mean_shower(
    showers: Showers, setting: dict[str, object]
) -> None:
    card = make_card(generator=setting)
    mean = _mean_fractions(showers)
    model = build_generator(card.generator, showers.geometry, 2, mean)
    rng = np.random.default_rng(0)
    n_latent = sum(latent_sizes(card.generator, showers.geometry).values())
    fractions = voxel_fractions(
        model,
        showers.geometry,
        rng.standard_normal((500, n_latent), np.float32),
        rng.uniform(-1, 1, (500, 2)).astype(np.float32),
    )
    assert fractions.min() >= 0
    assert fractions.sum(axis=1).max() < 1
    assert fractions.mean(axis=0).sum() == pytest.approx(mean.sum(), rel=0.3)


def test_a_cell_latent_moves_its_own_layer_only(showers: Showers) -> None:
    card = make_card()
    mean = _mean_fractions(showers)
    seldom = np.full(showers.geometry.n_voxels, 0.05)
    model = build_generator(card.generator, showers.geometry, 2, mean, seldom)
    latent = np.zeros((2, 4 + showers.geometry.n_voxels), np.float32)
    latent[1, 4 + 3] = 5.0
    one, two = voxel_fractions(model, showers.geometry, latent, np.zeros((2, 2), np.float32))
    front, back = showers.geometry.slices
    assert two[3] > 10 * one[3]
    assert two[front].sum() == pytest.approx(one[front].sum(), rel=1e-5)
    np.testing.assert_array_equal(one[back], two[back])


def test_cells_start_as_often_lit_as_in_the_sample(showers: Showers) -> None:
    card, n = make_card(), showers.geometry.n_voxels
    mean = _mean_fractions(showers)
    model = build_generator(card.generator, showers.geometry, 2, mean, np.full(n, 0.05))
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((2000, 4 + n), np.float32)
    fractions = voxel_fractions(model, showers.geometry, latent, np.zeros((2000, 2), np.float32))
    lit = fractions > 0.5 * fractions.max(axis=0)
    assert lit.mean() == pytest.approx(0.05, abs=0.03)


def test_labels_name_voxels_in_order_and_leftovers_after_each_layer(showers: Showers) -> None:
    geometry = showers.geometry
    labels = output_labels(geometry)
    columns = voxel_columns(geometry)
    assert [labels[c] for c in columns] == [f"voxel_{i}" for i in range(geometry.n_voxels)]
    assert [x for x in labels if "unused" in x] == ["unused_layer_0", "unused_layer_1"]
    assert labels[geometry.layers[0].n_voxels] == "unused_layer_0"


def test_critic_has_one_score_for_each_head() -> None:
    critic = build_critic(make_card().critic, 16, 5, 2)
    inputs = [np.zeros((7, k), np.float32) for k in (16, 5, 2)]
    assert np.asarray(critic(inputs)).shape == (7, 2)


def test_mixed_precision_keeps_outputs_in_float32(showers: Showers) -> None:
    mean = _mean_fractions(showers)
    model = build_generator(
        make_card().generator, showers.geometry, 2, mean, dtype="mixed_bfloat16"
    )
    assert model.get_layer("hidden_0").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
