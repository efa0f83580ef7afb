"""The whole chain on real hits: Keras, the NumPy evaluator and the C++ program agree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from calogan import Generator, Run, export_run, load_card, store, train, voxelize_files
from calogan.card.keys import Card
from calogan.conditions import network_input
from calogan.generating.output import generate_file

ROOT = Path(__file__).parents[1]
PROGRAM = Path(os.environ.get("CALOGAN_GENERATE", ROOT / "build/cpp/calogan-generate"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of real photons, a run of a few updates, and its exported JSON."""
    folder = tmp_path_factory.mktemp("chain")
    card = load_card()
    first = sorted((ROOT / "data/lar_photons/train").glob("*.root"))[0]
    summary = voxelize_files([first], folder / "train.h5", card)
    assert summary.events == 1000
    fields = card.model_dump()
    fields["data"]["train"] = str(folder / "train.h5")
    fields["training"].update(updates=6, updates_per_call=3, batch_size=64, jit=False)
    train(Card.model_validate(fields), folder / "run")
    export_run(folder / "run", folder / "model.json")
    return folder


def cpp(folder: Path, *arguments: str) -> str:
    """Run the C++ program in a folder; returns what it printed."""
    if not PROGRAM.is_file():
        pytest.fail(f"no program {PROGRAM}: build it with `make cpp`, or set CALOGAN_GENERATE")
    found = subprocess.run(
        [str(PROGRAM), *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_keras_numpy_and_cpp_agree_on_the_same_latents(chain: Path) -> None:
    from calogan.networks.generator import voxel_fractions

    numpy_generator = Generator.load(chain / "model.json")
    run = Run(chain / "run")
    showers = store.load(chain / "train.h5", stop=300)
    latent = np.random.default_rng(4).standard_normal(
        (len(showers), numpy_generator.latent_size), np.float32
    )
    inputs = network_input(numpy_generator.conditions, showers.conditions)
    by_keras = voxel_fractions(run.load_generator(), showers.geometry, latent, inputs)
    by_numpy = numpy_generator.network(latent, inputs)

    with h5py.File(chain / "latents.h5", "w") as file:
        file["latents"] = latent
    store.save(showers, chain / "like.h5", [("energy", "GeV"), ("theta", "rad")])
    cpp(
        chain,
        *("model.json", "--like", "like.h5", "--latents", "latents.h5"),
        *("--threshold", "0", "-o", "cpp.h5"),
    )
    made = store.load(chain / "cpp.h5")
    by_cpp = made.energies / (1000 * made.incident_energy[:, None])
    np.testing.assert_allclose(by_numpy, by_keras, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(by_cpp, by_keras, rtol=1e-5, atol=1e-9)


def test_cpp_showers_are_a_store_like_any_other(chain: Path) -> None:
    arguments = ("model.json", "--like", "train.h5", "--seed", "3")
    printed = cpp(chain, *arguments, "-o", "one.h5")
    assert "showers" in printed
    cpp(chain, *arguments, "--threads", "2", "--batch", "7", "-o", "two.h5")
    one, two, real = (store.load(chain / name) for name in ("one.h5", "two.h5", "train.h5"))
    np.testing.assert_array_equal(one.energies, two.energies)
    np.testing.assert_allclose(one.incident_energy, real.incident_energy, rtol=1e-6)
    assert one.geometry == real.geometry
    assert one.energies[one.energies > 0].min() >= np.float32(0.3)
    python = Generator.load(chain / "model.json").sample(real.conditions, seed=3)
    for made in (one, python):
        response = made.energies.sum(axis=1) / (1000 * made.incident_energy)
        assert abs(response.mean() - 0.206) < 0.03


def test_cpp_and_python_tell_the_same_origin(chain: Path) -> None:
    """A store says where its showers are from in the same words, whichever program made it."""
    generator = Generator.load(chain / "model.json")
    values = {"energy": np.full(3, 10.0), "theta": np.full(3, 0.1)}
    generate_file(generator, values, chain / "by_python.h5", 3)
    options = ("--energy", "10", "--theta", "0.1", "-n", "3")
    cpp(chain, *options, "--seed", "3", str(chain / "model.json"), "-o", "by_cpp.h5")
    python, made = (store.info(chain / f"by_{name}.h5").provenance for name in ("python", "cpp"))
    assert {key: made[key] for key in python} == dict(python)
    assert set(made) - set(python) == {"producer", "first_event"}
    assert made["readout_threshold_MeV"] == 0.3
    assert made["inputs_sha256"] == store.info(chain / "train.h5").provenance["inputs_sha256"]
    assert len(made["inputs_sha256"]) == 1
    cpp(chain, "model.json", "--like", "by_cpp.h5", "-o", "again.h5")
    again = store.info(chain / "again.h5").provenance
    assert (again["like"], again["seed"]) == ("by_cpp.h5", 1)


def test_cpp_takes_the_options_of_calogan_generate(chain: Path) -> None:
    cpp(chain, "model.json", "--energy", "1:50", "--theta", "0:0.35", "-n", "50", "-o", "a.csv")
    lines = (chain / "a.csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["event", "energy_GeV", "theta_rad"]
    assert len(lines) > 50
    found = subprocess.run(
        [str(PROGRAM), "model.json", "--energy", "120", "--theta", "0", "-o", "b.csv"],
        cwd=chain,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode != 0
    assert "takes energy 1..50 GeV, was asked for 120 GeV" in found.stderr
    assert not (chain / "b.csv").exists()
