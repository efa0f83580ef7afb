"""Runs and models of the version before load, and give the numbers that they gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from calogan import Generator, Run, export_run, runner, train
from calogan.inspecting.inspect import inspect
from calogan.reading import store
from calogan.reweighting.files import load_refiner
from calogan.reweighting.refiner import refined

FOLDER = Path(__file__).parent / "data" / "version_before"
CONDITIONS = {"energy": np.linspace(1, 50, 40), "theta": 0.1}
EXPECTED = np.load(FOLDER / "expected.npz")


@pytest.mark.parametrize(
    ("name", "path"), [("run", "run"), ("vae_run", "vae_run"), ("json", "generator.json")]
)
def test_generators_make_the_same_showers(name: str, path: str) -> None:
    found = Generator.load(FOLDER / path).sample(CONDITIONS, seed=3).energies
    # Products of matrices are summed in an order that depends on the processor.
    np.testing.assert_allclose(found, EXPECTED[name], rtol=1e-4, atol=1e-4)


def test_the_runner_makes_the_same_showers() -> None:
    generator = runner.Generator.load(FOLDER / "generator.json")
    found = generator.generate(CONDITIONS, seed=3)
    # To the last bit on the machine that wrote them; other instruction sets sum in another order.
    np.testing.assert_allclose(found, EXPECTED["runner"], rtol=1e-5, atol=1e-5)


def test_a_refiner_accepts_the_same_showers() -> None:
    generator = Generator.load(FOLDER / "generator.json")
    better = refined(generator, load_refiner(FOLDER / "refiner.h5"))
    found = better.sample(CONDITIONS, seed=3).energies
    np.testing.assert_allclose(found, EXPECTED["refined"], rtol=1e-4, atol=1e-4)


def test_a_run_is_resumed_through_the_same_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FOLDER, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    run = Run(Path("run"))
    before = run.history()
    assert [line["update"] for line in before] == [4, 8]
    train(run.card(), "run", resume=True)
    after = run.history()
    assert after[:2] == before
    names = ("critic_loss", "generator_loss", "energy_mismatch", "cell_mismatch")
    losses = [[line[name] for name in names] for line in after]
    np.testing.assert_allclose(losses, EXPECTED["losses"], rtol=1e-3)
    assert run.training()["updates"] == 12


def test_exporting_the_run_again_gives_the_same_graph(tmp_path: Path) -> None:
    export_run(FOLDER / "run", tmp_path / "again.json")
    old, new = (
        json.loads(path.read_text(encoding="utf-8"))
        for path in (FOLDER / "generator.json", tmp_path / "again.json")
    )
    assert {k: v for k, v in new.items() if k != "calogan"} == {
        k: v for k, v in old.items() if k != "calogan"
    }
    assert new["calogan"]["weights_sha256"] == old["calogan"]["weights_sha256"]
    assert new["calogan"].keys() == old["calogan"].keys()


def test_its_files_are_read() -> None:
    assert inspect(FOLDER / "run").kind == "run directory"
    assert inspect(FOLDER / "generator.json").kind == "calogan generator"
    showers = store.load(FOLDER / "train.h5")
    seen = Run(FOLDER / "run").load_seen_events()
    np.testing.assert_array_equal(np.sort(showers.fingerprints()), seen)
