"""The generator's shape, its start, and what it conserves."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_card
from numpy.typing import NDArray

from calogan.dataset import Showers
from calogan.networks import build_critic, build_generator, output_labels, voxel_columns


def _mean_fractions(showers: Showers) -> NDArray[np.float32]:
    fractions = showers.energies / (1000 * showers.incident_energy[:, None])
    return fractions.mean(axis=0).astype(np.float32)


@pytest.mark.parametrize("latent_skip", [True, False])
def test_generator_starts_near_the_mean_shower(showers: Showers, latent_skip: bool) -> None:
    card = make_card(generator={"latent_skip": latent_skip})
    mean = _mean_fractions(showers)
    model = build_generator(card.generator, showers.geometry, ["energy", "theta"], mean)
    rng = np.random.default_rng(0)
    outputs = model(
        [rng.standard_normal((500, 4), np.float32), rng.uniform(-1, 1, (500, 2)).astype("f4")]
    )
    fractions = np.asarray(outputs)[:, voxel_columns(showers.geometry)]
    assert fractions.min() >= 0
    assert fractions.sum(axis=1).max() < 1
    assert fractions.mean(axis=0).sum() == pytest.approx(mean.sum(), rel=0.3)


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
        make_card().generator, showers.geometry, ["energy", "theta"], mean, dtype="mixed_bfloat16"
    )
    assert model.get_layer("hidden_0").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
