"""Generator and export: Keras and the exported JSON make the same showers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.samples import BAD_CONDITIONS, make_card, make_showers

from calogan.errors import CaloganError
from calogan.generating.export import export_run
from calogan.generating.generator import Generator
from calogan.generating.output import generate_file
from calogan.networks.generator import voxel_columns, voxel_fractions
from calogan.reading import store
from calogan.training.loop import train
from calogan.training.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("generator")
    store.save(make_showers(600), folder / "train.h5")
    return train(make_card(data={"train": str(folder / "train.h5")}), folder / "run")


@pytest.fixture(scope="module")
def exported(run: Run) -> Path:
    export_run(run.path, run.path.parent / "model.json")
    return run.path.parent / "model.json"


CONDITIONS = {"energy": np.geomspace(1, 50, 40), "theta": np.linspace(0, 0.35, 40)}


def test_run_and_json_make_the_same_showers(run: Run, exported: Path) -> None:
    a, b = (Generator.load(p).sample(CONDITIONS, seed=3) for p in (run.path, exported))
    scale = 1000 * a.incident_energy[:, None]
    np.testing.assert_allclose(a.energies / scale, b.energies / scale, rtol=1e-5, atol=1e-7)
    assert (a.energies > 0).any(axis=1).all()


def test_threshold_and_conservation(exported: Path) -> None:
    made = Generator.load(exported).sample(CONDITIONS, seed=1)
    assert made.energies[made.energies > 0].min() >= 0.1
    assert (made.energies.sum(axis=1) < 1000 * made.incident_energy).all()


def test_seed_decides(exported: Path) -> None:
    generator = Generator.load(exported)
    one, two, three = (generator.sample(CONDITIONS, seed=s).energies for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != three).any()


def test_self_test_is_met_by_keras(run: Run, exported: Path) -> None:
    block = json.loads(exported.read_text())["calogan"]
    card = run.card()
    model = run.load_generator()
    assert len(block["self_test"]) == 3
    for case in block["self_test"]:
        inputs = [
            c.normalise(v) for c, v in zip(card.condition_list, case["conditions"], strict=True)
        ]
        latent = np.array([case["latent"]], np.float32)
        geometry = card.build_geometry()
        found = voxel_fractions(model, geometry, latent, np.array([inputs], np.float32))[0]
        expected = np.array(case["fractions"])[voxel_columns(geometry)]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_one_value_serves_all_showers(exported: Path) -> None:
    made = Generator.load(exported).sample({"energy": [5, 10, 20], "theta": 0.1}, seed=0)
    assert len(made) == 3
    np.testing.assert_allclose(made.conditions["theta"], 0.1, rtol=1e-6)


@pytest.mark.parametrize(("conditions", "message"), BAD_CONDITIONS)
def test_bad_conditions_are_refused(
    exported: Path, conditions: dict[str, Any], message: str
) -> None:
    with pytest.raises(CaloganError, match=message):
        Generator.load(exported).sample(conditions, seed=0)


def test_extrapolation_on_request(exported: Path) -> None:
    made = Generator.load(exported).sample(
        {"energy": 120, "theta": 0}, seed=0, allow_extrapolation=True
    )
    assert np.isfinite(made.energies).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "no 'calogan' block"),
        ('{"calogan": {"schema_version": 99}}', "schema version 99, this calogan reads 1"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(CaloganError, match=message):
        Generator.load(tmp_path / "model.json")


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match="cannot read generator"):
        Generator.load(tmp_path / "none.json")
    with pytest.raises(CaloganError, match="not a run directory"):
        Generator.load(tmp_path)


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "model.json"
    old.write_text("old")
    with pytest.raises(CaloganError, match="not a run directory"):
        export_run(tmp_path, old)
    assert old.read_text() == "old"


def test_energies_that_are_not_finite_are_refused(exported: Path) -> None:
    from dataclasses import replace

    broken = replace(
        Generator.load(exported), network=lambda z, c: np.full((len(z), 16), np.nan, np.float32)
    )
    with pytest.raises(CaloganError, match=r"not finite at energy 10, theta 0\.1"):
        broken.sample({"energy": 10, "theta": 0.1}, seed=0)


def test_generated_stores_say_where_they_came_from(exported: Path, tmp_path: Path) -> None:
    generate_file(Generator.load(exported), CONDITIONS, tmp_path / "made.h5", 3, like="x.h5")
    found = store.info(tmp_path / "made.h5").provenance
    block = json.loads(exported.read_text())["calogan"]
    assert found["weights_sha256"] == block["weights_sha256"]
    assert found["seed"] == 3 and found["like"] == "x.h5" and found["model"] == str(exported)
    assert found["readout_threshold_MeV"] == 0.1
