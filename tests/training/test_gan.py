"""The compiled step: it learns, it repeats itself, and symmetries are honoured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from helpers.samples import make_card, make_showers

from calogan.conditions import network_input
from calogan.errors import CaloganError
from calogan.features import layer_sums
from calogan.geometry import Geometry
from calogan.networks.generator import voxel_fractions
from calogan.showers import Showers
from calogan.training.gan import GanTrainer
from calogan.training.loop import new_trainer


def _weights(trainer: GanTrainer) -> list[np.ndarray]:
    with trainer.generating() as generator:
        return [variable.numpy() for variable in generator.trainable_variables]


def test_the_same_seed_gives_the_same_weights(showers: Showers) -> None:
    def weights(seed: int) -> list[np.ndarray]:
        trainer = new_trainer(make_card(training={"seed": seed}), showers)
        trainer.advance(4)
        return _weights(trainer)

    first, again, other = weights(3), weights(3), weights(4)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_updates_do_not_depend_on_how_they_are_grouped(showers: Showers) -> None:
    together, apart = (new_trainer(make_card(), showers) for _ in range(2))
    together.advance(4)
    for _ in range(4):
        apart.advance(1)
    for a, b in zip(_weights(together), _weights(apart), strict=True):
        np.testing.assert_array_equal(a, b)


def test_networks_by_their_layouts_train(showers: Showers) -> None:
    """Batch normalization in the generator; in the critic convolutions, spectrally normalized."""
    convolutions = "CONV|4|3|3|2|2|1|1|LEAKYRELU,RESHAPE|FLAT,DENSE|16|LEAKYRELU"
    # None, as `make_card` gives widths.
    card = make_card(
        generator={"layout": "DENSE|16|LINEAR,BNORM,DENSE|16|SWISH", "hidden": None},
        critic={"layout": convolutions, "hidden": None},
        training={"spectral_normalization": True},
    )
    trainer = new_trainer(card, showers)
    before = [weight.numpy() for weight in trainer.generator.weights]
    losses = trainer.advance(4)
    assert np.isfinite(list(losses.values())).all()
    raw = [weight.numpy() for weight in trainer.generator.weights]
    assert all((a != b).any() for a, b in zip(before, raw, strict=True))
    with trainer.generating() as generator:
        moved = [weight.numpy() for weight in generator.weights]
    # The statistics of a batch normalization are averaged like the weights around it.
    assert all((a != b).any() for a, b in zip(raw, moved, strict=True))
    for weight, value in zip(trainer.generator.weights, raw, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


WASSERSTEIN = {"loss": "wasserstein", "gradient_penalty": 10, "r1": 0, "r2": 0}
NOISE = {
    "loss": "non_saturating",
    "label_smoothing": 0.1,
    "label_flipping": 0.2,
    "instance_noise": 0.5,
    "spectral_normalization": True,
}


@pytest.mark.parametrize(
    "setting",
    [
        {"critic_steps": 3},
        {"mixed_precision": True, **NOISE},
        {"jit": True, **WASSERSTEIN, "spectral_normalization": True},
    ],
)
def test_settings_of_the_loop_run(showers: Showers, setting: dict[str, object]) -> None:
    trainer = new_trainer(make_card(training=setting), showers)
    losses = trainer.advance(2)
    assert trainer.update == 2
    assert np.isfinite(list(losses.values())).all()
    penalties = {"gradient_penalty"} if "gradient_penalty" in setting else {"r1", "r2"}
    others = {"critic_loss", "score_gap", "generator_loss", "energy_mismatch", "cell_mismatch"}
    assert losses.keys() == penalties | others


def _rings(n: int) -> Showers:
    """Showers in a ring of 8 sectors, of which the first two hold everything."""
    geometry = Geometry.from_dict({"layers": [RING]})
    conditions = make_showers(n, seed=1).conditions
    energies = np.zeros((n, 8), np.float32)
    energies[:, 0], energies[:, 1] = 3, 1
    return Showers(energies, conditions, geometry)


RING = {
    "system": "cylindrical",
    "r_edges": [0, 5],
    "alpha_edges": np.linspace(-np.pi, np.pi, 9).tolist(),
}


def test_showers_are_turned_as_often_as_the_card_says() -> None:
    card = make_card(
        data={"mirror": []},
        training={"random_turns": 0.5, "batch_size": 4000},
        geometry={"layers": [RING]},
    )
    trainer = new_trainer(card, _rings(40))
    values = tf.Variable(np.tile([[3.0, 1, 0, 0, 0, 0, 0, 0]], (4000, 1)).astype(np.float32))
    with tf.GradientTape() as tape:
        turned = trainer._turned(values, tf.constant([1, 2], tf.int64))
        total = tf.reduce_sum(turned * tf.range(8.0))
    first = np.asarray(turned).argmax(axis=1)
    counts = np.bincount(first, minlength=8) / 4000
    assert counts[0] == pytest.approx(0.5 + 0.5 / 8, abs=0.03)
    np.testing.assert_allclose(counts[1:], 0.5 / 8, atol=0.015)
    np.testing.assert_array_equal(np.asarray(turned)[np.arange(4000), (first + 1) % 8], 1)
    # The gradient finds its way back to the cell that the energy came from.
    gradient = np.asarray(tape.gradient(total, values))
    np.testing.assert_array_equal(gradient, (np.arange(8) + first[:, None]) % 8)


def test_random_turns_need_a_mesh_that_turns(showers: Showers) -> None:
    with pytest.raises(CaloganError, match=r"set \[data\] turn = false and"):
        new_trainer(make_card(training={"random_turns": 0.5}), showers)


def test_joint_heads_and_limits_train(showers: Showers) -> None:
    card = make_card(
        generator={"heads": "joint"}, training={"feature_limit": 3.0, "count_levels": 4}
    )
    trainer = new_trainer(card, showers)
    assert np.isfinite(list(trainer.advance(3).values())).all()
    assert trainer.preprocessing.n_features == 1 + (1 + 6 + 4) * showers.geometry.n_layers


@pytest.mark.parametrize("heads", ["layers", "joint"])
def test_energy_steps_train_layer_energies_and_cells_apart(showers: Showers, heads: str) -> None:
    card = make_card(generator={"heads": heads}, training={"energy_steps": 3})
    trainer = new_trainer(card, showers)
    energies = {id(v) for v in trainer._layer_energy_part.logits.trainable_variables}
    variables = trainer.generator.trainable_variables

    def changed(step: Callable[[], Any]) -> set[int]:
        before = [v.numpy() for v in variables]
        step()
        return {id(v) for v, old in zip(variables, before, strict=True) if (v.numpy() != old).any()}

    seed = tf.constant([1, 2], tf.int64)
    assert changed(lambda: trainer._energy_steps(seed)) == energies
    mismatch = tf.constant(0.0)
    batch = trainer._batch(seed)
    assert changed(lambda: trainer._generator_step(batch, seed, mismatch)).isdisjoint(energies)
    assert np.isfinite(list(trainer.advance(2).values())).all()


def test_energy_steps_learn_how_layers_go_together() -> None:
    """The correlation of the layers' energies, which no distribution of one number knows of."""
    showers = make_showers(2000, seed=5)
    incident = 1000 * showers.incident_energy[:, None]
    card = make_card(
        generator={"heads": "joint", "layer_hidden": [32, 32]},
        critic={"feature_hidden": [32, 32]},
        training={"energy_steps": 1, "updates": 400, "r1": 0.02, "r2": 0.02, "jit": True},
    )
    trainer = new_trainer(card, showers)
    step = tf.function(trainer._energy_steps, jit_compile=True)
    for update in range(400):
        step(tf.constant([1, update], tf.int64))
    inputs = network_input(card.condition_list, showers.conditions)
    part = trainer._layer_energy_part
    latent = np.random.default_rng(1).standard_normal((2000, 4)).astype(np.float32)
    made = np.asarray(part.fractions(part.logits([latent, inputs]))) * incident
    real = layer_sums(showers.energies, showers.geometry, np)
    found, expected = (
        np.corrcoef(trainer.preprocessing.energy_features(e.astype("f4"), incident, inputs, np).T)[
            1, 2
        ]
        for e in (made, real)
    )
    assert found == pytest.approx(expected, abs=0.15)


def test_the_noise_is_a_function_of_seed_and_update(showers: Showers) -> None:
    together, apart = (new_trainer(make_card(training=NOISE), showers) for _ in range(2))
    together.advance(3)
    for _ in range(3):
        apart.advance(1)
    for a, b in zip(_weights(together), _weights(apart), strict=True):
        np.testing.assert_array_equal(a, b)


def test_instance_noise_falls_to_zero_with_the_last_update(showers: Showers) -> None:
    trainer = new_trainer(make_card(training={"instance_noise": 0.5, "updates": 10}), showers)
    views = [tf.zeros((400, 20)), tf.zeros((400, 3))]
    for update, spread in ((0, 0.5), (5, 0.25), (10, 0.0)):
        trainer._update.assign(update)
        first, second = trainer._blurred(views, tf.constant([1, 2], tf.int64))
        assert np.std(first) == pytest.approx(spread, rel=0.05)
        assert np.std(second) == pytest.approx(spread, rel=0.1)


def test_spectral_normalization_bounds_every_layer_of_the_critic(showers: Showers) -> None:
    trainer = new_trainer(make_card(training={"spectral_normalization": True}), showers)
    trainer.advance(40)
    weights = trainer._critic_weights(follow=False)
    kernels = [np.asarray(w) for w in weights if len(w.shape) == 2]
    assert len(kernels) == len(trainer._directions) == 5
    for kernel in kernels:
        assert np.linalg.norm(kernel, 2) == pytest.approx(1, abs=0.1)
    raw = [np.linalg.norm(v, 2) for v in trainer.critic.trainable_variables if v.name == "kernel"]
    assert max(raw) > 1.2


def test_it_learns_the_response() -> None:
    """After a short training the mean response is within 1 % at low and high conditions."""
    showers = make_showers(2000, seed=5)
    card = make_card(
        training={
            "updates": 400,
            "batch_size": 64,
            "learning_rate": 2e-3,
            "updates_per_call": 100,
            "jit": True,
        }
    )
    trainer = new_trainer(card, showers)
    while trainer.update < 400:
        trainer.advance(100)
    inputs = network_input(card.condition_list, showers.conditions)
    size = sum(trainer.latent_sizes)
    latent = np.random.default_rng(0).standard_normal((len(showers), size), np.float32)
    response = showers.apply_threshold(0.1).energies.sum(axis=1) / (1000 * showers.incident_energy)
    raw = [variable.numpy() for variable in trainer.generator.trainable_variables]
    with trainer.generating() as generator:
        made = voxel_fractions(generator, showers.geometry, latent, inputs).sum(axis=1)
    for variable, value in zip(trainer.generator.trainable_variables, raw, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    # Calibrated at all conditions, up to the error of the mean.
    for half in (inputs[:, 0] < 0, inputs[:, 0] >= 0, inputs[:, 1] < 0, inputs[:, 1] >= 0):
        assert made[half].mean() == pytest.approx(response[half].mean(), rel=0.01)
