"""The Geant4 program of cpp_examples: full simulation, and the generator's showers in its place."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from helpers.programs import GATED_MODEL, REFERENCE_MODEL, ROOT

from calogan import Generator, load_card, voxelize_files
from calogan.features import response
from calogan.reading import store
from calogan.showers import Showers

PROGRAM = Path(os.environ.get("LAR_SHOWERS", ROOT / "build/cpp/examples/geant4/lar_showers"))

pytestmark = pytest.mark.skipif(
    not PROGRAM.is_file(),
    reason=f"no program {PROGRAM}: `make cpp` builds it where GEANT4_DIR, or CMAKE_PREFIX_PATH, "
    "says where Geant4 is; or set LAR_SHOWERS",
)


def start(folder: Path, commands: str, *options: object) -> subprocess.CompletedProcess[str]:
    """Run the program on a macro of these commands."""
    macro = folder / "run.mac"
    macro.write_text(commands, encoding="utf-8")
    return subprocess.run(
        [PROGRAM, *map(str, options), macro],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


@dataclass(frozen=True, slots=True)
class Ran:
    events: ak.Array
    file: Path
    said: str


def simulate(
    folder: Path, n: int, kind: str, energy: str, theta: str = "0 20 deg", *options: object
) -> Ran:
    """n photons in "full" or "fast" simulation; what is in the file, and the report."""
    folder.mkdir(exist_ok=True)
    ran = start(
        folder,
        f"/lar/simulation {kind}\n/lar/energy {energy}\n/lar/theta {theta}\n/run/beamOn {n}\n",
        *(["--model", REFERENCE_MODEL] if kind == "fast" else []),
        *options,
    )
    assert ran.returncode == 0, ran.stderr
    file = folder / "showers.root"
    with uproot.open(f"{file}:showers") as tree:
        events = tree.arrays()
    assert events.event.tolist() == list(range(n))
    return Ran(events, file, ran.stderr)


def voxelized(folder: Path, file: Path) -> Showers:
    """By the run card of data/lar_photons."""
    summary = voxelize_files([file], folder / "showers.h5", load_card())
    assert not summary.hits_outside.any()
    return store.load(folder / "showers.h5")


@pytest.mark.parametrize(("kind", "n"), [("full", 12), ("fast", 100)])
def test_same_seed_same_showers_with_one_thread_and_two(tmp_path: Path, kind: str, n: int) -> None:
    one = simulate(tmp_path / "one", n, kind, "1 5 GeV")
    two = simulate(tmp_path / "two", n, kind, "1 5 GeV", "0 20 deg", "--threads", 2)
    other = simulate(tmp_path / "other", n, kind, "1 5 GeV", "0 20 deg", "--seed", 2)
    assert ak.array_equal(one.events, two.events)
    assert not ak.any(one.events.gen_energy == other.events.gen_energy)
    assert ak.all(ak.num(one.events.hit_energy) > 0)


def test_both_kinds_shoot_the_same_photons(tmp_path: Path) -> None:
    full = simulate(tmp_path / "full", 5, "full", "1 2 GeV").events
    fast = simulate(tmp_path / "fast", 5, "fast", "1 2 GeV").events
    for branch in ("gen_energy", "gen_theta", "gen_phi"):
        assert full[branch].tolist() == fast[branch].tolist()
    assert not ak.array_equal(full.hit_energy, fast.hit_energy)


def test_full_simulation_is_that_of_the_sample(tmp_path: Path) -> None:
    ran = simulate(tmp_path / "full", 60, "full", "8 12 GeV")
    ours = voxelized(tmp_path, ran.file)
    file = ROOT / "data/lar_photons/test/photons_22.root"
    sample = voxelized(tmp_path, file)
    with uproot.open(file) as theirs:
        assert set(theirs["showers"].keys()) | {"event"} == set(ran.events.fields)
    near = (sample.conditions["energy"] > 8) & (sample.conditions["energy"] < 12)
    wanted = response(sample)[near]
    # 0.207 of the energy, 2 % a shower.
    error = wanted.std() * np.sqrt(1 / near.sum() + 1 / 60)
    slack = 0.01 * wanted.mean()  # of other physics lists than the sample's
    assert abs(response(ours).mean() - wanted.mean()) < 4 * error + slack < 0.006
    assert 0.6 < response(ours).std() / wanted.std() < 1.5


def test_the_generators_cells_come_to_their_place(tmp_path: Path) -> None:
    n = 3000
    ran = simulate(tmp_path / "fast", n, "fast", "20 20 GeV", "0.2 0.2 rad")
    assert f"{n} showers by the generator, 0 in full simulation" in ran.said
    found = voxelized(tmp_path, ran.file).energies
    generator = Generator.load(REFERENCE_MODEL)
    wanted = generator.sample({"energy": np.full(n, 20.0), "theta": 0.2}, seed=5).energies
    assert found.shape == wanted.shape
    # Cell by cell, means of as many other showers of the same generator.
    error = np.sqrt((found.var(axis=0) + wanted.var(axis=0)) / n)
    seen = error > 0
    pull = (found.mean(axis=0) - wanted.mean(axis=0))[seen] / error[seen]
    assert seen.sum() > 200
    assert np.abs(pull).max() < 5
    assert 0.8 < pull.std() < 1.2
    assert (found > 0).sum() == pytest.approx((wanted > 0).sum(), rel=0.02)


def test_what_the_generator_was_not_trained_on_is_simulated_in_full(tmp_path: Path) -> None:
    energies, angles, n = "0.5 2 GeV", "0.3 0.4 rad", 40
    fast = simulate(tmp_path / "fast", n, "fast", energies, angles)
    full = simulate(tmp_path / "full", n, "full", energies, angles)
    untrained = (fast.events.gen_energy < 1) | (fast.events.gen_theta > 0.35)
    assert 0 < ak.sum(untrained) < n
    report = re.search(r"(\d+) showers by the generator, (\d+) in full simulation", fast.said)
    assert report and [int(count) for count in report.groups()] == [
        n - ak.sum(untrained),
        ak.sum(untrained),
    ]
    assert f"not trained on: {ak.sum(untrained)} by energy or angle, 0 by where" in fast.said
    # They are Geant4's own showers of that seed, the rest are not.
    for i in range(n):
        same = fast.events.hit_energy[i].tolist() == full.events.hit_energy[i].tolist()
        assert same == bool(untrained[i])


def test_where_photons_enter_and_lean_to(tmp_path: Path) -> None:
    commands = "/lar/simulation fast\n/lar/energy 20 20 GeV\n/lar/theta 0.2 0.2 rad\n"
    runs = {
        "up": "",
        "down": "/lar/phi 270 270 deg\n",
        "side": "/lar/phi 0 0 deg\n",
        "beside": "/lar/phi 90 90 deg\n/lar/entry 0 1 cm\n",
    }
    for name, extra in runs.items():
        n = 300 if name in ("up", "down") else 3
        commands += f"{extra}/lar/output {name}.root\n/run/beamOn {n}\n"
    ran = start(tmp_path, commands, "--model", REFERENCE_MODEL)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("300 showers by the generator, 0 in full simulation") == 2
    assert ran.stderr.count("0 by energy or angle, 3 by where they enter or lean to") == 2

    def centre(name: str) -> np.ndarray:
        with uproot.open(f"{tmp_path}/{name}.root:showers") as tree:
            events = tree.arrays()
        energy = ak.sum(events.hit_energy, axis=1)
        return np.array(
            [
                ak.mean(ak.sum(events[axis] * events.hit_energy, axis=1) / energy)
                for axis in ("hit_x", "hit_y")
            ]
        )

    up, down = centre("up"), centre("down")
    assert 15 < up[1] < 40  # mm
    assert down[1] == pytest.approx(-up[1], abs=2)
    assert centre("side")[0] == pytest.approx(up[1], abs=10)
    assert centre("beside")[1] == pytest.approx(up[1] + 10, abs=10)


def test_runs_of_one_process(tmp_path: Path) -> None:
    ran = start(
        tmp_path,
        "/lar/energy 2 2 GeV\n/lar/output full.root\n/run/beamOn 3\n"
        "/lar/simulation fast\n/lar/output fast.root\n/run/beamOn 4\n"
        "/lar/simulation full\n/lar/output again.root\n/run/beamOn 5\n",
        "--model",
        REFERENCE_MODEL,
    )
    assert ran.returncode == 0, ran.stderr
    counts = re.findall(r"(\d+) showers by the generator, (\d+) in full", ran.stderr)
    assert counts == [("0", "3"), ("4", "0"), ("0", "5")]
    for name, n in (("full", 3), ("fast", 4), ("again", 5)):
        with uproot.open(tmp_path / f"{name}.root") as file:
            assert file["showers"].num_entries == n


@pytest.mark.parametrize(
    ("commands", "options", "message"),
    [
        ("", ["--model", "nothing.json"], "cannot open nothing.json: No such file or directory"),
        ("", ["--model", GATED_MODEL], "gated has 26 cells, the calorimeter 504"),
        ("", ["--threads", "0"], '--threads is "0", expected a whole number from 1 to 1024'),
        ("", ["--sed", "1"], "no option --sed; --help lists them"),
        ("", ["--physics", "FTFP"], "Geant4 has no physics list FTFP"),
        ("/lar/simulation fast\n", [], "start the program with --model FILE"),
        ("/lar/theta 0 91 deg\n", [], "theta is up to 91 degrees, expected less than 90"),
        ("/lar/energy 5 2 GeV\n", [], "parameter out of range: low > 0 && high >= low"),
        ("/lar/output a.txt\n", [], 'cannot write a.txt: its ending is ".txt", expected .root'),
        ("/lar/output no/a.root\n", [], "cannot write no/a.root: there is no folder no"),
        ("/lar/enrgy 1 2 GeV\n", [], "COMMAND NOT FOUND </lar/enrgy 1 2 GeV>"),
    ],
)
def test_refusals(tmp_path: Path, commands: str, options: list[object], message: str) -> None:
    found = start(tmp_path, commands + "/run/beamOn 1\n", *options)
    assert found.returncode == 2, found.stderr
    assert message in found.stderr
    assert not list(tmp_path.glob("*.root"))


def test_what_cannot_be_written_is_said_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "folder.root").mkdir()
    found = start(tmp_path, "/lar/output folder.root\n/run/beamOn 1\n")
    assert found.returncode != 0
    assert "cannot write folder.root: Is a directory" in found.stderr
    assert "photons in" not in found.stderr


def test_a_missing_macro_and_help(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)

    assert "no macro; --help says" in run().stderr
    missing = run(str(tmp_path / "no.mac"))
    assert missing.returncode == 2
    assert "no.mac was not run to its end" in missing.stderr
    shown = run("--help")
    assert shown.returncode == 0
    for command in ("/lar/simulation", "/lar/energy", "/lar/theta", "/lar/output", "--seed"):
        assert command in shown.stdout
