"""From files to metrics.json and report.html, and what a generator must not be judged on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from helpers.evaluations import make_pair, quick, rings

from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.evaluation.evaluate import check_independent, evaluate_files, evaluate_run
from calogan.generating.generator import dead_named_by
from calogan.reading import store
from calogan.showers import Showers

UNITS = [("energy", "GeV"), ("theta", "rad")]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stores")
    for name, showers in zip(("reference", "generated"), make_pair(600), strict=True):
        store.save(showers, folder / f"{name}.h5", UNITS)
    return folder / "reference.h5", folder / "generated.h5"


def test_two_files_give_metrics_and_a_report(stores: tuple[Path, Path], tmp_path: Path) -> None:
    stages: list[str] = []
    classifiers = quick().classifiers  # before the patch, which it would call
    with (
        patch("calogan.evaluation.compare_samples.compare_by_classifiers", lambda *_: classifiers),
        patch("calogan.evaluation.report.render", lambda e: f"<html>{e.settings['command']}"),
    ):
        found, page = evaluate_files(*stores, tmp_path, threshold=0.1, progress=stages.append)
    assert page == tmp_path / "report.html"
    assert stages[0] == "reading" and stages[-1] == "report"
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["settings"]["n_showers"] == 600
    assert f"--reference {stores[0]} --output {tmp_path} --threshold 0.1" in page.read_text()
    assert written["response"]["ratio"]["value"] == found.response_ratio.value


class FakeGenerator(SimpleNamespace):
    """Hands out the paired sample's showers; knows energy only."""

    def sample(self, conditions: dict[str, np.ndarray], seed: int) -> Showers:
        assert set(conditions) == {"energy"}
        return Showers(
            self.showers.energies[: len(conditions["energy"])], conditions, self.geometry
        )


def run_on(reference: Path, generator: FakeGenerator, tmp_path: Path) -> dict[str, object]:
    classifiers = quick().classifiers
    with (
        patch("calogan.generating.generator.Generator.load", return_value=generator),
        patch("calogan.evaluation.compare_samples.compare_by_classifiers", lambda *_: classifiers),
        patch("calogan.evaluation.report.render", lambda _: "<html>"),
    ):
        found, page = evaluate_run(tmp_path / "model.json", reference)
    assert page == tmp_path / "model_evaluation/report.html"
    return dict(found.settings)


def fake_generator(stores: tuple[Path, Path]) -> FakeGenerator:
    showers = store.load(stores[1])
    return FakeGenerator(
        showers=showers,
        geometry=showers.geometry,
        conditions=(Condition("energy", "GeV", 1, 50, "log"),),
        readout_threshold=0.1,
        seen_events=None,
        identity={"inputs_sha256": []},
        hold_out={},
    )


def test_a_model_is_not_judged_on_the_files_it_was_trained_on() -> None:
    note = check_independent(["a", "b"], {"inputs_sha256": ["c"]}, "test.h5")
    assert "trained on other files" in note
    assert "not known" in check_independent([], {"inputs_sha256": ["c"]}, "test.h5")
    with pytest.raises(CaloganError, match=r"1 of the 2 ROOT files that test\.h5 was made from"):
        check_independent(["a", "b"], {"inputs_sha256": ["b", "c"]}, "test.h5")


def test_a_run_is_judged_on_events_it_has_not_seen(
    stores: tuple[Path, Path], tmp_path: Path
) -> None:
    generator = fake_generator(stores)
    assert run_on(stores[0], generator, tmp_path)["training_events_known"] is False
    generator.seen_events = store.load(stores[0]).fingerprints()[550:]
    settings = run_on(stores[0], generator, tmp_path)
    assert (settings["n_dropped"], settings["n_showers"]) == (50, 550)
    assert set(settings["conditions"]) == {"energy", "theta"}  # type: ignore[call-overload]
    generator.seen_events = store.load(stores[0]).fingerprints()
    with pytest.raises(CaloganError, match=r"0 of 600 showers .*600 were used in training"):
        run_on(stores[0], generator, tmp_path)
    generator.geometry = rings(1)
    with pytest.raises(CaloganError, match=r"has geometry 'small' .* makes 'rings' with 12"):
        run_on(stores[0], generator, tmp_path)


def test_showers_of_the_training_with_other_dead_cells_are_refused(
    stores: tuple[Path, Path], tmp_path: Path
) -> None:
    showers = store.load(stores[0])
    by_card = [{"cells": [1], "pattern": None}]
    made_by = {**showers.provenance, "inputs_sha256": ["a", "b"], "dead": by_card}
    again = tmp_path / "again.h5"
    store.save(replace(showers, provenance=made_by), again)
    generator = fake_generator(stores)
    generator.seen_events = np.zeros(0, np.uint64)
    no_cells = {"cells": [], "branch": None}
    generator.identity = {"inputs_sha256": ["b"], "dead_in_training": no_cells}
    with pytest.raises(CaloganError, match=r"again\.h5 is of 1 files .* but other cells are dead"):
        run_on(again, generator, tmp_path)
    for identity in (
        {"inputs_sha256": ["b"], "dead_in_training": dead_named_by(made_by)},
        {"inputs_sha256": ["c"], "dead_in_training": no_cells},
    ):
        generator.identity = identity
        assert run_on(again, generator, tmp_path)["n_dropped"] == 0


def test_dead_cells_of_the_reference_are_in_the_note(
    stores: tuple[Path, Path], tmp_path: Path
) -> None:
    reference = store.load(stores[0])
    dead = np.zeros(reference.energies.shape, np.bool_)
    dead[:300, :4] = True
    store.save(reference.without(dead), tmp_path / "dead.h5", UNITS)
    settings = run_on(tmp_path / "dead.h5", fake_generator(stores), tmp_path)
    assert "12.50% of the cells are dead, and count as dark in both" in str(settings["note"])
    assert "dead" not in str(run_on(stores[0], fake_generator(stores), tmp_path)["note"])
