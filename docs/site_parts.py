"""What Sphinx does not know by itself: references of the run card and of the commands, written from
the program; NumPy's style of docstrings; formulas as MathML, which browsers draw without a network.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import annotated_types
import typer
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, NumpyDocstring
from sphinx.util.docutils import SphinxDirective
from typer.cli import get_docs_for_click

from calogan.card.keys import Card
from calogan.cli import app
from calogan.cli.shared import import_tensorflow_quietly

ARRAY = re.compile(
    r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], "
    r"~?(?:numpy\.)?dtype\[~?(?:numpy\.)?(\w+)\]\]"
)
"""NDArray[...] as autodoc writes it out."""


class _Generated(SphinxDirective):
    """A directive that stands for Markdown with headings."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.markdown(), allow_section_headings=True)

    def markdown(self) -> str:
        raise NotImplementedError


class CardKeys(_Generated):
    """`{card-keys}`: every key of the run card."""

    def markdown(self) -> str:
        return "\n\n".join(["## Top of the card", *section_markdown(Card, "")])


class Commands(_Generated):
    """`{commands}`: every command with its options."""

    def markdown(self) -> str:
        return commands_markdown()


def section_markdown(section: type[BaseModel], path: str) -> Iterator[str]:
    """A section's keys, then those of the sections in it, each under a heading."""
    inner = []
    for name, field in section.model_fields.items():
        models, form = _section(field.annotation)
        if models:
            inner.append((name, field, models, form))
        else:
            yield _key(name, field, path)
    for name, field, models, form in inner:
        table = ".".join([part for part in (path, name) if part])
        yield f"(card-{table.replace('.', '-')})=\n## `{form.format(table)}`"
        if field.description:
            yield field.description
        for model in models:
            yield inspect.getdoc(model) or ""
            yield from section_markdown(model, table)


def _key(name: str, field: FieldInfo, path: str) -> str:
    if not field.description:
        raise ValueError(f"key '{name}' of [{path}] has no docstring that says what it does")
    facts = [_words(field.annotation), *_limits(field)]
    if field.is_required():
        facts.append("required")
    else:
        facts.append(f"default {_toml(field.get_default(call_default_factory=True))}")
    text = field.description.replace("\n", "\n  ")
    return f"`{name}`\n: {', '.join(facts)}\n\n  {text}"


def _section(kind: Any) -> tuple[list[type[BaseModel]], str]:
    """What a section may be, none for a key, and how its name is written."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind], "[{}]"
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _section(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return [model for part in arguments for model in _section(part)[0]], "[{}]"
    if origin is dict:
        return _section(arguments[1])[0], "[{}.NAME]"
    if origin is list:
        return _section(arguments[0])[0], "[[{}]]"
    return [], ""


def _words(kind: Any) -> str:
    """A type as a writer of TOML knows it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    simple = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    if kind in simple:
        return simple[kind]
    if origin is typing.Annotated:
        return _words(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(part) for part in arguments if part is not types.NoneType)
    if origin is typing.Literal:
        return " or ".join(_toml(value) for value in arguments)
    if origin is list:
        return f"list of {_words(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)}: {_words(arguments[0])}"
    if origin is dict:
        return "table" if arguments[1] is Any else f"table of {_words(arguments[1])}"
    raise TypeError(f"no words for {kind}, the type of a card's key; add them here")


def _limits(field: FieldInfo) -> Iterator[str]:
    signs = {
        annotated_types.Ge: ("ge", "at least"),
        annotated_types.Gt: ("gt", "above"),
        annotated_types.Le: ("le", "at most"),
        annotated_types.Lt: ("lt", "below"),
    }
    for limit in field.metadata:
        if type(limit) in signs:
            attribute, words = signs[type(limit)]
            yield f"{words} {getattr(limit, attribute)}"


def _toml(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        value = list(value)
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def commands_markdown() -> str:
    """Typer's own page of each command, its examples as blocks of code."""
    group = typer.main.get_command(app)
    with typer.Context(group, info_name="calogan") as context:
        page = get_docs_for_click(obj=group, ctx=context, name="calogan")
    each = page[page.index("\n## ") :]
    each = re.sub(r"(?:^  \S.*\n+)+", lambda lines: _console(lines[0]), each, flags=re.MULTILINE)
    each = each.replace("* `--help`: Show this message and exit.\n", "")
    return re.sub(r"\n\*\*(Usage\*\*:\n|Options\*\*:\n\n(?!\*))", "", each)


def _console(examples: str) -> str:
    lines = "\n".join(line.strip() for line in examples.splitlines() if line)
    return f"```sh\n{lines}\n```\n\n"


def _numpy_style(
    site: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Of what has parameters: napoleon would take `words: more` of an attribute for a type."""
    if what not in ("attribute", "data", "property"):
        style = Config(napoleon_use_rtype=False)
        lines[:] = NumpyDocstring(lines, style, site, what, name, thing, options).lines()


def _short_signature(
    site: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    parameters: str | None,
    result: str | None,
) -> tuple[str | None, str | None]:
    """Types of arrays as they are written; of a card, whose keys have their own page, nothing."""
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        return "", None
    short = [part and ARRAY.sub(r"NDArray[\1]", part) for part in (parameters, result)]
    return short[0], short[1]


def _formula(page: Any, node: nodes.math | nodes.math_block) -> None:
    block = isinstance(node, nodes.math_block)
    drawn = tex2mathml(node.astext(), as_block=block)
    page.body.append(f'<div class="formula">{drawn}</div>' if block else drawn)
    raise nodes.SkipNode


def setup(site: Sphinx) -> dict[str, bool]:
    import_tensorflow_quietly()  # Keras does, where autodoc meets it
    site.setup_extension("sphinx.ext.autodoc")
    site.add_directive("card-keys", CardKeys)
    site.add_directive("commands", Commands)
    site.connect("autodoc-process-docstring", _numpy_style)
    site.connect("autodoc-process-signature", _short_signature)
    site.add_html_math_renderer("mathml", (_formula, None), (_formula, None))
    return {"parallel_read_safe": True}
