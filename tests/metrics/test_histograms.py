"""Histograms, separation power and χ² against closed forms, their errors against repetition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2_contingency

from calogan.metrics import histograms
from calogan.metrics.halves import matched_halves


def test_separation_power_of_shifted_gaussians() -> None:
    """For a small shift d of unit Gaussians it is d²/4, for a large one 1.

    With q = p - d p', ½ ∫ (p - q)² / (p + q) is d²/4 ∫ p'²/p, and the Fisher information of a
    unit Gaussian is 1.
    """
    x = np.linspace(-12, 13, 20001)

    def gauss(d: float) -> np.ndarray:
        return np.exp(-0.5 * (x - d) ** 2)

    assert histograms.separation_power(gauss(0), gauss(0.05)) == pytest.approx(
        0.05**2 / 4, rel=1e-2
    )
    assert histograms.separation_power(gauss(0), gauss(12)) == pytest.approx(1, abs=1e-6)


@given(arrays(np.float64, (2, 12), elements=st.floats(0, 1e6, allow_subnormal=False)))
def test_separation_power_is_symmetric_and_bounded(rows: np.ndarray) -> None:
    p, q = rows
    found = float(histograms.separation_power(p, q))
    assert 0 <= found <= 1 + 1e-9
    assert found == pytest.approx(float(histograms.separation_power(q, p)), abs=1e-12)
    if p.sum() > 0:
        assert histograms.separation_power(p, p * 2) == pytest.approx(0, abs=1e-12)


def test_separation_power_is_that_of_the_calochallenge() -> None:
    """`_separation_power` of its evaluate_plotting_helper.py (06dc362) on the same arrays."""
    rng = np.random.default_rng(20)
    x, y = rng.normal(size=(4000, 5))[:, 0], 1.1 * rng.normal(size=(4000, 5))[:, 0] + 0.1
    edges = np.array([-4, -2, -1, -0.5, 0, 0.5, 1, 2, 4.0])
    p, q = (np.histogram(s, edges)[0] for s in (x, y))
    assert histograms.separation_power(p, q) == pytest.approx(0.008364244357057498, rel=1e-9)


def test_separation_power_of_an_empty_histogram_is_one() -> None:
    assert histograms.separation_power(np.zeros(3), np.ones(3)) == 1


def test_every_shower_has_one_entry() -> None:
    counts = histograms.shower_counts([-1.0, 0.0, 0.5, 1.0, np.nan], [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(counts.sum(axis=1), 1)
    np.testing.assert_array_equal(np.argmax(counts, axis=1), [0, 1, 2, 3, 4])


def test_entries_of_a_shower_are_counted_but_zero_is_none() -> None:
    counts = histograms.entry_counts([[0.0, 0.3, 0.7], [0.0, 0.0, 5.0]], [0.1, 0.5, 1.0])
    np.testing.assert_array_equal(counts, [[0, 1, 1, 0, 0], [0, 0, 0, 1, 0]])


def test_edges_come_from_the_reference(rng: np.random.Generator) -> None:
    edges = histograms.reference_edges(rng.normal(size=10000), 40)
    assert len(edges) == 41 and edges[0] < -2.5 and edges[-1] > 2.5
    assert histograms.reference_edges(np.abs(rng.normal(size=1000)))[0] >= 0
    assert len(histograms.reference_edges([np.nan])) == 2
    constant = histograms.reference_edges(np.full(10, 3.0))
    assert constant[0] < 3 < constant[-1]


def test_bins_of_a_discrete_observable_hold_equally_many_values(rng: np.random.Generator) -> None:
    edges = histograms.reference_edges(rng.integers(0, 100, 5000), 40, spacing=1.0)
    widths = np.diff(edges)
    assert len(widths) <= 40
    assert np.allclose(widths, widths[0]) and widths[0] == round(widths[0])
    assert np.allclose(edges % 1, 0.5)


def test_separation_and_floor_of_equal_samples(rng: np.random.Generator) -> None:
    """Equal distributions: the floor is what is found, (bins - 1) / 4 * (2 / n)."""
    n, edges = 2000, np.linspace(0, 1, 21)
    reference, generated = (histograms.shower_counts(rng.uniform(size=n), edges) for _ in range(2))
    halves = [matched_halves([rng.uniform(size=n)], rng) for _ in range(20)]
    floor = histograms.separation_floor(reference, halves)
    expected = 19 / 4 * 2 / n
    assert floor.value == pytest.approx(expected, rel=0.25)
    found = histograms.separation(reference, generated, rng)
    assert abs(found.value - floor.value) < 4 * math.hypot(found.uncertainty, floor.uncertainty)
    assert histograms.separation(reference, reference, rng) == (0.0, 0.0)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_separation_error_is_the_spread_of_repeated_samples(
    shift: float, rng: np.random.Generator
) -> None:
    edges = np.linspace(-3, 3, 31)
    found = [
        histograms.separation(
            histograms.shower_counts(rng.normal(0, 1, 1000), edges),
            histograms.shower_counts(rng.normal(shift, 1, 1000), edges),
            rng,
        )
        for _ in range(80)
    ]
    spread = np.std([f.value for f in found])
    assert np.mean([f.uncertainty for f in found]) == pytest.approx(spread, rel=0.3)


def test_long_tails_get_logarithmic_bins(rng: np.random.Generator) -> None:
    values = np.concatenate([np.zeros(500), np.exp(rng.normal(-5, 1.5, 2000))])
    assert histograms.is_long_tailed(values)
    assert not histograms.is_long_tailed(rng.normal(0.4, 0.2, 1000))
    assert not histograms.is_long_tailed(np.zeros(10))
    edges = histograms.reference_edges(values, log=True)
    np.testing.assert_allclose(np.diff(np.log(edges)), np.log(edges[-1] / edges[0]) / 40)
    counts = histograms.shower_counts(values, edges).sum(axis=0)
    assert counts[0] == pytest.approx(500, abs=8) and counts[1:-2].max() < 200


def test_chi2_is_that_of_a_contingency_table(rng: np.random.Generator) -> None:
    p, q = rng.multinomial(400, np.arange(1, 9) / 36, 2)
    found, ndf = histograms.chi2([*p, 0], [*q, 0])
    table = chi2_contingency([p, q], correction=False)
    assert (found, ndf) == (pytest.approx(table.statistic), table.dof)
    assert histograms.chi2([3, 0], [1, 0]) == (1.0, 0)
    assert str(histograms.reduced_chi2(1.0, 0)) == "unknown"


@pytest.mark.parametrize("shift", [0.0, 0.03])
def test_reduced_chi2_and_its_error(shift: float, rng: np.random.Generator) -> None:
    """Few entries a bin as well: 1 for equal distributions, and the error of repetition."""
    shares = np.full(20, 0.05)
    other = shares + shift * np.where(np.arange(20) % 2, 1, -1)
    pairs = zip(rng.multinomial(150, shares, 400), rng.multinomial(150, other, 400), strict=True)
    found = np.array([histograms.reduced_chi2(*histograms.chi2(p, q)) for p, q in pairs])
    if shift == 0:
        assert found[:, 0].mean() == pytest.approx(1, abs=0.06)
    else:
        assert found[:, 0].mean() > 2
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.25)
