"""Every loss and regulariser learns a mixture whose modes and densities are known.

The detector has one layer of 2 x 2 cells. A shower leaves half of its energy in one of them; which
one, its mode, is drawn with probabilities that depend on the incident energy. A generator has
learned this if at any energy its modes come in the right proportions and look as they should.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import make_card
from numpy.typing import NDArray

from calogan.card.keys import Card
from calogan.conditions import network_input
from calogan.networks.generator import voxel_fractions
from calogan.showers import Showers
from calogan.training.loop import new_trainer

Array = NDArray[np.floating]

SAMPLING_FRACTION, RESOLUTION = 0.2, 0.1
INPUTS = (-0.9, 0.0, 0.9)
"""Scaled logarithms of the energies to judge at: 1.2, 7 and 41 GeV."""
SHOWERS = 3000
NEARBY = SHOWERS // 20
"""Training showers in a twentieth of the energy range: no generator can be asked to know the
modes' weights at one energy better than the counts of these tell."""
SEPARATE = 0.7
"""In a clean mode no other cell has more than this part of the main one's energy."""


def mode_weights(inputs: Array) -> Array:
    """Probabilities of the four modes, (n, 4), at scaled logarithms of the energy (n,)."""
    constant = np.ones_like(inputs)
    return np.stack(
        [
            0.35 - 0.25 * inputs,
            0.18 * constant,
            0.15 * constant,
            0.32 + 0.25 * inputs,
        ],
        axis=1,
    )


def toy_card(**training: object) -> Card:
    return make_card(
        geometry={
            "name": "toy",
            "layers": [
                {
                    "name": "only",
                    "x": {"low": -20, "high": 20, "n": 2},
                    "y": {"low": -20, "high": 20, "n": 2},
                    "z": [0, 10],
                }
            ],
        },
        data={"mirror": [], "readout_threshold": 0},
        generator={"latent_size": 8, "hidden": [48, 48], "layer_hidden": [8]},
        critic={"hidden": [48, 48], "feature_hidden": [32, 32]},
        training={
            "updates": 600,
            "batch_size": 128,
            "learning_rate": 15e-3,
            "r1": 0.1,
            "r2": 0.1,
            "energy_marginals": 0,  # the adversary alone has to teach
            "cell_marginals": 0,
            "ema": 0.98,
            **training,
        },
    )


def shares(inputs: Array, rng: np.random.Generator) -> Array:
    """How showers share their energy among the cells, (n, 4)."""
    steps = np.cumsum(mode_weights(inputs), axis=1)
    mode = np.minimum((rng.random((len(inputs), 1)) > steps).sum(axis=1), 3)
    cells = np.full((len(inputs), 4), 1 / 6)
    cells[np.arange(len(inputs)), mode] = 1 / 2
    cells *= rng.gamma(20, 1 / 20, cells.shape)
    return cells / cells.sum(axis=1, keepdims=True)


def toy_showers() -> Showers:
    rng = np.random.default_rng(0)
    card = toy_card()
    energy = np.exp(rng.uniform(0, np.log(50), SHOWERS)).astype(np.float32)
    theta = np.full_like(energy, 0.1)
    conditions = {"energy": energy, "theta": theta}
    inputs = network_input(card.condition_list, conditions)[:, 0]
    visible = SAMPLING_FRACTION * (1 + RESOLUTION * rng.standard_normal(SHOWERS))
    energies = (1000 * energy * visible)[:, None] * shares(inputs, rng)
    return Showers(energies.astype(np.float32), conditions, card.build_geometry())


def pulls(found: Array, at: float) -> Array:
    """Differences of mode weights from the truth, (4,), in units of the counts' uncertainty.

    Parameters
    ----------
    found : shares of showers at one energy, (n, 4)
    at : the energy's scaled logarithm
    """
    (expected,) = mode_weights(np.array([at]))
    weights = np.bincount(found.argmax(axis=1), minlength=4) / len(found)
    return (weights - expected) / np.sqrt(expected * (1 - expected) / NEARBY)


def check(found: dict[float, Array]) -> None:
    """Fail unless shares found at each of `INPUTS` come from the mixture."""
    for at, cells in found.items():
        assert np.abs(pulls(cells, at)).max() < 4, f"weights at {at}: {pulls(cells, at)}"
    ordered = np.sort(np.concatenate(list(found.values())), axis=1)
    truth = np.sort(shares(np.zeros(20_000), np.random.default_rng(9)), axis=1)
    assert ordered[:, 3].mean() == pytest.approx(truth[:, 3].mean(), rel=0.1)
    assert ordered[:, 3].std() == pytest.approx(truth[:, 3].std(), rel=0.6)
    between = (ordered[:, 2] > SEPARATE * ordered[:, 3]).mean()
    assert between < 0.25, f"{between:.0%} of the showers are between the modes"


def truth(rng: np.random.Generator, n: int = 4000) -> dict[float, Array]:
    return {at: shares(np.full(n, at), rng) for at in INPUTS}


@pytest.fixture(scope="module")
def showers() -> Showers:
    return toy_showers()


@pytest.mark.parametrize(
    "training",
    [
        {"loss": "relativistic"},
        {"loss": "minimax"},
        {"loss": "non_saturating"},
        {"loss": "least_squares", "updates": 1000},  # the slowest to find the weights
        {"loss": "hinge"},
        {"loss": "wasserstein", "r1": 0, "r2": 0, "gradient_penalty": 1, "critic_steps": 2},
        {"loss": "non_saturating", "label_smoothing": 0.1, "label_flipping": 0.05},
        {"loss": "hinge", "r1": 0, "r2": 0, "spectral_normalization": True},
        {"loss": "minimax", "instance_noise": 0.5},
    ],
    ids=lambda training: "-".join([training["loss"], *list(training)[1:]]),
)
def test_it_learns_modes_and_densities(showers: Showers, training: dict[str, object]) -> None:
    check(learned(showers, toy_card(**training)))


def learned(showers: Showers, card: Card) -> dict[float, Array]:
    """The shares at each of `INPUTS` of a generator trained on these showers."""
    trainer = new_trainer(card, showers)
    trainer.advance(card.training.updates)
    rng = np.random.default_rng(1)
    latent = rng.standard_normal((4000, sum(trainer.latent_sizes)), np.float32)
    (theta,) = network_input(
        card.condition_list, {"energy": np.ones(1, "f4"), "theta": np.full(1, 0.1, "f4")}
    )[:, 1]
    found = {}
    with trainer.generating() as generator:
        for at in INPUTS:
            inputs = np.tile(np.float32([at, theta]), (len(latent), 1))
            fractions = voxel_fractions(generator, showers.geometry, latent, inputs)
            response = fractions.sum(axis=1)
            assert response.mean() == pytest.approx(SAMPLING_FRACTION, rel=0.05)
            assert response.std() == pytest.approx(SAMPLING_FRACTION * RESOLUTION, rel=0.5)
            found[at] = fractions / response[:, None]
    return found


def with_dead_cells(showers: Showers) -> Showers:
    """Of every three showers one lacks the first cell, one the last, and one none."""
    dead = np.zeros(showers.energies.shape, np.bool_)
    dead[0::3, 0] = dead[1::3, 3] = True
    return showers.without(dead)


def test_it_learns_modes_in_cells_that_are_dead_in_some_showers(showers: Showers) -> None:
    """A shower whose main cell is dead looks like none of the modes."""
    check(learned(with_dead_cells(showers), toy_card()))


def test_dead_cells_that_nothing_names_spoil_what_is_learned(showers: Showers) -> None:
    unnamed = replace(with_dead_cells(showers), dead=None)
    with pytest.raises(AssertionError):
        check(learned(unnamed, toy_card()))


def test_the_check_passes_the_truth() -> None:
    check(truth(np.random.default_rng(2)))


@pytest.mark.parametrize("missing", range(4))
def test_the_check_sees_a_missing_mode(missing: int) -> None:
    found = truth(np.random.default_rng(3), 20_000)
    kept = {at: cells[cells.argmax(axis=1) != missing] for at, cells in found.items()}
    with pytest.raises(AssertionError, match="weights at"):
        check(kept)


def test_the_check_sees_weights_that_ignore_the_energy() -> None:
    average = shares(np.zeros(4000), np.random.default_rng(4))
    with pytest.raises(AssertionError, match=r"weights at -0\.9"):
        check({at: average for at in INPUTS})


def test_the_check_sees_showers_between_the_modes() -> None:
    found = truth(np.random.default_rng(5))
    blurred = {at: 0.6 * cells + 0.1 for at, cells in found.items()}
    with pytest.raises(AssertionError):
        check(blurred)


def test_the_check_sees_a_single_shower_for_each_mode() -> None:
    """Right weights alone are not enough: the showers of a mode have to differ."""
    found = truth(np.random.default_rng(6))
    frozen = {
        at: np.where(np.eye(4)[cells.argmax(axis=1)] > 0, 0.5, 1 / 6) for at, cells in found.items()
    }
    with pytest.raises(AssertionError):
        check(frozen)
