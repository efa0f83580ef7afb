"""Files of generated showers: stores, and CSV as the C++ program writes it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.programs import GATED_MODEL, PROGRAM, REFERENCE_MODEL, ROOT

from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.generating.output import check_ending, decimals, generate_file, write_csv
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.showers import Showers

CELLS_MODEL = ROOT / "cpp_examples/tests/data/cells.json"
CONDITIONS = {"energy": np.geomspace(1, 50, 40), "theta": np.linspace(0, 0.35, 40)}


def test_generated_stores_say_where_they_came_from(exported: Path, tmp_path: Path) -> None:
    generate_file(Generator.load(exported), CONDITIONS, tmp_path / "made.h5", 3, like="x.h5")
    found = store.info(tmp_path / "made.h5").provenance
    block = json.loads(exported.read_text())["calogan"]
    assert found["weights_sha256"] == block["weights_sha256"]
    assert found["seed"] == 3 and found["like"] == "x.h5" and found["model"] == str(exported)
    assert found["readout_threshold_MeV"] == 0.1


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
    write_csv(parts, tmp_path / "ours.csv", about.geometry, about.conditions)
    ours = (tmp_path / "ours.csv").read_bytes()
    assert len(ours.splitlines()) > 700
    assert ours == (tmp_path / "theirs.csv").read_bytes()


def test_generated_csv_holds_the_showers_of_the_store(tmp_path: Path) -> None:
    generator = Generator.load(GATED_MODEL)
    for name in ("made.h5", "made.hdf5", "made.csv"):
        generate_file(generator, CONDITIONS, tmp_path / name, 3)
    made = store.load(tmp_path / "made.h5")
    np.testing.assert_array_equal(made.energies, store.load(tmp_path / "made.hdf5").energies)
    header, *lines = (tmp_path / "made.csv").read_text().splitlines()
    assert header == "event,energy_GeV,theta_rad,layer,cell,x_mm,y_mm,z_mm,energy_MeV"
    rows = np.array([line.split(",") for line in lines])
    event, layer, cell = (rows[:, i].astype(int) for i in (0, 3, 4))
    starts = np.array([s.start for s in made.geometry.slices])
    found = np.zeros_like(made.energies)
    found[event, starts[layer] + cell] = rows[:, 8].astype(np.float32)
    np.testing.assert_array_equal(found, made.energies)
    np.testing.assert_array_equal(rows[:, 1].astype(np.float32), made.incident_energy[event])
    places = made.geometry.centres[starts[layer] + cell].astype(np.float32)
    np.testing.assert_array_equal(rows[:, 5:8].astype(np.float32), places)


def test_showers_without_energy_have_no_line(tmp_path: Path) -> None:
    layer = {"x": {"low": 0, "high": 2, "n": 2}, "y": {"low": 0, "high": 1, "n": 1}}
    geometry = Geometry.from_dict({"layers": [layer]})
    energies = np.array([[0, 0], [0, 1e5], [-1, 0.25]], np.float32)
    values = {"energy": np.float32([1, 0.1, 20]), "eta": np.float32([0, -0.0, 1e-5])}
    write_csv(
        [Showers(energies, values, geometry)],
        tmp_path / "a.csv",
        geometry,
        [("energy", "GeV"), ("eta", "")],
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


@pytest.mark.parametrize(
    ("name", "ending"),
    [("a.foo", ".foo"), ("a", ""), ("a.CSV", ".CSV"), ("a.csv.gz", ".gz"), (".h5", "")],
)
def test_other_endings_are_refused(tmp_path: Path, name: str, ending: str) -> None:
    """In the words of the program, and before anything is written."""
    path = tmp_path / "new" / name
    message = f"cannot write {path}: its ending is '{ending}', expected .csv, .h5 or .hdf5"
    with pytest.raises(CaloganError) as error:
        generate_file(Generator.load(GATED_MODEL), CONDITIONS, path, 3)
    assert str(error.value) == message
    assert not path.parent.exists()
    options = ["--energy", "10", "--theta", "0.1", "-n", "1", "-o", str(path)]
    found = subprocess.run([PROGRAM, GATED_MODEL, *options], capture_output=True, text=True)
    assert message in found.stderr
    for good in ("a.csv", "b.h5", "c.d.hdf5"):
        check_ending(good)


def test_a_failure_leaves_the_old_csv(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text("old")
    bad = {"energy": np.array([10.0, 120.0]), "theta": 0.1}
    with pytest.raises(CaloganError, match="was asked for 120 GeV"):
        generate_file(Generator.load(GATED_MODEL), bad, path, 1)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_file(Generator.load(GATED_MODEL), CONDITIONS, path, 1, progress=stop)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "made.csv"
    generator = Generator.load(GATED_MODEL)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(
            CaloganError, match=r"cannot write .*made\.csv: File too large; is the disk full"
        ):
            generate_file(generator, CONDITIONS, path, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
