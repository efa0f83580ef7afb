"""Keras 3 models to lwtnn JSON, and a NumPy evaluator of lwtnn JSON.

``convert`` and ``layers`` need Keras and are imported when first used, so reading, evaluating and
writing lwtnn JSON costs no more than NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lwtnn_converter.evaluate import Graph, GraphError
from lwtnn_converter.text import dumps, save

if TYPE_CHECKING:
    from lwtnn_converter import layers
    from lwtnn_converter.converter import ConversionError, convert

__all__ = ["ConversionError", "Graph", "GraphError", "convert", "dumps", "layers", "save"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "layers":
        return importlib.import_module("lwtnn_converter.layers")
    if name in ("ConversionError", "convert"):
        return getattr(importlib.import_module("lwtnn_converter.converter"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
