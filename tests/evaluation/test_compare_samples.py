"""The comparison end to end: equal samples, samples that differ, and errors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from helpers.evaluations import make_flat, make_pair, quick, rings, without_classifiers

from calogan.errors import CaloganError
from calogan.evaluation.compare_samples import check_comparable
from calogan.evaluation.compare_samples import compare_samples as compare
from calogan.evaluation.verdicts import Verdict
from calogan.metrics.statistics import UNKNOWN, Value


def test_equal_samples_are_found_equal() -> None:
    found = quick()
    levels = {(v.name, v.where): v.level for v in found.summary}
    assert list(levels.values()).count("off") <= 1, levels
    assert abs(found.response_ratio.value - 1) < 4 * found.response_ratio.uncertainty
    names = {c.name for c in found.classifiers}
    assert names == {"trees_features", "quick_features", "quick_voxels"}
    for result in found.classifiers:
        assert abs(result.auc.value - 0.5) < 5 * result.auc.uncertainty
        assert result.floor is not None and result.floor.value < 0.65


def test_response_and_resolution_come_in_five_energy_bins() -> None:
    bins = quick().to_dict()["conditions"]["energy"]
    assert len(bins["edges"]) == 6 and sum(bins["counts"]) == 700
    np.testing.assert_allclose(np.diff(np.log(bins["edges"])), np.log(50) / 5, rtol=0.05)
    for name in ("response", "resolution"):
        for sample in ("reference", "generated", "ratio"):
            assert len(bins[name][sample]) == 5
            assert all(v["uncertainty"] > 0 for v in bins[name][sample])
    # The sample's resolution is 7 % / sqrt(E / GeV).
    middle = np.sqrt(bins["edges"][2] * bins["edges"][3])
    found = bins["resolution"]["reference"][2]
    assert found["value"] == pytest.approx(0.07 / np.sqrt(middle), abs=5 * found["uncertainty"])


def test_a_wrong_response_and_resolution_are_seen() -> None:
    reference, generated = make_pair(600)
    scale = np.random.default_rng(1).normal(1.03, 0.1, (600, 1)).astype(np.float32)
    found = without_classifiers(reference, replace(generated, energies=generated.energies * scale))
    assert abs(found.response_ratio.value - 1.03) < 4 * found.response_ratio.uncertainty
    level = {v.name: v.level for v in found.summary}
    assert level["Mean response"] == level["Resolution against energy"] == "off"
    assert level["Visible energy"] == "off"


def test_samples_that_are_the_same_showers_differ_by_nothing() -> None:
    showers = make_flat(rings(2))
    found = without_classifiers(showers, showers)
    assert found.response_ratio == (1.0, 0.0)
    assert all(c.separation == (0.0, 0.0) for c in found.comparisons)
    assert {v.level for v in found.summary if v.name != "Classifier AUC"} == {"equal"}


@pytest.mark.parametrize("n_layers", [1, 6])
def test_cylinders_without_depth(n_layers: int) -> None:
    geometry = rings(n_layers)
    found = without_classifiers(make_flat(geometry, seed=1), make_flat(geometry, seed=2))
    assert ("longitudinal" in {p.name for p in found.profiles}) == (n_layers > 1)
    assert {"r[layer_0]", "alpha[layer_0]"} <= {p.name for p in found.profiles}
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_same_seed_gives_the_same_numbers() -> None:
    pair = make_pair(500)
    first, second = (without_classifiers(*pair).to_dict() for _ in range(2))
    assert first == second


def test_metrics_hold_histograms_that_add_up() -> None:
    for name, c in quick().to_dict()["observables"].items():
        for sample in ("reference", "generated"):
            entries = c["entries_per_shower"][sample]
            assert len(entries["value"]) == len(c["edges"]) + 1
            if name != "cell_energy":
                total = sum(entries["value"]) + c["undefined"][sample]
                assert total == pytest.approx(1, abs=1e-5), name


# ------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("found", "worse", "level"),
    [
        (Value(1.001, 0.001), "away", "equal"),
        (Value(1.004, 0.001), "away", "close"),
        (Value(0.996, 0.001), "away", "close"),
        (Value(0.98, 0.001), "away", "off"),
        (Value(0.98, 0.001), "above", "equal"),
        (Value(1.02, 0.001), "above", "off"),
        (Value(1.0, 0.0), "away", "equal"),
        (Value(1.02, 0.0), "away", "off"),
        (UNKNOWN, "away", "off"),
        (Value(0.98, 0.001), "below", "off"),
        (Value(1.02, 0.001), "below", "equal"),
    ],
)
def test_verdicts(found: Value, worse: Literal["away", "above", "below"], level: str) -> None:
    assert Verdict("x", "y", found, Value(1.0, 0.0), 0.005, worse).level == level


# --------------------------------------------------------------------------------------- errors


def test_samples_that_do_not_match_are_refused() -> None:
    reference, generated = make_pair(500)
    with pytest.raises(CaloganError, match="geometries differ: reference 'small' with 16"):
        check_comparable(reference, make_flat(rings(1)))
    with pytest.raises(CaloganError, match="499 generated showers for 500 reference"):
        check_comparable(reference, generated.select(slice(499)))
    with pytest.raises(CaloganError, match="499 showers are too few to compare, expected 500"):
        check_comparable(reference.select(slice(499)), generated.select(slice(499)))
    only_energy = {"energy": reference.conditions["energy"]}
    with pytest.raises(CaloganError, match=r"conditions differ: .*\['energy', 'theta'\]"):
        check_comparable(reference, replace(generated, conditions=only_energy))
    turned = {**reference.conditions, "theta": reference.conditions["theta"][::-1]}
    with pytest.raises(CaloganError, match=r"condition 'theta' differs for .* first for shower 0"):
        check_comparable(reference, replace(generated, conditions=turned))


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_voxels_that_are_no_energies_are_refused(bad: float) -> None:
    reference, generated = make_pair(500)
    generated.energies[7, 3] = bad
    with pytest.raises(CaloganError, match=r"1 of 500 generated .* first shower 7"):
        check_comparable(reference, generated)


def test_settings_that_make_no_sense_are_refused() -> None:
    pair = make_pair(500)
    with pytest.raises(CaloganError, match="classifier is 'best', expected 'quick' or 'full'"):
        compare(*pair, threshold=0, seed=1, classifier="best")  # type: ignore[arg-type]
    for threshold in (-1.0, float("nan")):
        with pytest.raises(CaloganError, match=r"threshold is .* MeV, expected 0 or more"):
            compare(*pair, threshold=threshold, seed=1)


def test_dead_cells_are_left_out_of_both_samples() -> None:
    reference, generated = make_pair(600)
    dead = np.zeros(reference.energies.shape, np.bool_)
    dead[::2, [5, 13]] = True
    found = without_classifiers(reference.without(dead), generated)
    assert found.settings["dead_cells"] == dead.mean()
    assert abs(found.response_ratio.value - 1) < 4 * found.response_ratio.uncertainty
    # Whichever sample has them, and however often it is said.
    same = without_classifiers(reference.without(dead), generated.without(dead))
    assert found.to_dict() == same.to_dict()
    assert found.to_dict() == without_classifiers(reference, generated.without(dead)).to_dict()
    # What nothing names is missed.
    unnamed = replace(reference.without(dead), dead=None)
    missed = without_classifiers(unnamed, generated)
    assert "dead_cells" not in missed.settings
    assert missed.response_ratio.value > 1.05
