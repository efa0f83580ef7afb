"""Export: the JSON and Keras make the same showers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calogan.errors import CaloganError
from calogan.exporting.native import export_run
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


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "model.json"
    old.write_text("old")
    with pytest.raises(CaloganError, match="not a run directory"):
        export_run(tmp_path, old)
    assert old.read_text() == "old"
