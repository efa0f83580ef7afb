"""Generated showers to a file, in any format that showers are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from calogan.conditions import labels_of
from calogan.generating.generator import Generator
from calogan.writing.formats import Format, format_of, write
from calogan.writing.target import Names, Target


def generate_file(
    generator: Generator,
    conditions: Mapping[str, ArrayLike],
    output: str | Path,
    seed: int,
    *,
    form: Format | None = None,
    particle: str | None = None,
    names: Names | None = None,
    like: str | Path | None = None,
    allow_extrapolation: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write generated showers to a file, which appears when it is complete.

    Parameters
    ----------
    form : None: what the ending of `output` says
    particle : for a format that names it
    names : for ROOT; None: those that the generator's training showers were read by, if any
    like : for a store's provenance, the store that the conditions are from
    progress : called with the number of showers that were made since its last call

    Other arguments as for `Generator.stream`.
    """
    target = Target(
        Path(output),
        generator.geometry,
        tuple((c.name, c.unit) for c in generator.conditions),
        {"like": None if like is None else str(like)}
        | ({} if particle is None else {"particle": particle}),
        particle,
        labels_of(generator.conditions),
        names or Names.of_provenance(generator.card, generator.geometry),
    )
    parts = generator.stream(conditions, seed, allow_extrapolation=allow_extrapolation)
    write(parts, target, form or format_of(output), progress)
