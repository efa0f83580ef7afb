"""Conditions of the card: ranges, and labels with their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.samples import PARTICLES, make_card

from calogan.card.conditions import pdg_code
from calogan.card.keys import Card
from calogan.card.loading import load_card
from calogan.conditions import Label
from calogan.errors import CaloganError


def test_names_of_particles_stand_for_their_codes() -> None:
    names = ["e-", "e+", "gamma", "pi+", "pi-", "p", "n", "mu-"]
    assert [pdg_code(n) for n in names] == [11, -11, 22, 211, -211, 2212, 2112, 13]
    card = make_card(conditions={"particle": PARTICLES})
    assert card.condition_list[2] == Label("particle", (11, 22), ("e-", "gamma"))
    assert card.n_inputs == 4
    assert Card.model_validate_json(card.model_dump_json()) == card


def test_labels_may_be_plain_numbers() -> None:
    card = make_card(conditions={"side": {"values": [0, 1, 7], "value": 7}})
    assert card.condition_list[2] == Label("side", (0, 1, 7), ("0", "1", "7"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('values = ["elektron", 22]', "no particle is called 'elektron'; .*such as e-, gamma"),
        ("values = [1]", r"condition 'particle': values are \[1\], expected two or more"),
        ("values = [1, 2]\nlow = 3", "unknown key 'conditions.particle.low'; nearest: .*'values'"),
        ("values = [1, 2]\nvalue = 3", r"conditions.particle.value is 3.0, expected among 1, 2"),
        ('values = ["e-", 22]\nvalue = "e+"', "'particle' is 'e\\+', expected among e- "),
        ('values = [1, 2]\nvalue = 1\nbranch = "a"', "takes one of branch, value, pattern"),
        ("values = [1.5, 2]", "'conditions.particle.values.0"),
        ('unit = "rad"', "key 'conditions.particle.low' is missing"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, keys: str, message: str) -> None:
    path = tmp_path / "card.toml"
    path.write_text(f'extends = "lar_photons.toml"\n[conditions.particle]\n{keys}\n')
    with pytest.raises(CaloganError, match=message):
        load_card(path)


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        ({"condition": "theta", "values": [1, 2]}, r"'theta', which is no condition with values"),
        ({"condition": "particle", "values": [11, 13]}, r"expected two of e- \(11\), gamma"),
        ({"condition": "particle", "values": ["e-", 11]}, "expected two of"),
    ],
)
def test_what_cannot_be_exchanged(exchange: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_card(conditions={"particle": PARTICLES}, data={"exchange": [exchange]})


def test_a_label_has_no_band_to_hold_out() -> None:
    with pytest.raises(CaloganError, match="a band of 'particle', which has values"):
        make_card(conditions={"particle": PARTICLES}, data={"hold_out": {"particle": (12, 20)}})


def test_the_energy_is_no_label() -> None:
    with pytest.raises(ValueError, match=r"conditions\.energy has values, expected a range"):
        Card.model_validate(
            {
                **make_card().model_dump(),
                "conditions": {"energy": {"values": [1, 2]}},
            }
        )
