from __future__ import annotations

from pathlib import Path

import pytest

from calogan.card.keys import Card, ConditionCard, Input, Training
from calogan.card.loading import load_card, shipped_card
from calogan.errors import CaloganError

CARDS = Path(__file__).parents[2] / "data" / "cards"


def changed(tmp_path: Path, old: str, new: str) -> Card:
    """The shipped card with one piece of text replaced."""
    text = shipped_card()
    assert old in text
    path = tmp_path / "card.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return load_card(path)


def test_shipped_card() -> None:
    card = load_card()
    assert card.input.branches == {k: f"hit_{k}" for k in ("energy", "x", "y", "z")}
    assert [c.name for c in card.condition_list] == ["energy", "theta"]
    assert card.build_geometry().n_voxels == 504


@pytest.mark.parametrize("name", ["par04", "calogan_fancy_tree", "wgan"])
def test_cards_in_data(name: str) -> None:
    card = load_card(CARDS / f"{name}.toml")
    assert card.build_geometry().n_voxels == (6480 if name == "par04" else 504)


def test_a_card_in_full_reads_back_the_same() -> None:
    card = load_card(CARDS / "par04.toml")
    assert Card.model_validate_json(card.model_dump_json()) == card


def test_geometry_of_a_file_is_found_from_the_card(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text("[[layers]]\nx_edges = [0, 1]\ny_edges = [0, 1]\n")
    text = shipped_card()
    path = tmp_path / "card.toml"
    path.write_text(text[: text.index("[geometry]")] + '[geometry]\nfile = "g.toml"\n')
    assert load_card(path).build_geometry().n_voxels == 1
    with pytest.raises(CaloganError, match=r"cannot read geometry file .*none\.toml"):
        path.write_text(text[: text.index("[geometry]")] + '[geometry]\nfile = "none.toml"\n')
        load_card(path)


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
        ('layout = "xyz"', 'layout = "xy"', r"'input\.layout' is 'xy': Input should be 'xyz'"),
        ('layout = "xyz"', 'layuot = "xyz"', r"unknown key 'input\.layuot'; nearest: 'layout'"),
        ('tree = "showers"', "tree = 3", r"'input\.tree' is 3: .*valid string"),
        ('tree = "showers"', "tree = ", r"run card .*card\.toml is not valid TOML"),
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
        ('unit = "rad"', "", r"key 'conditions\.theta\.unit' is missing"),
        (
            'branch = "gen_theta"',
            "branch = 'a'\nvalue = 1.0",
            "takes one of branch, value, pattern",
        ),
        ('branch = "gen_theta"', "pattern = 'a('", r"'a\(' is no regular expression"),
        ('branch = "gen_theta"', "pattern = 'a'", "has no group; put the number in parentheses"),
        ('unit = "rad"', 'unit = "rad"\nsource_unit = "MeV"', "'MeV' does not convert to 'rad'"),
        ("[geometry]", "[geometri]", r"unknown key 'geometri'; nearest: 'geometry'"),
        ("n = 96", "n = -1", r"geometry\.layers\[0\]\.y: expected numbers low < high"),
        ("readout_threshold = 0.3", "readout_threshold = -1", r"'data\.readout_threshold' is -1"),
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
        (
            "[training]",
            '[training]\nloss = "wgan"',
            r"'training\.loss' is 'wgan': Input should be 'relativistic', .* or 'wasserstein'",
        ),
        ("readout_threshold", "threshold", r"unknown key 'data\.threshold'; nearest"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        changed(tmp_path, old, new)


def test_a_wasserstein_critic_needs_a_bound() -> None:
    with pytest.raises(ValueError, match=r"has no minimum while.*set gradient_penalty = 10"):
        Training(loss="wasserstein", r1=0, r2=0)
    for bound in ({"gradient_penalty": 10}, {"r1": 1}, {"spectral_normalization": True}):
        Training.model_validate({"loss": "wasserstein", "r1": 0, "r2": 0, **bound})


def test_cells_need_a_place_for_the_number() -> None:
    with pytest.raises(ValueError, match=r"expected one \{\} in it, as in 'cell_\{\}'"):
        Input(layout="cells", cells="cell")


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
