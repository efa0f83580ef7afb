"""A model file of a calorimeter such as other programs hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cylinders import make_cylinder_card, make_cylinder_showers

from calogan.exporting.native import export_run
from calogan.reading import store
from calogan.training.loop import train


@pytest.fixture(scope="session")
def cylinders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of a small cylindrical calorimeter, after a few updates."""
    folder = tmp_path_factory.mktemp("cylinders")
    store.save(make_cylinder_showers(600), folder / "train.h5")
    run = train(make_cylinder_card(str(folder / "train.h5")), folder / "run")
    export_run(run.path, folder / "model.json")
    return folder / "model.json"
