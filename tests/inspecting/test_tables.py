"""What is printed of an inspection: above all, a card that can be copied."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from helpers.inspections import printed
from helpers.rootfiles import SAMPLE, write_par04
from rich.console import Console
from rich.text import Text

from calogan.files import parse_toml
from calogan.inspecting.inspect import inspect
from calogan.inspecting.tables import MAX_ROWS, few

HEADING = "A run card to begin with (--card prints it alone):"


@pytest.fixture(params=["sample", "par04"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return SAMPLE if request.param == "sample" else write_par04(tmp_path / "e-_8GeV_theta60.root")


@pytest.mark.parametrize("width", [30, 60, 100, 300])
def test_the_card_is_printed_as_it_stands(path: Path, width: int) -> None:
    found = inspect(path)
    assert found.card is not None
    assert max(map(len, found.card.splitlines())) > 80
    # A narrow console folds the heading itself.
    assert printed(found, width).startswith(f"{path}: {found.kind}\n")
    _, _, card = printed(found, width).partition(HEADING.split()[-1] + "\n")
    assert card == found.card
    assert parse_toml(card, "printed") == parse_toml(found.card, "suggested")


def test_colours_fold_and_pad_nothing(path: Path) -> None:
    found = inspect(path)
    file = io.StringIO()
    Console(width=60, file=file, force_terminal=True, color_system="truecolor").print(
        found, crop=False
    )
    _, _, card = file.getvalue().partition("alone):")
    assert "\x1b[" in card
    assert Text.from_ansi(card).plain.strip("\n") == str(found.card).strip("\n")


def test_many_rows_are_counted() -> None:
    rows = [(str(i), "float") for i in range(MAX_ROWS + 3)]
    assert few(rows[:MAX_ROWS]) == tuple(rows[:MAX_ROWS])
    assert few(rows) == (*rows[:MAX_ROWS], ("... and 3 more", ""))
