"""The page as a file, and the report that goes into it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calogan.conditions import Label
from calogan.errors import CaloganError
from calogan.exploring.bundle import PAGE, script
from calogan.exploring.explore import explore
from calogan.exploring.reference import reference_of
from calogan.generating.model_file import ModelFile

MODEL = Path(__file__).parents[2] / "data/models/lar_photons/generator.json"
METRICS = MODEL.with_name("metrics.json")


def test_the_page_needs_nothing_beside_itself(tmp_path: Path) -> None:
    made = explore(MODEL, tmp_path / "page.html")
    assert made.report == METRICS and made.remarks == ()
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text) < 15e6
    assert not re.search(r"https?://|\bsrc=|@import|url\(|fetch\(|XMLHttp|localStorage", text)
    assert re.findall(r'href="([^"]*)"', text) == ["data:,"]
    explore(MODEL, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text


def test_modules_stand_after_what_they_import() -> None:
    text = script("main")
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)
    modules = re.findall(r"^const (\w+)Module = ", text, re.MULTILINE)
    assert sorted(modules) == sorted(
        p.stem for p in Path(str(PAGE)).glob("*.js") if p.stem != "main"
    )
    for name in modules:
        assert text.index(f"const {name}Module = ") < text.index(f"= {name}Module;")


def test_a_model_alone_is_shown_without_full_simulation(tmp_path: Path) -> None:
    (tmp_path / "model.json").symlink_to(MODEL)
    made = explore(tmp_path / "model.json", tmp_path / "page.html")
    assert made.report is None
    assert re.search("no report beside the model; give one with --report", made.remarks[0])
    folder = tmp_path / "model_evaluation"
    folder.mkdir()
    (folder / "metrics.json").symlink_to(METRICS)
    assert explore(tmp_path / "model.json", tmp_path / "page.html").report is not None


def test_a_run_is_shown_too(exported: Path, run: Any, tmp_path: Path) -> None:
    for source in (exported, run.path):
        explore(source, tmp_path / f"{source.stem}.html")
    one, two = (tmp_path / f"{source.stem}.html" for source in (exported, run.path))
    assert one.read_text(encoding="utf-8") == two.read_text(encoding="utf-8")


WRONG: list[tuple[tuple[str, ...], Any, str]] = [
    (("settings", "geometry"), "other", "is of the calorimeter 'other' with 504 voxels"),
    (("average_shower", "reference", "value"), [1.0], "with 1 voxels"),
    (("conditions", "theta", "unit"), "deg", "has the conditions energy in GeV, theta in deg"),
    (("settings", "threshold_MeV"), 0.5, "threshold of 0.5 MeV, .* has 0.3 MeV"),
    (("settings", "dead_cells"), 0.006, "counts 0.60% of the cells as dark, .* no dead cells"),
    (("observables",), {}, "is damaged: KeyError"),
    (("calogan_metrics",), 0, "no metrics.json of this version"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_a_report_of_something_else_is_refused(
    path: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    inner = metrics
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    report = tmp_path / "metrics.json"
    report.write_text(json.dumps(metrics), encoding="utf-8")
    with pytest.raises(CaloganError, match=message):
        explore(MODEL, tmp_path / "page.html", report=tmp_path)
    assert not (tmp_path / "page.html").exists()
    # One that only lies beside is left out, and it is said why.
    (tmp_path / "model.json").symlink_to(MODEL)
    made = explore(tmp_path / "model.json", tmp_path / "page.html")
    assert made.report is None and re.search(message, made.remarks[0])


def test_a_label_is_held_against_that_of_the_report() -> None:
    model = ModelFile.read(MODEL)
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    label = Label("particle", (11, 22), ("e-", "gamma"))
    labelled = replace(model, conditions=(*model.conditions, label))
    with pytest.raises(CaloganError, match=r"takes .*, particle in e- \(11\) or gamma \(22\)"):
        reference_of(metrics, labelled, METRICS)
    bins = {"unit": "", "edges": [-0.5, 0.5, 1.5], "counts": [3, 1], "values": ["e- (11)", "p"]}
    metrics["conditions"]["particle"] = bins
    # What the generator does not know does not matter.
    assert reference_of(metrics, model, METRICS)["bins"] is not None
    with pytest.raises(CaloganError, match=r"particle in e- \(11\) or p, "):
        reference_of(metrics, labelled, METRICS)
    bins["values"] = ["e- (11)", "gamma (22)"]
    found = reference_of(metrics, labelled, METRICS)
    assert found["spread"]["particle"]["counts"] == [3, 1]
    assert found["bins"] is None


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    def calogan(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "calogan.cli", "explore", str(MODEL), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    found = calogan("-o", "page.html")
    assert found.returncode == 0, found.stderr
    size = (tmp_path / "page.html").stat().st_size / 1e6
    assert f"page.html: {size:.1f} MB, beside full simulation of {METRICS}" in found.stdout
    found = calogan("-o", "other.html", "--report", "none.json")
    assert found.returncode == 2 and "cannot read evaluation none.json" in found.stderr
    assert not (tmp_path / "other.html").exists()
