"""The generator's shape, its start, what it conserves, and that its layouts are exported."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers.networks import assert_same_network
from helpers.samples import make_card
from lwtnn_converter import Graph, convert
from numpy.typing import NDArray

from calogan.card.keys import Card
from calogan.networks.generator import (
    build_generator,
    latent_sizes,
    layer_energy_part,
    output_labels,
    voxel_columns,
    voxel_fractions,
)
from calogan.showers import Showers


def _mean_fractions(showers: Showers) -> NDArray[np.float32]:
    fractions = showers.energies / (1000 * showers.incident_energy[:, None])
    return fractions.mean(axis=0).astype(np.float32)


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"latent_skip": False},
        {"cell_latents": False},
        {"heads": "joint"},
        {"heads": "joint", "cell_latents": False},
    ],
)
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


@pytest.mark.parametrize("heads", ["layers", "joint"])
def test_a_cell_latent_moves_its_own_layer_only(showers: Showers, heads: str) -> None:
    card = make_card(generator={"heads": heads})
    mean = _mean_fractions(showers)
    seldom = np.full(showers.geometry.n_voxels, 0.05)
    model = build_generator(card.generator, showers.geometry, 2, mean, seldom)
    latent = np.zeros((2, 4 + showers.geometry.n_voxels), np.float32)
    latent[1, 4 + 3] = 5.0
    one, two = voxel_fractions(model, showers.geometry, latent, np.zeros((2, 2), np.float32))
    front, back = showers.geometry.slices
    assert two[3] > 10 * one[3]
    # The logarithm that joint heads share energy out by is right to 0.002.
    tolerance = 1e-5 if heads == "layers" else 5e-3
    assert two[front].sum() == pytest.approx(one[front].sum(), rel=tolerance)
    np.testing.assert_allclose(one[back], two[back], rtol=0 if heads == "layers" else tolerance)


def test_cells_start_as_often_lit_as_in_the_sample(showers: Showers) -> None:
    card, n = make_card(), showers.geometry.n_voxels
    mean = _mean_fractions(showers)
    model = build_generator(card.generator, showers.geometry, 2, mean, np.full(n, 0.05))
    steps = [model.get_layer(f"cell_lit_{k}").output for k in range(showers.geometry.n_layers)]
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((2000, size.shape[1]), np.float32) for size in model.inputs]
    lit = np.concatenate(keras.Model(model.inputs, steps).predict(inputs, verbose=0), axis=1) > 0.5
    assert lit.shape == (2000, n)
    # The latents that the layer's cells share move all of them a little, by random weights.
    assert lit.mean() == pytest.approx(0.05, abs=0.015)


def test_labels_name_voxels_in_order_and_leftovers_after_each_layer(showers: Showers) -> None:
    geometry = showers.geometry
    labels = output_labels(geometry, geometry.n_voxels + geometry.n_layers)
    columns = voxel_columns(geometry, geometry.n_voxels + geometry.n_layers)
    assert [labels[c] for c in columns] == [f"voxel_{i}" for i in range(geometry.n_voxels)]
    assert [x for x in labels if "unused" in x] == ["unused_layer_0", "unused_layer_1"]
    assert labels[geometry.layers[0].n_voxels] == "unused_layer_0"


def test_a_joint_head_has_one_leftover_behind_all_voxels(showers: Showers) -> None:
    geometry = showers.geometry
    model = build_generator(
        make_card(generator={"heads": "joint"}).generator, geometry, 2, _mean_fractions(showers)
    )
    n = model.outputs[0].shape[-1]
    labels = output_labels(geometry, n)
    assert labels == [*(f"voxel_{i}" for i in range(geometry.n_voxels)), "unused_layer_0"]
    np.testing.assert_array_equal(voxel_columns(geometry, n), np.arange(geometry.n_voxels))


@pytest.mark.parametrize("heads", ["layers", "joint"])
def test_layer_energies_are_what_their_part_says(showers: Showers, heads: str) -> None:
    card = make_card(generator={"heads": heads})
    geometry = showers.geometry
    model = build_generator(card.generator, geometry, 2, _mean_fractions(showers))
    part = layer_energy_part(model, geometry.n_layers)
    kernel, bias = part.weights()
    part.set_weights(5 * kernel, bias + 0.1)
    rng = np.random.default_rng(2)
    n_latent = sum(latent_sizes(card.generator, geometry).values())
    latent = rng.standard_normal((50, n_latent), np.float32)
    inputs = rng.uniform(-1, 1, (50, 2)).astype(np.float32)
    logits = np.asarray(part.logits([latent[:, :4], inputs]), np.float64)
    expected = np.asarray(part.fractions(logits))
    voxels = voxel_fractions(model, geometry, latent, inputs)
    found = np.stack([voxels[:, s].sum(axis=1) for s in geometry.slices], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5 if heads == "layers" else 5e-3)
    # What is added to all layers' logits raises the logarithm of each energy by `gain` as much.
    raised = logits.copy()
    raised[:, : geometry.n_layers] += 1e-4
    ratios = np.asarray(part.fractions(raised)) / np.asarray(part.fractions(logits))
    gains = np.broadcast_to(part.gain(expected), ratios.shape)
    np.testing.assert_allclose(np.log(ratios) / 1e-4, gains, rtol=1e-3)


def test_mixed_precision_keeps_outputs_in_float32(showers: Showers) -> None:
    mean = _mean_fractions(showers)
    model = build_generator(
        make_card().generator, showers.geometry, 2, mean, dtype="mixed_bfloat16"
    )
    assert model.get_layer("hidden_0").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


def test_a_layout_gives_the_generator_that_widths_give(showers: Showers) -> None:
    widths = make_card(generator={"activation": "elu"})
    fields = widths.model_dump()
    elu = "DENSE|16|ELU"
    fields["generator"] = {
        "latent_size": 4,
        "layout": f"{elu},{elu}",
        "layer_layout": "DENSE|8|ELU",
    }

    def build(card: Card) -> keras.Model:
        keras.utils.set_random_seed(1)
        return build_generator(card.generator, showers.geometry, 2, _mean_fractions(showers))

    assert_same_network(build(widths), build(Card.model_validate(fields)))


@pytest.mark.parametrize("heads", ["layers", "joint"])
def test_batch_normalization_in_a_generator_is_exported(showers: Showers, heads: str) -> None:
    fields = make_card().model_dump()
    layout = "BNORM,DENSE|8|LINEAR,BNORM|0.5|1e-3,DENSE|8|SYMMRELU,DENSE|4|LEAKYRELU"
    fields["generator"] = {
        "latent_size": 4,
        "layout": layout,
        "layer_layout": "4|SWISH,BNORM",
        "heads": heads,
    }
    card = Card.model_validate(fields).generator
    model = build_generator(card, showers.geometry, 2, _mean_fractions(showers))
    rng = np.random.default_rng(0)
    sizes = latent_sizes(card, showers.geometry)
    parts = {name: rng.normal(0.4, 2, (300, size)) for name, size in sizes.items()}
    parts["conditions"] = rng.uniform(-1, 1, (300, 2))
    before = model(list(parts.values()), training=False)
    for _ in range(20):
        model(list(parts.values()), training=True)
    after = np.asarray(model(list(parts.values()), training=False))
    assert np.abs(after - before).max() > 1e-3
    inputs = [
        {
            "name": name,
            "variables": [
                {"name": f"{name}_{i}", "offset": 0.0, "scale": 1.0} for i in range(part.shape[1])
            ],
        }
        for name, part in parts.items()
    ]
    outputs = [{"name": "fractions", "labels": output_labels(showers.geometry, after.shape[1])}]
    graph = Graph(convert(model, {"inputs": inputs, "input_sequences": [], "outputs": outputs}))
    found = np.asarray(graph.compute(parts, output="fractions"))
    np.testing.assert_allclose(found, after, rtol=1e-4, atol=1e-6)
