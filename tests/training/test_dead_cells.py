"""Cells that were not read out: left out of all that is compared, and generated all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import make_card, make_showers
from numpy.typing import NDArray

from calogan.conditions import network_input
from calogan.errors import CaloganError
from calogan.features import layer_fractions, response
from calogan.showers import Showers
from calogan.training.calibration import calibrate
from calogan.training.data import TrainingData
from calogan.training.loop import new_trainer
from calogan.training.preprocessing import Preprocessing
from calogan.training.selection import Yardstick


def by_file(showers: Showers, *cells: list[int]) -> NDArray[np.bool_]:
    """Dead cells of showers that come in turn from as many files, each with its own."""
    dead = np.zeros(showers.energies.shape, np.bool_)
    for i, dead_there in enumerate(cells):
        dead[i :: len(cells), dead_there] = True
    return dead


CORE, BESIDE, BACK = 5, 6, 13
"""Two cells of the front layer that hold most of its energy, and one of the back."""


@pytest.fixture(scope="module")
def whole() -> Showers:
    return make_showers(3000, seed=11)


@pytest.fixture(scope="module")
def killed(whole: Showers) -> Showers:
    return whole.without(by_file(whole, [CORE], [BESIDE, BACK], []))


def training_data(showers: Showers, **data: object) -> TrainingData:
    card = make_card(data=data)
    return TrainingData.of(showers, card.condition_list, card.data)


def test_each_voxel_stands_for_itself_where_it_ever_lives(killed: Showers) -> None:
    np.testing.assert_array_equal(training_data(killed).stand_ins(), np.arange(16))


def test_an_image_stands_for_a_voxel_that_never_lives(whole: Showers) -> None:
    always = whole.without(by_file(whole, [1]))
    data = training_data(always, mirror=["x"])
    image = data.symmetries[1][1]
    assert image != 1
    assert data.stand_ins()[1] == image
    np.testing.assert_array_equal(np.delete(data.stand_ins(), 1), np.delete(np.arange(16), 1))


@pytest.mark.parametrize(("cells", "mirror"), [([1], []), ([1, 9], ["x"]), ([5], [])])
def test_voxels_without_a_living_image_are_refused(
    whole: Showers, cells: list[int], mirror: list[str]
) -> None:
    data = training_data(whole.without(by_file(whole, cells)), mirror=mirror)
    with pytest.raises(CaloganError, match=rf"{len(cells)} cells are dead in all .*mirror or turn"):
        data.stand_ins()


def test_voxels_have_the_scale_of_living_ones(whole: Showers, killed: Showers) -> None:
    card = make_card()
    inputs = network_input(card.condition_list, whole.conditions)
    fits = [Preprocessing.fit(s, inputs, 0.1) for s in (whole, killed)]
    views = [fit.voxels(whole.energies, inputs, np) for fit in fits]
    np.testing.assert_allclose(views[1].mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(views[1].std(axis=0), views[0].std(axis=0), rtol=0.1)


def test_generated_showers_are_dark_where_real_ones_are_dead(killed: Showers) -> None:
    """Mirrored with the shower too."""
    trainer = new_trainer(make_card(), killed)
    batch = trainer._batch([1, 2])
    made = np.asarray(trainer._generate(batch))
    dead = np.asarray(batch.alive) == 0
    assert dead[:, BACK].any()
    mirrored = int(trainer._symmetries[1][BACK])
    assert mirrored not in (BACK, CORE, BESIDE)
    assert dead[:, mirrored].any()
    assert not np.asarray(batch.energies)[dead].any()
    assert not made[dead].any()
    assert (made[~dead] > 0).all()


def test_response_is_calibrated_to_that_of_living_cells(whole: Showers, killed: Showers) -> None:
    card = make_card()
    trainer = new_trainer(card, killed)
    inputs = network_input(card.condition_list, killed.conditions)
    calibrate(trainer.generator, killed, inputs, 0.1, seed=3)
    made = trainer.showers_like(trainer.generator, killed, inputs, 0)
    ratio = response(made.without(killed.dead)).mean() / response(killed).mean()
    assert ratio == pytest.approx(1, abs=0.01)
    lost = response(killed).mean() / response(whole).mean()
    assert lost < 0.9
    assert response(made).mean() / response(whole).mean() == pytest.approx(1, abs=0.05)


def test_a_perfect_generator_passes_with_dead_cells(whole: Showers, killed: Showers) -> None:
    card = make_card()
    part = slice(0, 1000)
    yardstick = Yardstick.fit(killed, killed.select(part), card.condition_list, 0.1, 1)
    samples = [make_showers(1000, seed=s, like=whole.select(part)) for s in (21, 22)]
    scores = yardstick.score(*samples)
    assert scores.diversity.value == pytest.approx(1, abs=0.1)
    assert scores.response_ratio == pytest.approx(1, abs=0.005)
    assert max(scores.parts.values()) < 1
    dim = [replace(s, energies=s.energies * np.float32(0.9)) for s in samples]
    assert yardstick.score(*dim).parts["response"] > 3


@pytest.mark.parametrize("method", ["gan", "vae"])
def test_every_part_of_a_training_takes_them(killed: Showers, method: str) -> None:
    steps = {"energy_steps": 1} if method == "gan" else {}
    card = make_card(generator={"heads": "joint"}, training={"method": method, **steps})
    trainer = new_trainer(card, killed.select(slice(0, 400)))
    assert np.isfinite(list(trainer.advance(2).values())).all()


def test_layer_energies_of_dead_cells_are_not_missed(whole: Showers, killed: Showers) -> None:
    """The start already knows how much is missing."""
    trainers = [new_trainer(make_card(), s) for s in (whole, killed)]
    inputs = network_input(make_card().condition_list, whole.conditions)
    made = [layer_fractions(t.showers_like(t.generator, whole, inputs, 0)) for t in trainers]
    np.testing.assert_allclose(made[1].mean(axis=0), made[0].mean(axis=0), rtol=0.05)
