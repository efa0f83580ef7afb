"""The C++ program, and models for it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("CALOGAN_GENERATE", ROOT / "build/cpp/calogan-generate"))
GATED_MODEL = ROOT / "cpp_examples/tests/data/gated.json"
"""A small generator, energy 1..50 GeV and theta 0..0.35 rad, 26 cells."""
REFERENCE_MODEL = ROOT / "data/models/lar_photons/generator.json"
