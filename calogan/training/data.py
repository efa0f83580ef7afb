"""What a training sees: the store's showers, less those held out, split, and mirrored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import gcd
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calogan.bands import Bands, in_any, in_band
from calogan.card.keys import Data, Exchange
from calogan.conditions import AnyCondition, Label, input_columns, labels_of, network_input
from calogan.errors import CaloganError
from calogan.geometry import Geometry, Layer
from calogan.reading import store
from calogan.showers import Showers


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a trainer is handed."""

    showers: Showers
    inputs: NDArray[np.float32]
    """Their conditions as the network sees them, (n, n_inputs)."""
    threshold: float
    """Readout threshold, MeV."""
    symmetries: NDArray[np.intp]
    """Voxel permutations under which the distribution of showers stays the same, the identity
    first: (n_symmetries, n_voxels)."""
    columns: tuple[int, ...] | None = None
    """How many of the inputs each condition has; None: one."""

    @property
    def dead(self) -> NDArray[np.bool_] | None:
        """Dead cells of the showers, (n, n_voxels); None if there is none at all."""
        dead = self.showers.dead
        return dead if dead is not None and dead.any() else None

    def stand_ins(self) -> NDArray[np.intp]:
        """For each voxel the one whose showers tell what it holds, (n_voxels,).

        Itself, or, if it is dead in all showers, the image that is alive in most.

        Raises CaloganError for voxels without a living image.
        """
        itself = np.arange(self.showers.geometry.n_voxels)
        if self.dead is None:
            return itself
        alive = (~self.dead).sum(axis=0)
        images = self.symmetries[alive[self.symmetries].argmax(axis=0), itself]
        unknown = np.flatnonzero(alive[images] == 0)
        if len(unknown):
            raise CaloganError(
                f"{len(unknown)} cells are dead in all training showers, and in all their images "
                f"(voxel {unknown[0]} is the first): nothing tells what they hold. Train on "
                "showers that have them alive as well, or set [data] mirror or turn if the "
                "showers are symmetric; to generate them dark, as they are, take them out of "
                "[data] dead and voxelize again"
            )
        return np.where(alive > 0, itself, images)

    @staticmethod
    def of(showers: Showers, conditions: Sequence[AnyCondition], data: Data) -> TrainingData:
        """Take from showers what the networks see; `data` is this section of the card.

        Raises CaloganError for a value of a label that no shower has.
        """
        labels = labels_of(conditions)
        for exchange in data.exchange:
            showers = with_exchanged(showers, labels[exchange.condition], exchange)
        for label in labels.values():
            missing = [v for v in label.values if not (showers.conditions[label.name] == v).any()]
            if missing:
                raise CaloganError(
                    f"no training shower has {label.name} {label.words(missing[0])}, so nothing "
                    f"tells what such showers are like; take it out of values in "
                    f"[conditions.{label.name}], or add showers of it"
                )
        inputs = network_input(conditions, showers.conditions)
        symmetries = mirror_permutations(showers.geometry, data.mirror)
        if data.turn:
            turns = turn_permutations(showers.geometry)
            symmetries = np.concatenate([symmetries[:, turn] for turn in turns])
        columns = input_columns(conditions)
        return TrainingData(showers, inputs, data.readout_threshold, symmetries, columns)


def with_exchanged(showers: Showers, label: Label, exchange: Exchange) -> Showers:
    """The showers, and those of either value once more as the other's, in random order."""
    values = showers.conditions[label.name]
    one, other = label.to_values(exchange.values).astype(np.float32)
    rows = np.flatnonzero((values == one) | (values == other))
    image = mirror_permutations(showers.geometry, exchange.mirror)[-1]
    order = np.random.default_rng(0).permutation(len(showers) + len(rows))

    def joined(before: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([before, more])[order]

    conditions = {name: joined(v, v[rows]) for name, v in showers.conditions.items()}
    swapped = np.where(values[rows] == one, other, one)
    conditions[label.name] = joined(values, swapped)
    dead = showers.dead
    return Showers(
        joined(showers.energies, showers.energies[rows][:, image]),
        conditions,
        showers.geometry,
        provenance=showers.provenance,
        units=showers.units,
        dead=None if dead is None else joined(dead, dead[rows][:, image]),
        labels=showers.labels,
    )


def living_mean(values: NDArray[Any], dead: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Mean of each voxel, (n_voxels,), over the showers in which it is alive; 0 if it never is."""
    if dead is None:
        return np.asarray(values.mean(axis=0))
    alive = np.maximum((~dead).sum(axis=0), 1)
    found: NDArray[Any] = (np.where(dead, 0, values).sum(axis=0) / alive).astype(np.float32)
    return found


@dataclass(frozen=True, eq=False)
class Split:
    """The showers of a store, split for one training."""

    training: Showers
    validation: Showers
    fingerprints: NDArray[np.uint64]
    """Of both parts, sorted: showers that must never judge the result."""
    n_held_out: int
    """Showers left out because they lie in a band that is held out."""
    provenance: Mapping[str, Any]
    """Of the store."""

    @property
    def n_showers(self) -> int:
        return len(self.training) + len(self.validation)


def load_split(
    data: Data, geometry: Geometry, conditions: Sequence[AnyCondition], batch_size: int, seed: int
) -> Split:
    """Read the store that the card names, leave out what is held out, and split the rest.

    Parameters
    ----------
    data : this section of the card
    geometry, conditions : the card's, which the store must agree with
    batch_size : the training part must fill a batch
    seed : of the split

    Raises
    ------
    CaloganError : no store, or one of another geometry, without a condition, or with showers
        beyond a condition's range, or without the card's dead cells; too few showers; a band that
        holds out nothing, or everything
    """
    path = _existing(data.train)
    showers = _load(path, geometry, conditions)
    if data.dead and showers.dead is None:
        raise CaloganError(
            f"the card names dead cells, but {path} marks none, so it was made with another card; "
            "voxelize again with --config CARD, or take [data] dead out"
        )
    showers, n_held_out = split_off(data.hold_out, showers, path)
    n_validation = round(data.validation_fraction * len(showers))
    if n_validation < 10 or len(showers) - n_validation < batch_size:
        raise CaloganError(
            f"{path} holds {len(showers)} showers: too few for batches of {batch_size} and a "
            f"validation part of {data.validation_fraction:g} with at least 10"
        )
    order = np.random.default_rng(seed).permutation(len(showers))
    return Split(
        showers.select(order[n_validation:]),
        showers.select(order[:n_validation]),
        np.sort(showers.fingerprints()),
        n_held_out,
        showers.provenance,
    )


def _existing(path: str | None) -> str:
    if path is None:
        raise CaloganError(
            'the card names no training data: set [data] train = "FILE.h5", '
            "a store made by `calogan voxelize`"
        )
    if not Path(path).is_file():
        raise CaloganError(
            f"no training data at {path} (from {Path.cwd()}); "
            f"make it with `calogan voxelize FILES -o {path}`"
        )
    return path


def _load(path: str, geometry: Geometry, conditions: Sequence[AnyCondition]) -> Showers:
    """Read a store, and make sure that it holds what the card says."""
    about = store.info(path)
    if about.geometry not in (None, geometry):
        raise CaloganError(
            f"{path} holds showers in geometry '{about.geometry.name}' "
            f"({about.geometry.n_voxels} voxels), the card's '{geometry.name}' "
            f"({geometry.n_voxels} voxels) differs; voxelize with --config CARD"
        )
    showers = store.load(path, geometry=geometry)
    for condition in conditions:
        if condition.name not in showers.conditions:
            raise CaloganError(
                f"{path} has no condition '{condition.name}', "
                f"it has {sorted(showers.conditions)}; take it out of the card, or voxelize again"
            )
        values = showers.conditions[condition.name]
        known = condition.covers(values)
        if known.all():
            continue
        if isinstance(condition, Label):
            raise CaloganError(
                f"{path} holds {condition.name} {values[~known][0]:g}, but the card's values are "
                f"{condition.span}; set values in [conditions.{condition.name}]"
            )
        raise CaloganError(
            f"{path} holds {condition.name} {values.min():g}..{values.max():g} "
            f"{condition.unit}, beyond the card's {condition.low:g}..{condition.high:g}; "
            f"set low and high in [conditions.{condition.name}]"
        )
    return replace(showers, labels={**showers.labels, **labels_of(conditions)})


def split_off(bands: Bands, showers: Showers, where: str) -> tuple[Showers, int]:
    """The showers outside all bands, and how many are in one.

    Raises CaloganError for a band that holds no shower, or every one; `where` names the store in
    the message.
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


def mirror_permutations(geometry: Geometry, axes: Sequence[Literal["x", "y"]]) -> NDArray[np.intp]:
    """Voxel permutations under reflections, (2^n_axes, n_voxels), identity first.

    Raises CaloganError for a layer that a reflection does not map onto itself.
    """
    permutations = [np.arange(geometry.n_voxels)]
    for axis in axes:
        permutation = _by_layer(geometry, partial(_flip, axis=axis))
        permutations += [p[permutation] for p in permutations]
    return np.stack(permutations)


def turn_permutations(geometry: Geometry) -> NDArray[np.intp]:
    """Voxel permutations under turns about the axis, (n_turns, n_voxels), identity first.

    By multiples of the smallest angle that moves the cells of every layer onto cells.

    Raises CaloganError for layers that no turn maps onto itself.
    """
    for layer in geometry.layers:
        if not (layer.closed and np.allclose(np.diff(layer.second_edges, 2), 0)):
            raise CaloganError(
                f"layer '{layer.name}' of geometry '{geometry.name}' cannot be turned about the "
                "axis: only cylindrical layers of equal cells in alpha over a full turn can; set "
                "[data] turn = false and [training] random_turns = 0"
            )
    turns = gcd(*(layer.shape[1] for layer in geometry.layers if layer.shape[1] > 1))

    def turned(layer: Layer, cells: NDArray[np.intp], turn: int) -> NDArray[np.intp]:
        return np.roll(cells, turn * layer.shape[1] // turns, axis=1)

    each = (partial(turned, turn=turn) for turn in range(max(turns, 1)))
    return np.stack([_by_layer(geometry, move) for move in each])


def _by_layer(
    geometry: Geometry, moved: Callable[[Layer, NDArray[np.intp]], NDArray[np.intp]]
) -> NDArray[np.intp]:
    """A voxel permutation, from what becomes of each layer's grid of voxel numbers."""
    permutation = np.empty(geometry.n_voxels, np.intp)
    for layer, grid in zip(geometry.layers, geometry.grids, strict=True):
        permutation[grid] = moved(layer, grid)
    return permutation


def _flip(layer: Layer, cells: NDArray[np.intp], axis: Literal["x", "y"]) -> NDArray[np.intp]:
    """A layer's grid of voxel numbers under a reflection."""
    if layer.system == "cartesian":
        edges = layer.first_edges if axis == "x" else layer.second_edges
        if np.allclose(edges, -edges[::-1]):
            return np.flip(cells, axis="xy".index(axis))
    elif layer.closed and layer.shape[1] == 1:
        return cells
    elif layer.closed:
        # The images of the cells' middles must be middles of cells as wide.
        middles = 0.5 * (layer.second_edges[1:] + layer.second_edges[:-1])
        images = np.pi - middles if axis == "x" else -middles
        apart = np.exp(1j * images)[:, None] - np.exp(1j * middles)
        nearest = np.abs(apart).argmin(axis=1)
        widths = np.diff(layer.second_edges)
        if np.abs(apart).min(axis=1).max() < 1e-6 and np.allclose(widths, widths[nearest]):
            return cells[:, nearest]
    raise CaloganError(
        f"[data] mirror has '{axis}', but layer '{layer.name}' is not symmetric under "
        f"{axis} -> -{axis}: only cartesian layers with symmetric edges are, and cylindrical ones "
        f"over a full turn whose cells in alpha are reflected onto cells; take '{axis}' out"
    )
