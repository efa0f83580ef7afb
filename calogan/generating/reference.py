"""Full simulation to hold against a generator, and showers made like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calogan.conditions import labels_of
from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.reading import store
from calogan.showers import Showers


def sample_like(generator: Generator, showers: Showers, seed: int) -> Showers:
    """One generated shower at the conditions of each of `showers`, in their order.

    It carries all their conditions, those too that the generator does not know.
    """
    known = {c.name for c in generator.conditions}
    asked = {name: v for name, v in showers.conditions.items() if name in known}
    made = generator.sample(asked, seed=seed)
    return Showers(
        made.energies,
        showers.conditions,
        made.geometry,
        units=showers.units,
        labels=showers.labels,
    )


def load_reference(generator: Generator, path: str | Path, what: str | Path) -> Showers:
    """Read a store to hold against a generator, which errors call `what`.

    Raises CaloganError for showers in another geometry, or conditions in other units.
    """
    about = store.info(path)
    if about.geometry not in (None, generator.geometry):
        raise CaloganError(
            f"{path} has geometry '{about.geometry.name}' with "
            f"{about.geometry.n_voxels} voxels, the generator {what} makes "
            f"'{generator.geometry.name}' with {generator.geometry.n_voxels}"
        )
    units = dict(about.conditions)
    for condition in generator.conditions:
        if units.get(condition.name) not in (None, "", condition.unit):
            raise CaloganError(
                f"{path} has {condition.name} in {units[condition.name]}, the generator takes "
                f"it in {condition.unit}; voxelize with the card that it was trained with"
            )
    showers = store.load(path, geometry=generator.geometry)
    # A store that another program wrote need not say which conditions are labels.
    return replace(showers, labels={**labels_of(generator.conditions), **showers.labels})
