"""The campaign card, and the members that it makes."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from calogan.campaigns.plan import load_campaign
from calogan.errors import CaloganError


def write(folder: Path, text: str) -> Path:
    path = folder / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_matrix_makes_a_member_of_each_combination(folder: Path) -> None:
    campaign = load_campaign(folder / "six.toml")
    names = [member.name for member in campaign.members]
    assert names == [f"particle_{p}-energy_{e}" for p in (22, 11) for e in ("1_8", "6_20", "15_50")]
    last = campaign.members[-1].card
    assert last.name == "particle_11-energy_15_50" and last.tags == {"particle": 11}
    energy = last.conditions["energy"]
    assert (energy.low, energy.high, energy.scale) == (15, 50, "log")  # the rest is the card's
    assert last.data.train == str(folder / "train_11.h5")
    assert last.training.checkpoint_minutes == 1e-6 and last.training.updates == 80


def test_tags_name_files(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        card = "lar_photons.toml"
        test = ["t/pid{particle}.root", "{eta[1]:.2f}.root"]
        matrix.particle = [22]
        matrix.eta = [[0.2, 0.25], [0.25, 0.3]]
        run.input.files = ["pid{particle}_eta{eta[0]:.2f}/*.root"]
        run.training.updates = 5
        """,
    )
    one, two = load_campaign(path).members
    assert (one.name, two.name) == ("particle_22-eta_0.2_0.25", "particle_22-eta_0.25_0.3")
    assert one.card.input.files == [str(Path.cwd() / "pid22_eta0.20/*.root")]
    assert two.test == (str(Path.cwd() / "t/pid22.root"), str(Path.cwd() / "0.30.root"))
    assert one.card.tags == {"particle": 22, "eta": (0.2, 0.25)}
    assert one.card.training.updates == 5 and one.card.training.r1 == 0.3
    assert one.card.data.train is None


def test_members_by_name(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        card = "lar_photons.toml"
        run.training.updates = 5
        [members.low]
        tags = { particle = 22 }
        "conditions.energy.high" = 10
        [members.high]
        data.train = "{particle}.h5"
        tags.particle = 11
        training.updates = 7
        """,
    )
    low, high = load_campaign(path).members
    assert (low.name, low.card.conditions["energy"].high, low.card.training.updates) == (
        "low",
        10,
        5,
    )
    assert low.card.data.train == str(Path.cwd() / "build/train.h5")
    assert (high.card.data.train, high.card.training.updates) == (str(Path.cwd() / "11.h5"), 7)


def test_the_cards_of_the_documents_load(tmp_path: Path) -> None:
    cards = Path(__file__).parents[2] / "data" / "cards"
    low, high = load_campaign(cards / "campaign_lar_photons.toml").members
    assert (low.card.conditions["energy"].high, high.card.conditions["energy"].low) == (10, 5)
    assert low.card.tags == {"particle": 22}
    page = (cards / "campaigns.md").read_text(encoding="utf-8")
    block = re.search(r"In general:\n\n<!--.*-->\n```toml\n(.*?)```", page, re.DOTALL)
    assert block
    text = textwrap.dedent(block[1]).replace('"photons.toml"', '"lar_photons.toml"')
    members = load_campaign(write(tmp_path, text)).members
    assert len(members) == 12
    assert members[2].name == "particle_22-eta_0.25_0.3-energy_1_12"
    assert members[2].card.input.files == [str(Path.cwd() / "train/pid22_eta0.25*.root")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "key 'card' is missing"),
        ("card = 'lar_photons.toml'", r"expected either \[matrix\] or \[members.NAME\].*neither"),
        (
            "card = 'lar_photons.toml'\nmatrix.a = [1]\nmembers.b = {}",
            r"expected either \[matrix\] or \[members.NAME\] tables, found both",
        ),
        ("card = 'lar_photons.toml'\nmatrix.a = []", r"matrix\.a has no values"),
        ("card = 'a.toml'\nmatrix.a = [1]\ntests = []", "unknown key 'tests'; nearest: 'test'"),
        ("card = 'none.toml'\nmatrix.a = [1]", r"member 'a_1': cannot read run card .*none\.toml"),
        ("card = 'lar_photons.toml'\nmatrix.a = [1, 1]", r"names the member 'a_1' twice"),
        ("card = 'lar_photons.toml'\nmembers.'a/b' = {}", "member 'a/b' needs a name of letters"),
        (
            "card = 'lar_photons.toml'\nmatrix.'training.r3' = [1]",
            r"member 'r3_1': .*unknown key 'training\.r3'; nearest: 'r2', 'r1'",
        ),
        (
            "card = 'lar_photons.toml'\nmatrix.energy = [1]",
            "'energy' is a condition of the generator",
        ),
        ("card = 'lar_photons.toml'\nmatrix.eta = [[2, 1]]", r"tags\.eta is \(2, 1\), expected"),
        (
            "card = 'lar_photons.toml'\ntest = ['{eta}.root']\nmatrix.a = [1]",
            r"'\{eta\}\.root' cannot be filled in .*tags are \{'a': 1\}",
        ),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CaloganError, match=f"(?s){message}"):
        load_campaign(write(tmp_path, text))
