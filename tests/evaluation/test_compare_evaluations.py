"""Evaluations beside each other: every number in its row, and what must not be compared, said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.evaluations import make_pair, without_classifiers

from calogan.errors import CaloganError
from calogan.evaluation.compare_evaluations import compare_evaluations as side_by_side


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two evaluations: of the whole sample, and without one condition."""
    made = tmp_path_factory.mktemp("evaluations")
    metrics = without_classifiers(*make_pair(500)).to_dict()
    metrics["settings"] |= {"reference": "test.h5", "n_showers": 500}
    for name in ("gan", "vae"):
        (made / name).mkdir()
        (made / name / "metrics.json").write_text(json.dumps(metrics))
        metrics["response"]["ratio"] = {"value": 0.9, "uncertainty": None}
        metrics["conditions"].pop("theta", None)
        metrics["settings"]["n_showers"] = 200
    return [made / "gan", made / "vae"]


def test_every_number_has_its_row(folders: list[Path]) -> None:
    found = side_by_side([folders[0], folders[1] / "metrics.json"])
    assert found.names == ("gan", "vae")
    rows = {label: (values, floor) for label, values, floor in found.rows}
    (first, second), floor = rows["mean response, generated / Geant4"]
    assert first is not None and first.value != 0.9
    assert second is not None and str(second) == "0.9"
    assert str(floor) == "1"
    metrics = json.loads((folders[0] / "metrics.json").read_text())
    values, floor = rows["AUC, trees on features"]
    assert values[0] == values[1] == tuple(metrics["classifiers"]["trees_features"]["auc"].values())
    assert {m["label"] for m in metrics["measures"].values()} <= rows.keys()
    widths = [o for o in metrics["observables"].values() if o["group"] == "width"]
    largest = max(o["separation_power"]["value"] for o in widths)
    values, _ = rows["largest separation power: shower widths"]
    assert values[0] is not None and values[0].value == largest
    energy = [label for label in rows if label.startswith("resolution, energy ")]
    assert len(energy) == len(metrics["conditions"]["energy"]["edges"]) - 1
    theta = [label for label in rows if label.startswith("response, theta ")]
    assert all(rows[label][0][0] is not None and rows[label][0][1] is None for label in theta)


def test_the_table_is_markdown(folders: list[Path]) -> None:
    lines = side_by_side(folders, ["A", "B"]).markdown().splitlines()
    assert lines[0] == "| | A | B | Geant4 itself |"
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {5}
    assert "–" in next(line for line in table if "response, theta" in line)
    assert lines[-1] == "- The evaluations differ in n_showers (A: 500, B: 200)."


def test_what_is_no_evaluation_is_said(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match=r"3 names .* for 2 evaluations"):
        side_by_side(folders, ["A", "B", "C"])
    with pytest.raises(CaloganError, match="nowhere"):
        side_by_side([tmp_path / "nowhere.json"])
    other = tmp_path / "other.json"
    other.write_text('{"calogan_metrics": 99}')
    with pytest.raises(CaloganError, match=r"calogan_metrics is 99, expected \d+; make one with"):
        side_by_side([other])
    other.write_text("[]")
    with pytest.raises(CaloganError, match="calogan_metrics is None"):
        side_by_side([other])
    with pytest.raises(CaloganError, match=r"no metrics.json, .*calogan evaluate .* --reference"):
        side_by_side([tmp_path])
    other.write_text("{")
    with pytest.raises(CaloganError, match="is damaged"):
        side_by_side([other])
