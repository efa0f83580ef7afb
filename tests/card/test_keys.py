"""The card's keys: defaults, units, and values that do not go together."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from helpers.cards import changed_card
from pydantic import BaseModel

from calogan.card.conditions import ConditionCard
from calogan.card.frame import Frame
from calogan.card.keys import Card, CriticCard, Data, GeneratorCard, Input, VaeCard
from calogan.card.loading import load_card
from calogan.card.training import SelectionCard, Training
from calogan.errors import CaloganError


@pytest.mark.parametrize("preset", ["par04", "edm4hep"])
def test_a_card_in_full_reads_back_the_same(preset: str) -> None:
    card = load_card(preset=preset)
    assert Card.model_validate_json(card.model_dump_json()) == card


@pytest.mark.parametrize(
    "section",
    [
        Card,
        Input,
        Frame,
        ConditionCard,
        Data,
        GeneratorCard,
        CriticCard,
        VaeCard,
        Training,
        SelectionCard,
    ],
)
def test_every_key_says_what_it_does(section: type[BaseModel]) -> None:
    """In the docstring below it, from which the reference of the keys is made."""
    assert section.__doc__
    for name, key in section.model_fields.items():
        kinds = (key.annotation, *get_args(key.annotation))
        is_section = any(isinstance(k, type) and issubclass(k, BaseModel) for k in kinds)
        assert key.description or is_section, name


def test_defaults_of_the_layouts() -> None:
    assert Input(layout="rphiz").branches == {k: f"hit_{k}" for k in ("energy", "r", "phi", "z")}
    by_layer = Input(branches={"layer": "sampling"}).branches
    assert by_layer == {"energy": "hit_energy", "x": "hit_x", "y": "hit_y", "layer": "sampling"}
    assert Input(layout="indices").branches.keys() == {"energy", "layer", "first", "second"}
    assert Input(layout="cells").branches == {}


def test_units_convert() -> None:
    def factor(unit: str, source: str | None) -> float:
        return ConditionCard(unit=unit, low=0, high=1, source_unit=source).factor

    assert factor("GeV", "MeV") == pytest.approx(1e-3)
    assert factor("rad", "deg") == pytest.approx(0.0174532925)
    assert factor("mm", "cm") == pytest.approx(10)
    assert factor("furlong", None) == factor("furlong", "furlong") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('energy = "hit_energy"', 'enrgy = "a"', r"input\.branches\.enrgy.* should be 'energy'"),
        ('energy = "hit_energy"', 'first = "a"', r"'xyz' has no use for \['first'\]"),
        (
            'layout = "xyz"',
            'layout = "cells"',
            r"'cells' has no use for \['energy', 'x', 'y', 'z'\]",
        ),
        ("low = 1.0", "low = 60.0", r"condition 'energy': range is 60\.\.50 GeV"),
        (
            "[conditions.energy]",
            "[conditions.e]",
            r"first condition must be 'energy'.*\['e', 'theta'\]",
        ),
        ('unit = "GeV"', 'unit = "MeV"', r"conditions\.energy\.unit must be 'GeV'"),
        (
            'branch = "gen_theta"',
            "branch = 'a'\nvalue = 1.0",
            "takes one of branch, value, pattern",
        ),
        ('branch = "gen_theta"', "pattern = 'a('", r"'a\(' is no regular expression"),
        ('branch = "gen_theta"', "pattern = 'a'", "has no group; put the number in parentheses"),
        ('unit = "rad"', 'unit = "rad"\nsource_unit = "MeV"', "'MeV' does not convert to 'rad'"),
        ("n = 96", "n = -1", r"geometry\.layers\[0\]\.y: expected numbers low < high"),
        (
            "[training]",
            '[training]\nloss = "hinge"\nlabel_smoothing = 0.1',
            r"'training': label_smoothing is 0\.1, but loss 'hinge' has no labels; leave",
        ),
        (
            "[training]",
            "[training]\nlabel_flipping = 0.1",
            r"label_flipping is 0\.1, but loss 'relativistic' has no labels.*minimax, non_sat",
        ),
        (
            "[training]",
            "[training]\ngradient_penalty = 10",
            r"gradient_penalty is 10, but loss 'relativistic' does not ask for slope 1; use r1",
        ),
    ],
)
def test_values_that_do_not_go_together(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        changed_card(tmp_path, old, new)


def test_a_wasserstein_critic_needs_a_bound() -> None:
    with pytest.raises(ValueError, match=r"has no minimum while.*set gradient_penalty = 10"):
        Training(loss="wasserstein", r1=0, r2=0)
    for bound in ({"gradient_penalty": 10}, {"r1": 1}, {"spectral_normalization": True}):
        Training.model_validate({"loss": "wasserstein", "r1": 0, "r2": 0, **bound})


def test_layer_energies_of_their_own_need_a_bound_too() -> None:
    fields = {"loss": "wasserstein", "r1": 0, "r2": 0, "gradient_penalty": 10, "energy_steps": 4}
    with pytest.raises(ValueError, match="layer energies' own critic; set energy_penalty"):
        Training.model_validate(fields)
    with pytest.raises(ValueError, match="layer energies' own critic"):
        Training.model_validate({**fields, "r1": 1, "energy_penalty": 0})
    Training.model_validate({**fields, "energy_penalty": 0.1})
    Training.model_validate({**fields, "r1": 1})


def test_cells_need_a_place_for_the_number() -> None:
    with pytest.raises(ValueError, match=r"expected one \{\} in it, as in 'cell_\{\}'"):
        Input(layout="cells", cells="cell")
