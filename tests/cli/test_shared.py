"""What commands share: bands in options."""

from __future__ import annotations

import pytest

from calogan.cli.shared import parse_bands
from calogan.errors import CaloganError


def test_bands_are_read() -> None:
    assert parse_bands(["energy=8:12", "theta=0.1:2e-1"]) == {
        "energy": (8.0, 12.0),
        "theta": (0.1, 0.2),
    }


@pytest.mark.parametrize("option", ["energy", "energy=8", "energy=8:x", "energy=1:2:3", "=:"])
def test_what_is_no_band_is_said(option: str) -> None:
    with pytest.raises(CaloganError, match=rf"--hold-out {option}: expected NAME=LOW:HIGH"):
        parse_bands([option])


def test_two_bands_of_one_condition_are_refused() -> None:
    with pytest.raises(CaloganError, match="'energy' has a band already"):
        parse_bands(["energy=8:12", "energy=20:30"])
