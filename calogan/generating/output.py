"""Generated showers to a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from calogan.generating.generator import Generator
from calogan.reading import store


def generate_store(
    generator: Generator,
    conditions: Mapping[str, ArrayLike],
    output: str | Path,
    seed: int,
    *,
    like: str | Path | None = None,
    allow_extrapolation: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write generated showers to a store; the file appears when it is complete.

    `like` names, for provenance, the store that the conditions are from; `progress` is called with
    the number of showers done; other arguments as for `stream`.
    """
    units = [(c.name, c.unit) for c in generator.conditions]
    origin = {"like": None if like is None else str(like)}
    with store.StoreWriter(output, generator.geometry, units, origin) as writer:
        for part in generator.stream(conditions, seed, allow_extrapolation=allow_extrapolation):
            writer.append(part.energies, part.conditions)
            writer.provenance.update(part.provenance)
            progress(len(part))
