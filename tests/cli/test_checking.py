"""The command `calogan check`: its page, and its status for scripts."""

from __future__ import annotations

from pathlib import Path

import h5py
from helpers.cylinders import make_cylinder_showers
from helpers.samples import make_showers
from typer.testing import CliRunner

from calogan import cli
from calogan.reading import store
from calogan.writing.calochallenge import to_xml


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["check", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


def test_status_and_page(tmp_path: Path) -> None:
    showers = make_showers(600)
    store.save(showers, tmp_path / "a.h5")
    status, text = run(tmp_path / "a.h5")
    assert status == 0 and "0 wrong" in text
    page = (tmp_path / "a-check.html").read_text()
    assert "<title>calogan: check of a.h5</title>" in page
    assert page.count("<svg") == 2 and "dead cells" in page
    store.save(showers.select(slice(0, 100)), tmp_path / "b <i>.h5")
    target = tmp_path / "new" / "page.html"
    status, text = run(tmp_path / "a.h5", tmp_path / "b <i>.h5", "-o", target)
    assert status == 1 and "1 wrong" in text
    page = target.read_text()
    assert "100 showers are in both" in page
    assert "b &lt;i&gt;.h5" in page and "b <i>" not in page
    assert page.count("<svg") == 3


def test_a_calochallenge_file_as_it_stands(tmp_path: Path) -> None:
    showers = make_cylinder_showers(50)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["incident_energies"] = 1000 * showers.incident_energy[:, None]
        file["showers"] = showers.energies
    (tmp_path / "a.xml").write_text(to_xml(showers.geometry, "photon"))
    status, text = run(tmp_path / "a.hdf5", "--geometry", tmp_path / "a.xml")
    assert status == 0, text
    result = CliRunner().invoke(cli.app, ["check", str(tmp_path / "a.hdf5")])
    assert "without its geometry" in str(result.exception)
