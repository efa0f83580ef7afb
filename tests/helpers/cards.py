"""Cards that differ from the shipped one."""

from __future__ import annotations

from pathlib import Path

from calogan.card.keys import Card
from calogan.card.loading import load_card, shipped_card


def changed_card(folder: Path, old: str, new: str) -> Card:
    """The shipped card with one piece of text replaced."""
    text = shipped_card()
    assert old in text
    path = folder / "card.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return load_card(path)
