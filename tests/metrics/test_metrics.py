"""Metrics against closed forms, and their uncertainties against repetition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2_contingency
from sklearn.metrics import log_loss, roc_auc_score

from calogan.metrics import correlations, histograms, roc, statistics
from calogan.metrics.halves import matched_halves
from calogan.metrics.statistics import UNKNOWN, Value


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Value(0.99871, 0.0012), "0.9987 ± 0.0012"),
        (Value(1234.6, 21.0), "1235 ± 21"),
        (Value(1.0, 0.0), "1"),
        (UNKNOWN, "unknown"),
        (Value(2.5, math.nan), "2.5"),
    ],
)
def test_a_value_shows_two_digits_of_its_uncertainty(value: Value, words: str) -> None:
    assert str(value) == words


def test_json_has_no_nan() -> None:
    assert UNKNOWN.to_dict() == {"value": None, "uncertainty": None}


def test_mean_and_resolution_of_a_gaussian(rng: np.random.Generator) -> None:
    x = rng.normal(10, 1, 20000)
    assert statistics.mean(x).value == pytest.approx(10, abs=5 / math.sqrt(20000))
    assert statistics.mean(x).uncertainty == pytest.approx(1 / math.sqrt(20000), rel=0.05)
    found = statistics.resolution(x)
    assert found.value == pytest.approx(0.1, abs=5 * found.uncertainty)
    # s/m sqrt(1/2n + (s/m)²/n) for a Gaussian
    assert found.uncertainty == pytest.approx(0.1 * math.sqrt((0.5 + 0.01) / 20000), rel=0.05)


def test_uncertainty_of_a_skewed_resolution_is_its_spread(rng: np.random.Generator) -> None:
    found = [statistics.resolution(rng.exponential(1.0, 400)) for _ in range(400)]
    spread = np.std([f.value for f in found])
    assert np.mean([f.uncertainty for f in found]) == pytest.approx(spread, rel=0.15)


def test_too_little_is_unknown() -> None:
    assert str(statistics.mean([1.0])) == "unknown"
    assert str(statistics.resolution([1.0, 2.0])) == "unknown"
    assert str(statistics.resolution(np.zeros(10))) == "unknown"
    assert str(statistics.ratio(Value(1, 0.1), Value(0, 0.1))) == "unknown"
    assert str(statistics.ratio_of_means([1.0], [1.0])) == "unknown"
    assert str(roc.auc([1.0], [0.0, 1.0])) == "unknown"
    assert statistics.resolution(np.ones(10)) == (0.0, 0.0)


def test_a_ratio_propagates_errors() -> None:
    found = statistics.ratio(Value(2.0, 0.06), Value(4.0, 0.16))
    assert found.value == 0.5
    assert found.uncertainty == pytest.approx(0.5 * math.hypot(0.03, 0.04))


def test_pairs_cancel_what_they_share(rng: np.random.Generator) -> None:
    condition = rng.uniform(1, 50, 1000)
    generated, reference = (condition * rng.normal(1, 0.01, 1000) for _ in range(2))
    paired = statistics.ratio_of_means(generated, reference)
    apart = statistics.ratio(statistics.mean(generated), statistics.mean(reference))
    assert paired.value == pytest.approx(1, abs=5 * paired.uncertainty)
    assert paired.uncertainty < 0.1 * apart.uncertainty
    assert statistics.difference_of_means(reference, reference) == (0.0, 0.0)


def test_correlation_of_gaussians(rng: np.random.Generator) -> None:
    cov = [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]]
    x = np.column_stack([rng.multivariate_normal(np.zeros(3), cov, 5000), np.ones(5000)])
    rho, error = correlations.correlation(x)
    assert rho[0, 1] == pytest.approx(0.8, abs=5 * error[0, 1])
    assert error[0, 1] == pytest.approx((1 - 0.64) / math.sqrt(4999), rel=0.1)
    np.testing.assert_array_equal(np.diag(rho), 1)
    assert rho[0, 3] == 0  # a column that does not vary


@pytest.mark.parametrize("other", [0.8, 0.5])
def test_correlation_distance_of_gaussians(other: float, rng: np.random.Generator) -> None:
    """Of three columns one pair is correlated: the root mean square is over sqrt(3)."""

    def sample(rho: float) -> np.ndarray:
        return rng.multivariate_normal(np.zeros(3), [[1, rho, 0], [rho, 1, 0], [0, 0, 1]], 800)

    found = [correlations.correlation_distance(sample(0.8), sample(other), rng) for _ in range(25)]
    values = np.array([f.value for f in found])
    x = sample(0.8)
    halves = [matched_halves([rng.uniform(size=800)], rng) for _ in range(20)]
    floor = correlations.correlation_floor(x, halves)
    if other == 0.8:
        assert values.mean() == pytest.approx(floor.value, abs=2 * floor.uncertainty)
        assert values.std() == pytest.approx(floor.uncertainty, rel=0.5)
    else:
        exact = math.hypot(0.3 / math.sqrt(3), floor.value)
        assert values.mean() == pytest.approx(exact, abs=4 * values.std() / 5)
        assert np.mean([f.uncertainty for f in found]) == pytest.approx(values.std(), rel=0.4)


def test_a_constant_column_is_correlated_with_nothing(rng: np.random.Generator) -> None:
    x = np.column_stack([rng.normal(size=50), np.ones(50)])
    assert correlations.correlation_distance(x, x, rng) == (0.0, 0.0)


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


@pytest.mark.parametrize("n", [2, 3, 500, 501])
def test_matched_halves_are_disjoint_and_alike(n: int, rng: np.random.Generator) -> None:
    conditions = [rng.uniform(0, 4, n), rng.uniform(0, 0.3, n)]
    first, second = matched_halves(conditions, rng)
    assert len(first) == len(second) == n // 2
    assert len({*first.tolist(), *second.tolist()}) == 2 * (n // 2)
    if n >= 500:
        for values in conditions:
            near = np.abs(values[first] - values[second]).mean()
            apart = np.abs(values - rng.permutation(values)).mean()
            assert near < 0.25 * apart


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


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0])
def test_auc_of_two_gaussians(distance: float, rng: np.random.Generator) -> None:
    x, y = rng.normal(distance, 1, 4000), rng.normal(0, 1, 5000)
    found = roc.auc(x, y)
    exact = 0.5 * (1 + math.erf(distance / 2))  # Phi(d / sqrt 2)
    assert abs(found.value - exact) < 4 * found.uncertainty
    assert roc.auc(y, x).value == pytest.approx(1 - found.value)


def test_auc_uncertainty_is_its_spread(rng: np.random.Generator) -> None:
    found = [roc.auc(rng.normal(1, 1, 150), rng.normal(0, 1, 150)) for _ in range(300)]
    spread = np.std([f.value for f in found])
    assert np.mean([f.uncertainty for f in found]) == pytest.approx(spread, rel=0.15)


def test_ties_count_half() -> None:
    assert roc.auc([1.0, 1.0], [1.0, 1.0]).value == 0.5
    assert roc.auc([2.0, 1.0], [1.0, 0.0]).value == 0.875


def test_auc_is_that_of_scikit_learn(rng: np.random.Generator) -> None:
    x, y = np.round(rng.normal(0.5, 1, 300), 1), np.round(rng.normal(0, 1, 200), 1)
    labels = np.repeat([1, 0], [300, 200])
    exact = roc_auc_score(labels, np.concatenate([x, y]))
    assert roc.auc(x, y).value == pytest.approx(exact, rel=1e-12)


def test_divergence_of_the_best_classifier_of_gaussians(rng: np.random.Generator) -> None:
    """Unit Gaussians 2 apart: 0.485944 bits, by quadrature."""
    x = np.concatenate([rng.normal(2, 1, 4000), rng.normal(0, 1, 4000)])
    labels = np.repeat([1.0, 0.0], 4000)
    p = 1 / (1 + np.exp(2 - 2 * x))
    found = roc.jensen_shannon(p, labels)
    assert abs(found.value - 0.485944) < 4 * found.uncertainty
    assert found.value == pytest.approx(1 - log_loss(labels, p) / math.log(2))
    assert roc.jensen_shannon(np.full(10, 0.5), np.arange(10) % 2) == (0.0, 0.0)


def test_combined_aucs_are_reflected_once() -> None:
    found = roc.combine_aucs([Value(0.48, 0.02), Value(0.54, 0.02)])
    assert found.value == pytest.approx(0.51)
    assert found.uncertainty > 0.02
    assert roc.combine_aucs([Value(0.3, 0.01)]) == pytest.approx((0.7, 0.01))


def test_roc_curve_runs_from_corner_to_corner(rng: np.random.Generator) -> None:
    x, y = rng.normal(1, 1, 3000), rng.normal(0, 1, 3000)
    false_rate, true_rate = roc.roc_curve(x, y)
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert (np.diff(false_rate) >= 0).all() and (np.diff(true_rate) >= 0).all()
    area = np.sum(np.diff(false_rate) * 0.5 * (true_rate[1:] + true_rate[:-1]))
    assert area == pytest.approx(roc.auc(x, y).value, abs=5e-3)
