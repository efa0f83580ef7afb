from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.samples import make_showers

from calogan.errors import CaloganError
from calogan.showers import Showers, without_dead


def with_overflow(n: int) -> Showers:
    showers = make_showers(n)
    overflow = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    return Showers(showers.energies, showers.conditions, showers.geometry, overflow, {"a": 1})


def test_select() -> None:
    showers = with_overflow(20)
    for index in (slice(3, 6), [3, 4, 5], (np.arange(20) > 2) & (np.arange(20) < 6)):
        part = showers.select(index)
        assert len(part) == 3
        assert np.array_equal(part.energies, showers.energies[3:6])
        assert np.array_equal(part.incident_energy, showers.conditions["energy"][3:6])
        assert np.array_equal(part.overflow, showers.overflow[3:6])  # type: ignore[index,arg-type]
        assert part.provenance == {"a": 1}


def test_threshold() -> None:
    showers = with_overflow(20)
    threshold = float(np.median(showers.energies))
    cut = showers.apply_threshold(threshold)
    kept = showers.energies >= np.float32(threshold)
    assert np.array_equal(cut.energies, np.where(kept, showers.energies, 0))
    assert showers.apply_threshold(0) is showers
    assert np.array_equal(cut.overflow, showers.overflow)  # type: ignore[arg-type]


def test_fingerprints_tell_showers_apart() -> None:
    showers = make_showers(5000)
    prints = showers.fingerprints()
    assert prints.dtype == np.uint64
    assert len(np.unique(prints)) == 5000
    shuffled = np.random.default_rng(1).permutation(5000)
    assert np.array_equal(showers.select(shuffled).fingerprints(), prints[shuffled])
    nudged = showers.energies.copy()
    nudged[7, 3] = np.nextafter(nudged[7, 3], np.float32(np.inf))
    other = Showers(nudged, showers.conditions, showers.geometry).fingerprints()
    assert np.flatnonzero(other != prints).tolist() == [7]
    energy = showers.incident_energy.copy()
    energy[9] += 1
    other = Showers(showers.energies, {"energy": energy}, showers.geometry).fingerprints()
    assert np.flatnonzero(other != prints).tolist() == [9]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"energies": np.ones((20, 15))},
            r"shape \(20, 15\), expected \(n, 16\) for geometry 'small'",
        ),
        ({"energies": np.ones(16)}, r"shape \(16,\), expected \(n, 16\)"),
        ({"conditions": {"theta": np.ones(20)}}, r"no condition 'energy' .*found \['theta'\]"),
        ({"conditions": {"energy": np.ones(19)}}, r"'energy' has shape \(19,\), expected \(20,\)"),
        ({"overflow": np.ones((20, 2))}, r"overflow has shape \(20, 2\), expected \(20, 3\)"),
        (
            {"dead": np.zeros((20, 15), bool)},
            r"dead cells have shape \(20, 15\), expected \(20, 16",
        ),
        ({"dead": np.ones((20, 16), bool)}, "dead cells have energy, expected 0"),
    ],
)
def test_shapes_must_agree(change: dict[str, Any], message: str) -> None:
    showers = make_showers(20)
    fields = {
        "energies": showers.energies,
        "conditions": showers.conditions,
        "geometry": showers.geometry,
    }
    with pytest.raises(CaloganError, match=message):
        Showers(**{**fields, **change})  # type: ignore[arg-type]


def test_dead_cells_are_dark_in_both_of_two_samples() -> None:
    first, second = make_showers(20), make_showers(20, seed=1)
    assert without_dead(first, second) == (first, second)
    masks = np.random.default_rng(1).random((2, 20, 16)) < 0.3
    found = without_dead(first.without(masks[0]), second.without(masks[1]))
    for sample, whole in zip(found, (first, second), strict=True):
        assert sample.dead is not None
        np.testing.assert_array_equal(sample.dead, masks.any(axis=0))
        np.testing.assert_array_equal(
            sample.energies, np.where(masks.any(axis=0), 0, whole.energies)
        )
    part = found[0].select([3, 5])
    assert part.dead is not None
    np.testing.assert_array_equal(part.dead, masks.any(axis=0)[[3, 5]])
