"""The documents of the repository, and the blocks of code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>[^>]+?) -->\n)?"
    r"^(?P<fence>`{3,})(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)


def documents() -> list[str]:
    """Every Markdown file that is written by hand, as a path from the root."""
    folders = ("benchmarks", "cpp_examples", "data", "docs")
    found = [*ROOT.glob("*.md"), ROOT / "export/README.md"]
    for folder in folders:
        found += (ROOT / folder).rglob("*.md")
    return sorted(str(path.relative_to(ROOT)) for path in found)


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    """What stands after the fence: sh, python; {code-cell} ipython3; empty for plain text."""
    text: str
    why_not_run: str | None
    """From the comment in the line above: `<!-- not run: needs Geant4 -->`."""
    line: int
    """Where the fence is, from 1."""

    @property
    def file(self) -> str | None:
        """The name that a reader is to save it by, from a comment in its first or second line."""
        named = re.match(r"(?:#!.*\n)?# ([\w.-]+\.(?:toml|sh))\n", self.text)
        return named and named[1]


def blocks(document: str, language: str | None = None) -> list[Block]:
    """Those of one language, or all."""
    content = text(document)
    found = [
        Block(m["language"], m["text"], m["why"], content[: m.start("fence")].count("\n") + 1)
        for m in _FENCE.finditer(content)
    ]
    return [block for block in found if language in (None, block.language)]


def without_blocks(document: str) -> str:
    return _FENCE.sub("", text(document))
