"""What an inspection shows: facts and tables, printed by rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.syntax import Syntax
from rich.table import Table as RichTable
from rich.text import Text

from calogan.conditions import AnyCondition, Condition
from calogan.geometry import Geometry

MAX_ROWS = 40
"""More rows than these are only counted."""


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Inspection:
    """The content of one file or run directory.

    For rich's ``console.print(found, crop=False)``: the path and the lines of a card may be
    wider than the console, and are neither folded nor cut: what is copied from a terminal is whole.
    """

    path: Path
    kind: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    card: str | None = None
    """For a ROOT file with hits: a run card that would read it, TOML."""

    def __rich__(self) -> Group:
        heading = Text(f"{self.path}: {self.kind}", "bold", no_wrap=True, overflow="ignore")
        parts: list[Any] = [heading]
        if self.facts:
            grid = RichTable.grid(padding=(0, 2))
            for key, value in self.facts:
                grid.add_row(Text(key, style="cyan"), Text(value))
            parts.append(grid)
        for table in self.tables:
            shown = RichTable(title=Text(table.title), title_justify="left", box=box.SIMPLE_HEAD)
            for column in table.columns:
                shown.add_column(column, overflow="fold")
            for row in table.rows:
                shown.add_row(*(Text(cell) for cell in row))
            parts.append(shown)
        if self.card is not None:
            parts.append(Text("A run card to begin with (--card prints it alone):", style="bold"))
            card = Syntax("", "toml", background_color="default").highlight(self.card)
            card.rstrip()  # its line end is printed with it
            card.no_wrap, card.overflow = True, "ignore"
            parts.append(card)
        return Group(*parts)


def in_digits(value: float) -> str:
    return f"{value:.6g}"


def size_of(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.3g} MB"


def few(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The first rows of many, and how many more there are."""
    if len(rows) <= MAX_ROWS:
        return tuple(rows)
    rest = (f"... and {len(rows) - MAX_ROWS} more", *("" for _ in rows[0][1:]))
    return (*rows[:MAX_ROWS], rest)


def provenance_facts(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What fits a line each: texts and numbers, and where many files came from."""
    rows = []
    for key, value in provenance.items():
        if key == "files" and isinstance(value, list):
            first = value[0].get("path", "") if value and isinstance(value[0], dict) else ""
            rows.append(("made from", f"{len(value)} files, first {first}"))
        elif isinstance(value, str | int | float):
            rows.append((key.replace("_", " "), str(value)))
    return rows


def condition_table(conditions: Sequence[AnyCondition]) -> Table:
    rows = tuple(
        (c.name, in_digits(c.low), in_digits(c.high), c.unit, c.scale)
        if isinstance(c, Condition)
        else (c.name, "", "", "", c.span)
        for c in conditions
    )
    return Table("conditions", ("name", "low", "high", "unit", "scale or values"), rows)


def geometry_table(geometry: Geometry) -> Table:
    rows = []
    for layer in geometry.layers:
        axes = ("x", "y") if layer.system == "cartesian" else ("r", "alpha")
        first, second = layer.first_edges, layer.second_edges
        depth = "" if layer.z is None else f"{layer.z[0]:g} .. {layer.z[1]:g} mm"
        spans = (f"{a} {e[0]:g} .. {e[-1]:g}" for a, e in zip(axes, (first, second), strict=True))
        rows.append((layer.name, f"{layer.shape[0]} x {layer.shape[1]}", *spans, depth))
    title = f"geometry {geometry.name}, {geometry.n_voxels} voxels"
    return Table(title, ("layer", "cells", "first axis", "second axis", "z"), few(rows))
