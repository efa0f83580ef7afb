"""Output of the CaloGAN generator program: one branch a cell."""

from __future__ import annotations

from calogan.reading.dialects import branches
from calogan.reading.dialects.dialect import Contents, Dialect

N_CELLS = 3 * 96 + 12 * 12 + 12 * 6
"""Cells of the three layers, before three of overflow."""


def _recognise(contents: Contents) -> str | None:
    for tree in contents.trees:
        names = {branch.name for branch in tree.branches}
        if names >= {f"cell_{i}" for i in range(N_CELLS + 3)} and "TotalEnergy" in names:
            return f"tree '{tree.name}' has cell_0 .. cell_{N_CELLS + 2} and TotalEnergy"
    return None


DIALECT = Dialect(
    "calogan_root",
    "CaloGAN's generator program: one branch a cell",
    _recognise,
    branches.read,
    by_branches=True,
)
