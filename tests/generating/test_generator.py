"""`Generator`: conditions, seeds, thresholds, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.samples import BAD_CONDITIONS

from calogan.errors import CaloganError
from calogan.generating.generator import Generator

CONDITIONS = {"energy": np.geomspace(1, 50, 40), "theta": np.linspace(0, 0.35, 40)}


def test_threshold_and_conservation(exported: Path) -> None:
    made = Generator.load(exported).sample(CONDITIONS, seed=1)
    assert made.energies[made.energies > 0].min() >= 0.1
    assert (made.energies.sum(axis=1) < 1000 * made.incident_energy).all()


def test_seed_decides(exported: Path) -> None:
    generator = Generator.load(exported)
    one, two, three = (generator.sample(CONDITIONS, seed=s).energies for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != three).any()


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


def test_energies_that_are_not_finite_are_refused(exported: Path) -> None:
    from dataclasses import replace

    broken = replace(
        Generator.load(exported), network=lambda z, c: np.full((len(z), 16), np.nan, np.float32)
    )
    with pytest.raises(CaloganError, match=r"not finite at energy 10, theta 0\.1"):
        broken.sample({"energy": 10, "theta": 0.1}, seed=0)
