"""The commands, run in order as a user would, and their errors."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.samples import make_showers

from calogan.reading import store


def calogan(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command `calogan` as the shell does."""
    return subprocess.run(
        [sys.executable, "-m", "calogan.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


CARD = """
name = "small"
[geometry]
name = "small"
[[geometry.layers]]
x = { low = -30, high = 30, n = 3 }
y = { low = -40, high = 40, n = 4 }
z = [0, 50]
[[geometry.layers]]
x = { low = -30, high = 30, n = 2 }
y = { low = -40, high = 40, n = 2 }
z = [50, 200]
[conditions.energy]
unit = "GeV"
low = 1
high = 50
scale = "log"
branch = "gen_energy"
[conditions.theta]
unit = "rad"
low = 0
high = 0.35
branch = "gen_theta"
[data]
train = "train.h5"
readout_threshold = 0.1
[generator]
latent_size = 4
hidden = [16, 16]
layer_hidden = [8]
[critic]
hidden = [16]
feature_hidden = [16]
[training]
updates = 40
batch_size = 32
updates_per_call = 4
jit = false
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a card, two stores, a trained run, and its exported JSON."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "card.toml").write_text(CARD)
    units = [("energy", "GeV"), ("theta", "rad")]
    store.save(make_showers(600), folder / "train.h5", units)
    store.save(make_showers(1200, seed=9), folder / "test.h5", units)
    found = calogan("train", "card.toml", "--out", "run", cwd=folder)
    assert found.returncode == 0, found.stderr
    assert re.search(r"40 updates into run; kept .* update 40,.*response x\d\.\d+", found.stdout)
    found = calogan("export", "run", "-o", "model.json", cwd=folder)
    assert found.returncode == 0, found.stderr
    assert "20 latents, energy 1..50 GeV, theta 0..0.35 rad" in found.stdout
    return folder


def test_export_for_other_programs(workspace: Path) -> None:
    for source in ("run", "model.json"):
        found = calogan("export", source, "--profile", "onnx", "-o", "model.onnx", cwd=workspace)
        assert found.returncode == 0, found.stderr
        assert "latents (n, 20), conditions (n, 2); output: fractions (n, 16)" in found.stdout
        fixed = ["--set", "theta=0.1", "-o", "fixed.onnx"]
        found = calogan("export", source, "--profile", "onnx", *fixed, cwd=workspace)
        assert "conditions (n, 1)" in found.stdout
    assert (workspace / "fixed.onnx").stat().st_size > 1000


@pytest.mark.parametrize(
    "options, message",
    [
        (["--profile", "par04"], "no mesh of Par04: layer 'layer_0' is cartesian"),
        (
            ["--profile", "fastcalosim"],
            "fastcalosim needs --pid and --eta, as in --pid 22 --eta 20",
        ),
        (["--pid", "22"], "--pid means nothing to the profile native, only to fastcalosim"),
        (
            ["--profile", "par04", "--network", "onnx"],
            "--network means nothing to the profile par04",
        ),
        (["--profile", "onnx", "--e-max", "500"], "--e-max means nothing to separate inputs"),
        (
            ["--profile", "fastcalosim", "--pid", "22", "--eta", "20", "--samplings", "1;2"],
            "--samplings 1;2: expected whole numbers",
        ),
        (
            ["--profile", "fastcalosim", "--pid", "22", "--eta", "20", "--set", "theta=0.1"],
            "layer 'layer_0' is cartesian, but FastCaloSim has cells in r and alpha alone",
        ),
    ],
)
def test_export_says_what_cannot_be(workspace: Path, options: list[str], message: str) -> None:
    found = calogan("export", "model.json", *options, "-o", "other", cwd=workspace)
    assert found.returncode == 2
    assert message in found.stderr
    assert not (workspace / "other").exists()


def test_evaluate_writes_report_and_metrics(workspace: Path) -> None:
    found = calogan(
        "evaluate", "run", "--reference", "test.h5", "--output", "report", cwd=workspace
    )
    assert found.returncode == 0, found.stderr
    assert "AUC" in found.stdout and "resolution" in found.stdout
    assert (workspace / "report/metrics.json").stat().st_size > 1000
    assert "<html" in (workspace / "report/report.html").read_text()


def test_report_and_its_old_name(workspace: Path) -> None:
    found = calogan("report", "report", "report", "--name", "a", "--name", "b", cwd=workspace)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("| | a | b | Geant4 itself |")
    command = ("compare", "report/metrics.json", "-o", "side.html")
    assert calogan(*command, cwd=workspace).stdout.startswith("| | report | Geant4 itself |")
    assert 'id="talk"' in (workspace / "side.html").read_text()
    found = calogan("compare", "report", "-o", "side.md", cwd=workspace)
    assert (workspace / "side.md").read_text() == found.stdout


def test_evaluate_refuses_the_training_events(workspace: Path) -> None:
    found = calogan("evaluate", "run", "--reference", "train.h5", "--output", "no", cwd=workspace)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    assert "train" in found.stderr and "600" in found.stderr
    assert not (workspace / "no").exists()


def test_generate_like_keeps_order_and_conditions(workspace: Path) -> None:
    for source in ("run", "model.json"):
        found = calogan(
            "generate", source, "--like", "test.h5", "-o", "like.h5", "--seed", "5", cwd=workspace
        )
        assert found.returncode == 0, found.stderr
        made, real = (store.load(workspace / name) for name in ("like.h5", "test.h5"))
        for name in ("energy", "theta"):
            np.testing.assert_array_equal(made.conditions[name], real.conditions[name])


def test_generate_draws_conditions(workspace: Path) -> None:
    arguments = ("generate", "--energy", "1:50", "-n", "300", "--theta=0.1", "model.json")
    found = calogan(*arguments, "-o", "drawn.h5", cwd=workspace)
    assert found.returncode == 0, found.stderr
    made = store.load(workspace / "drawn.h5")
    assert len(made) == 300
    assert 1 <= made.incident_energy.min() < 2 and 30 < made.incident_energy.max() <= 50
    np.testing.assert_allclose(made.conditions["theta"], 0.1, rtol=1e-6)
    with h5py.File(workspace / "drawn.h5") as file:
        np.testing.assert_allclose(
            file["incident_energies"][:, 0], 1000 * made.incident_energy, rtol=1e-6
        )


def test_generate_writes_what_the_ending_says(workspace: Path) -> None:
    arguments = ("generate", "model.json", "--energy", "10", "--theta", "0.1", "-n", "20")
    for name in ("ending.csv", "ending.hdf5"):
        found = calogan(*arguments, "-o", name, cwd=workspace)
        assert found.returncode == 0, found.stderr
        assert f"20 showers in {name}" in found.stdout
    lines = (workspace / "ending.csv").read_text().splitlines()
    assert lines[0].startswith("event,energy_GeV,theta_rad,layer,cell,")
    made = store.load(workspace / "ending.hdf5")
    assert len(lines) == 1 + int((made.energies > 0).sum())
    # Refused before the model is looked for.
    found = calogan("generate", "none.json", "-o", "ending.txt", cwd=workspace)
    assert found.returncode == 2
    assert "its ending is '.txt', expected .h5, .hdf5, .csv or .root" in found.stderr
    found = calogan("generate", "--help", cwd=workspace)
    assert ".csv a line for each cell" in " ".join(found.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--energy", "10"], "conditions ['theta'] are not given"),
        (["--energy", "1:100", "--theta", "0"], "takes energy 1..50 GeV"),
        (["--energi", "10"], "nearest: 'energy'"),
        (["--energy", "ten", "--theta", "0"], "expected a number as in --energy 10"),
        (["--energy", "50:1", "--theta", "0"], "or a range as in --energy 1:50"),
        (["--energy"], "expected a number as in --energy 10"),
        (["--like", "test.h5", "--energy", "10"], "leave out --energy"),
        (["--like", "test.h5", "-n", "5"], "leave out -n"),
        (["--like", "nowhere.h5"], "no file nowhere.h5"),
    ],
)
def test_generate_explains_its_errors(workspace: Path, arguments: list[str], message: str) -> None:
    found = calogan("generate", "model.json", "-o", "bad.h5", *arguments, cwd=workspace)
    assert found.returncode == 2
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert not (workspace / "bad.h5").exists()


def test_ctrl_c_stops_and_resume_goes_on(workspace: Path) -> None:
    (workspace / "long.toml").write_text(CARD.replace("updates = 40", "updates = 100000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "calogan.cli", "train", "long.toml", "--out", "long"],
        cwd=workspace,
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = workspace / "long/metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "calogan train long.toml --out long --resume" in stderr
    assert (workspace / "long/generator.weights.h5").is_file()


def test_a_bad_card_names_the_key(workspace: Path) -> None:
    bad = CARD.replace("batch_size", "batchsize")
    (workspace / "bad.toml").write_text(bad)
    found = calogan("train", "bad.toml", cwd=workspace)
    assert found.returncode == 2
    assert "unknown key 'training.batchsize'; nearest: 'batch_size'" in found.stderr


def test_card_prints_one_that_loads(tmp_path: Path) -> None:
    from calogan.card.loading import load_card

    found = calogan("card", cwd=tmp_path)
    (tmp_path / "my.toml").write_text(found.stdout)
    assert load_card(tmp_path / "my.toml") == load_card()


def test_help_names_every_command(tmp_path: Path) -> None:
    found = calogan("--help", cwd=tmp_path)
    for name in (
        "inspect",
        "voxelize",
        "card",
        "train",
        "evaluate",
        "report",
        "plot",
        "export",
        "generate",
        "convert",
        "check",
        "campaign",
        "bundle",
    ):
        assert re.search(rf"\b{name}\b", found.stdout), name
        assert calogan(name, "--help", cwd=tmp_path).returncode == 0
