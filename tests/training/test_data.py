"""What a training sees: the store it reads, the split, what is held out, the mirrors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.samples import card_on, make_card, make_showers

from calogan.bands import in_any
from calogan.card.keys import Card
from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.showers import Showers
from calogan.training.data import mirror_permutations, split_off
from calogan.training.loop import train


def test_mirrored_showers_keep_their_energy_and_flip_their_centre() -> None:
    showers = make_showers(50, seed=2)
    permutations = mirror_permutations(showers.geometry, ["x", "y"])
    assert len(permutations) == 4
    np.testing.assert_array_equal(permutations[0], np.arange(showers.geometry.n_voxels))
    x, y = showers.geometry.centres[:, 0], showers.geometry.centres[:, 1]
    for permutation, (flip_x, flip_y) in zip(
        permutations, [(1, 1), (-1, 1), (1, -1), (-1, -1)], strict=True
    ):
        moved = showers.energies[:, permutation]
        np.testing.assert_allclose(moved.sum(axis=1), showers.energies.sum(axis=1), rtol=1e-5)
        np.testing.assert_allclose(moved @ x, flip_x * (showers.energies @ x), rtol=1e-4, atol=1)
        np.testing.assert_allclose(moved @ y, flip_y * (showers.energies @ y), rtol=1e-4, atol=1)


@pytest.mark.parametrize(
    "layer",
    [
        {"system": "cylindrical", "r_edges": [0, 1, 5], "alpha_edges": [0, 3, 6]},
        {"x_edges": [-1, 0, 2], "y_edges": [-1, 1]},
    ],
)
def test_layers_without_the_symmetry_are_refused(layer: dict[str, object]) -> None:
    geometry = Geometry.from_dict({"layers": [layer]})
    with pytest.raises(CaloganError, match="'layer_0' is not symmetric under x -> -x"):
        mirror_permutations(geometry, ["x"])


def test_a_condition_that_the_store_lacks_is_said(data: Path, tmp_path: Path) -> None:
    fields = card_on(data).model_dump()
    fields["conditions"]["phi"] = {**fields["conditions"]["theta"], "high": 3}
    with pytest.raises(CaloganError, match="has no condition 'phi', it has"):
        train(Card.model_validate(fields), tmp_path / "run")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (make_card(), "names no training data"),
        (make_card(data={"train": "nowhere.h5"}), "no training data at nowhere.h5.*voxelize"),
    ],
)
def test_missing_data_is_said(card: Card, message: str, tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match=message):
        train(card, tmp_path / "run")


def test_another_geometry_is_refused(data: Path, tmp_path: Path) -> None:
    fields = card_on(data).model_dump()
    fields["geometry"]["layers"][1]["z"] = [50, 300]
    with pytest.raises(CaloganError, match=r"geometry 'small' .16 voxels.*differs"):
        train(Card.model_validate(fields), tmp_path / "run")


def test_too_few_showers_are_refused(tmp_path: Path) -> None:
    store.save(make_showers(30), tmp_path / "few.h5")
    with pytest.raises(CaloganError, match="30 showers: too few"):
        train(card_on(tmp_path / "few.h5"), tmp_path / "run")


def test_showers_outside_the_card_are_refused(data: Path, tmp_path: Path) -> None:
    fields = card_on(data).model_dump()
    fields["conditions"]["energy"]["high"] = 20
    with pytest.raises(CaloganError, match=r"holds energy .* beyond the card's 1\.\.20; set low"):
        train(Card.model_validate(fields), tmp_path / "run")


def test_a_shower_in_any_band_is_split_off(showers: Showers) -> None:
    bands = {"energy": (8.0, 12.0), "theta": (0.1, 0.2)}
    kept, n_held = split_off(bands, showers, "train.h5")
    assert len(kept) + n_held == len(showers)
    assert not in_any(bands, kept.conditions).any()
    held = ~np.isin(showers.fingerprints(), kept.fingerprints())
    assert in_any(bands, showers.select(held).conditions).all()
    assert n_held > in_any({"energy": (8.0, 12.0)}, showers.conditions).sum()
    same, none = split_off({}, showers, "train.h5")
    assert len(same) == len(showers) and none == 0


def test_a_band_must_hold_some_showers_and_leave_some(showers: Showers) -> None:
    low = showers.select(showers.incident_energy < 5)
    with pytest.raises(
        CaloganError, match=r"8:12 covers no shower of train.h5, which holds energy"
    ):
        split_off({"energy": (8.0, 12.0)}, low, "train.h5")
    with pytest.raises(CaloganError, match=r"covers every shower of train.h5"):
        split_off({"energy": (0.5, 12.0)}, low, "train.h5")
