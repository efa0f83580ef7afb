"""Every snippet, command and link of the documents, run as written on a shorter training."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from calogan.card.loading import load_card

ROOT = Path(__file__).parents[1]
PROGRAM = Path(os.environ.get("CALOGAN_GENERATE", ROOT / "build/cpp/calogan-generate"))
FENCED = ["README.md", "data/cards/README.md", "benchmarks/README.md"]
"""Documents whose blocks of shell commands and of TOML are run and read."""
DOCUMENTS = [
    *FENCED,
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "benchmarks/fidelity.md",
    "benchmarks/geant4.md",
    "cpp_examples/README.md",
    "cpp_examples/benchmark/README.md",
    "cpp_examples/examples/geant4/README.md",
    "cpp_examples/examples/par04/README.md",
    "data/README.md",
    "data/cards/campaigns.md",
    "data/models/README.md",
    "data/models/programs.md",
    "export/README.md",
]


def _text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def _blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _text(document), re.DOTALL)


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


def _run_commands(document: str, folder: Path) -> None:
    """Each line of the shell blocks; of `make` it is only seen that the target is there."""
    targets = (ROOT / "Makefile").read_text()
    for block in _blocks(document, "sh"):
        for line in block.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            if program == "make":
                assert re.search(rf"^{arguments[0]}:", targets, re.MULTILINE), line
            elif program == "calogan-generate":
                _run([str(PROGRAM), *arguments], folder)
            else:
                assert program == "calogan", line
                _run([program, *arguments], folder)


@pytest.fixture(scope="module")
def after_the_readme(workspace: Path) -> Path:
    """The workspace with all that the README's commands make."""
    _run_commands("README.md", workspace)
    return workspace


def test_a_newcomer_reads_no_more_than_a_page() -> None:
    lines = _text("README.md").splitlines()
    assert len(lines) <= 120
    assert any(line.startswith("make demo") for line in lines)
    assert any(line.startswith("make test") for line in lines)


def test_the_python_snippet_runs(workspace: Path) -> None:
    (chain,) = _blocks("README.md", "python")
    assert len([line for line in chain.splitlines() if line]) <= 11
    assert "report.html" in _run([sys.executable, "-c", chain], workspace)


def test_the_onnx_snippet_runs(tmp_path: Path) -> None:
    page = "data/models/programs.md"
    (command,) = re.findall(r"^    calogan (export .* --profile onnx -o .*)$", _text(page), re.M)
    (tmp_path / "data").symlink_to(ROOT / "data")
    _run([sys.executable, "-m", "calogan.cli", *shlex.split(command)], tmp_path)
    (snippet,) = _blocks(page, "python")
    sums = _run([sys.executable, "-c", snippet + "print(energies.sum(axis=1).mean())"], tmp_path)
    assert 1500 < float(sums) < 2700  # the sampling fraction is a fifth


def test_the_commands_of_the_readme_run(after_the_readme: Path) -> None:
    assert (after_the_readme / "build/showers.h5").is_file()
    assert (after_the_readme / "build/showers.csv").is_file()


@pytest.mark.parametrize("document", FENCED[1:])
def test_the_commands_of_other_documents_run(document: str, after_the_readme: Path) -> None:
    assert _blocks(document, "sh")
    _run_commands(document, after_the_readme)


def test_the_cards_load(tmp_path: Path) -> None:
    cards = [block for document in FENCED for block in _blocks(document, "toml")]
    assert cards
    for text in cards:
        (tmp_path / "card.toml").write_text(text, encoding="utf-8")
        assert load_card(tmp_path / "card.toml") != load_card()


def test_the_cpp_snippet_is_the_example_that_is_compiled_and_run() -> None:
    (snippet,) = _blocks("README.md", "cpp")
    assert snippet.strip() == _text("cpp_examples/examples/minimal.cpp").strip()


def _anchors(document: str) -> set[str]:
    """Of a document's headings, as web pages of repositories make them."""
    text = re.sub(r"```.*?```", "", _text(document), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", _text(document)):
        target, _, anchor = link.partition("#")
        if target.startswith("https://"):
            continue
        path = (folder / target).resolve() if target else ROOT / document
        assert path.exists(), link
        if anchor:
            assert anchor in _anchors(str(path.relative_to(ROOT))), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document: str) -> None:
    """In code style: no document names a file that has moved away."""
    homes = (".", "calogan", "cpp_examples", "cpp_examples/include", "data", "export")
    folders = [(ROOT / document).parent, *(ROOT / home for home in homes)]
    named = r"`([\w.-]+/[\w./-]+\.(?:py|cpp|hpp|h|md|sh|toml|j2))`"
    for path in re.findall(named, _text(document)):
        assert any((folder / path).exists() for folder in folders), path
