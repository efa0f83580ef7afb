"""All members of a campaign in one table, the worst first: a page, and lines for the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from calogan.campaigns.member import Member, State
from calogan.evaluation.pages import page
from calogan.evaluation.stored import Stored
from calogan.files import atomic_path
from calogan.metrics.statistics import Value

ORDER = ("failed", "running", "waiting", "done")
LEVELS = ("equal", "close", "off")


@dataclass(frozen=True)
class Row:
    """A member's line of the table."""

    member: Member
    state: State
    updates: tuple[int, int]
    """Done and planned."""
    score: float
    """Of the generator that is kept, on validation showers: less is better; NaN before it."""
    counts: tuple[int, int, int] | None
    """Checks of the evaluation that are off, close, equal; None without one."""
    worst: str
    """The check that is worst, and where."""
    response: Value | None
    """Mean response, generated over reference."""
    auc: Value | None
    """The largest of the classifiers'."""

    @property
    def badness(self) -> tuple[Any, ...]:
        """Sorts the worst to the end."""
        score = math.inf if math.isnan(self.score) else self.score
        auc = self.auc.value if self.auc else 0.5
        return (-ORDER.index(self.state.status), (self.counts or (0, 0, 0))[:2], auc, score)

    @property
    def remark(self) -> str:
        """Why it failed, or what it is at."""
        if self.state.status == "failed":
            return f"during '{self.state.step}': {self.state.reason}"
        return self.state.step if self.state.status == "running" else ""


def summarise(members: Sequence[Member]) -> list[Row]:
    """A row for each member, the worst first: failed ones, then by their evaluations."""
    return sorted((_row(member) for member in members), key=lambda row: row.badness, reverse=True)


def _row(member: Member) -> Row:
    done, score = 0, math.nan
    if member.run.training_file.is_file():
        record = member.run.training()
        done = int(record.get("updates", 0))
        score = float((record.get("best") or {}).get("validation_score", math.nan))
    counts, worst, response, auc = None, "", None, None
    if member.report.is_file():
        metrics = Stored.read(member.metrics, member.name).metrics
        levels = [line["level"] for line in metrics["summary"]]
        counts = levels.count("off"), levels.count("close"), levels.count("equal")
        line = max(metrics["summary"], key=_how_bad)
        if line["level"] != "equal":
            worst = f"{line['name']}, {line['where']}"
        response = _value(metrics["response"]["ratio"])
        found = [_value(c["auc"]) for c in metrics["classifiers"].values()]
        auc = max((a for a in found if a), key=lambda a: a.value, default=None)
    return Row(
        member,
        member.state(),
        (done, member.plan().card.training.updates),
        score,
        counts,
        worst,
        response,
        auc,
    )


def _how_bad(line: dict[str, Any]) -> tuple[int, float]:
    """Of a check: its level, and how many standard deviations it is from its floor."""
    found, floor = _value(line["found"]), _value(line["floor"])
    if found is None or floor is None:
        return LEVELS.index(line["level"]), math.inf
    error = math.hypot(found.uncertainty, floor.uncertainty)
    distance = abs(found.value - floor.value)
    return LEVELS.index(line["level"]), distance / error if error > 0 else math.inf


def _value(number: dict[str, Any]) -> Value | None:
    if number["value"] is None:
        return None
    error = number["uncertainty"]
    return Value(number["value"], math.nan if error is None else error)


def write_page(rows: Sequence[Row], name: str, folder: Path) -> Path:
    """Write the table as campaign.html, with links to reports and logs; returns its path."""
    text = page(
        "campaign.html.j2",
        "calogan.campaigns",
        name=name,
        rows=rows,
        counts={status: sum(r.state.status == status for r in rows) for status in ORDER},
        link=lambda path: os.path.relpath(path, folder),
        minutes=lambda row: sum(row.state.seconds.values()) / 60,
        known=lambda value: not math.isnan(value),
    )
    path = folder / "campaign.html"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def terminal_table(rows: Sequence[Row], title: str) -> Table:
    """The same for the terminal; checks are those that are off, close and equal."""
    table = Table(title=escape(title))
    for column in ("member", "", "updates", "score", "checks", "response", "AUC"):
        named = column in ("member", "")
        table.add_column(column, justify="left" if named else "right", overflow="fold")
    colours = {"failed": "red", "running": "yellow", "waiting": "dim", "done": "green"}
    for row in rows:
        done, planned = row.updates
        status = row.state.status
        table.add_row(
            escape(row.member.name),
            f"[{colours[status]}]{status}[/]",
            f"{done:,}" if done == planned else f"{done:,}/{planned:,}",
            "–" if math.isnan(row.score) else f"{row.score:.2f}",
            "–" if row.counts is None else "/".join(str(n) for n in row.counts),
            *("–" if v is None else f"{v.value:.3f}" for v in (row.response, row.auc)),
        )
    return table
