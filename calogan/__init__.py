"""calogan: conditional GANs for calorimeter showers, from ROOT hits to lwtnn JSON and C++.

Names are imported when first used, so that `import calogan` loads neither TensorFlow nor ROOT
readers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from calogan.version import __version__ as __version__

if TYPE_CHECKING:
    from calogan import interchange, plots, runner
    from calogan.card.keys import Card
    from calogan.card.loading import load_card
    from calogan.conditions import Condition
    from calogan.errors import CaloganError
    from calogan.evaluation.evaluate import evaluate_files, evaluate_run
    from calogan.exporting.native import export_run
    from calogan.generating.generator import Generator
    from calogan.geometry import Geometry, Layer
    from calogan.reading import store
    from calogan.reading.pipeline import voxelize_files
    from calogan.showers import Showers
    from calogan.training.loop import train
    from calogan.training.run import Run

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
    "interchange",
    "load_card",
    "plots",
    "runner",
    "store",
    "train",
    "voxelize_files",
]

_HOMES = {
    "CaloganError": "errors",
    "Card": "card.keys",
    "Condition": "conditions",
    "Generator": "generating.generator",
    "Geometry": "geometry",
    "Layer": "geometry",
    "Run": "training.run",
    "Showers": "showers",
    "evaluate_files": "evaluation.evaluate",
    "evaluate_run": "evaluation.evaluate",
    "export_run": "exporting.native",
    "load_card": "card.loading",
    "train": "training.loop",
    "voxelize_files": "reading.pipeline",
}
"""The module of each public name; it is imported when the name is first used."""

_MODULES = {
    "interchange": "interchange",
    "plots": "plots",
    "runner": "runner",
    "store": "reading.store",
}
"""Public modules, by the names that they have here."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"calogan.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"calogan.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'calogan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
