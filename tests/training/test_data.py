"""What a training sees: the store it reads, the split, what is held out, the symmetries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.samples import PARTICLES, card_on, make_card, make_labelled, make_showers

from calogan.bands import in_any
from calogan.card.keys import Card
from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.showers import Showers
from calogan.training.data import (
    TrainingData,
    mirror_permutations,
    split_off,
    turn_permutations,
)
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


RINGS = {
    "system": "cylindrical",
    "r_edges": [0, 2, 5],
    "alpha": {"low": -np.pi, "high": np.pi, "n": 8},
}
FINER = {**RINGS, "alpha": {"low": 0, "high": 2 * np.pi, "n": 12}}
RING = {**RINGS, "alpha": {"low": 0, "high": 2 * np.pi, "n": 1}}


@pytest.mark.parametrize("fastest", ["first", "last"])
def test_cylindrical_layers_are_mirrored_in_alpha(fastest: str) -> None:
    geometry = Geometry.from_dict({"layers": [RINGS, FINER, RING], "fastest": fastest})
    x, y = geometry.centres[:, 0], geometry.centres[:, 1]
    same, flipped_x, flipped_y, both = mirror_permutations(geometry, ["x", "y"])
    np.testing.assert_array_equal(same, np.arange(geometry.n_voxels))
    for permutation, (flip_x, flip_y) in (
        (flipped_x, (-1, 1)),
        (flipped_y, (1, -1)),
        (both, (-1, -1)),
    ):
        np.testing.assert_allclose(x[permutation], flip_x * x, atol=1e-9)
        np.testing.assert_allclose(y[permutation], flip_y * y, atol=1e-9)
        np.testing.assert_array_equal(geometry.radii[permutation], geometry.radii)


def test_sectors_that_a_reflection_tears_are_refused() -> None:
    turned = {**RINGS, "alpha": {"low": 0.1, "high": 2 * np.pi + 0.1, "n": 8}}
    with pytest.raises(CaloganError, match=r"'layer_0' is not symmetric under y -> -y: only"):
        mirror_permutations(Geometry.from_dict({"layers": [turned]}), ["y"])


@pytest.mark.parametrize("fastest", ["first", "last"])
def test_layers_turn_together_by_their_coarsest_common_angle(fastest: str) -> None:
    geometry = Geometry.from_dict({"layers": [RINGS, FINER, RING], "fastest": fastest})
    turns = turn_permutations(geometry)
    assert len(turns) == 4
    where = geometry.centres[:, 0] + 1j * geometry.centres[:, 1]
    for i, turn in enumerate(turns):
        np.testing.assert_allclose(where[turn] * 1j**i, where, atol=1e-9)
        np.testing.assert_array_equal(geometry.layer_index[turn], geometry.layer_index)


def test_squares_do_not_turn() -> None:
    with pytest.raises(CaloganError, match=r"'front' of geometry 'small' cannot be turned"):
        turn_permutations(make_card().build_geometry())


def test_turns_and_mirrors_make_a_group() -> None:
    rings = {"name": "rings", "layers": [RINGS]}
    card = make_card(data={"mirror": ["y"], "turn": True}, geometry=rings)
    geometry = card.build_geometry()
    small = make_showers(3, seed=1)
    showers = Showers(np.ones((3, geometry.n_voxels), np.float32), small.conditions, geometry)
    found = TrainingData.of(showers, card.condition_list, card.data).symmetries
    np.testing.assert_array_equal(found[0], np.arange(geometry.n_voxels))
    elements = {tuple(p) for p in found.tolist()}
    assert len(elements) == 16
    assert {tuple(a[b]) for a in found for b in found} == elements


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


def labelled_data(showers: Showers, **data: object) -> TrainingData:
    card = make_card(conditions={"particle": PARTICLES}, data=data)
    return TrainingData.of(showers, card.condition_list, card.data)


@pytest.mark.parametrize("mirror", [[], ["y"]])
def test_exchanged_labels_give_each_shower_the_other_value(mirror: list[str]) -> None:
    showers = make_labelled(200)
    dead = np.zeros(showers.energies.shape, np.bool_)
    dead[:50, 4] = True
    showers = showers.without(dead)
    found = labelled_data(
        showers,
        exchange=[{"condition": "particle", "values": ["e-", "gamma"], "mirror": mirror}],
    ).showers
    image = mirror_permutations(showers.geometry, mirror)[-1]  # type: ignore[arg-type]
    assert len(found) == 400
    assert found.dead is not None
    codes = showers.conditions["particle"]
    expected = {
        (float(code), *energies, *alive)
        for values, moved in ((codes, np.arange(16)), (33 - codes, image))
        for code, energies, alive in zip(
            values, showers.energies[:, moved], dead[:, moved], strict=True
        )
    }
    rows = zip(found.conditions["particle"], found.energies, found.dead, strict=True)
    assert {(float(code), *energies, *alive) for code, energies, alive in rows} == expected


def test_values_that_no_shower_has_are_not_learned() -> None:
    showers = make_labelled(200)
    electrons = showers.select(showers.conditions["particle"] == 11)
    with pytest.raises(CaloganError, match=r"no training shower has particle gamma \(22\)"):
        labelled_data(electrons)
    exchange = [{"condition": "particle", "values": ["e-", "gamma"]}]
    found = labelled_data(electrons, exchange=exchange)
    assert found.inputs[:, 2:].mean(axis=0).tolist() == [0.5, 0.5]
    assert found.columns == (1, 1, 2)


def test_a_store_with_other_labels_than_the_card_is_refused(tmp_path: Path) -> None:
    showers = make_labelled(200)
    showers.conditions["particle"][3] = 13
    store.save(showers, tmp_path / "a.h5")
    card = make_card(conditions={"particle": PARTICLES}, data={"train": str(tmp_path / "a.h5")})
    with pytest.raises(CaloganError, match=r"holds particle 13, but the card's values are e- \(11"):
        train(card, tmp_path / "run")


def test_a_store_that_does_not_mark_the_dead_cells_of_the_card_is_refused(tmp_path: Path) -> None:
    store.save(make_showers(200), tmp_path / "a.h5")
    card = make_card(data={"train": str(tmp_path / "a.h5"), "dead": [{"cells": [3]}]})
    with pytest.raises(CaloganError, match=r"names dead cells, but .*a\.h5 marks none"):
        train(card, tmp_path / "run")
