"""Numbers with their floors, and the verdict on each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calogan.metrics.statistics import Value


@dataclass(frozen=True, slots=True)
class Measure:
    """One number for the whole sample, beside what the reference gives against itself."""

    name: str
    """As in metrics.json."""
    label: str
    group: str
    """Line of the summary, where the worst of a group stands."""
    found: Value
    floor: Value
    worse: Literal["away", "above", "below"]
    """Which values are worse than the floor: all others (a ratio), those above it (a separation
    power, an AUC) or those below it (a recall)."""
    tolerance: float
    """Distance from the floor up to which a significant difference still counts as close."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A line of the summary: one number against what a perfect generator would show.

    `tolerance` and `worse` as in `Measure`.
    """

    name: str
    where: str
    """The bin or observable that is worst."""
    found: Value
    expected: Value
    """The floor: 1 for a ratio, else the reference against itself."""
    tolerance: float
    worse: Literal["away", "above", "below"] = "away"

    @property
    def distance(self) -> float:
        """How much worse than the floor; below 0 only for what is better than expected."""
        distance = self.found.value - self.expected.value
        return {"away": abs(distance), "above": distance, "below": -distance}[self.worse]

    @property
    def deviations(self) -> float:
        """`distance` in standard deviations."""
        error = np.hypot(self.found.uncertainty, self.expected.uncertainty)
        if error > 0:
            return float(self.distance / error)
        return 0.0 if self.distance == 0 else float(np.copysign(np.inf, self.distance))

    @property
    def level(self) -> Literal["equal", "close", "off"]:
        """equal: within three standard deviations of the floor; close: within the tolerance."""
        if not np.isfinite(self.distance):
            return "off"
        if self.deviations <= 3:
            return "equal"
        return "close" if self.distance <= self.tolerance else "off"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    rank = {"equal": 0, "close": 1, "off": 2}
    return max(verdicts, key=lambda v: (rank[v.level], np.nan_to_num(v.deviations, nan=np.inf)))
