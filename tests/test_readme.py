"""Every code block, command and link of the documents, run as written on a shorter training."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from helpers.documents import ROOT, Block, blocks, documents, text, without_blocks

from calogan.card.loading import load_card
from calogan.geometry import Geometry

PROGRAM = Path(os.environ.get("CALOGAN_GENERATE", ROOT / "build/cpp/calogan-generate"))
DOCUMENTS = documents()
ELSEWHERE = {"export/README.md": "export/tests/test_lwtnn_readme.py"}
"""Documents whose blocks another test runs."""
RUN = ("sh", "bash", "python", "toml")
NOT_CODE = ("", "text")


def _runs(block: Block) -> bool:
    return block.language in RUN and block.why_not_run is None


@dataclass
class Workspace:
    """A folder like the checkout, but with one training file and few updates."""

    folder: Path
    done: set[str] = field(default_factory=set)
    """Commands that were run: documents that share one need it once."""

    def run(self, *command: str) -> str:
        path = f"{PROGRAM.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        found = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert found.returncode == 0, f"{command}\n{found.stdout}\n{found.stderr}"
        return found.stdout

    def run_commands(self, commands: str) -> None:
        """Line by line; of `make` it is only seen that the target is there."""
        for line in filter(None, commands.replace("\\\n", "").splitlines()):
            if line.startswith("make "):
                target = line.split()[1]
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), line
            elif line not in self.done:
                self.run("bash", "-euc", line)
                self.done.add(line)

    def run_block(self, block: Block) -> None:
        if block.file:
            (self.folder / block.file).write_text(block.text, encoding="utf-8")
        if block.language == "python":
            self.run(sys.executable, "-c", block.text)
        elif block.language == "toml" and "[[layers]]" in block.text:
            assert Geometry.load(self.folder / str(block.file)).n_layers > 0
        elif block.language == "toml":
            card = self.folder / (block.file or "card.toml")
            card.write_text(block.text, encoding="utf-8")
            assert load_card(card) != load_card()
        elif block.language == "sh":
            self.run_commands(block.text)
        else:  # a script, which a command below calls
            assert block.file


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("readme")
    for part in ("train", "test"):
        (folder / "data/lar_photons" / part).mkdir(parents=True)
        for file in sorted((ROOT / "data/lar_photons" / part).glob("*.root"))[:1]:
            (folder / "data/lar_photons" / part / file.name).symlink_to(file)
    for name in ("models", "geometry"):
        (folder / "data" / name).symlink_to(ROOT / "data" / name)
    (folder / "generator.json").symlink_to(ROOT / "data/models/lar_photons/generator.json")
    (folder / "data/cards").mkdir()
    card = (ROOT / "data/cards/demo.toml").read_text()
    short, n = re.subn(r"updates = \d+", "updates = 20\njit = false", card)
    assert n == 1
    (folder / "data/cards/demo.toml").write_text(short)
    return Workspace(folder)


@pytest.fixture(scope="module")
def after_the_readme(workspace: Workspace) -> Workspace:
    """The workspace with all that the README's commands make."""
    for block in blocks("README.md", "sh"):
        workspace.run_block(block)
    return workspace


def test_a_newcomer_reads_no_more_than_a_page() -> None:
    lines = text("README.md").splitlines()
    assert len(lines) <= 120
    assert any(line.startswith("make demo") for line in lines)
    assert any(line.startswith("make test") for line in lines)


def test_the_python_snippet_runs(workspace: Workspace) -> None:
    (chain,) = blocks("README.md", "python")
    assert len([line for line in chain.text.splitlines() if line]) <= 11
    assert "report.html" in workspace.run(sys.executable, "-c", chain.text)


def test_the_onnx_snippet_gives_showers(workspace: Workspace) -> None:
    page = "data/models/programs.md"
    (command,) = [block for block in blocks(page, "sh") if _runs(block)]
    workspace.run_commands(command.text)
    (snippet,) = blocks(page, "python")
    program = snippet.text + "print(energies.sum(axis=1).mean())"
    assert 1500 < float(workspace.run(sys.executable, "-c", program)) < 2700  # a fifth is visible


def test_the_commands_of_the_readme_run(after_the_readme: Workspace) -> None:
    assert (after_the_readme.folder / "build/showers.h5").is_file()
    assert (after_the_readme.folder / "build/showers.csv").is_file()


@pytest.mark.parametrize(
    "document",
    [
        document
        for document in DOCUMENTS
        if document not in ("README.md", *ELSEWHERE) and any(map(_runs, blocks(document)))
    ],
)
def test_the_blocks_of_other_documents_run(document: str, after_the_readme: Workspace) -> None:
    for block in filter(_runs, blocks(document)):
        after_the_readme.run_block(block)


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d not in ELSEWHERE])
def test_every_block_runs_or_says_why_not(document: str) -> None:
    """Cells of notebooks run when the documentation site is built; other directives are no code."""
    for block in blocks(document):
        where = f"{document}:{block.line}"
        if block.language.startswith("{"):
            assert "{code-block}" not in block.language, f"{where}: a fence with the language runs"
        elif (document, block.language) != ("README.md", "cpp") and block.language not in (
            *RUN,
            *NOT_CODE,
        ):
            assert block.why_not_run, f"{where}: {block.language} needs <!-- not run: WHY -->"
    indented = re.search(r"^\n {4,}\S.*", without_blocks(document), re.MULTILINE)
    assert indented is None, f"{document}: code without a fence: {indented and indented[0]}"


def test_documents_that_run_elsewhere_do() -> None:
    for document, test in ELSEWHERE.items():
        assert Path(document).name in (ROOT / test).read_text()


def test_the_cpp_snippet_is_the_example_that_is_compiled_and_run() -> None:
    (snippet,) = blocks("README.md", "cpp")
    assert snippet.text.strip() == text("cpp_examples/examples/minimal.cpp").strip()


def _anchors(document: str) -> set[str]:
    """Of a document's headings, as web pages of repositories make them."""
    titles = re.findall(r"^#+ (.*)$", without_blocks(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", text(document)):
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
    for path in re.findall(named, text(document)):
        assert any((folder / path).exists() for folder in folders), path
