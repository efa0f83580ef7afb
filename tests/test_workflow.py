"""The workflow's commands are commands of this version; what it runs is run in no test."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from calogan import cli
from calogan.card.loading import load_card

ROOT = Path(__file__).parents[1]
SNAKEFILE = (ROOT / "data/workflow/Snakefile").read_text()


def commands() -> list[list[str]]:
    """Words of each shell command, with `{...}` of Snakemake as one word."""
    blocks = re.findall(r'shell:\n((?:        ".*"\n)+)', SNAKEFILE)
    found = []
    for block in blocks:
        text = "".join(re.findall(r'^        "(.*)"$', block, re.MULTILINE)).replace('\\"', '"')
        text = re.sub(r"\$\(.*?echo (--\w+)\)", r"\1", text)
        # Snakemake puts several words in these, options of the command above all.
        text = text.replace("{params.changes}", "--set a=1").replace("{params.names}", "--name a")
        found.append(shlex.split(re.sub(r"\{[^}]*\}", "x", text)))
    return found


def test_there_is_a_command_for_every_arrow() -> None:
    assert {words[0] for words in commands()} == {"calogan"}
    names = ["voxelize", "train", "evaluate", "export", "plot", "report"]
    assert [words[1] for words in commands()] == names


@pytest.mark.parametrize("words", commands(), ids=lambda words: words[1])
def test_every_option_is_known(words: list[str]) -> None:
    known: Any = typer.main.get_command(cli.app)
    context = known.commands[words[1]].make_context(words[1], words[2:])
    assert context.params


def test_a_training_that_was_begun_is_resumed() -> None:
    (train,) = (words for words in commands() if words[1] == "train")
    assert "--resume" in train
    assert "test -e {params.run}/training.json" in SNAKEFILE
    # The run is no output, or Snakemake would delete it after a failure.
    rule = SNAKEFILE[SNAKEFILE.index("rule train") : SNAKEFILE.index("rule evaluate")]
    output = rule[rule.index("output:") : rule.index("params:")]
    assert "trained" in output and "/run" not in output


def test_cards_and_hits_of_its_configuration_are_there() -> None:
    text = (ROOT / "data/workflow/config.yaml").read_text()
    cards = re.findall(r"^  - (data/cards/\S+)$", text, re.MULTILINE)
    assert len(cards) == 2
    changes = re.findall(r"^  - (\w+\.\w+=\S+)$", text, re.MULTILINE)
    assert changes == ["training.updates=2000"]
    geometries = [load_card(ROOT / card, changes).build_geometry() for card in cards]
    assert geometries[0] == geometries[1]
    for pattern in re.findall(r"^  (?:train|test): (\S+)$", text, re.MULTILINE):
        assert list(ROOT.glob(pattern)), pattern
