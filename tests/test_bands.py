"""Bands of conditions: which make sense, and what is in them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.samples import make_card
from hypothesis import given
from hypothesis import strategies as st

from calogan.bands import Bands, check_bands, in_band
from calogan.card.keys import with_hold_out
from calogan.errors import CaloganError


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ({"energi": (8, 12)}, r"band of 'energi', which is no condition; .* nearest: 'energy'"),
        ({"energy": (12, 8)}, r"energy = 12:8 is no band, expected low < high"),
        ({"energy": (8, 8)}, r"energy = 8:8 is no band"),
        ({"energy": (8, float("nan"))}, r"energy = 8:nan is no band"),
        ({"energy": (60, 80)}, r"60:80 is outside the trained range 1:50 GeV, so it holds nothing"),
        ({"energy": (0.5, 60)}, r"0.5:60 covers everything of the trained range 1:50 GeV"),
        ({"energy": (40, 60)}, r"40:60 covers an end of the trained range"),
        ({"energy": (8, 12), "theta": (0, 0.1)}, r"theta = 0:0.1 covers an end"),
    ],
)
def test_bands_that_make_no_sense_are_refused(bands: Bands, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        check_bands(bands, make_card().condition_list)
    with pytest.raises(CaloganError, match=message):
        with_hold_out(make_card(), bands)


@given(st.lists(st.floats(1, 50), min_size=1), st.floats(1, 49))
def test_a_band_and_its_neighbours_share_no_value(values: list[float], low: float) -> None:
    x = np.array(values)
    parts = [in_band(band, x) for band in ((-np.inf, low), (low, low + 1), (low + 1, np.inf))]
    np.testing.assert_array_equal(np.sum(parts, axis=0), 1)
