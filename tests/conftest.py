"""Fixtures that several tests share."""

from __future__ import annotations

import sys

import pytest
from helpers.samples import make_showers

from calogan.showers import Showers


@pytest.fixture(scope="session")
def showers() -> Showers:
    return make_showers(600)


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Networks that a test builds start from the same weights in every run."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(1)
