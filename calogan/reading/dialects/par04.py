"""Output of the Geant4 example Par04: hits by cell index, the energy in a tree of its own."""

from __future__ import annotations

from calogan.reading.dialects import branches
from calogan.reading.dialects.dialect import Contents, Dialect


def _recognise(contents: Contents) -> str | None:
    trees = {tree.name: {branch.name for branch in tree.branches} for tree in contents.trees}
    needed = {"EnergyCell", "rhoCell", "phiCell", "zCell"}
    if "EnergyMC" in trees.get("global", ()) and needed <= trees.get("virtualReadout", set()):
        return "tree 'virtualReadout' has rhoCell, phiCell, zCell, and tree 'global' EnergyMC"
    return None


DIALECT = Dialect(
    "par04",
    "Geant4 example Par04: cells along the particle",
    _recognise,
    branches.read,
    by_branches=True,
)
