"""Geant4's example Par04 with the C++ runner as its inference library."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import uproot
from helpers.programs import REFERENCE_MODEL, ROOT

from calogan import Generator, load_card, voxelize_files
from calogan.exporting.profiles import export_par04
from calogan.reading import store

BUILD = ROOT / "build/cpp"
PROGRAM = Path(os.environ.get("PAR04_CALOGAN", BUILD / "examples/par04/par04_calogan"))
UNCHANGED = Path(os.environ.get("PAR04_LWTNN", "no program"))
"""Par04 as it is, with lwtnn."""
ENERGY = {"name": "energy", "unit": "GeV", "low": 1.0, "high": 16.0, "scale": "log"}
THETA = {"name": "theta", "unit": "rad", "low": 1.0, "high": np.pi / 2, "scale": "linear"}
N_LATENTS = 4

pytestmark = pytest.mark.skipif(
    not PROGRAM.is_file(),
    reason=f"no program {PROGRAM}: `make cpp` builds it where GEANT4_DIR says where Geant4 is, "
    "with its examples; or set PAR04_CALOGAN",
)


def make_models() -> ModuleType:
    path = ROOT / "cpp_examples/tests/make_models.py"
    spec = importlib.util.spec_from_file_location("make_models", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of random weights with Par04's mesh: each cell's mean energy is its own."""
    models = make_models()
    geometry = load_card(preset="par04").build_geometry()
    graph = models.Graph(3)
    conditions = [ENERGY, THETA]
    latent = graph.input("latent", models.latent_variables(N_LATENTS))
    given = graph.input("conditions", models.condition_variables(conditions))
    trunk = graph.dense(graph.concatenate(latent, given), 8, "tanh")
    gates, labels = [], []
    for k, cells in enumerate(geometry.slices):
        fractions = graph.dense(trunk, cells.stop - cells.start, "softmax")
        gates.append(graph.gate(graph.concatenate(fractions, graph.dense(trunk, 1))))
        labels += [f"voxel_{i}" for i in range(cells.start, cells.stop)] + [f"unused_layer_{k}"]
    made = models.model(
        graph,
        graph.concatenate(*gates),
        labels,
        "par04",
        conditions,
        geometry.to_dict(),
        [[2.0, 1.2], [16.0, 1.5]],
        0.3,
    )
    path = tmp_path_factory.mktemp("par04") / "generator.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


def run(
    folder: Path, model: Path, n: int, gun: str, program: Path = PROGRAM, **changes: object
) -> str:
    """Par04 in fast simulation, to showers.root; returns all that it said."""
    par04 = re.search(r"^PAR04:PATH=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    assert par04
    inference = {
        "setSizeLatentVector": N_LATENTS,
        "setSizeConditionVector": 4,
        "setModelPathName": model,
        "setInferenceLibrary": "LWTNN",
        "setSizeOfRhoCells": "4.65 mm",
        "setSizeOfZCells": "3.4 mm",
        "setNbOfRhoCells": 9,
        "setNbOfPhiCells": 16,
        "setNbOfZCells": 45,
        **changes,
    }
    macro = folder / "run.mac"
    macro.write_text(
        "/control/execute common_settings_lowgran.mac\n/run/initialize\n"
        "/control/execute common_settings_postInit.mac\n/random/setSeeds 3 4\n"
        + "".join(f"/Par04/inference/{name} {value}\n" for name, value in inference.items())
        + f"{gun}/analysis/setFileName {folder}/showers.root\n"
        "/param/ActivateModel defineMesh\n/param/ActivateModel inferenceModel\n"
        f"/run/beamOn {n}\n",
        encoding="utf-8",
    )
    ran = subprocess.run(
        [program, "-m", macro], cwd=par04[1], capture_output=True, text=True, timeout=300
    )
    return ran.stdout + ran.stderr


def test_each_cell_has_the_generators_energy(tmp_path: Path, model: Path) -> None:
    # Straight on: all of the mesh is in the calorimeter.
    n, theta = 120, np.pi / 2
    said = run(tmp_path, model, n, "/gun/energy 8 GeV\n/gun/direction 0 1 0\n")
    card = load_card(preset="par04")
    voxelize_files([tmp_path / "showers.root"], tmp_path / "a.h5", card, {"theta": theta})
    made = store.load(tmp_path / "a.h5")
    assert len(made) == n, said[-2000:]
    sample = Generator.load(model).sample({"energy": np.full(n, 8.0), "theta": theta}, seed=5)
    found, wanted = made.energies, sample.energies
    error = np.sqrt((found.var(axis=0) + wanted.var(axis=0)) / n)
    pull = (found.mean(axis=0) - wanted.mean(axis=0)) / error
    assert np.abs(pull).max() < 6
    assert 0.5 < pull.std() < 1.5
    # Their means differ from cell to cell: none are exchanged.
    assert np.corrcoef(found.mean(axis=0), wanted.mean(axis=0))[0, 1] > 0.97


@pytest.mark.skipif(
    not UNCHANGED.is_file(), reason="PAR04_LWTNN names no examplePar04 that was built with lwtnn"
)
def test_unchanged_par04_makes_the_same_showers(tmp_path: Path, model: Path) -> None:
    """It draws the same latents, so that each shower is the runner's."""
    export_par04(model, tmp_path / "par04.json")
    cells = []
    for program, file in ((PROGRAM, model), (UNCHANGED, tmp_path / "par04.json")):
        folder = tmp_path / program.name
        folder.mkdir()
        gun = "/gun/energy 8 GeV\n/gun/direction 0 0.95 0.31224989992\n"
        said = run(folder, file, 20, gun, program)
        with uproot.open(folder / "showers.root") as showers:
            names = ["EnergyCell", "rhoCell", "phiCell", "zCell"]
            arrays = showers["virtualReadout"].arrays(names, library="np")
        assert len(arrays["EnergyCell"]) == 20, said[-2000:]
        mesh = np.zeros((20, 9, 16, 45))
        for event, (energy, *place) in enumerate(zip(*(arrays[k] for k in names), strict=True)):
            mesh[(event, *(np.asarray(axis) for axis in place))] = energy
        cells.append(mesh)
    ours, theirs = cells
    assert (theirs > 0).sum() > 20 * 500
    # All but cells so near the threshold that rounding decides.
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=0.301)
    differ = ~np.isclose(ours, theirs, rtol=1e-4)
    assert differ.sum(axis=(1, 2, 3)).max() <= 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"setSizeLatentVector": 10}, "par04 takes /Par04/inference/setSizeLatentVector 4 and"),
        ({"setNbOfPhiCells": 50}, "Par04's mesh has 20250 cells, the generator par04 6480"),
        ({"setModelPathName": "no.json"}, "cannot open no.json: No such file or directory"),
        ({"setModelPathName": REFERENCE_MODEL}, "lar-photons has 504 cells, at "),
    ],
)
def test_refusals(tmp_path: Path, model: Path, changes: dict[str, object], message: str) -> None:
    gun = "/gun/energy 8 GeV\n/gun/direction 0 1 0\n"
    assert message in run(tmp_path, model, 1, gun, **changes)
