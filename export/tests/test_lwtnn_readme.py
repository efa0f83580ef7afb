from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from lwtnn_converter import Graph, convert
from lwtnn_converter.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    (variables,) = map(json.loads, blocks("json"))
    network = Graph(convert(names["model"], variables))
    assert network.inputs == {"jet": ("pt", "eta", "phi", "mass")}
    assert network.outputs == {"flavour": ("light", "bottom")}
    assert network.compute({"jet": [5e4, 0.0, 0.0, 9e3]}).shape == (1, 2)


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), names)
    names["model"].save("model.keras")
    commands = [
        line.split("#")[0] for line in README.splitlines() if line.startswith("keras2lwtnn")
    ]
    assert len(commands) == 3
    for command in commands:
        arguments, _, target = command.partition(">")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert main(shlex.split(arguments)[1:]) == 0
        if target:
            Path(target.strip()).write_text(out.getvalue(), encoding="utf-8")
    assert Graph("model.json").inputs == {"jet": ("jet_0", "jet_1", "jet_2", "jet_3")}
