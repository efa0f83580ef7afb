"""A campaign of six generators, one of whose workers is killed, and the bundle of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.programs import PROGRAM

from calogan import runner
from calogan.campaigns.member import Member
from calogan.campaigns.plan import load_campaign
from calogan.campaigns.run import members_of, run_campaign
from calogan.cli.campaigns import WeightsFormat
from calogan.errors import CaloganError
from calogan.generating.cpp_runner import FORMATS
from calogan.reading import store

TAGS = {"particle_22": 22, "particle_11": 11}
ALONE = {"energy_1_8": (1.0, 6.0), "energy_6_20": (8.0, 15.0), "energy_15_50": (20.0, 50.0)}
"""Where each generator makes all showers of its particle."""


def calogan(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "calogan.cli", *map(str, arguments)]


@pytest.fixture(scope="module")
def killed(folder: Path) -> tuple[Path, Member]:
    """The folder of the campaign, complete, and the member whose worker was killed."""
    out = folder / "out"
    log = folder / "campaign.log"
    with log.open("w") as file:
        command = calogan("campaign", folder / "six.toml", "--out", out, "--workers", 2)
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            member = _training(process, out)
            with pytest.raises(CaloganError, match=rf"another process works on .*{process.pid}"):
                run_campaign(load_campaign(folder / "six.toml"), out)
            os.kill(member.state().pid, signal.SIGKILL)
            status = process.wait(timeout=500)
        finally:
            process.kill()
    assert status == 0, log.read_text()
    return out, member


def _training(process: subprocess.Popen[bytes], out: Path) -> Member:
    """A member in the middle of its training: after a checkpoint, and before the last."""
    ends = time.monotonic() + 300
    while time.monotonic() < ends and process.poll() is None:
        for path in out.glob("members/*/run/checkpoints/ckpt-*.index"):
            member = Member(path.parents[2])
            if 0 < int(path.stem.split("-")[1]) < 60 and member.state().step == "train":
                return member
        time.sleep(0.02)
    raise AssertionError("no member was ever in training")


def test_a_campaign_ends_complete_though_a_worker_is_killed(
    killed: tuple[Path, Member], folder: Path
) -> None:
    out, victim = killed
    members = members_of(out)
    assert len(members) == 6
    for member in members:
        state = member.state()
        assert (state.status, state.reason) == ("done", ""), member.log.read_text()
        assert member.run.training()["updates"] == 80
        assert state.attempts == (2 if member == victim else 1)
    (why,) = victim.state().earlier
    assert why == "attempt 1: its worker ended during 'train': killed, or out of memory?"
    assert "training goes on from update" in victim.log.read_text()
    printed = (folder / "campaign.log").read_text()
    assert f"{victim.name}: failed, and is tried again: its worker ended" in printed
    page = (out / "campaign.html").read_text()
    assert all(member.name in page for member in members)
    assert "6 generators: 6 done." in page and "its worker ended during" in page


def test_what_is_done_is_not_done_again(killed: tuple[Path, Member], folder: Path) -> None:
    out, _ = killed
    before = [member.state() for member in members_of(out)]
    campaign = load_campaign(folder / "six.toml")
    members = run_campaign(campaign, out, cluster="tcp://127.0.0.1:1")  # where nobody listens
    assert [member.state() for member in members_of(out)] == before
    assert {m.name for m in members} == {m.name for m in members_of(out)}


def test_a_begun_member_keeps_its_card(killed: tuple[Path, Member], folder: Path) -> None:
    out, _ = killed
    other = folder / "other.toml"
    text = (folder / "six.toml").read_text()
    other.write_text(
        text.replace("high = 8 }", "high = 8 }").replace("[matrix]", "training.r1 = 2.5\n[matrix]")
    )
    with pytest.raises(
        CaloganError,
        match=r"member 'particle_22-energy_1_8' was begun with another card: "
        r"training\.r1 1\.0 -> 2\.5\. Restore the card",
    ):
        run_campaign(load_campaign(other), out)


@pytest.mark.parametrize("weights", [None, "float32"])
def test_a_bundle_gives_in_cpp_the_showers_of_each_member(
    killed: tuple[Path, Member], tmp_path: Path, weights: str | None
) -> None:
    out, _ = killed
    options = [] if weights is None else ["--compile", weights]
    command = calogan("bundle", out, "-o", tmp_path / "bundle", *options)
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    bundle = runner.Bundle.open(tmp_path / "bundle")
    assert len(bundle.members) == 6 and bundle.n_loaded == 0
    common = ["--theta", "0:0.35", "-n", "50", "--seed", "7"]
    for member in members_of(out):
        particle, energy = member.name.split("-")
        asked = ["--energy", "{}:{}".format(*ALONE[energy]), *common]
        tag = ["--particle", str(TAGS[particle])]
        for source, extra, name in (
            (member.model, [], "alone.h5"),
            (tmp_path / "bundle", tag, "bundled.h5"),
        ):
            subprocess.run(
                [PROGRAM, source, *asked, *extra, "-o", tmp_path / name],
                check=True,
                capture_output=True,
                timeout=60,
            )
        alone, bundled = (store.load(tmp_path / f"{name}.h5") for name in ("alone", "bundled"))
        assert alone.energies.any()
        np.testing.assert_array_equal(bundled.energies, alone.energies)
        assert (bundled.conditions["particle"] == TAGS[particle]).all()
        given = {name: bundled.conditions[name] for name in ("energy", "theta", "particle")}
        (part,) = bundle.generate(given, 7)
        assert bundle.members[part.member] == member.name
        np.testing.assert_array_equal(part.energies, alone.energies)


def test_formats_are_those_of_the_runner() -> None:
    assert tuple(w.value for w in WeightsFormat) == FORMATS
