"""Conditions besides energy and angle, by the card alone: from ROOT files to showers in C++."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from helpers.programs import PROGRAM
from helpers.rootfiles import write_sample
from typer.testing import CliRunner

from calogan import runner
from calogan.cli import app
from calogan.conditions import Condition, Label
from calogan.reading import store

CARD = """
extends = "lar_photons.toml"
[conditions.eta]
unit = ""
low = -0.8
high = 0.8
branch = "gen_eta"
[conditions.impact_x]
unit = "mm"
low = -20
high = 20
branch = "gen_x"
source_unit = "cm"
[conditions.particle]
values = ["e-", "gamma", "pi+"]
pattern = "^([^_]+)_"
[conditions.side]
values = [0, 1]
branch = "side"
[data]
train = "train.h5"
mirror = []
readout_threshold = 0
[generator]
latent_size = 4
hidden = [8]
layer_hidden = [4]
[critic]
hidden = [8]
feature_hidden = [8]
[training]
updates = 2
batch_size = 16
jit = false
[selection]
showers = 20
"""
CONDITIONS = (
    Condition("energy", "GeV", 1, 50, "log"),
    Condition("theta", "rad", 0, 0.35),
    Condition("eta", "", -0.8, 0.8),
    Condition("impact_x", "mm", -20, 20),
    Label("particle", (11, 22, 211), ("e-", "gamma", "pi+")),
    Label("side", (0, 1), ("0", "1")),
)


def calogan(*arguments: str | Path) -> None:
    found = CliRunner().invoke(app, [str(a) for a in arguments])
    assert found.exit_code == 0, (found.output, found.exception)


def test_from_the_card_to_cpp(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(CARD.replace("train.h5", str(tmp_path / "train.h5")))
    rng = np.random.default_rng(1)
    expected: dict[str, list[np.ndarray]] = {"eta": [], "impact_x": [], "particle": [], "side": []}
    for particle, code in (("e-", 11), ("gamma", 22), ("pi+", 211)):
        eta, x = rng.uniform(-0.8, 0.8, 80), rng.uniform(-2, 2, 80)
        side = rng.integers(0, 2, 80).astype(np.int32)
        path = tmp_path / f"{particle}_1.root"
        write_sample(path, 80, seed=code, gen_eta=eta, gen_x=x, side=side)
        for name, values in zip(expected, (eta, 10 * x, np.full(80, code), side), strict=True):
            expected[name].append(values)
    files = [tmp_path / f"{particle}_1.root" for particle in ("e-", "gamma", "pi+")]
    calogan("voxelize", *files, "-o", tmp_path / "train.h5", "-c", tmp_path / "card.toml")
    showers = store.load(tmp_path / "train.h5")
    for name, values in expected.items():
        np.testing.assert_allclose(showers.conditions[name], np.concatenate(values), rtol=1e-6)
    assert [*showers.labels] == ["particle", "side"]

    calogan("train", tmp_path / "card.toml", "--out", tmp_path / "run")
    calogan("export", tmp_path / "run", "-o", tmp_path / "model.json")
    generator = runner.Generator.load(tmp_path / "model.json")
    assert generator.conditions == CONDITIONS
    asked = ["--energy", "1:50", "--theta", "0.1", "--eta=-0.5:0.5", "--impact_x=-20:20"]
    asked += ["--particle", "gamma,pi+", "--side", "1", "-n", "40"]
    calogan("generate", tmp_path / "model.json", *asked, "-o", tmp_path / "python.h5")
    subprocess.run(
        [PROGRAM, tmp_path / "model.json", *asked, "-o", tmp_path / "cpp.h5"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    for name in ("python.h5", "cpp.h5"):
        made = store.load(tmp_path / name)
        assert set(made.conditions["particle"]) == {22, 211}
        assert set(made.conditions["side"]) == {1}
        assert -0.5 <= made.conditions["eta"].min() < -0.2
        assert 10 < made.conditions["impact_x"].max() <= 20
        assert made.unit("impact_x") == "mm"
    # The network sees each of them.
    latents = rng.standard_normal((5, generator.latent_size), np.float32)
    at = {"energy": [10] * 5, "theta": 0.1, "eta": 0, "impact_x": 0, "particle": "e-", "side": 0}
    before = generator.generate_from(at, latents)
    for name, value in (("eta", 0.7), ("impact_x", 15), ("particle", "gamma"), ("side", 1)):
        assert (generator.generate_from({**at, name: value}, latents) != before).any(), name
