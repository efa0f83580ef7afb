"""Fixtures that several tests share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.samples import make_card, make_showers

from calogan.showers import Showers

if TYPE_CHECKING:
    from calogan.training.run import Run


@pytest.fixture(scope="session")
def showers() -> Showers:
    return make_showers(600)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a few updates. Tests without it do not load what trains."""
    from calogan.reading import store
    from calogan.training.loop import train

    folder = tmp_path_factory.mktemp("generator")
    store.save(make_showers(600), folder / "train.h5")
    return train(make_card(data={"train": str(folder / "train.h5")}), folder / "run")


@pytest.fixture(scope="session")
def exported(run: Run) -> Path:
    """Its generator as JSON."""
    from calogan.exporting.native import export_run

    export_run(run.path, run.path.parent / "model.json")
    return run.path.parent / "model.json"


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Networks that a test builds start from the same weights in every run."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(1)
