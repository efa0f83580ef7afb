"""Reading cards: files, the card that one extends, changes to it, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from helpers.cards import changed_card

from calogan.card.keys import DialectName
from calogan.card.loading import load_card, presets, shipped_card
from calogan.errors import CaloganError
from calogan.reading.dialects.registry import BY_NAME

CARDS = Path(__file__).parents[2] / "data" / "cards"


def test_shipped_card() -> None:
    card = load_card()
    assert card.input.branches == {k: f"hit_{k}" for k in ("energy", "x", "y", "z")}
    assert [c.name for c in card.condition_list] == ["energy", "theta"]
    assert card.build_geometry().n_voxels == 504


@pytest.mark.parametrize("name", ["par04_electrons", "wgan"])
def test_cards_in_data(name: str) -> None:
    card = load_card(CARDS / f"{name}.toml")
    assert card.build_geometry().n_voxels == (504 if name == "wgan" else 6480)


def test_shipped_cards_are_dialects() -> None:
    with pytest.raises(CaloganError, match=r"card fastcalogan: key 'geometry' is missing; give"):
        load_card(preset="fastcalogan")
    for name in set(presets()) - {"fastcalogan"}:
        dialect = load_card(preset=name).input.dialect
        assert dialect == ("branches" if name == "lar_photons" else name)
    assert {*presets(), "branches"} == {*BY_NAME, "lar_photons"}
    assert set(get_args(DialectName)) == set(BY_NAME)
    with pytest.raises(CaloganError, match=r"no shipped card 'par4'; there are .*par04"):
        load_card(preset="par4")


def test_geometry_of_a_file_is_found_from_the_card(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text("[[layers]]\nx_edges = [0, 1]\ny_edges = [0, 1]\n")
    text = shipped_card()
    path = tmp_path / "card.toml"
    path.write_text(text[: text.index("[geometry]")] + '[geometry]\nfile = "g.toml"\n')
    assert load_card(path).build_geometry().n_voxels == 1
    with pytest.raises(CaloganError, match=r"cannot read geometry file .*none\.toml"):
        path.write_text(text[: text.index("[geometry]")] + '[geometry]\nfile = "none.toml"\n')
        load_card(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('layout = "xyz"', 'layout = "xy"', r"'input\.layout' is 'xy': Input should be 'xyz'"),
        ('layout = "xyz"', 'layuot = "xyz"', r"unknown key 'input\.layuot'; nearest: 'layout'"),
        ('tree = "showers"', "tree = 3", r"'input\.tree' is 3: .*valid string"),
        ('tree = "showers"', "tree = ", r"run card .*card\.toml is not valid TOML"),
        ('unit = "rad"', "", r"key 'conditions\.theta\.unit' is missing"),
        ("[geometry]", "[geometri]", r"unknown key 'geometri'; nearest: 'geometry'"),
        ("readout_threshold = 0.3", "readout_threshold = -1", r"'data\.readout_threshold' is -1"),
        (
            "[training]",
            '[training]\nloss = "wgan"',
            r"'training\.loss' is 'wgan': Input should be 'relativistic', .* or 'wasserstein'",
        ),
        ("readout_threshold", "threshold", r"unknown key 'data\.threshold'; nearest"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        changed_card(tmp_path, old, new)


def test_no_card(tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match=r"cannot read run card .*none\.toml"):
        load_card(tmp_path / "none.toml")


def test_extends(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text("[[layers]]\nx_edges = [0, 1]\ny_edges = [0, 1]\n")
    shipped = 'extends = "lar_photons.toml"\nname = "mine"\n'
    (tmp_path / "a.toml").write_text(
        shipped + '[training]\nupdates = 7\n[geometry]\nfile = "g.toml"'
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.toml").write_text('extends = "../a.toml"\n[training]\nseed = 3\n')
    card = load_card(tmp_path / "sub" / "b.toml")
    assert (card.name, card.training.updates, card.training.seed) == ("mine", 7, 3)
    assert card.data.readout_threshold == 0.3
    assert card.build_geometry().n_voxels == 1
    (tmp_path / "c.toml").write_text('extends = "c.toml"')
    with pytest.raises(CaloganError, match="extends itself"):
        load_card(tmp_path / "c.toml")


def test_changes_replace_single_keys() -> None:
    card = load_card(None, ["training.r1 = 0.25", 'training.loss="hinge"', "data.mirror=[]"])
    assert (card.training.r1, card.training.loss, card.data.mirror) == (0.25, "hinge", [])
    assert card.training.r2 == load_card().training.r2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.r9=1", "unknown key 'training.r9'; nearest: .*r1"),
        ("training.r1=", "change 'training.r1='"),
        ("training.loss=hinge", "change 'training.loss=hinge'"),
        ("training.updates=0", "'training.updates' is 0"),
    ],
)
def test_changes_that_do_not_fit_are_refused(change: str, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        load_card(None, [change])


def test_a_card_may_have_the_name_of_the_shipped_one_that_it_extends(tmp_path: Path) -> None:
    path = tmp_path / "par04.toml"
    path.write_text('extends = "par04.toml"\nname = "mine"\n')
    card = load_card(path)
    assert (card.name, card.build_geometry().n_voxels) == ("mine", 6480)
