"""One member, on this process: from ROOT files to an evaluation and an exported generator."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from helpers.evaluations import quick
from helpers.rootfiles import write_trees
from helpers.samples import make_card, make_showers

from calogan.campaigns.member import Member, work
from calogan.campaigns.plan import MemberPlan
from calogan.campaigns.summary import summarise, terminal_table, write_page
from calogan.card.keys import Card
from calogan.errors import CaloganError
from calogan.files import locked
from calogan.generating.generator import Generator
from calogan.reading import store

UNITS = [("energy", "GeV"), ("theta", "rad")]


def from_cells(folder: Path, **sections: dict[str, object]) -> Card:
    """A card that reads a ROOT file of one branch for each cell, energies below 20 GeV alone."""
    showers = make_showers(900)
    branches = {f"cell_{i}": column for i, column in enumerate(showers.energies.T)}
    conditions = {f"gen_{name}": values for name, values in showers.conditions.items()}
    write_trees(folder / "a.root", showers={**branches, **conditions})
    energy = {"unit": "GeV", "low": 1, "high": 20, "scale": "log", "branch": "gen_energy"}
    fields: dict[str, dict[str, object]] = {
        "input": {"files": [str(folder / "a.root")], "layout": "cells"},
        "conditions": {"energy": energy},
        "tags": {"particle": 22},
    }
    return make_card(**{**fields, **sections})


def test_from_root_files_to_a_row_of_the_table(tmp_path: Path) -> None:
    member = Member(tmp_path / "members" / "photons")
    store.save(make_showers(1200, 9), tmp_path / "test.h5", UNITS)
    member.begin(MemberPlan("photons", from_cells(tmp_path), (str(tmp_path / "test.h5"),)))
    classifiers = quick().classifiers  # before the patch, which it would call
    with patch("calogan.evaluation.compare_samples.compare_by_classifiers", lambda *_: classifiers):
        work(str(member.folder))
    state = member.state()
    assert state.status == "done", member.log.read_text()
    assert set(state.seconds) == {"data", "test data", "train", "evaluate", "export"}
    # Only what is in the member's range was trained and tested on.
    all_energies = make_showers(900).conditions["energy"]
    kept = store.load(member.folder / "train.h5")
    assert len(kept) == (all_energies <= 20).sum() < 900
    assert kept.conditions["energy"].max() <= 20
    tested = store.load_conditions(member.folder / "test.h5")["energy"]
    assert len(tested) == (make_showers(1200, 9).conditions["energy"] <= 20).sum()
    assert not (member.folder / "whole_train.h5").exists()
    made_by = store.info(member.folder / "train.h5").provenance
    assert made_by["command"] == "voxelize"
    ranges = {c["name"]: (c["low"], c["high"]) for c in made_by["selected"]}
    assert ranges == {"energy": (1, 20), "theta": (0, 0.35)}
    generator = Generator.load(member.model)
    assert (generator.conditions[0].low, generator.conditions[0].high) == (1, 20)
    block = json.loads(member.model.read_text())["calogan"]
    assert block["provenance"]["card"]["tags"] == {"particle": 22}

    # A member that has no data fails, is not tried again, and stands first.
    bad = Member(tmp_path / "members" / "bad")
    card = from_cells(tmp_path, data={"train": str(tmp_path / "none.h5")}, input={"files": []})
    bad.begin(MemberPlan("bad", card, ()))
    work(str(bad.folder))
    assert (bad.state().status, bad.state().step) == ("failed", "data")
    assert "none.h5" in bad.state().reason and "none.h5" in bad.log.read_text()
    waiting = Member(tmp_path / "members" / "waiting")
    waiting.begin(MemberPlan("waiting", card, ()))
    rows = summarise([member, waiting, bad])
    assert [row.member.name for row in rows] == ["bad", "waiting", "photons"]
    counts = rows[2].counts
    assert counts is not None and counts[0] > 5 and rows[2].worst and rows[2].response
    summary = json.loads(member.metrics.read_text())["summary"]
    off = [line for line in summary if line["level"] == "off"]
    assert rows[2].worst in {f"{line['name']}, {line['where']}" for line in off}
    assert rows[2].auc == max((c.auc for c in classifiers), key=lambda auc: auc.value)
    page = write_page(rows, "<three>", tmp_path).read_text()
    assert "Campaign &lt;three&gt;" in page
    assert "3 generators: 1 done, 1 failed, 1 waiting." in page
    assert 'href="members/photons/evaluation/report.html"' in page
    assert "during &#39;data&#39;: " in page and str(bad.log) in page
    assert page.index("<th>bad") < page.index("<th>photons")
    assert terminal_table(rows, "three").row_count == 3


def test_an_unforeseen_error_is_noted_and_raised(tmp_path: Path) -> None:
    member = Member(tmp_path / "a")
    member.begin(MemberPlan("a", from_cells(tmp_path), ()))
    with (
        patch("calogan.campaigns.member.voxelize_files", side_effect=OSError("disk gone")),
        pytest.raises(OSError, match="disk gone"),
    ):
        work(str(member.folder))
    state = member.state()
    assert (state.status, state.reason) == ("failed", "OSError: disk gone")
    assert "Traceback" in member.log.read_text()


def test_a_member_that_was_not_trained_takes_another_card(tmp_path: Path) -> None:
    member = Member(tmp_path / "a")
    card = from_cells(tmp_path)
    member.begin(MemberPlan("a", card, ()))
    member.change(status="failed", reason="a typing error")
    (member.folder / "train.h5").touch()
    other = card.model_copy(update={"tags": {"particle": 11}})
    member.begin(MemberPlan("a", other, ()))
    assert member.plan().card == other
    assert (member.state().status, member.state().reason) == ("waiting", "")
    assert not (member.folder / "train.h5").exists()
    member.state_file.write_text("{")
    with pytest.raises(CaloganError, match=r"state\.json is damaged"):
        member.state()


def test_nothing_of_an_earlier_training_is_kept(tmp_path: Path) -> None:
    """A run that was removed is trained anew, and its generator is a new one."""
    member = Member(tmp_path / "a")
    card = from_cells(tmp_path)
    member.begin(MemberPlan("a", card, ()))
    member.metrics.parent.mkdir()
    for path in (member.model, member.metrics, member.report):
        path.write_text("of another training")
    member.run.path.mkdir()
    for name in (".abc.train.h5", "whole_train.h5", "run/card.json"):  # of a worker killed early
        (member.folder / name).touch()
    with patch("calogan.campaigns.member.train", side_effect=CaloganError("far enough")):
        work(str(member.folder))
    assert member.state().reason == "far enough"
    assert {path.name for path in member.folder.iterdir()} == {
        *("plan.json", "state.json", "worker.lock", "log.txt", "train.h5")
    }
    assert not member.model.exists() and not member.metrics.parent.exists()


def test_a_member_that_another_worker_has(tmp_path: Path) -> None:
    """A lost worker goes on for a while: the next waits for it, and finds its work done."""
    member = Member(tmp_path / "a")
    member.begin(MemberPlan("a", from_cells(tmp_path), ()))
    thread = threading.Thread(target=work, args=[str(member.folder)])
    with locked(member.folder / "worker.lock", wait=False):
        thread.start()
        thread.join(0.5)
        assert thread.is_alive() and member.state().attempts == 0
        with pytest.raises(
            CaloganError, match=rf"another process works on .*: process {os.getpid()}"
        ):
            locked(member.folder / "worker.lock", wait=False).__enter__()
        member.change(status="done")
    thread.join()
    assert member.state().attempts == 0 and not member.log.exists()


def test_data_that_changed_are_read_again(tmp_path: Path) -> None:
    """A member's store is made of its files as they are: those that came later, those changed."""
    card = from_cells(tmp_path, input={"files": [str(tmp_path / "*.root")], "layout": "cells"})
    member = Member(tmp_path / "member")
    member.begin(MemberPlan("a", card, ()))

    def made() -> tuple[int, int]:
        with patch("calogan.campaigns.member.train", side_effect=CaloganError("far enough")):
            work(str(member.folder))
        assert member.state().reason == "far enough"
        path = member.folder / "train.h5"
        return store.info(path).n_showers, path.stat().st_mtime_ns

    n, first = made()
    assert made() == (n, first)  # nothing has changed
    shutil.copy(tmp_path / "a.root", tmp_path / "b.root")
    os.utime(tmp_path / "b.root", (0, 0))
    both, second = made()
    assert both == 2 * n
    os.utime(tmp_path / "a.root", ns=(second + 1, second + 1))
    assert made()[1] > second
    third = made()
    (tmp_path / "a.root").unlink()
    (tmp_path / "b.root").unlink()
    assert made() == third  # the store is all there is


def test_a_damaged_plan(tmp_path: Path) -> None:
    member = Member(tmp_path / "a")
    plan = MemberPlan("a", from_cells(tmp_path), ())
    member.begin(plan)
    member.plan_file.write_text("{}")
    with pytest.raises(CaloganError, match=r"plan\.json is damaged, or of another version"):
        member.plan()
    member.plan_file.write_text("{")
    with pytest.raises(CaloganError, match=r"plan\.json is damaged: .* to begin the member again"):
        member.begin(plan)


def test_showers_outside_all_ranges(tmp_path: Path) -> None:
    member = Member(tmp_path / "a")
    store.save(make_showers(50), tmp_path / "train.h5", UNITS)
    far = {"unit": "GeV", "low": 100, "high": 200, "branch": "gen_energy"}
    sections = {"conditions": {"energy": far}, "data": {"train": str(tmp_path / "train.h5")}}
    card = from_cells(tmp_path, input={"files": []}, **sections)
    member.begin(MemberPlan("a", card, ()))
    work(str(member.folder))
    assert "no shower within the member's ranges: energy 100..200 GeV" in member.state().reason
    assert np.isnan(summarise([member])[0].score)
