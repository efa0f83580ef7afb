"""Values, means, resolutions and ratios against closed forms, their errors against repetition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calogan.metrics import roc, statistics
from calogan.metrics.statistics import UNKNOWN, Value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Value(0.99871, 0.0012), "0.9987 ± 0.0012"),
        (Value(1234.6, 21.0), "1235 ± 21"),
        (Value(1.0, 0.0), "1"),
        (Value(0.25, 1e-24), "0.25"),
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
