"""calogan: conditional GANs for calorimeter showers, from ROOT hits to lwtnn JSON and C++.

Names are imported when first used, so that `import calogan` loads neither TensorFlow nor ROOT
readers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calogan import runner
    from calogan.conditions import Condition
    from calogan.config import Card, load_card
    from calogan.dataset import Showers
    from calogan.errors import CaloganError
    from calogan.evaluate import evaluate_files, evaluate_run
    from calogan.export import export_run
    from calogan.generator import Generator
    from calogan.geometry import Geometry, Layer
    from calogan.io import store
    from calogan.pipeline import voxelize_files
    from calogan.run import Run, train

__version__ = "0.1.0"

__all__ = [
    "CaloganError",
    "Card",
    "Condition",
    "Generator",
    "Geometry",
    "Layer",
    "Run",
    "Showers",
    "evaluate_files",
    "evaluate_run",
    "export_run",
    "load_card",
    "runner",
    "store",
    "train",
    "voxelize_files",
]

_HOMES = {
    "CaloganError": "errors",
    "Card": "config",
    "Condition": "conditions",
    "Generator": "generator",
    "Geometry": "geometry",
    "Layer": "geometry",
    "Run": "run",
    "Showers": "dataset",
    "evaluate_files": "evaluate",
    "evaluate_run": "evaluate",
    "export_run": "export",
    "load_card": "config",
    "train": "run",
    "voxelize_files": "pipeline",
}

_MODULES = {"runner": "runner", "store": "io.store"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"calogan.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"calogan.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'calogan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
