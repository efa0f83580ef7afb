"""Files of generated showers, in any format."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import uproot
from helpers.programs import GATED_MODEL, PROGRAM, REFERENCE_MODEL

from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.generating.output import generate_file
from calogan.reading import store
from calogan.writing.convert import convert_file
from calogan.writing.formats import format_of

CONDITIONS = {"energy": np.geomspace(1, 50, 40), "theta": np.linspace(0, 0.35, 40)}


def test_generated_stores_say_where_they_came_from(exported: Path, tmp_path: Path) -> None:
    generate_file(Generator.load(exported), CONDITIONS, tmp_path / "made.h5", 3, like="x.h5")
    found = store.info(tmp_path / "made.h5").provenance
    block = json.loads(exported.read_text())["calogan"]
    assert found["weights_sha256"] == block["weights_sha256"]
    assert found["seed"] == 3 and found["like"] == "x.h5" and found["model"] == str(exported)
    assert found["readout_threshold_MeV"] == 0.1


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


@pytest.mark.parametrize(
    ("name", "ending"),
    [("a.foo", ".foo"), ("a", ""), ("a.CSV", ".CSV"), ("a.csv.gz", ".gz"), (".h5", "")],
)
def test_other_endings_are_refused(tmp_path: Path, name: str, ending: str) -> None:
    """In the words of the program, which writes fewer, and before anything is written."""
    path = tmp_path / "new" / name
    message = f"cannot write {path}: its ending is '{ending}', expected .csv, .h5 or .hdf5"
    ours = message.replace(".csv, .h5 or .hdf5", ".h5, .hdf5, .csv or .root")
    with pytest.raises(CaloganError) as error:
        generate_file(Generator.load(GATED_MODEL), CONDITIONS, path, 3)
    assert str(error.value) == ours
    assert not path.parent.exists()
    options = ["--energy", "10", "--theta", "0.1", "-n", "1", "-o", str(path)]
    found = subprocess.run([PROGRAM, GATED_MODEL, *options], capture_output=True, text=True)
    assert message in found.stderr


def test_root_has_the_names_of_the_training_sample(tmp_path: Path) -> None:
    """The reference generator's card says them; the shipped card reads them."""
    generate_file(Generator.load(REFERENCE_MODEL), CONDITIONS, tmp_path / "made.root", 3)
    generate_file(Generator.load(REFERENCE_MODEL), CONDITIONS, tmp_path / "made.h5", 3)
    with uproot.open(tmp_path / "made.root") as file:
        assert {"gen_energy", "gen_theta", "hit_energy", "hit_z"} <= set(file["showers"].keys())
    found = convert_file(
        tmp_path / "made.root", tmp_path / "again.h5", format_of("a.h5"), card=load_card()
    )
    assert found.n_showers == 40 and found.left_out == ()
    again, made = (store.load(tmp_path / name) for name in ("again.h5", "made.h5"))
    np.testing.assert_array_equal(again.energies, made.energies)
    for name in ("energy", "theta"):
        np.testing.assert_array_equal(again.conditions[name], made.conditions[name])


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
