"""Export: the JSON and Keras make the same showers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calogan.errors import CaloganError
from calogan.exporting.native import export_run, rounded
from calogan.exporting.profiles import export_native
from calogan.generating.generator import Generator
from calogan.networks.generator import voxel_columns, voxel_fractions
from calogan.training.run import Run

CONDITIONS = {"energy": np.geomspace(1, 50, 40), "theta": np.linspace(0, 0.35, 40)}


def test_run_and_json_make_the_same_showers(run: Run, exported: Path) -> None:
    a, b = (Generator.load(p).sample(CONDITIONS, seed=3) for p in (run.path, exported))
    scale = 1000 * a.incident_energy[:, None]
    np.testing.assert_allclose(a.energies / scale, b.energies / scale, rtol=1e-5, atol=1e-7)
    assert (a.energies > 0).any(axis=1).all()


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
        expected = np.array(case["fractions"])
        expected = expected[voxel_columns(geometry, len(expected))]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_rounded_weights_make_a_shorter_file_of_nearly_the_same_showers(
    run: Run, exported: Path, tmp_path: Path
) -> None:
    path = tmp_path / "short.json"
    export_run(run.path, path, digits=4)
    assert path.stat().st_size < exported.stat().st_size
    for layer in json.loads(path.read_text())["layers"]:
        for weight in layer.get("weights", []):
            assert float(f"{weight:.3e}") == weight
    a, b = (Generator.load(p).sample(CONDITIONS, seed=3) for p in (exported, path))
    np.testing.assert_allclose(a.energies.sum(axis=1), b.energies.sum(axis=1), rtol=2e-3)
    assert (a.energies != b.energies).any()


def test_rounding_takes_all_sizes_of_numbers() -> None:
    values = np.array([0, 1.23456e-7, -9.99996, 65432.1, 1e30, 0.5], np.float32)
    expected = np.array([0, 1.235e-7, -10, 65430, 1e30, 0.5], np.float32)
    np.testing.assert_array_equal(rounded(values, 4), expected)


def test_digits_are_of_a_run(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match="is a file, which is exported as it is; round the"):
        export_native(exported, tmp_path / "short.json", digits=4)


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "model.json"
    old.write_text("old")
    with pytest.raises(CaloganError, match="not a run directory"):
        export_run(tmp_path, old)
    assert old.read_text() == "old"
