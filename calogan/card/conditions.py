"""The keys of a condition, `[conditions.NAME]` in the card: one with a range, or a label."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Tag, model_validator

from calogan.card.frame import SOURCE_UNITS, ParticleSource
from calogan.conditions import Condition, Label
from calogan.errors import CaloganError, nearest
from calogan.units import UNIT_TABLES


def regular_expression(pattern: str) -> re.Pattern[str]:
    """Of a pattern in the card; raises ValueError if it is none."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error


class Source(BaseModel, extra="forbid", frozen=True, use_attribute_docstrings=True):
    """Where the values of a condition come from."""

    branch: str | None = None
    """Branch of the ROOT file, dataset of the HDF5 file or column of the CSV file that holds the
    values; of branch, value, pattern and, with a range, particle one is given."""
    value: Any = None
    """One value for all events."""
    pattern: str | None = None
    """Regular expression on the file's name, whose first group is the value for all its events."""

    @model_validator(mode="after")
    def _one_source(self) -> Source:
        sources = [k for k in ("branch", "value", "pattern", "particle") if hasattr(self, k)]
        given = [k for k in sources if getattr(self, k) is not None]
        if len(given) > 1:
            raise ValueError(f"takes one of {', '.join(sources)}; found {given}")
        if self.pattern is not None and regular_expression(self.pattern).groups < 1:
            raise ValueError(
                f"pattern {self.pattern!r} has no group; put the number in parentheses, "
                "as in 'theta([0-9.]+)'"
            )
        return self


class ConditionCard(Source):
    """One condition with a range: how the network sees it, and where its values come from."""

    unit: str
    """GeV for energy; any name for others."""
    low: float
    """Least value that the generator is trained for, in `unit`; it refuses to go below unless told
    to."""
    high: float
    """Greatest value, in `unit`."""
    scale: Literal["log", "linear"] = "linear"
    """What the network sees, and by what values are drawn between two ends: the logarithm, or the
    value."""
    value: float | None = None
    """One value for all events, in `source_unit`."""
    particle: ParticleSource | None = None
    """Quantity of the incident particle: its total or kinetic energy in GeV, its angles in the
    detector, or its angle to the normal of the surface of [frame], in rad."""
    source_unit: str | None = None
    """Unit of the branch, constant or pattern, if it is not `unit`: MeV for GeV, deg for rad."""

    @model_validator(mode="after")
    def _converts(self) -> ConditionCard:
        if self.particle is not None:
            own = SOURCE_UNITS[self.particle]
            if self.source_unit not in (None, own):
                raise ValueError(
                    f"source_unit is '{self.source_unit}', but the particle's {self.particle} "
                    f"comes in '{own}'; leave source_unit out"
                )
            object.__setattr__(self, "source_unit", own)
        self.factor  # noqa: B018  (raises for units that do not convert)
        return self

    def condition(self, name: str) -> Condition:
        return Condition(name, self.unit, self.low, self.high, self.scale)

    @property
    def factor(self) -> float:
        """Multiplies values in `source_unit` to give values in `unit`."""
        if self.source_unit is None or self.source_unit == self.unit:
            return 1.0
        for table in UNIT_TABLES:
            if self.source_unit in table and self.unit in table:
                return table[self.source_unit] / table[self.unit]
        known = [sorted(table) for table in UNIT_TABLES]
        raise ValueError(
            f"source_unit '{self.source_unit}' does not convert to '{self.unit}'; known: {known}"
        )


class LabelCard(Source):
    """One condition that takes a few values, between which there is nothing: a particle, a side."""

    values: list[int | str]
    """All that the data holds: whole numbers, as they are there, or names of particles as the
    Particle Data Group writes them ("e-", "gamma", "pi+"), which stand for their PDG codes."""
    value: float | str | None = None
    """A constant, or one of the names in `values`; what a pattern finds may be a name too."""

    def condition(self, name: str) -> Label:
        codes = tuple(v if isinstance(v, int) else pdg_code(v) for v in self.values)
        label = Label(name, codes, tuple(map(str, self.values)))
        if self.value is not None and not label.covers(label.to_values(self.value)):
            raise CaloganError(
                f"conditions.{name}.value is {self.value!r}, expected among {label.span}"
            )
        return label


@cache
def pdg_code(name: str) -> int:
    """The Particle Data Group's code of a particle; raises CaloganError for an unknown name."""
    from particle import Particle, ParticleNotFound

    try:
        return int(Particle.from_name(name).pdgid)
    except ParticleNotFound as error:
        known = [str(p.name) for p in Particle.findall()]
        raise CaloganError(
            f"no particle is called '{name}'; nearest: {nearest(name, known)}; give a name of the "
            "Particle Data Group, such as e-, gamma, pi+, p, or the whole number in the data"
        ) from error


def _kind(given: Any) -> str:
    """Which of the two kinds of conditions a table of the card is meant to be."""
    label = isinstance(given, LabelCard) or (isinstance(given, dict) and "values" in given)
    return "label" if label else "range"


AnyConditionCard = Annotated[
    Annotated[ConditionCard, Tag("range")] | Annotated[LabelCard, Tag("label")],
    Discriminator(_kind),
]
