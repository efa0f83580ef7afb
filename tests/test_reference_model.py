"""The generator that comes with the project: it is what its files say it is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from calogan import Generator, load_card, voxelize_files
from calogan.evaluation.evaluate import check_independent
from calogan.features import response
from calogan.reading import store
from calogan.showers import Showers

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "data/models/lar_photons"
MODEL = FOLDER / "generator.json"
PROGRAM = Path(os.environ.get("CALOGAN_GENERATE", ROOT / "build/cpp/calogan-generate"))


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand Geant4 showers of the test set."""
    path = tmp_path_factory.mktemp("unseen") / "test.h5"
    voxelize_files([str(ROOT / "data/lar_photons/test/photons_22.root")], path, load_card())
    return path


def test_it_is_small() -> None:
    model = json.loads(MODEL.read_text(encoding="utf-8"))
    n_weights = sum(
        len(layer.get("weights", [])) + len(layer.get("bias", [])) for layer in model["layers"]
    )
    assert MODEL.stat().st_size < 12e6
    assert 1e5 < n_weights < 2e6


def test_card_metrics_and_report_belong_to_it(unseen: Path) -> None:
    generator = Generator.load(MODEL)
    metrics = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    card = load_card(FOLDER / "card.toml")
    assert metrics["settings"]["weights_sha256"] == generator.identity["weights_sha256"]
    assert metrics["settings"]["n_showers"] == 5000
    assert generator.geometry == card.build_geometry()
    assert list(generator.conditions) == card.condition_list
    assert "<html" in (FOLDER / "report.html").read_text(encoding="utf-8")
    provenance = store.load(unseen).provenance
    note = check_independent(generator.identity["inputs_sha256"], provenance, unseen)
    assert "other files" in note


def test_it_makes_showers_like_those_of_geant4(unseen: Path) -> None:
    generator, geant4 = Generator.load(MODEL), store.load(unseen)
    made = generator.sample(dict(geant4.conditions), seed=3)
    real = geant4.apply_threshold(generator.readout_threshold)
    _compare(made, real)


def test_the_runner_makes_the_same_kind_of_showers(unseen: Path, tmp_path: Path) -> None:
    output = tmp_path / "showers.h5"
    command = [PROGRAM, MODEL, "--like", unseen, "--seed", "3", "-o", output]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    real = store.load(unseen).apply_threshold(Generator.load(MODEL).readout_threshold)
    _compare(store.load(output), real)


def _compare(made: Showers, real: Showers) -> None:
    """Means of a thousand showers, within five standard errors of what sampling alone gives."""
    for found, wanted, flaw in (
        (response(made), response(real), 0.005),
        ((made.energies > 0).sum(axis=1), (real.energies > 0).sum(axis=1), 0.04),
    ):
        error = np.std(found.astype(float) - wanted) / np.sqrt(len(wanted))
        slack = flaw * wanted.mean()  # the generator's own flaws, as metrics.json has them
        assert abs(found.mean() - wanted.mean()) < 5 * error + slack
