"""Fixtures that several tests share."""

from __future__ import annotations

import pytest
from samples import make_showers

from calogan.dataset import Showers


@pytest.fixture(scope="session")
def showers() -> Showers:
    return make_showers(600)
