"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.samples import make_showers

from calogan.reading import store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store to train on."""
    path = tmp_path_factory.mktemp("data") / "train.h5"
    store.save(make_showers(600), path)
    return path
