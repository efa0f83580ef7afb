from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import zoo
from keras import layers as kl

from lwtnn_converter import Graph
from lwtnn_converter.cli import main


@pytest.fixture
def model(tmp_path: Path) -> Any:
    built = zoo.randomize(zoo.vector(kl.Dense(2, activation="softmax", name="out")))
    built.save(tmp_path / "m.keras")
    return built


def test_to_a_file(model: Any, tmp_path: Path) -> None:
    assert main([str(tmp_path / "m.keras"), "-o", str(tmp_path / "m.json")]) == 0
    inputs = zoo.events(model)
    found = Graph(tmp_path / "m.json").compute(inputs)
    np.testing.assert_allclose(found, zoo.keras_outputs(model, inputs)[0], rtol=1e-5)


def test_template_then_inputs(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "m.keras"), "--template"]) == 0
    variables = json.loads(capsys.readouterr().out)
    assert variables["inputs"][0]["variables"][4] == {"name": "x_4", "offset": 0.0, "scale": 1.0}
    variables["inputs"][0]["variables"][0].update(name="pt", offset=-2.5)
    variables["outputs"][0]["labels"] = ["s", "b"]
    (tmp_path / "v.json").write_text(json.dumps(variables))
    assert main([str(tmp_path / "m.keras"), "--inputs", str(tmp_path / "v.json")]) == 0
    graph = json.loads(capsys.readouterr().out)
    assert graph["inputs"][0]["variables"][0] == {"name": "pt", "offset": -2.5, "scale": 1.0}
    (output,) = graph["outputs"].values()
    assert output["labels"] == ["s", "b"]


def test_sequential(model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "m.keras"), "--sequential"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["outputs"] == ["out_0", "out_1"]


def test_errors_are_one_line(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    zoo.vector(kl.LayerNormalization(name="ln")).save(tmp_path / "ln.keras")
    (tmp_path / "text.keras").write_text("no model")
    for arguments, message in (
        (["gone.keras"], "no file gone.keras; expected a model saved by Keras 3"),
        (["text.keras"], "Keras cannot load"),
        (["ln.keras"], "layer 'ln' (LayerNormalization) cannot be computed by lwtnn"),
        (["m.keras", "-i", "broken.json"], "broken.json is not JSON"),
        (["m.keras", "-i", "gone.json"], "gone.json"),
        (["m.keras", "-o", "gone/m.json"], "cannot write"),
    ):
        paths = [
            str(tmp_path / item) if "." in item and not item.startswith("gone.k") else item
            for item in arguments
        ]
        assert main(paths) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("keras2lwtnn: ")
        assert message in captured.err
        assert captured.err.count("\n") == 1


def test_layers_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @keras.saving.register_keras_serializable(package="elsewhere")
    class Mine(kl.Dense):
        pass

    zoo.vector(Mine(2)).save(tmp_path / "m.keras")
    del keras.saving.get_custom_objects()["elsewhere>Mine"]
    assert main([str(tmp_path / "m.keras")]) == 1
    assert "Keras cannot load" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "keras2lwtnn model.keras --inputs variables.json -o model.json" in text
    assert "(x + offset) * scale" in text


def test_as_a_module_without_keras() -> None:
    code = "import sys, lwtnn_converter.cli; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    shown = subprocess.run(
        [sys.executable, "-m", "lwtnn_converter", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert shown.stdout == "keras2lwtnn 0.1.0\n"
