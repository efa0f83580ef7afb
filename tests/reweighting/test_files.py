"""Refiners in files, and event weights in stores."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import h5py
import numpy as np
import pytest
from helpers.refiners import RAW, conditions, reference, toy_refiner

from calogan.errors import CaloganError
from calogan.generating.output import generate_file
from calogan.reading import store
from calogan.reweighting import files
from calogan.reweighting.files import load_refiner
from calogan.reweighting.refiner import refined


def test_a_refiner_comes_back_from_its_file(tmp_path: Path) -> None:
    refiner = toy_refiner()
    files.save_refiner(refiner, tmp_path / "refiner.h5")
    again = load_refiner(tmp_path / "refiner.h5")
    made = RAW.sample(conditions(20, 1), seed=1)
    np.testing.assert_array_equal(again.ratios(made), refiner.ratios(made))
    assert again.sha256 == refiner.sha256
    assert again.efficiency == refiner.efficiency
    assert again.reliability.auc == refiner.reliability.auc
    assert again.record == json.loads(json.dumps(refiner.record))
    weights = again.weights(made.conditions, again.ratios(made))
    np.testing.assert_array_equal(weights, refiner.weights(made.conditions, refiner.ratios(made)))


def test_files_that_are_no_refiners(tmp_path: Path) -> None:
    refiner = toy_refiner()
    path = tmp_path / "refiner.h5"
    store.save(reference(3, 1), path)
    with pytest.raises(CaloganError, match="is no refiner; make one with `calogan refine"):
        load_refiner(path)
    for change, match in (
        (lambda f: f.attrs.update(calogan_refiner=9), "of version 9, this program reads 2"),
        (lambda f: f.__delitem__("knots"), "damaged refiner: KeyError"),
        (lambda f: f.attrs.update(about="{"), "damaged refiner"),
    ):
        files.save_refiner(refiner, path)
        with h5py.File(path, "a") as file:
            change(file)
        with pytest.raises(CaloganError, match=match):
            load_refiner(path)
    files.save_refiner(refiner, path)
    with (
        patch(
            "calogan.reweighting.refiner.high_level_features", lambda _: (np.zeros((1, 1)), ("n",))
        ),
        pytest.raises(CaloganError, match="by a calogan with other features"),
    ):
        load_refiner(path)


def test_only_showers_of_the_raw_generator_are_weighed(tmp_path: Path) -> None:
    refiner = toy_refiner()
    store.save(reference(3, 1), tmp_path / "a.h5", provenance={})
    with pytest.raises(CaloganError, match=r"a\.h5 has none that are known; train one"):
        files.weigh_store(tmp_path / "a.h5", refiner, tmp_path / "b.h5")
    generate_file(refined(RAW, refiner), conditions(3, 1), tmp_path / "c.h5", 1)
    with pytest.raises(CaloganError, match="refined already: each has weight 1"):
        files.weigh_store(tmp_path / "c.h5", refiner, tmp_path / "b.h5")
