"""Files whose units, or whose entries, seem not to go together: told by their energies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNIT_FACTOR = 30.0
"""Between the responses of two files, from which on their units are likely not the same."""
LEAST_CORRELATION, LEAST_EVENTS = 0.3, 100
"""Of the ranks of hits' and incident energies, of so many events, below which they are likely those
of different events; of what meets by chance, one file in 700 is above it."""


def doubt_entries(
    visible: NDArray[np.float64], incident: NDArray[np.float64], path: Path, trees: str
) -> list[str]:
    """A warning if the energy in hits does not follow the incident energy in one file.

    Parameters
    ----------
    visible, incident : MeV, (n,)
    trees : names of the trees that must go entry by entry, for the warning; or ""
    """
    if len(visible) < LEAST_EVENTS or incident.max() < 2 * incident.min() or not visible.any():
        return []
    a, b = (np.argsort(np.argsort(values)).astype(np.float64) for values in (visible, incident))
    correlation = float(np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std()))
    if correlation >= LEAST_CORRELATION:
        return []
    return [
        f"{path}: the energy in hits does not follow the incident energy (correlation of ranks "
        f"{correlation:.2f} over {len(visible):,} events); are the entries{trees} those of the "
        "same events, and is [conditions.energy] the right one?"
    ]


def doubt_units(responses: Mapping[Path, float]) -> list[str]:
    """A warning if the parts of the incident energy that files show differ as units do."""
    shown = {path: response for path, response in responses.items() if response > 0}
    if not shown:
        return []
    low, high = min(shown, key=shown.__getitem__), max(shown, key=shown.__getitem__)
    if shown[high] <= UNIT_FACTOR * shown[low]:
        return []
    return [
        f"the hits sum to {shown[high]:.3g} of the incident energy in {high}, but to "
        f"{shown[low]:.3g} in {low}; are their units the same? if not, voxelize each with a card "
        "of its own"
    ]
