"""A generator of two particles, from its training to C++ and other programs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from helpers.programs import PROGRAM
from helpers.samples import PARTICLES, make_card, make_labelled
from lwtnn_converter import Graph
from typer.testing import CliRunner

from calogan import runner
from calogan.cli import app
from calogan.conditions import Label
from calogan.errors import CaloganError
from calogan.evaluation.evaluate import evaluate_run
from calogan.exporting import profiles
from calogan.features import response
from calogan.generating.generator import Generator
from calogan.reading import store

LABEL = Label("particle", (11, 22), ("e-", "gamma"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, trained long enough to tell the particles apart, its store, and its JSON."""
    from calogan.training.loop import train

    folder = tmp_path_factory.mktemp("labels")
    store.save(make_labelled(2000, seed=1), folder / "train.h5")
    card = make_card(
        conditions={"particle": PARTICLES},
        data={"train": str(folder / "train.h5")},
        training={"updates": 150, "batch_size": 64, "learning_rate": 3e-3, "ema": 0.9},
    )
    run = train(card, folder / "run")
    profiles.export_native(run.path, folder / "model.json")
    return folder


@pytest.fixture(scope="module")
def generators(folder: Path) -> dict[str, Any]:
    return {
        "run": Generator.load(folder / "run"),
        "json": Generator.load(folder / "model.json"),
        "c++": runner.Generator.load(folder / "model.json"),
    }


ASKED = {"energy": [1, 10, 20, 50], "theta": 0.1, "particle": ["e-", "gamma", 22, 11]}


def test_it_learns_what_differs_between_particles(generators: dict[str, Any]) -> None:
    means = []
    for code in LABEL.values:
        made = generators["json"].sample({"energy": [10] * 2000, "theta": 0.1, "particle": code}, 1)
        means.append(response(made).mean())
    assert means[0] == pytest.approx(0.2, rel=0.03)
    assert means[1] / means[0] == pytest.approx(0.8, rel=0.03)


def test_the_run_its_json_and_cpp_agree(generators: dict[str, Any]) -> None:
    for generator in generators.values():
        assert generator.conditions[2] == LABEL
    samples = [generators[name].sample(ASKED, seed=1) for name in ("run", "json")]
    np.testing.assert_allclose(samples[0].energies, samples[1].energies, rtol=1e-3, atol=1e-3)
    latents = np.random.default_rng(1).standard_normal((4, generators["json"].latent_size), "f4")
    made = generators["c++"].generate_from(ASKED, latents)
    inputs = np.float32(
        [
            [np.log(e) / np.log(50) * 2 - 1, 0.1 / 0.175 - 1, p == 11, p == 22]
            for e, p in zip(ASKED["energy"], [11, 22, 22, 11], strict=True)  # type: ignore[call-overload]
        ]
    )
    expected = generators["json"].network(latents, inputs)
    expected = expected * 1000 * np.float32(ASKED["energy"])[:, None]
    expected[expected < 0.1] = 0
    np.testing.assert_allclose(made, expected, rtol=1e-3, atol=1e-3)
    sample = generators["c++"].sample(ASKED, seed=1)
    assert sample.labels == {"particle": LABEL}
    assert sample.conditions["particle"].tolist() == [11, 22, 22, 11]


@pytest.mark.parametrize("name", ["run", "json", "c++"])
@pytest.mark.parametrize("value", [13, 16.5, "mu-"])
def test_other_particles_are_refused(generators: dict[str, Any], name: str, value: Any) -> None:
    with pytest.raises(CaloganError, match=r"e- \(11\), gamma \(22\)"):
        generators[name].sample({**ASKED, "particle": value}, 1, allow_extrapolation=True)


def test_the_file_says_what_it_needs(folder: Path, generators: dict[str, Any]) -> None:
    document = json.loads((folder / "model.json").read_text())
    assert document["calogan"]["schema_version"] == 2
    (node,) = (n for n in document["inputs"] if n["name"] == "conditions")
    assert [v["name"] for v in node["variables"]] == [
        *("log_energy", "theta", "particle_11", "particle_22")
    ]
    assert [(v["offset"], v["scale"]) for v in node["variables"][2:]] == [(0, 1), (0, 1)]


def test_the_programs_take_names(folder: Path, generators: dict[str, Any]) -> None:
    paths = [folder / "cpp.h5", folder / "python.h5"]
    options = ["--energy", "10", "--theta", "0.1", "--particle", "e-,gamma", "-n", "300", "-o"]
    shell = [PROGRAM, folder / "model.json", *options, paths[0], "--allow-extrapolation"]
    subprocess.run(shell, check=True, capture_output=True, timeout=60)
    found = CliRunner().invoke(
        app, ["generate", str(folder / "model.json"), *options, str(paths[1])]
    )
    assert found.exit_code == 0, found.output
    for path in paths:
        showers = store.load(path)
        assert showers.labels == {"particle": LABEL}
        values, counts = np.unique(showers.conditions["particle"], return_counts=True)
        assert values.tolist() == [11, 22]
        assert counts.min() > 100
    # The program and the library in Python are one.
    again = generators["c++"].sample(dict(store.load(paths[0]).conditions), seed=1)
    np.testing.assert_array_equal(again.energies, store.load(paths[0]).energies)
    like = [PROGRAM, folder / "model.json", "--like", paths[0], "-o", folder / "like.h5"]
    subprocess.run(like, check=True, capture_output=True, timeout=60)
    np.testing.assert_array_equal(
        store.load(folder / "like.h5").energies, store.load(paths[0]).energies
    )
    for text in ("mu-", "11:22"):
        bad = subprocess.run(
            [PROGRAM, folder / "model.json", "--energy", "10", "--theta", "0", "--particle", text],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert bad.returncode == 2
        assert f'--particle is "{text}", expected among e- (11), gamma (22)' in bad.stderr
    shown = subprocess.run(
        [PROGRAM, folder / "model.json"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "--particle  e-,gamma" in shown.stdout


def test_compiled_models_have_them_too(folder: Path, generators: dict[str, Any]) -> None:
    runner.compile_model(folder / "model.json", folder / "model.calogan")
    compiled = runner.Generator.load(folder / "model.calogan")
    assert compiled.conditions == generators["c++"].conditions
    np.testing.assert_array_equal(compiled.generate(ASKED, 3), generators["c++"].generate(ASKED, 3))


def test_other_programs_get_a_file_for_each(folder: Path, generators: dict[str, Any]) -> None:
    with pytest.raises(CaloganError, match=r"cannot say which; export a file for each, with --set"):
        profiles.export_onnx(folder / "model.json", folder / "a.onnx")
    with pytest.raises(CaloganError, match="nothing between or beyond"):
        profiles.export_onnx(folder / "model.json", folder / "a.onnx", fixed={"particle": 13})
    latents = np.random.default_rng(2).standard_normal((50, generators["json"].latent_size), "f4")
    for name in LABEL.names:
        path = folder / f"{name}.onnx"
        profiles.export_onnx(folder / "model.json", path, fixed={"particle": name})
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        conditions = np.tile(np.float32([10, 0.1]), (50, 1))
        (made,) = session.run(["fractions"], {"latents": latents, "conditions": conditions})
        asked = {"energy": [10] * 50, "theta": 0.1, "particle": name}
        expected = generators["c++"].generate_from(asked, latents) / 10_000
        np.testing.assert_allclose(made, expected, rtol=1e-3, atol=1e-6)


def test_lwtnn_itself_runs_the_network(folder: Path) -> None:
    """Labels need nothing of lwtnn but inputs with offset 0 and scale 1."""
    document = json.loads((folder / "model.json").read_text())
    case = document["calogan"]["self_test"][0]
    energy, theta, particle = case["conditions"]
    variables = [np.log(energy), theta, particle == 11, particle == 22]
    latent, first, second = np.split(np.float64(case["latent"]), [4, 16])
    fed = {"latent": latent, "cell_latent_0": first, "cell_latent_1": second}
    fed = {k: v[None] for k, v in fed.items()} | {"conditions": np.float64(variables)[None]}
    found = Graph(document).compute(fed, output="fractions")
    np.testing.assert_allclose(found[0], case["fractions"], rtol=1e-6, atol=1e-9)


def test_an_evaluation_has_a_bin_for_each(folder: Path) -> None:
    store.save(make_labelled(700, seed=9), folder / "test.h5")
    found, page = evaluate_run(folder / "run", folder / "test.h5", folder / "evaluation")
    (bins,) = (b for b in found.conditions if b.name == "particle")
    codes = store.load(folder / "test.h5").conditions["particle"]
    assert bins.spans == ["e- (11)", "gamma (22)"]
    assert bins.counts.tolist() == [int((codes == v).sum()) for v in LABEL.values]
    real = [r.value for r in bins.response[0]]
    assert real[1] / real[0] == pytest.approx(0.8, abs=0.02)
    assert found.to_dict()["conditions"]["particle"]["values"] == bins.spans
    assert found.settings["labels"] == {"particle": "e- (11), gamma (22)"}
    assert "particle e- (11), gamma (22)" in page.read_text()
