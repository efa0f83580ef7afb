"""What a training sees: the store's showers, without those held out, split and mirrored."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calogan.bands import Bands, in_any, in_band
from calogan.card.keys import Card
from calogan.errors import CaloganError
from calogan.reading import store
from calogan.showers import Showers


def training_data(card: Card) -> Showers:
    if card.data.train is None:
        raise CaloganError(
            'the card names no training data: set [data] train = "FILE.h5", '
            "a store made by `calogan voxelize`"
        )
    if not Path(card.data.train).is_file():
        raise CaloganError(
            f"no training data at {card.data.train} (from {Path.cwd()}); "
            f"make it with `calogan voxelize FILES -o {card.data.train}`"
        )
    about = store.info(card.data.train)
    if about.geometry not in (None, card.build_geometry()):
        raise CaloganError(
            f"{card.data.train} holds showers in geometry '{about.geometry.name}' "
            f"({about.geometry.n_voxels} voxels), the card's '{card.build_geometry().name}' "
            f"({card.build_geometry().n_voxels} voxels) differs; voxelize with --config CARD"
        )
    showers = store.load(card.data.train, geometry=card.build_geometry())
    for condition in card.condition_list:
        if condition.name not in showers.conditions:
            raise CaloganError(
                f"{card.data.train} has no condition '{condition.name}', "
                f"it has {sorted(showers.conditions)}; take it out of the card, or voxelize again"
            )
        values = showers.conditions[condition.name]
        if not condition.covers(values).all():
            raise CaloganError(
                f"{card.data.train} holds {condition.name} {values.min():g}..{values.max():g} "
                f"{condition.unit}, beyond the card's {condition.low:g}..{condition.high:g}; "
                f"set low and high in [conditions.{condition.name}]"
            )
    return showers


def split(showers: Showers, card: Card) -> tuple[Showers, Showers]:
    """Training and validation part, by the card's seed."""
    n_validation = round(card.data.validation_fraction * len(showers))
    if n_validation < 10 or len(showers) - n_validation < card.training.batch_size:
        raise CaloganError(
            f"{card.data.train} holds {len(showers)} showers: too few for batches of "
            f"{card.training.batch_size} and a validation part of "
            f"{card.data.validation_fraction:g} with at least 10"
        )
    order = np.random.default_rng(card.training.seed).permutation(len(showers))
    return showers.select(order[n_validation:]), showers.select(order[:n_validation])


def split_off(bands: Bands, showers: Showers, where: str) -> tuple[Showers, int]:
    """The showers outside all bands, and how many are in one.

    Raises CaloganError for a band without showers, and if no shower is left; `where` names the
    store in it.
    """
    for name, band in bands.items():
        values = showers.conditions[name]
        inside = in_band(band, values)
        if not inside.any() or inside.all():
            raise CaloganError(
                f"hold_out {name} = {band[0]:g}:{band[1]:g} covers "
                f"{'every shower' if inside.all() else 'no shower'} of {where}, which holds {name} "
                f"{values.min():g}..{values.max():g}; expected some inside, and some to train on"
            )
    held = in_any(bands, showers.conditions)
    return showers.select(~held), int(held.sum())


def mirror_permutations(card: Card, showers: Showers) -> NDArray[np.intp]:
    """Voxel permutations under the card's symmetries, (2^n_axes, n_voxels), identity first.

    Raises CaloganError for a layer that the reflection does not map onto itself.
    """
    geometry = showers.geometry
    order: Literal["C", "F"] = "C" if geometry.fastest == "last" else "F"
    permutations = [np.arange(geometry.n_voxels)]
    for axis in card.data.mirror:
        flipped = []
        for layer, voxels in zip(geometry.layers, geometry.slices, strict=True):
            edges = layer.first_edges if axis == "x" else layer.second_edges
            if layer.system != "cartesian" or not np.allclose(edges, -edges[::-1]):
                raise CaloganError(
                    f"[data] mirror has '{axis}', but layer '{layer.name}' is not symmetric under "
                    f"{axis} -> -{axis}: only cartesian layers with symmetric edges are; "
                    f"take '{axis}' out"
                )
            numbers = np.arange(voxels.start, voxels.stop).reshape(layer.shape, order=order)
            flipped.append(np.flip(numbers, axis="xy".index(axis)).ravel(order=order))
        permutation = np.concatenate(flipped)
        permutations += [p[permutation] for p in permutations]
    return np.stack(permutations)
