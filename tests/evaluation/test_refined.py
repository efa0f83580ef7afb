"""Evaluation of what is refined: by its weights, and raw beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from helpers.evaluations import make_pair, without_classifiers
from helpers.refiners import MEAN, RAW, SHIFT, reference, toy_refiner

from calogan.evaluation.evaluate import evaluate_files, evaluate_run
from calogan.evaluation.results import Evaluation
from calogan.features import response
from calogan.generating.generator import Generator
from calogan.generating.output import generate_file
from calogan.metrics import statistics
from calogan.reading import store
from calogan.reweighting import files
from calogan.showers import Showers


def test_a_weighted_store_is_evaluated_by_what_its_weights_keep(tmp_path: Path) -> None:
    refiner = toy_refiner()
    real = reference(4000, 11)
    store.save(real, tmp_path / "real.h5", provenance={})
    raw = tmp_path / "raw.h5"
    generate_file(RAW, real.conditions, raw, 1)
    cost = files.weigh_store(raw, refiner, tmp_path / "weighted.h5")
    assert cost.acceptance.value == pytest.approx(refiner.efficiency.acceptance.value, abs=0.03)
    about = store.info(tmp_path / "weighted.h5")
    assert about.has_weights and not store.info(raw).has_weights
    loaded = store.load(tmp_path / "weighted.h5")
    assert loaded.weights is not None
    np.testing.assert_array_equal(loaded.energies, store.load(raw).energies)
    compared: list[tuple[Showers, Showers]] = []

    class Enough(Exception):
        """Ends the evaluation where the showers are chosen."""

    def look(first: Showers, second: Showers, **_: object) -> None:
        compared.append((first, second))
        raise Enough

    with patch("calogan.evaluation.evaluate.compare_samples", look), pytest.raises(Enough):
        evaluate_files(tmp_path / "real.h5", tmp_path / "weighted.h5", tmp_path / "report")
    ((first, second),) = compared
    kept = 4000 * loaded.weights.mean() / loaded.weights.max()
    assert len(first) == len(second) == pytest.approx(kept, rel=0.15)
    np.testing.assert_array_equal(first.conditions["energy"], second.conditions["energy"])
    assert response(second).mean() == pytest.approx(MEAN, abs=0.0035)


def test_the_report_shows_raw_beside_refined(tmp_path: Path) -> None:
    refiner = toy_refiner()
    files.save_refiner(refiner, tmp_path / "refiner.h5")
    trained_on = reference(5000, 1)
    fresh = reference(800, 12)
    both = Showers(
        np.concatenate([fresh.energies, trained_on.energies[:200]]),
        {
            n: np.concatenate([v, trained_on.conditions[n][:200]])
            for n, v in fresh.conditions.items()
        },
        fresh.geometry,
    )
    store.save(both, tmp_path / "test.h5", provenance={})
    shown = without_classifiers(*make_pair(600))

    def compare(first: Showers, second: Showers, **_: object) -> Evaluation:
        """Only the response is of these showers: the rest takes its time."""
        ratio = statistics.ratio_of_means(response(second), response(first))
        settings = {**shown.settings, "n_showers": len(first)}
        return replace(shown, response_ratio=ratio, settings=settings)

    with (
        patch("calogan.evaluation.evaluate.compare_samples", compare),
        patch.object(Generator, "load", lambda path: RAW),
    ):
        found, report = evaluate_run(
            tmp_path / "toy.json", tmp_path / "test.h5", refiner=tmp_path / "refiner.h5"
        )
    assert found.settings["n_showers"] == 800 and found.settings["n_dropped"] == 200
    assert "200 of 1000 reference showers were left out" in found.settings["note"]
    assert found.refinement is not None
    assert found.response_ratio.value == pytest.approx(1 + SHIFT / MEAN, abs=0.015)
    assert found.refinement.evaluation.response_ratio.value == pytest.approx(1, abs=0.02)
    page = report.read_text()
    assert "Raw and refined" in page and "showers per second" in page.lower()
    assert 'id="figure-reliability"' in page
    written = json.loads((report.parent / "metrics.json").read_text())["refined"]
    assert written["showers_per_second"]["raw"] > written["showers_per_second"]["refined"] > 0
    assert 0 < written["efficiency"]["acceptance"]["value"] < 1
    assert len(written["evaluation"]["summary"]) == len(found.summary)
