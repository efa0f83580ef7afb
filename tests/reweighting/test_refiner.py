"""Weights and rejection by a density ratio that is known."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from helpers.refiners import (
    MEAN,
    RAW,
    SHIFT,
    SPREAD,
    conditions,
    known_ratio,
    toy_refiner,
)

from calogan.errors import CaloganError
from calogan.features import response
from calogan.metrics.statistics import Value
from calogan.reweighting.refiner import Efficiency, Refiner, refined


def test_weights_are_the_closed_form() -> None:
    """Their logarithm is right to 0.25 rms: 750 showers calibrate in steps of that size."""
    refiner = toy_refiner()
    made = RAW.sample(conditions(4000, 5), seed=5)
    known, found = known_ratio(made), refiner.ratios(made)
    sure = (known > 0.2) & (known < refiner.bound)
    assert sure.mean() > 0.7
    assert np.sqrt((np.log(found / known)[sure] ** 2).mean()) < 0.25
    assert np.average(found[sure] / known[sure], weights=known[sure]) == pytest.approx(1, abs=0.1)


def test_weights_have_mean_one_at_all_conditions_and_move_the_response() -> None:
    refiner = toy_refiner()
    made = RAW.sample(conditions(10_000, 6), seed=6)
    weights = refiner.weights(made.conditions, refiner.ratios(made))
    for values in made.conditions.values():
        for part in np.array_split(np.argsort(values), 4):
            assert weights[part].mean() == pytest.approx(1, abs=0.08)
    r = response(made)
    mean = np.average(r, weights=weights)
    assert r.mean() == pytest.approx(MEAN + SHIFT, abs=0.001)
    assert mean == pytest.approx(MEAN, abs=0.0025)
    spread = np.sqrt(np.average((r - mean) ** 2, weights=weights))
    assert spread == pytest.approx(SPREAD, rel=0.08)
    for found in refiner.record["mean_weight"].values():
        assert [v["value"] for v in found["mean"]] == pytest.approx([1] * 5, abs=0.1)


def test_rejection_has_the_moments_of_the_reference() -> None:
    refiner = toy_refiner()
    better = refined(RAW, refiner)
    asked = conditions(6000, 7)
    made = better.sample(asked, seed=2)
    np.testing.assert_allclose(made.conditions["energy"], asked["energy"], rtol=1e-6)
    r = response(made)
    assert r.mean() == pytest.approx(MEAN, abs=0.0025)
    assert r.std() == pytest.approx(SPREAD, rel=0.08)
    low = asked["energy"] < 7
    assert r[low].mean() == pytest.approx(r[~low].mean(), abs=0.003)


def test_rejection_repeats_by_seed_and_says_what_it_is() -> None:
    refiner = toy_refiner()
    better = refined(RAW, refiner)
    asked = conditions(50, 8)
    first, second, other = (better.sample(asked, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.energies, second.energies)
    assert not np.array_equal(first.energies, other.energies)
    assert first.provenance["refiner_sha256"] == refiner.sha256
    assert better.seen_events is not None
    np.testing.assert_array_equal(better.seen_events, refiner.seen_events)


def test_acceptance_and_effective_size_are_those_of_the_ratios() -> None:
    refiner = toy_refiner()
    made = RAW.sample(conditions(4000, 9), seed=9)
    accepted = np.random.default_rng(0).random(4000) < refiner.acceptances(made)
    cost = refiner.efficiency
    assert accepted.mean() == pytest.approx(cost.acceptance.value, abs=0.03)
    assert 0 <= cost.lost < 0.02  # the hundredth of the showers over the bound lies close to it
    assert 1 / refiner.bound <= cost.effective <= 1
    assert Efficiency.of(np.ones(9), 4.0) == Efficiency(Value(0.25, 0.0), 1, 0, 4)
    assert (refiner.ratios(made) > refiner.bound).mean() < 0.016


def test_a_generator_that_makes_nothing_alike_is_given_up() -> None:
    refiner = toy_refiner()
    with (
        patch.object(Refiner, "acceptances", lambda self, showers: np.zeros(len(showers))),
        pytest.raises(CaloganError, match=r"none of \d+ showers proposed at energy 10, theta 0.1"),
    ):
        refined(RAW, refiner).sample({"energy": 10.0, "theta": 0.1}, seed=1)


def test_a_refiner_is_for_one_generator() -> None:
    other = replace(RAW, identity={**RAW.identity, "weights_sha256": "cd" * 32})
    with pytest.raises(CaloganError, match="weights abababababab, generator 'toy' has cdcdcd"):
        refined(other, toy_refiner())
