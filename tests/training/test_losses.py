"""Losses and regularisers against their formulas in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calogan.card.training import LABELLED_LOSSES, Training
from calogan.training import losses

Array = NDArray[np.floating]


def _sigmoid(scores: Array) -> Array:
    return 1 / (1 + np.exp(-scores))


def _log_d(scores: Array) -> Array:
    return np.log(_sigmoid(scores.astype(np.float64)))


def _log_not_d(scores: Array) -> Array:
    return np.log(1 - _sigmoid(scores.astype(np.float64)))


# As the papers write them, of one head: the critic's loss and the generator's for each shower.
FORMULAS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "relativistic": lambda r, f: (-_log_d(r - f), -_log_d(f - r)),
    "minimax": lambda r, f: (-_log_d(r) - _log_not_d(f), _log_not_d(f)),
    "non_saturating": lambda r, f: (-_log_d(r) - _log_not_d(f), -_log_d(f)),
    "least_squares": lambda r, f: (((r - 1) ** 2 + f**2) / 2, (f - 1) ** 2 / 2),
    "hinge": lambda r, f: (-np.minimum(0, r - 1) - np.minimum(0, -f - 1), -f),
    "wasserstein": lambda r, f: (f - r, -f),
}


def test_the_card_knows_every_loss() -> None:
    named = get_args(Training.model_fields["loss"].annotation)
    assert set(named) == set(losses.LOSSES) == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_losses_follow_their_papers_and_sum_over_heads(name: str) -> None:
    real, fake = np.random.default_rng(1).normal(0, 2, (2, 50, 3)).astype(np.float32)
    critic, generator = losses.LOSSES[name](real, fake)
    expected = FORMULAS[name](real, fake)
    assert float(critic) == pytest.approx(expected[0].sum(axis=1).mean(), rel=1e-5)
    assert float(generator) == pytest.approx(expected[1].sum(axis=1).mean(), rel=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
def test_players_pull_in_opposite_directions(name: str) -> None:
    """The critic's loss falls as real scores rise, the generator's as the fake ones do."""
    real, fake = tf.constant([[0.3], [-0.2]]), tf.constant([[0.1], [-0.4]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        critic, generator = losses.LOSSES[name](real, fake)
    assert (tape.gradient(critic, real).numpy() < 0).all()
    assert (tape.gradient(generator, fake).numpy() < 0).all()


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "relativistic"])
def test_large_scores_stay_finite(name: str) -> None:
    scores = np.float32([[1e4], [-1e4]])
    for found in losses.LOSSES[name](scores, -scores):
        assert np.isfinite(float(found))


def test_the_minimax_generator_hardly_moves_while_the_critic_is_sure() -> None:
    fake = tf.constant([[-8.0]])
    slopes = {}
    for name in ("minimax", "non_saturating"):
        with tf.GradientTape() as tape:
            tape.watch(fake)
            _, generator = losses.LOSSES[name](-fake, fake)
        slopes[name] = float(tape.gradient(generator, fake)[0, 0])
    assert slopes["minimax"] == pytest.approx(-np.exp(-8), rel=1e-2)
    assert slopes["non_saturating"] == pytest.approx(-1, rel=1e-2)


@pytest.mark.parametrize("name", LABELLED_LOSSES)
def test_a_smoothed_label_is_the_best_score_of_the_critic(name: str) -> None:
    """With real labels of 0.8 the critic's loss on real showers is least where D is 0.8."""
    best = 0.8 if name == "least_squares" else np.log(0.8 / 0.2)
    scores = np.float32(best + np.linspace(-1, 1, 41))
    fake = np.zeros((1, 1), np.float32)
    labels = losses.noisy_labels(0.2, 0.0, np.full((2, 1, 1), 0.5, np.float32))
    found = [float(losses.LOSSES[name](s.reshape(1, 1), fake, *labels)[0]) for s in scores]
    assert np.argmin(found) == 20
    # Only the critic's labels are smoothed.
    generator = losses.LOSSES[name](fake, fake, *labels)[1]
    assert float(generator) == float(losses.LOSSES[name](fake, fake)[1])


def test_labels_are_flipped_at_the_given_rate() -> None:
    uniform = np.random.default_rng(3).random((2, 20_000, 1), np.float32)
    real, fake = (np.asarray(x) for x in losses.noisy_labels(0.1, 0.2, uniform))
    assert real.shape == fake.shape == (20_000, 1)
    assert set(np.unique(real)) == set(np.unique(fake)) == {np.float32(0), np.float32(0.9)}
    error = np.sqrt(0.2 * 0.8 / 20_000)
    assert (real == 0).mean() == pytest.approx(0.2, abs=5 * error)
    assert (fake > 0).mean() == pytest.approx(0.2, abs=5 * error)
    assert np.corrcoef(real[:, 0], fake[:, 0])[0, 1] == pytest.approx(0, abs=5 / np.sqrt(20_000))


def test_zero_centred_penalty_sums_over_inputs_and_averages_over_showers() -> None:
    first, second = np.full((4, 3), 2.0, np.float32), np.full((4, 1), 5.0, np.float32)
    assert float(losses.zero_centred_penalty([first, second])) == pytest.approx(3 * 4 + 25)


def test_one_centred_penalty_wants_the_norm_over_all_inputs_to_be_one() -> None:
    first, second = np.float32([[0.6, 0], [3, 0]]), np.float32([[0.8], [4]])
    assert float(losses.one_centred_penalty([first, second])) == pytest.approx((5 - 1) ** 2 / 2)


def test_one_centred_penalty_has_a_gradient_where_the_critic_is_flat() -> None:
    flat = tf.zeros((3, 2))
    with tf.GradientTape() as tape:
        tape.watch(flat)
        penalty = losses.one_centred_penalty([flat])
    assert float(penalty) == pytest.approx(1, rel=1e-5)
    assert np.isfinite(tape.gradient(penalty, flat).numpy()).all()


def test_points_between_lie_on_the_line() -> None:
    real, fake = np.random.default_rng(4).normal(size=(2, 5, 3)).astype(np.float32)
    where = np.float32([[0], [1], [0.5], [0.25], [0.75]])
    (found,) = losses.between([real], [fake], where)
    np.testing.assert_allclose(found, where * real + (1 - where) * fake, rtol=1e-5, atol=1e-6)


def test_instance_noise_has_the_given_spread_on_every_view() -> None:
    rng = np.random.default_rng(5)
    views = [np.zeros((500, 40), np.float32), np.ones((500, 7), np.float32)]
    normal = [rng.standard_normal(v.shape, np.float32) for v in views]
    for view, found in zip(views, losses.instance_noise(views, 0.3, normal), strict=True):
        assert np.std(found - view) == pytest.approx(0.3, rel=0.05)


@settings(max_examples=10, deadline=None)
@given(
    shape=st.sampled_from([(4, 6), (7, 3), (3, 2, 5), (1, 4), (5, 1)]),
    scale=st.floats(1e-2, 1e2),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_followed_singular_value_rises_to_the_largest(
    shape: tuple[int, ...], scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    kernel = (scale * rng.normal(size=shape)).astype(np.float32)
    largest = np.linalg.svd(kernel.reshape(-1, shape[-1]), compute_uv=False)[0]
    direction = rng.normal(size=shape[-1]).astype(np.float32)
    followed = []
    for _ in range(4):
        normalised, direction = losses.spectral_normalization(kernel, direction)
        followed.append(np.linalg.norm(kernel) / np.linalg.norm(normalised))
    assert (np.diff(followed) >= -1e-4 * largest).all()
    assert followed[-1] <= largest * (1 + 1e-4)


@pytest.mark.parametrize("shape", [(4, 6), (7, 3), (3, 2, 5), (1, 4)])
def test_a_normalised_kernel_has_largest_singular_value_one(shape: tuple[int, ...]) -> None:
    kernel = np.random.default_rng(6).normal(size=shape).astype(np.float32)
    direction = np.linalg.svd(kernel.reshape(-1, shape[-1]))[2][0]
    normalised, after = losses.spectral_normalization(kernel, direction)
    singular = np.linalg.svd(np.reshape(normalised, (-1, shape[-1])), compute_uv=False)
    assert singular[0] == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(after, direction, atol=1e-5)


def test_the_gradient_goes_through_the_singular_value() -> None:
    """Of W / |W| nothing changes along W: equation 12 of Miyato et al."""
    kernel = tf.constant(np.random.default_rng(6).normal(size=(5, 4)).astype(np.float32))
    direction = np.linalg.svd(kernel)[2][0]
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        normalised, _ = losses.spectral_normalization(kernel, direction)
        value = tf.reduce_sum(normalised * tf.range(5.0)[:, None])
    gradient = tape.gradient(value, kernel)
    assert float(tf.norm(gradient)) > 0.1
    assert float(tf.reduce_sum(gradient * kernel)) == pytest.approx(0, abs=1e-3)
