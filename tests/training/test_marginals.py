"""Distributions of single numbers: what the mismatch is, and that it moves a generator."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.training.marginals import (
    CELL_STEPS,
    Marginals,
    RingDistribution,
    cell_distribution,
    distribution,
    powers,
)

BATCH = 500


def batches(width: float, slope: float, count: int) -> tuple[Marginals, list[float]]:
    """Normal numbers against those of variance width^2 + slope c; mismatches of each batch."""
    rng = np.random.default_rng(2)
    marginals = Marginals(2, 1)
    found = []
    for _ in range(count):
        c = rng.uniform(-1, 1, (BATCH, 1)).astype(np.float32)
        real, other = rng.standard_normal((2, BATCH, 1)).astype(np.float32)
        made = np.sqrt(width**2 + slope * c) * other
        found.append(float(marginals.mismatch(powers(made), powers(real), c)))
    return marginals, found


def test_equal_distributions_have_no_gap() -> None:
    marginals, found = batches(1, 0, 400)
    # One batch has 1 / BATCH of variance in each function and polynomial, twice or thrice over.
    assert np.abs(marginals.gap).max() < 4 * np.sqrt(5 * 0.01 / BATCH)
    assert np.mean(found[200:]) < 0.1 * found[0]


def test_the_gap_is_that_of_the_moments_at_all_conditions() -> None:
    marginals, found = batches(1, 0.6, 600)
    # E[x^2] - 1 = 0.6 c, and c is the polynomial of degree 1 over sqrt(3).
    expected = np.zeros((5, 2))
    expected[1, 1] = 0.6 / np.sqrt(3)
    np.testing.assert_allclose(marginals.gap, expected, atol=0.12)
    assert np.mean(found[-300:]) == pytest.approx(0.6**2 / 3, rel=0.1)


def test_the_gradient_goes_through_generated_showers_alone() -> None:
    rng = np.random.default_rng(0)
    marginals = Marginals(2, 2)
    inputs = rng.uniform(-1, 1, (BATCH, 2)).astype(np.float32)
    shift, spread = tf.Variable(0.4), tf.Variable(1.5)
    for _ in range(150):
        real, noise = rng.standard_normal((2, BATCH, 1)).astype(np.float32)
        with tf.GradientTape() as tape:
            loss = marginals.mismatch(powers(shift + spread * noise), powers(real), inputs)
        for variable, gradient in zip(
            (shift, spread), tape.gradient(loss, (shift, spread)), strict=True
        ):
            variable.assign_sub(0.04 * gradient)
    assert float(shift) == pytest.approx(0, abs=0.1)
    assert float(spread) == pytest.approx(1, abs=0.1)


def test_steps_see_what_powers_do_not() -> None:
    """Two lumps of the mean and variance of a normal distribution."""
    rng = np.random.default_rng(1)
    normal = rng.standard_normal((50_000, 1)).astype(np.float32)
    lumps = np.where(rng.random((50_000, 1)) < 0.5, -1, 1).astype(np.float32)
    found = [np.asarray(distribution(x)).mean(axis=0) for x in (lumps, normal)]
    gap = found[0] - found[1]
    assert np.abs(gap[:2]).max() < 0.03 < 0.06 < np.abs(gap[2:]).max()


@pytest.mark.parametrize("fastest", ["first", "last"])
@pytest.mark.parametrize("second", [4, 6])
def test_rings_have_an_energy_and_numbers_of_lit_cells(fastest: str, second: int) -> None:
    layers = [
        {"system": "cylindrical", "r_edges": [0, 2, 5], "alpha": {"low": 0, "high": 6, "n": n}}
        for n in (4, second)
    ]
    geometry = Geometry.from_dict({"layers": layers, "fastest": fastest})
    assert geometry.rings.shape == (geometry.n_voxels,)
    assert len({*zip(geometry.rings.tolist(), geometry.radii.tolist(), strict=True)}) == 4
    rng = np.random.default_rng(1)
    energies = (10 * rng.random((200, geometry.n_voxels)) ** 8).astype(np.float32)
    rings = RingDistribution.fit(energies, geometry, 0.1)
    found = rings(energies, np)
    assert found.shape == (200, 7 * 4)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=0.1)
    np.testing.assert_allclose(np.asarray(rings(energies, ops)), found, rtol=1e-3, atol=1e-3)
    # The lit cells of the third ring, at half the height of its second step, 0.2 MeV.
    one = np.zeros((1, geometry.n_voxels), np.float32)
    one[0, np.flatnonzero(geometry.rings == 2)[:3]] = 0.2
    index = 2 * 4 + 4 + 2
    raw = rings(one, np)[0, index] * rings.spread[index] + rings.mean[index]
    assert raw == pytest.approx(1.5, abs=1e-3)


def test_squares_have_no_rings() -> None:
    geometry = Geometry.from_dict({"layers": [{"x_edges": [0, 1], "y_edges": [0, 1]}]})
    with pytest.raises(CaloganError, match=r"is cartesian: only.*ring_marginals = 0"):
        RingDistribution.fit(np.ones((3, 1), np.float32), geometry, 0.1)


def test_cells_are_dark_or_lit() -> None:
    energies = np.array([[0.0, 0.29, 100.0]], np.float32)
    found = np.asarray(cell_distribution(np.zeros((1, 3), np.float32), energies, 0.3))
    steps = found[0, 6:].reshape(len(CELL_STEPS), 3)
    assert steps[:, 0].max() < 1e-6
    assert 0.4 < steps[0, 1] < 0.5
    assert steps[:, 2].min() > 0.99
