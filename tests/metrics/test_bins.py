"""Response, resolution and energy distributions in bins, and their floors."""

from __future__ import annotations

import numpy as np
import pytest

from calogan.metrics.bins import condition_bins, energy_chi2
from calogan.metrics.halves import Halves, matched_halves

N = 3000


def responses(
    scale: float = 1.0, width: float = 0.1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Halves]:
    """Energies, two samples of visible / incident energy, and halves of the first."""
    rng = np.random.default_rng(4)
    energy = np.exp(rng.uniform(0, np.log(50), N))
    reference = rng.normal(0.2, 0.02, N)
    generated = rng.normal(0.2 * scale, 0.2 * width, N)
    return energy, reference, generated, [matched_halves([energy], rng) for _ in range(20)]


def test_floors_are_what_equal_samples_show() -> None:
    energy, reference, generated, halves = responses()
    bins = condition_bins("energy", energy, reference, generated, halves)
    assert bins.counts.sum() == N and len(bins.edges) == 6
    for name in ("response_ratio", "resolution_ratio", "chi2"):
        found = getattr(bins, name)
        floors = getattr(bins, name.replace("ratio", "floor") if "r" in name else "chi2_floor")
        for value, floor in zip(found, floors, strict=True):
            assert floor.value == pytest.approx(1, abs=4 * floor.uncertainty)
            assert floor.uncertainty == pytest.approx(value.uncertainty, rel=0.7)
            assert abs(value.value - floor.value) < 4 * np.hypot(
                value.uncertainty, floor.uncertainty
            )


def test_wrong_energies_are_seen() -> None:
    energy, reference, generated, halves = responses(scale=1.05, width=0.12)
    bins = condition_bins("energy", energy, reference, generated, halves)
    for response, resolution, chi2 in zip(
        bins.response_ratio, bins.resolution_ratio, bins.chi2, strict=True
    ):
        assert abs(response.value - 1.05) < 4 * response.uncertainty
        assert abs(resolution.value - 1.2 / 1.05) < 4 * resolution.uncertainty
        assert chi2.value > 2
    found, floor = energy_chi2(energy, reference, generated, halves)
    assert floor.value == pytest.approx(1, abs=4 * floor.uncertainty)
    assert found.value == pytest.approx(np.mean([c.value for c in bins.chi2]), rel=0.15)


def test_without_halves_and_in_thin_bins_floors_are_unknown() -> None:
    energy, reference, generated, _ = responses()
    bins = condition_bins("energy", energy, reference, generated)
    assert {str(v) for v in bins.response_floor + bins.chi2_floor} == {"unknown"}
    few = condition_bins("theta", np.linspace(0, 1, 50), reference[:50], generated[:50])
    assert {str(v) for v in few.chi2} == {"unknown"}
    constant = condition_bins("theta", np.full(N, 0.2), reference, generated)
    assert len(constant.edges) == 2 and constant.counts.tolist() == [N]
