"""The commands that write showers: `calogan generate --format` and `calogan convert`."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import uproot
from helpers.cylinders import make_cylinder_showers
from helpers.programs import GATED_MODEL, REFERENCE_MODEL
from helpers.rootfiles import write_par04
from typer.testing import CliRunner

from calogan import cli
from calogan.geometry import Geometry
from calogan.reading import store


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_convert_a_store(tmp_path: Path) -> None:
    showers = make_cylinder_showers(30)
    store.save(showers, tmp_path / "a.h5")
    target = tmp_path / "b.h5"
    options = ("--format", "calochallenge", "--xml-particle", "photon")
    assert "30 showers in" in run("convert", tmp_path / "a.h5", "-o", target, *options)
    assert Geometry.load(tmp_path / "b.xml").n_voxels == 60
    run("convert", target, "-o", tmp_path / "c.csv")
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert len(lines) == 1 + int((showers.energies > 0).sum())


def test_convert_a_file_that_is_no_store(tmp_path: Path) -> None:
    """It is voxelized on the way, and what became of its hits is said."""
    path = write_par04(tmp_path / "e-_theta90.root")
    target = tmp_path / "new" / "b.h5"
    options = ("--preset", "par04", "--format", "calochallenge", "--xml-particle", "electron")
    text = run("convert", path, "-o", target, *options)
    assert "hits outside the cells" in text and "30 showers in" in text
    with h5py.File(target) as file, uproot.open(path) as theirs:
        hits = theirs["virtualReadout"]["EnergyCell"].array()
        total = np.array([sum(event) for event in hits.tolist()])
        np.testing.assert_allclose(file["showers"][:].sum(axis=1), total, rtol=1e-5)
    assert sorted(p.name for p in target.parent.iterdir()) == ["b.h5", "b.xml"]


def test_generate_in_other_formats(tmp_path: Path) -> None:
    options = ("--energy", "5:40", "--theta", "0.1", "-n", "20", "--seed", "4")
    for name in ("a.root", "a.h5"):
        run("generate", REFERENCE_MODEL, *options, "-o", tmp_path / name)
    with uproot.open(tmp_path / "a.root") as file:
        tree = file["showers"].arrays(["hit_energy", "gen_energy"], library="np")
    made = store.load(tmp_path / "a.h5")
    np.testing.assert_array_equal(tree["gen_energy"], made.incident_energy)
    total = [event.sum() for event in tree["hit_energy"]]
    np.testing.assert_allclose(total, made.energies.sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "a.h5", "-o", "b.txt"], "its ending is '.txt'"),
        (["convert", "a.h5", "-o", "b.h5", "--format", "calochallenge"], "give --xml-particle"),
        (["convert", "a.h5", "-o", "b.h5", "--set", "theta=1"], "leave out --set"),
        (["convert", "a.h5", "-o", "b.h5", "--geometry", "no.xml"], "cannot read geometry file"),
        (["convert", "no.h5", "-o", "b.h5"], "no file no.h5"),
        (["convert", "x.root", "-o", "b.h5"], "is no store: say how to read it with --preset"),
        (["convert", "x.root", "-o", "b.h5", "--preset", "par04", "--config", "c.toml"], "both"),
        (["generate", str(GATED_MODEL), "-o", "b.h5", "--format", "par04"], "expected .root"),
    ],
)
def test_errors_end_with_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.save(make_cylinder_showers(5), tmp_path / "a.h5")
    (tmp_path / "x.root").write_bytes(b"root" + bytes(30))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["calogan", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "x.root"]
