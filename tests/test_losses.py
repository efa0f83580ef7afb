"""Losses against their formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from calogan import losses


def test_relativistic_pairing_is_softplus_of_the_gap() -> None:
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(2, 50, 2)).astype(np.float32)
    critic, generator = losses.relativistic_pairing(real, fake)
    gap = real - fake
    assert float(critic) == pytest.approx(np.log1p(np.exp(-gap)).sum(axis=1).mean(), rel=1e-5)
    assert float(generator) == pytest.approx(np.log1p(np.exp(gap)).sum(axis=1).mean(), rel=1e-5)


def test_equal_scores_cost_log_two_a_head() -> None:
    same = np.zeros((8, 3), np.float32)
    critic, generator = losses.relativistic_pairing(same, same)
    assert float(critic) == float(generator) == pytest.approx(3 * np.log(2), rel=1e-6)


def test_gradient_penalty_sums_over_inputs_and_averages_over_showers() -> None:
    first, second = np.full((4, 3), 2.0, np.float32), np.full((4, 1), 5.0, np.float32)
    assert float(losses.gradient_penalty([first, second])) == pytest.approx(3 * 4 + 25)


def test_moment_mismatch_is_unbiased_and_sees_a_width_that_depends_on_the_conditions() -> None:
    rng = np.random.default_rng(2)
    condition = rng.uniform(-1, 1, (20_000, 1)).astype(np.float32)
    basis = np.concatenate([np.ones_like(condition), condition], axis=1)

    def mismatch(width: np.ndarray) -> float:
        real, fake = rng.standard_normal((2, len(condition), 1)).astype(np.float32)
        return float(losses.moment_mismatch(real, width * fake, basis))

    same = [mismatch(np.ones_like(condition)) for _ in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    # E[(w^2 - 1) phi]^2 summed over phi = 1, c for w^2 = 1 + 0.3 c: only c, with 0.3 / 3.
    wide = mismatch(np.sqrt(1 + 0.3 * condition))
    assert wide == pytest.approx(0.1**2, abs=5e-3)
