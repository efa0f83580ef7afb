from __future__ import annotations

import os
import sys

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_configure(config: pytest.Config) -> None:
    # TensorFlow's tensors do not follow NumPy 2 yet.
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept:DeprecationWarning"
    )
    # Keras tells that a layer loses a mask; these tests want the converter to refuse it.
    config.addinivalue_line("filterwarnings", "ignore:Layer .* was passed an input with a mask")


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Networks that a test builds start from the same weights in every run."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(1)
