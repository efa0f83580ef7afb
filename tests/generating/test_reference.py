"""Full simulation held against a generator, and showers made like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.programs import GATED_MODEL
from helpers.samples import make_showers

from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.generating.reference import load_reference, sample_like
from calogan.reading import store
from calogan.showers import Showers


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator.load(GATED_MODEL)


@pytest.fixture
def real(generator: Generator) -> Showers:
    conditions = {"theta": np.linspace(0, 0.3, 9), "energy": np.geomspace(2, 40, 9)}
    made = generator.sample(conditions, seed=1)
    return replace(made, conditions={**made.conditions, "run": np.arange(9, dtype=np.float32)})


def test_one_for_each_with_all_its_conditions(generator: Generator, real: Showers) -> None:
    made = sample_like(generator, real, seed=2)
    assert list(made.conditions) == list(real.conditions)
    for name, values in real.conditions.items():
        np.testing.assert_array_equal(made.conditions[name], values)
    asked = {name: real.conditions[name] for name in ("energy", "theta")}
    np.testing.assert_array_equal(made.energies, generator.sample(asked, seed=2).energies)


def test_a_store_that_fits_is_read(generator: Generator, real: Showers, tmp_path: Path) -> None:
    store.save(real, tmp_path / "a.h5")
    found = load_reference(generator, tmp_path / "a.h5", "model.json")
    np.testing.assert_array_equal(found.energies, real.energies)


def test_what_does_not_fit_is_refused(generator: Generator, real: Showers, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    store.save(make_showers(5), path)
    with pytest.raises(CaloganError, match=r"16 voxels, the generator model\.json makes .* 26"):
        load_reference(generator, path, "model.json")
    store.save(real, path, [("energy", "GeV"), ("theta", "deg"), ("run", "")])
    with pytest.raises(CaloganError, match="has theta in deg, the generator takes it in rad"):
        load_reference(generator, path, "model.json")
