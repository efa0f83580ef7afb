"""Runs and models of the version before load, resume, and give the numbers that they gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calogan import Generator, Run, export_run, runner, train
from calogan.cli import app
from calogan.evaluation.compare_evaluations import compare_evaluations
from calogan.reading import store
from calogan.reweighting.files import load_refiner
from calogan.reweighting.refiner import refined

FOLDER = Path(__file__).parent / "data" / "version_before"
CONDITIONS = {"energy": np.linspace(1, 50, 40), "theta": 0.1}
EXPECTED = np.load(FOLDER / "expected.npz")

# None of these showers has a cell near the readout threshold, so that relative tolerances do.
TENSORFLOW = 1e-5
"""float32, summed in an order that depends on the processor: a few 1e-7 between two of them."""
NUMPY = 1e-6
"""float64 until the end; BLAS and exp() differ by processor, and so may the rounding to float32."""
RUNNER = 1e-5
"""The same bits on one machine, but its kernels are chosen by instruction set; in float32, they are
up to 2e-6 off what float64 gives."""
RESUMED = 1e-4
"""Four updates let a difference in rounding grow to 1e-5."""


@pytest.mark.parametrize(
    ("name", "path", "tolerance"),
    [
        ("run", "run", TENSORFLOW),
        ("vae_run", "vae_run", TENSORFLOW),
        ("json", "generator.json", NUMPY),
    ],
)
def test_generators_make_the_same_showers(name: str, path: str, tolerance: float) -> None:
    found = Generator.load(FOLDER / path).sample(CONDITIONS, seed=3).energies
    np.testing.assert_allclose(found, EXPECTED[name], rtol=tolerance)


def test_the_runner_makes_the_same_showers() -> None:
    generator = runner.Generator.load(FOLDER / "generator.json")
    found = generator.generate(CONDITIONS, seed=3)
    np.testing.assert_allclose(found, EXPECTED["runner"], rtol=RUNNER)


def test_a_refiner_weighs_and_accepts_as_it_did() -> None:
    generator = Generator.load(FOLDER / "generator.json")
    refiner = load_refiner(FOLDER / "refiner.h5")
    made = generator.sample(CONDITIONS, seed=3)
    weights = refiner.weights(made.conditions, refiner.ratios(made))
    np.testing.assert_allclose(weights, EXPECTED["weights"], rtol=1e-4)
    better = refined(generator, refiner).sample(CONDITIONS, seed=3)
    np.testing.assert_allclose(better.energies, EXPECTED["refined"], rtol=NUMPY)


@pytest.mark.parametrize(
    ("name", "expected", "logged"),
    [
        (
            "run",
            "losses",
            ("critic_loss", "generator_loss", "energy_mismatch", "cell_mismatch"),
        ),
        ("vae_run", "vae_losses", ("voxel_loss", "feature_loss", "kl_loss", "energy_mismatch")),
    ],
)
def test_runs_are_resumed_through_the_same_losses(
    name: str,
    expected: str,
    logged: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Losses alone: the scores have been counted otherwise since."""
    shutil.copytree(FOLDER, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    run = Run(Path(name))
    before = run.history()
    assert [line["update"] for line in before] == [4, 8]
    train(run.card(), name, resume=True)
    after = run.history()
    assert after[:2] == before
    assert [line["update"] for line in after] == [4, 8, 12]
    losses = [[line[name] for name in logged] for line in after]
    np.testing.assert_allclose(losses, EXPECTED[expected], rtol=RESUMED)
    assert run.training()["updates"] == 12
    assert run.training()["best"]["update"] in (4, 8, 12)


def test_exporting_the_run_again_gives_the_same_graph(tmp_path: Path) -> None:
    export_run(FOLDER / "run", tmp_path / "again.json")
    old, new = (
        json.loads(path.read_text(encoding="utf-8"))
        for path in (FOLDER / "generator.json", tmp_path / "again.json")
    )
    was, block = old.pop("calogan"), new.pop("calogan")
    assert new == old
    assert block.keys() == was.keys()
    for test, before in zip(block.pop("self_test"), was.pop("self_test"), strict=True):
        assert (test["latent"], test["conditions"]) == (before["latent"], before["conditions"])
        np.testing.assert_allclose(test["fractions"], before["fractions"], rtol=1e-9)
    for changing in ("producer", "provenance"):
        del block[changing], was[changing]
    assert block == was


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("run", ("run directory", "8 of 12 (67%)")),
        ("vae_run", ("run directory", "8 of 12 (67%)")),
        ("generator.json", ("calogan generator", "geometry small, 16 voxels")),
        ("train.h5", ("store of showers", "500 of 16 voxels")),
    ],
)
def test_inspect_reads_its_files(path: str, words: tuple[str, ...]) -> None:
    found = CliRunner().invoke(app, ["inspect", str(FOLDER / path)])
    assert found.exit_code == 0, found.output
    for expected in words:
        assert expected in found.output


def test_its_store_holds_the_showers_that_its_runs_have_seen() -> None:
    showers = store.load(FOLDER / "train.h5")
    for name in ("run", "vae_run"):
        seen = Run(FOLDER / name).load_seen_events()
        np.testing.assert_array_equal(np.sort(showers.fingerprints()), seen)


def test_its_evaluation_is_put_into_a_table() -> None:
    table = compare_evaluations([FOLDER / "evaluation"])
    written = json.loads((FOLDER / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    found = {label: values[0] for label, values, _ in table.rows}
    response = found["mean response, generated / Geant4"]
    assert response is not None
    assert response.value == written["response"]["ratio"]["value"]
    for name, result in written["classifiers"].items():
        auc = found[f"AUC, {name.replace('_', ' on ')}"]
        assert auc is not None and auc.value == result["auc"]["value"]
    assert table.markdown().startswith("| | evaluation | Geant4 itself |")
