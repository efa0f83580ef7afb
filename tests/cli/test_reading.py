"""The commands that look at input files: `calogan voxelize` and `calogan inspect`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.rootfiles import SAMPLE, write_par04, write_sample
from typer.testing import CliRunner

from calogan import cli
from calogan.card.loading import load_card
from calogan.files import parse_toml
from calogan.reading import store
from calogan.version import __version__


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> str:
    """Run as the shell does; the error printed, which must be the only output."""
    monkeypatch.setattr(sys, "argv", ["calogan", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert not out
    return err


def test_voxelize_without_a_card(tmp_path: Path) -> None:
    text = run("voxelize", SAMPLE, "-o", tmp_path / "out.h5")
    assert "1,000" in text
    assert "0 with 0.000% of the energy" in text
    assert len(store.load(tmp_path / "out.h5")) == 1000


def test_voxelize_with_a_card_and_a_constant(tmp_path: Path) -> None:
    path = write_par04(tmp_path / "unnamed.root")
    run("voxelize", path, "-o", tmp_path / "out.h5", "--preset", "par04", "--set", "theta=1.25")
    showers = store.load(tmp_path / "out.h5")
    assert showers.geometry.n_layers == 45
    assert showers.conditions["theta"] == pytest.approx(1.25)


def test_voxelize_warns_and_lists_overflow(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    card = tmp_path / "card.toml"
    card.write_text('extends = "lar_photons.toml"\n[input]\nlength_unit = "cm"\n')
    text = run("voxelize", path, "-o", tmp_path / "out.h5", "-c", card)
    assert "in no layer" in text
    assert "warning:" in text
    assert "check [input] length_unit" in text


def test_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.h5"
    err = fail(monkeypatch, capsys, "voxelize", tmp_path / "none.root", "-o", out)
    assert err.startswith("error: no file")
    bad = write_sample(tmp_path / "a[1].root", hit_x=None)
    err = fail(monkeypatch, capsys, "voxelize", bad, "-o", out)
    assert "no branch 'hit_x' in tree 'showers'" in err
    assert "set [input.branches] x = ..." in err
    err = fail(monkeypatch, capsys, "voxelize", bad, "-o", out, "--set", "theta=a")
    assert "condition 'theta' is 'a', expected numbers" in err
    for setting in ("theta", "theta=", "=1"):
        err = fail(monkeypatch, capsys, "voxelize", bad, "-o", out, "--set", setting)
        assert f"--set {setting}: expected NAME=VALUE" in err
    err = fail(monkeypatch, capsys, "inspect", __file__)
    assert "is not a ROOT, HDF5 or CSV file, JSON model, run directory or bundle" in err
    err = fail(monkeypatch, capsys, "voxelize", bad, "-o", out, "-c", "a.toml", "--preset", "par04")
    assert "--config a.toml and --preset par04 both name a card" in err
    run("voxelize", SAMPLE, "-o", out)
    err = fail(monkeypatch, capsys, "inspect", out, "--card")
    assert "no run card to suggest" in err


def test_inspect(tmp_path: Path) -> None:
    text = run("inspect", SAMPLE)
    assert "tree showers, 1,000 entries" in text
    (tmp_path / "card.toml").write_text(run("inspect", SAMPLE, "--card"))
    assert load_card(tmp_path / "card.toml").build_geometry().n_voxels == 504


@pytest.mark.parametrize("kind", ["sample", "par04"])
def test_the_card_can_be_copied_from_a_narrow_terminal(tmp_path: Path, kind: str) -> None:
    path = SAMPLE if kind == "sample" else write_par04(tmp_path / "e-_8GeV_theta60_1.root")
    command = [sys.executable, "-m", "calogan.cli", "inspect"]
    text, card = (
        subprocess.run(
            [*command, *options, path],
            env={**os.environ, "COLUMNS": "60"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for options in ([], ["--card"])
    )
    copied = text[text.index("# Guessed from") :]
    assert copied.strip() == card.strip()
    assert parse_toml(copied, "copied") == parse_toml(card, "--card")


def test_shipped_cards() -> None:
    assert "par04" in run("card", "--list").split()
    assert parse_toml(run("card", "--preset", "par04"), "par04")["name"] == "par04"
    card = run("inspect", SAMPLE, "--card", "--preset", "fastcalosim")
    assert parse_toml(card, "card")["extends"] == "fastcalosim.toml"


def test_version() -> None:
    assert run("--version") == f"calogan {__version__}\n"


def test_dead_cells_are_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sample(tmp_path / "run1.root")
    card = tmp_path / "card.toml"
    card.write_text(
        'extends = "lar_photons.toml"\n[[data.dead]]\ncells = [1, 2, 3]\npattern = "run1"\n'
    )
    found = run("voxelize", path, "-o", tmp_path / "out.h5", "--config", card)
    assert "dead cells" in found
    assert "0.595%" in found  # 3 of 504
    assert "3 cells are dead in every event (voxels 1, 2, 3)" in found.replace("\n", " ")
    card.write_text('extends = "lar_photons.toml"\n[[data.dead]]\ncells = [1]\npattern = "("\n')
    err = fail(monkeypatch, capsys, "voxelize", path, "-o", tmp_path / "b.h5", "--config", card)
    assert "'data.dead.0.pattern'" in err
    assert "is no regular expression" in err
