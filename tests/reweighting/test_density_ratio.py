"""The density ratio of samples whose densities are known."""

from __future__ import annotations

import numpy as np
import pytest

from calogan.errors import CaloganError
from calogan.reweighting import density_ratio
from calogan.reweighting.density_ratio import (
    DensityRatio,
    Fit,
    RatioSettings,
    fit_density_ratio,
    reliability,
)

SMALL = RatioSettings(members=2, width=32, depth=2, dropout=0.0, batch_size=250, epochs=6)
SHIFT, WIDTH = 0.8, 1.2


def normal(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)


def known_ratio(x: np.ndarray) -> np.ndarray:
    """p / q of p = N(SHIFT, 1) and q = N(0, WIDTH) in the first coordinate."""
    return WIDTH * np.exp(-0.5 * (x[:, 0] - SHIFT) ** 2 + 0.5 * (x[:, 0] / WIDTH) ** 2)


def generated(n: int, seed: int) -> np.ndarray:
    return normal(n, seed) * np.array([WIDTH, 1], np.float32)


@pytest.fixture(scope="module")
def gaussians() -> Fit:
    reference = normal(8000, 1) + np.array([SHIFT, 0], np.float32)
    made = np.stack([generated(8000, 2 + i) for i in range(2)])
    return fit_density_ratio(reference, made, seed=3, settings=SMALL)


def test_the_ratio_of_gaussians_is_their_closed_form(gaussians: Fit) -> None:
    """Where 92 % of q lie, the logarithm is right to 0.25 rms: the steps of the calibration, by
    1200 points; the scores alone are to 0.15."""
    x = generated(5000, 9)
    inside = np.abs(x).max(axis=1) < 2.5
    found, known = np.log(gaussians.ratio.ratios(x)), np.log(known_ratio(x))
    assert np.sqrt(((found - known)[inside] ** 2).mean()) < 0.25
    assert abs((found - known)[inside].mean()) < 0.06
    scores = gaussians.ratio.scores(x)
    assert np.sqrt(((scores - known)[inside] ** 2).mean()) < 0.15


def test_weights_carry_one_density_into_the_other(gaussians: Fit) -> None:
    x = generated(20_000, 10)
    weights = gaussians.ratio.ratios(x)
    assert weights.mean() == pytest.approx(1, abs=0.03)
    mean = np.average(x[:, 0], weights=weights)
    assert mean == pytest.approx(SHIFT, abs=0.05)
    assert np.average((x[:, 0] - mean) ** 2, weights=weights) == pytest.approx(1, abs=0.06)
    assert np.average(x[:, 1], weights=weights) == pytest.approx(0, abs=0.04)


def test_what_is_predicted_is_observed_on_points_held_out(gaussians: Fit) -> None:
    found = gaussians.reliability
    assert len(found.predicted) == 10
    assert found.deviation < 2
    assert len(gaussians.check) == 800
    # 0.696 is the area under the best possible ROC curve, by integration.
    assert found.auc.value == pytest.approx(0.696, abs=4 * found.auc.uncertainty)
    trained, unseen = gaussians.entropies
    assert trained.value == pytest.approx(unseen.value, abs=0.04)


def test_the_same_seed_gives_the_same_ratio() -> None:
    quick = RatioSettings(members=1, width=8, depth=1, epochs=1, batch_size=100)
    x, y = normal(500, 1), generated(500, 2)[None]
    first, second = (fit_density_ratio(x, y, 5, quick).ratio for _ in range(2))
    np.testing.assert_array_equal(first.scores(x), second.scores(x))


def test_numpy_agrees_with_keras() -> None:
    settings = RatioSettings(width=8, depth=2)
    model = density_ratio._build(settings, 2, 10, np.random.default_rng(0))
    weights = model.get_weights()
    layers = tuple(zip(weights[::2], weights[1::2], strict=True))
    line = np.array([-1.0, 1.0])
    ratio = DensityRatio(np.zeros(2, "f4"), np.ones(2, "f4"), (layers,), (line, line))
    x = normal(50, 0)
    np.testing.assert_allclose(ratio.scores(x), np.asarray(model(x))[:, 0], atol=1e-5)


def test_reliability_of_ratios_that_are_right() -> None:
    """Four points of the reference to one generated one, at a ratio of 4, and so on."""
    rng = np.random.default_rng(1)
    ratios = rng.choice([0.25, 1.0, 4.0], 30_000)
    y = (rng.random(30_000) < ratios / (1 + ratios)).astype(np.float32)
    found = reliability(ratios, y, copies=1)
    np.testing.assert_allclose(found.predicted, [0.2, 0.5, 0.8], atol=1e-12)
    assert found.deviation < 2.5
    wrong = reliability(ratios**2, y, copies=1)
    assert wrong.deviation > 10


def test_samples_that_are_apart_have_finite_ratios() -> None:
    quick = RatioSettings(members=1, width=8, depth=1, epochs=3, batch_size=100)
    found = fit_density_ratio(normal(500, 1) + 50, normal(500, 2)[None], 1, quick)
    ratios = found.ratio.ratios(np.concatenate([normal(9, 3), normal(9, 3) + 50]))
    assert np.isfinite(ratios).all() and ratios.min() > 0
    assert ratios[0] < 0.1 and ratios[-1] > 10
    assert np.isnan(found.reliability.deviation)


def test_too_few_points_and_points_that_are_not_finite() -> None:
    with pytest.raises(CaloganError, match="399 reference points are too few, expected 400"):
        fit_density_ratio(normal(399, 1), normal(399, 1)[None], 1, SMALL)
    broken = normal(500, 1)
    broken[7] = np.nan
    with pytest.raises(CaloganError, match="not all finite"):
        fit_density_ratio(broken, normal(500, 1)[None], 1, SMALL)
