"""Matched halves of a sample."""

from __future__ import annotations

import numpy as np
import pytest

from calogan.metrics.halves import matched_halves


@pytest.mark.parametrize("n", [2, 3, 500, 501])
def test_matched_halves_are_disjoint_and_alike(n: int, rng: np.random.Generator) -> None:
    conditions = [rng.uniform(0, 4, n), rng.uniform(0, 0.3, n)]
    first, second = matched_halves(conditions, rng)
    assert len(first) == len(second) == n // 2
    assert len({*first.tolist(), *second.tolist()}) == 2 * (n // 2)
    if n >= 500:
        for values in conditions:
            near = np.abs(values[first] - values[second]).mean()
            apart = np.abs(values - rng.permutation(values)).mean()
            assert near < 0.25 * apart
