"""The critic's two heads."""

from __future__ import annotations

import keras
import numpy as np
from helpers.networks import assert_same_network
from helpers.samples import make_card

from calogan.card.keys import Card
from calogan.networks.critic import build_critic


def test_critic_has_one_score_for_each_head() -> None:
    critic = build_critic(make_card().critic, make_card().build_geometry(), 5, 2)
    inputs = [np.zeros((7, k), np.float32) for k in (16, 5, 2)]
    assert np.asarray(critic(inputs)).shape == (7, 2)


def test_one_head_sees_the_features_alone() -> None:
    critic = build_critic(make_card().critic, make_card().build_geometry(), 5, 2)
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(2, 16)).astype(np.float32)
    both, features = np.asarray(critic([voxels, np.ones((2, 5)), np.ones((2, 2))])).T
    assert both[0] != both[1]
    assert features[0] == features[1]


def test_a_layout_gives_the_critic_that_widths_give() -> None:
    widths = make_card(critic={"activation": "tanh"})
    fields = widths.model_dump()
    tanh = "DENSE|16|TANH"
    fields["critic"] = {"layout": f"{tanh},{tanh}", "feature_layout": tanh}

    def build(card: Card) -> keras.Model:
        keras.utils.set_random_seed(1)
        return build_critic(card.critic, card.build_geometry(), 5, 2)

    assert_same_network(build(widths), build(Card.model_validate(fields)))
