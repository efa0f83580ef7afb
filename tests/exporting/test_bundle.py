"""Bundles: what the index says of members, and which cannot be in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.programs import GATED_MODEL

from calogan import runner
from calogan.errors import CaloganError
from calogan.exporting.bundle import read_index, write_bundle


def model(folder: Path, name: str, tags: dict[str, Any] | None = None, **ranges: Any) -> Path:
    """The small generator under other ranges, (low, high), and with tags."""
    document = json.loads(GATED_MODEL.read_text())
    block = document["calogan"]
    for condition in block["conditions"]["variables"]:
        low, high = ranges.get(condition["name"], (condition["low"], condition["high"]))
        condition.update(low=low, high=high)
    block["provenance"] = {"card": {"tags": tags or {}}}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


def index(folder: Path, *models: Path) -> dict[str, Any]:
    made = write_bundle({m.stem: m for m in models}, folder / "bundle")
    assert made == folder / "bundle"
    found: dict[str, Any] = json.loads((made / "bundle.json").read_text())
    return found


def ranges(found: dict[str, Any], condition: str) -> dict[str, list[float]]:
    return {m["name"]: m["ranges"].get(condition) for m in found["members"]}


def test_neighbours_share_the_end_of_their_ranges(tmp_path: Path) -> None:
    found = index(
        tmp_path,
        model(tmp_path, "low", energy=(1, 12)),
        model(tmp_path, "middle", energy=(8, 30)),
        model(tmp_path, "high", energy=(30, 50)),
    )
    assert ranges(found, "energy") == {
        "low": [1, 1, 8, 12],
        "middle": [8, 12, 30, 30],
        "high": [30, 30, 50, 50],
    }
    assert ranges(found, "theta")["low"] == [0, 0, 0.35, 0.35]
    assert found["conditions"] == [
        {"name": "energy", "unit": "GeV", "scale": "log"},
        {"name": "theta", "unit": "rad", "scale": "linear"},
    ]
    bundle = runner.Bundle.open(tmp_path / "bundle")
    assert (bundle.name, bundle.members) == ("bundle", ("low", "middle", "high"))
    assert bundle.conditions[0] == ("energy", "GeV", 1.0, 50.0, "log")
    given = {"energy": np.geomspace(8, 12, 2000), "theta": 0.1}
    chosen = bundle.choose(given, 3)
    assert set(chosen) == {0, 1}
    quarter = len(chosen) // 4
    assert chosen[:quarter].mean() < 0.15 and chosen[-quarter:].mean() > 0.85
    np.testing.assert_array_equal(bundle.choose(given, 3), chosen)
    assert (bundle.choose(given, 4) != chosen).any()


def test_much_shared_by_three(tmp_path: Path) -> None:
    """Where the one in the middle is nowhere full, the index is read all the same."""
    models = [
        model(tmp_path, name, energy=energy)
        for name, energy in {"a": (1, 20), "b": (10, 40), "c": (12, 50)}.items()
    ]
    found = index(tmp_path, *models)
    assert ranges(found, "energy")["b"] == [10, 20, 12, 40]
    chosen = runner.Bundle.open(tmp_path / "bundle").choose(
        {"energy": np.full(500, 15), "theta": 0.1}, 1
    )
    assert set(chosen) == {0, 1, 2}


def test_tags_tell_members_apart(tmp_path: Path) -> None:
    slices = [[0.0, 0.05], [0.05, 0.1]]
    models = [
        model(tmp_path, f"{particle}_{i}", {"particle": particle, "eta": eta})
        for particle in (22, 11)
        for i, eta in enumerate(slices)
    ]
    found = index(tmp_path, *models)
    assert ranges(found, "eta")["22_1"] == [0.05, 0.05, 0.1, 0.1]
    assert ranges(found, "particle")["11_0"] == [11, 11, 11, 11]
    bundle = runner.Bundle.open(tmp_path / "bundle")
    asked = {"energy": 10, "theta": 0.1, "particle": [22, 11, 11], "eta": [0.02, 0.02, 0.08]}
    assert bundle.choose(asked, 1).tolist() == [0, 2, 3]
    with pytest.raises(CaloganError, match=r"no member for .*particle 13.* is particle 11, 22"):
        bundle.choose({**asked, "particle": 13}, 1)
    with pytest.raises(CaloganError, match=r"covered, all else as asked, is eta 0\.\.0\.1"):
        bundle.choose({**asked, "eta": 0.3}, 1)


def test_tags_that_single_precision_rounds(tmp_path: Path) -> None:
    """Showers are asked for in single precision, in which 0.2 is a little more than in double."""
    index(tmp_path, *(model(tmp_path, f"eta_{eta}", {"eta": eta}) for eta in (0.2, 0.7)))
    bundle = runner.Bundle.open(tmp_path / "bundle")
    asked = {"energy": 10, "theta": 0.1, "eta": [0.2, 0.7]}
    assert bundle.choose(asked, 1).tolist() == [0, 1]
    with pytest.raises(CaloganError, match=r"eta 0\.2001"):
        bundle.choose({**asked, "eta": 0.2001}, 1)


def test_a_coarse_and_two_fine_slices_hand_over(tmp_path: Path) -> None:
    found = index(
        tmp_path,
        model(tmp_path, "coarse", {"eta": [0, 0.2]}, energy=(1, 12)),
        model(tmp_path, "fine_0", {"eta": [0, 0.1]}, energy=(8, 50)),
        model(tmp_path, "fine_1", {"eta": [0.1, 0.2]}, energy=(8, 50)),
    )
    assert ranges(found, "energy")["coarse"] == [1, 1, 8, 12]
    assert ranges(found, "energy")["fine_1"] == [8, 12, 50, 50]
    assert ranges(found, "eta")["coarse"] == [0, 0, 0.2, 0.2]


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        ({}, {}, "cannot be in one bundle: they take the same"),
        ({}, {"energy": (5, 10)}, "the range of energy of the one lies within that of the other"),
        ({}, {"energy": (1, 10)}, "the range of energy of the one lies within"),
        (
            {"tags": {"p": 22}},
            {},
            "the range of p of the one lies within that of the other",
        ),
        ({"tags": {"p": 22}}, {"tags": {"p": [11, 33]}}, "the range of p of the one lies"),
    ],
)
def test_members_that_cover_the_same(
    tmp_path: Path, one: dict[str, Any], two: dict[str, Any], message: str
) -> None:
    models = {"a": model(tmp_path, "a", **one), "b": model(tmp_path, "b", **two)}
    with pytest.raises(CaloganError, match=message):
        write_bundle(models, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_mistakes_leave_nothing(tmp_path: Path) -> None:
    good = model(tmp_path, "good")
    (tmp_path / "no.json").write_text("[]")
    document = json.loads(good.read_text())
    document["calogan"]["conditions"]["variables"][1]["unit"] = "deg"
    (tmp_path / "degrees.json").write_text(json.dumps(document))
    document["calogan"]["schema_version"] = 7
    (tmp_path / "new.json").write_text(json.dumps(document))
    for models, message in (
        ({}, "no models to bundle"),
        ({"a": tmp_path / "no.json"}, r"no\.json is no exported generator"),
        ({"a": tmp_path / "none.json"}, r"cannot read model .*none\.json"),
        ({"a": tmp_path / "new.json"}, r"new\.json has schema version 7"),
        ({"a": good, "b": tmp_path / "degrees.json"}, r"takes theta in rad, .* in deg"),
    ):
        with pytest.raises(CaloganError, match=message):
            write_bundle(models, tmp_path / "bundle")
    for tags, message in (
        ({"eta": [0.1, float("nan")]}, r"eta is 0\.1 \.\. nan, expected a range"),
        ({"eta": [2, 1]}, r"eta is 2\.0 \.\. 1\.0, expected a range"),
        ({"energy": 7}, r"tags\.energy is a condition too"),
    ):
        bad = model(tmp_path, "bad", tags)
        with pytest.raises(CaloganError, match=message):
            write_bundle({"a": bad}, tmp_path / "bundle")
        bad.unlink()
    for name in ("bundle", "../a", ".."):
        with pytest.raises(CaloganError, match=f"cannot be named '{name}'"):
            write_bundle({name: good}, tmp_path / "bundle")
    with pytest.raises(CaloganError, match="exists and is no bundle"):
        write_bundle({"a": good}, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        *("good.json", "no.json", "degrees.json", "new.json")
    }


def test_a_bundle_is_replaced_whole(tmp_path: Path) -> None:
    index(tmp_path, model(tmp_path, "old"))
    index(tmp_path, model(tmp_path, "new"))
    assert {p.name for p in (tmp_path / "bundle").iterdir()} == {"bundle.json", "new.json"}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    (tmp_path / "bundle/notes.txt").write_text("kept")
    (tmp_path / "link").symlink_to("bundle")
    for name in ("bundle", "link"):
        with pytest.raises(CaloganError, match=r"more than a bundle, such as notes\.txt, which"):
            write_bundle({"a": tmp_path / "old.json"}, tmp_path / name)
    (tmp_path / "bundle/notes.txt").unlink()
    write_bundle({"a": tmp_path / "old.json"}, tmp_path / "link")
    assert (tmp_path / "bundle/a.json").is_file() and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"bundle\.json is no index of a bundle \(JSONDecodeError"),
        ("[]", "is no index of a bundle"),
        ('{"calogan_bundle": 2, "members": []}', "has version 2, this calogan reads 1"),
        ('{"calogan_bundle": 1, "members": [{"file": "../a"}]}', r"names '\.\./a', expected"),
        ('{"calogan_bundle": 1, "members": [{"file": 7}]}', "names 7, expected the name"),
    ],
)
def test_an_index_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(CaloganError, match=message):
        read_index(tmp_path)
    with pytest.raises(CaloganError, match=f"remove {tmp_path} first"):
        write_bundle({"a": GATED_MODEL}, tmp_path)
