"""Scores, the choice of the best, and the alarm: on good, narrow and collapsed generators."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.samples import make_card, make_showers
from hypothesis import given, settings
from hypothesis import strategies as st

from calogan.metrics.statistics import UNKNOWN, Value
from calogan.showers import Showers
from calogan.training.selection import Scores, Yardstick, best, collapse, spread_ratio

N = 500


@cache
def yardstick() -> Yardstick:
    return Yardstick.fit(
        make_showers(3000, seed=1), make_showers(N, seed=2), make_card().condition_list, 0.1, seed=1
    )


def made(seed: int) -> Showers:
    """What a perfect generator makes of the validation showers' conditions."""
    return make_showers(N, seed, like=yardstick().showers)


def average(n: int = 100) -> np.ndarray:
    """Mean energies at the validation showers' conditions, MeV."""
    return np.mean([made(seed).energies for seed in range(100, 100 + n)], axis=0)


@cache
def good() -> Scores:
    return yardstick().score(made(3), made(4))


def scores(first: np.ndarray, second: np.ndarray) -> Scores:
    samples = (replace(made(3), energies=e.astype(np.float32)) for e in (first, second))
    return yardstick().score(*samples)


def test_a_perfect_generator_passes() -> None:
    found = good()
    assert abs(found.classifier.value - 0.5) < 4 * found.classifier.uncertainty
    assert abs(found.cells.value - 0.5) < 4 * found.cells.uncertainty
    assert abs(found.diversity.value - 1) < 4 * found.diversity.uncertainty
    assert found.recall.value > 0.8 * found.real_recall.value
    assert len(found.response) == len(found.resolution) == 10  # five bins of either condition
    assert found.total < 1 and max(found.parts.values()) < 1.5
    assert collapse(found, []) == ""


def test_a_wrong_response_and_resolution_are_seen() -> None:
    found = scores(1.05 * made(3).energies, 1.05 * made(4).energies)
    assert found.response_ratio == pytest.approx(1.05, abs=0.02)
    assert found.parts["response"] > 3 * good().parts["response"]
    spread = np.random.default_rng(1).normal(1, 0.2, (2, N, 1))
    found = scores(spread[0] * made(3).energies, spread[1] * made(4).energies)
    assert found.resolution_ratio > 1.5
    assert found.parts["resolution"] > 3 * good().parts["resolution"]
    assert found.total > good().total


def test_a_wrong_cell_is_seen() -> None:
    """Within its layer one cell takes what its neighbour has, which changes no layer's energy."""
    samples = []
    for seed in (3, 4):
        energies = made(seed).energies.copy()
        energies[:, 5] += 0.4 * energies[:, 4]
        energies[:, 4] *= 0.6
        samples.append(energies)
    found = scores(*samples)
    assert found.cells.value > 0.5 + 5 * found.cells.uncertainty
    assert found.parts["cells"] > 2 * good().parts["cells"]


def test_one_shower_for_each_condition_is_collapse() -> None:
    """Conditions alone decide: all distributions are right, and no latent has any effect."""
    found = scores(made(3).energies, made(3).energies)
    assert found.classifier == good().classifier
    assert found.diversity.value < 0.01
    alarm = collapse(found, [])
    assert alarm.startswith("mode collapse: at the same conditions showers vary 0.00 times")
    assert "log10_visible_energy varies 0.00 times" in alarm
    assert found.total > 5 * good().total


def test_the_mean_shower_is_collapse() -> None:
    mean = average()
    found = scores(mean, mean)
    assert found.feature_recall < 0.1 and found.classifier.value > 0.95
    assert "recall of high-level features is 0.0" in collapse(found, [])


def test_too_narrow_showers_score_worse() -> None:
    mean = average()
    narrow = [mean + 0.6 * (made(seed).energies - mean) for seed in (3, 4)]
    found = scores(*narrow)
    assert found.diversity.value == pytest.approx(0.6, abs=0.1)
    assert found.total > 2 * good().total
    assert found.parts["diversity"] > 2 > good().parts["diversity"]


def test_one_frozen_feature_is_named() -> None:
    """The layers' share of the energy is the same in all showers, the rest is as it should be."""
    samples = []
    for seed in (3, 4):
        energies = made(seed).energies.copy()
        total = energies.sum(axis=1)
        for part, share in zip(yardstick().showers.geometry.slices, (0.4, 0.6), strict=True):
            energies[:, part] *= (share * total / energies[:, part].sum(axis=1))[:, None]
        samples.append(energies / total[:, None] * 200 * made(3).incident_energy[:, None])
    alarm = collapse(scores(*samples), [])
    assert "log10_visible_energy varies 0.00 times as much as in real showers" in alarm


def test_the_fall_of_the_recall_is_collapse() -> None:
    found = replace(good(), recall=Value(0.2, 0.02))
    low, high = {"validation_recall": 0.3}, {"validation_recall": 0.6}
    assert collapse(found, []) == collapse(found, [low, {"update": 4.0}]) == ""
    assert "recall of cells fell to 0.200 from 0.600" in collapse(found, [high, low])


def test_the_best_is_the_lowest_score_without_the_alarm() -> None:
    assert best([]) is None and best([{"update": 4, "critic_loss": 1.0}]) is None
    collapsed = {"update": 1, "validation_score": 0.5, "warning": "mode collapse: ..."}
    first = {"update": 2, "validation_score": 0.9}
    later = {"update": 3, "validation_score": 0.9}
    assert best([collapsed]) is collapsed
    assert best([collapsed, later, first]) is later
    assert best([collapsed, first, later]) is first


def test_the_score_is_made_of_parts_in_units_of_tolerance_and_uncertainty() -> None:
    exact = Scores(
        classifier=Value(0.65, 0.0),
        cells=Value(0.8, 0.0),
        response=(Value(1.002, 0.0), Value(0.998, 0.0)),
        resolution=(Value(1.0, 0.0), Value(1.03, 0.04), UNKNOWN),
        precision=Value(0.5, 0.0),
        recall=Value(0.5, 0.0),
        real_recall=Value(0.7, 0.0),
        feature_recall=1.0,
        diversity=Value(0.8, 0.0),
        least_diverse=("width", 0.9),
        response_ratio=1.0,
        resolution_ratio=1.0,
        occupancy_ratio=float("nan"),
    )
    expected = {"classifier": 1, "cells": 2, "response": 1, "recall": 1, "diversity": 2}
    expected["resolution"] = np.sqrt((0.03**2 / (0.03**2 + 0.04**2)) / 2)
    assert exact.parts == pytest.approx(expected)
    assert exact.total == pytest.approx(np.sqrt((11 + expected["resolution"] ** 2) / 6))
    assert "validation_occupancy_ratio" not in exact.to_dict()
    better = replace(exact, recall=Value(0.9, 0.0))
    assert better.parts["recall"] == 0
    nothing = replace(exact, resolution=(UNKNOWN,))
    assert "resolution" not in nothing.parts and np.isfinite(nothing.total)


@pytest.mark.parametrize("n", [10, 40])
def test_few_showers_still_give_a_score(n: int) -> None:
    few = Yardstick.fit(make_showers(200), make_showers(n, 2), make_card().condition_list, 0.1, 1)
    found = few.score(*(make_showers(n, seed, like=few.showers) for seed in (3, 4)))
    assert np.isfinite(found.total)
    assert np.isfinite([*found.to_dict().values()]).all()


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 10), st.integers(0, 100))
def test_the_spread_ratio_is_that_of_the_spreads(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real = rng.standard_normal((400, 3))
    real[:, 2] = 0  # a feature that never varies says nothing
    difference = scale * (rng.standard_normal((400, 3)) - rng.standard_normal((400, 3)))
    value, each = spread_ratio(real, difference, rng)
    assert abs(value.value - scale) < 5 * value.uncertainty
    assert np.isinf(each[2])
    assert value.value == pytest.approx(np.sqrt(each[0] * each[1]))
