"""CSV as the C++ program writes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.programs import GATED_MODEL, PROGRAM, REFERENCE_MODEL, ROOT

from calogan.generating.generator import Generator
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.showers import Showers
from calogan.writing.csv_lines import decimals, write_csv
from calogan.writing.target import Target

CELLS_MODEL = ROOT / "cpp_examples/tests/data/cells.json"


@pytest.mark.parametrize("model", [REFERENCE_MODEL, GATED_MODEL, CELLS_MODEL])
def test_csv_is_that_of_the_program(model: Path, tmp_path: Path) -> None:
    """The program's showers, written by it to both formats, and from its store by us."""
    conditions = Generator.load(model).conditions
    options = [word for c in conditions for word in (f"--{c.name}", f"{c.low}:{c.high}")]
    for name in ("theirs.csv", "theirs.h5"):
        subprocess.run(
            [PROGRAM, model, *options, "-n", "700", "--seed", "3", "-o", tmp_path / name],
            check=True,
            capture_output=True,
            timeout=60,
        )
    about = store.info(tmp_path / "theirs.h5")
    assert about.geometry is not None
    parts = store.iterate(tmp_path / "theirs.h5", rows=300)
    write_csv(parts, Target(tmp_path / "ours.csv", about.geometry, about.conditions))
    ours = (tmp_path / "ours.csv").read_bytes()
    assert len(ours.splitlines()) > 700
    assert ours == (tmp_path / "theirs.csv").read_bytes()


def test_showers_without_energy_have_no_line(tmp_path: Path) -> None:
    layer = {"x": {"low": 0, "high": 2, "n": 2}, "y": {"low": 0, "high": 1, "n": 1}}
    geometry = Geometry.from_dict({"layers": [layer]})
    energies = np.array([[0, 0], [0, 1e5], [-1, 0.25]], np.float32)
    values = {"energy": np.float32([1, 0.1, 20]), "eta": np.float32([0, -0.0, 1e-5])}
    write_csv(
        [Showers(energies, values, geometry)],
        Target(tmp_path / "a.csv", geometry, (("energy", "GeV"), ("eta", ""))),
    )
    assert (tmp_path / "a.csv").read_bytes().split(b"\n") == [
        b"event,energy_GeV,eta,layer,cell,x_mm,y_mm,z_mm,energy_MeV",
        b"1,0.1,-0,0,1,1.5,0.5,nan,1e+05",
        b"2,20,1e-05,0,1,1.5,0.5,nan,0.25",
        b"",
    ]


def test_numbers_are_the_shortest_that_give_them_back() -> None:
    expected = {
        0.0: "0",
        1.0: "1",
        -2.5: "-2.5",
        0.1: "0.1",
        0.001: "0.001",
        0.0001: "1e-04",
        0.00012: "0.00012",
        0.000012: "1.2e-05",
        10000.0: "10000",
        100000.0: "1e+05",
        123456.0: "123456",
        120000.0: "120000",
        99999.99: "99999.99",
        16777216.0: "16777216",
        123456789.0: "123456792",
        3e9: "3e+09",
        1e-45: "1e-45",
        np.nan: "nan",
    }
    assert decimals(np.array([*expected], np.float32)) == [*expected.values()]
    assert decimals(np.array([-0.0], np.float32)) == ["-0"]
    rng = np.random.default_rng(0)
    values = np.exp(rng.uniform(-20, 20, 5000)).astype(np.float32)
    np.testing.assert_array_equal(np.array(decimals(values), np.float32), values)
