"""Units that files and cards may name, and the factors between them."""

from __future__ import annotations

ENERGY_UNITS = {"eV": 1e-6, "keV": 1e-3, "MeV": 1.0, "GeV": 1e3, "TeV": 1e6}
LENGTH_UNITS = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
ANGLE_UNITS = {"rad": 1.0, "mrad": 1e-3, "deg": 0.017453292519943295}
UNIT_TABLES = (ENERGY_UNITS, LENGTH_UNITS, ANGLE_UNITS)
