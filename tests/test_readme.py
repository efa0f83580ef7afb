"""Every snippet and command of the README, run as written on a shorter training."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = Path(os.environ.get("CALOGAN_GENERATE", ROOT / "build/cpp/calogan-generate"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the checkout, but with one training file and few updates."""
    folder = tmp_path_factory.mktemp("readme")
    for part in ("train", "test"):
        (folder / "data/lar_photons" / part).mkdir(parents=True)
        for file in sorted((ROOT / "data/lar_photons" / part).glob("*.root"))[:1]:
            (folder / "data/lar_photons" / part / file.name).symlink_to(file)
    (folder / "data/cards").mkdir()
    card = (ROOT / "data/cards/demo.toml").read_text()
    short, n = re.subn(r"updates = \d+", "updates = 20\njit = false", card)
    assert n == 1
    (folder / "data/cards/demo.toml").write_text(short)
    return folder


def _run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    found = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )
    assert found.returncode == 0, f"{command}\n{found.stdout}\n{found.stderr}"
    return found.stdout


def test_the_python_snippets_run(workspace: Path) -> None:
    chain, runner = _blocks("python")
    assert len([line for line in chain.splitlines() if line]) <= 11
    printed = _run([sys.executable, "-c", chain], workspace)
    assert "report.html" in printed
    shapes = f"{runner}\nprint(energies.shape, len(hits.cells) > 0)"
    assert _run([sys.executable, "-c", shapes], workspace) == "(2, 504) True\n"


def test_the_shell_commands_run(workspace: Path) -> None:
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    makes = [line.split("#")[0].strip() for line in lines if line.startswith("make")]
    targets = (ROOT / "Makefile").read_text()
    for line in makes:
        assert re.search(rf"^{line.removeprefix('make ')}:", targets, re.MULTILINE), line
    for line in lines:
        command = shlex.split(line)
        if command[0] == "calogan":
            _run(command, workspace)
        elif command[0] == "calogan-generate":
            _run([str(PROGRAM), *command[1:]], workspace)
    assert (workspace / "build/showers.h5").is_file()
    assert (workspace / "build/showers.csv").is_file()
    assert all(line.startswith(("make ", "calogan ", "calogan-generate ")) for line in lines)


def test_the_cpp_snippet_is_the_example_that_is_compiled_and_run() -> None:
    (snippet,) = _blocks("cpp")
    example = (ROOT / "cpp_examples/examples/minimal.cpp").read_text(encoding="utf-8")
    assert snippet.strip() == example.strip()


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
