"""Critics: of a shower's voxels and its high-level features, and of its layer energies alone."""

from __future__ import annotations

from typing import Any

import keras

from calogan.card.keys import CriticCard
from calogan.card.layouts import Layout
from calogan.geometry import Geometry
from calogan.networks.layers import dense_layers, image_vectors


def build_critic(
    card: CriticCard,
    geometry: Geometry,
    n_features: int,
    n_conditions: int,
    *,
    dtype: str = "float32",
) -> keras.Model:
    """Scores of a shower, (n, 2): one head judges the voxels, the other the features alone.

    If the layout of the voxels' head begins with convolutions, they see the cells of each
    calorimeter layer as an image; what they make of all images then joins features and conditions.

    Raises CaloganError for convolutions that do not fit the cells.
    """
    voxels = keras.Input((geometry.n_voxels,), name="voxels")
    features = keras.Input((n_features,), name="features")
    conditions = keras.Input((n_conditions,), name="conditions")
    scores = []
    cells = image_vectors(voxels, card.voxel_layers, geometry, dtype)
    for name, seen, layout in (
        ("voxel", [*cells, features, conditions], card.voxel_layers),
        ("feature", [features, conditions], card.feature_layers),
    ):
        scores.append(_score(name, seen, layout, dtype))
    merged = keras.layers.Concatenate(name="scores", dtype="float32")(scores)
    return keras.Model([voxels, features, conditions], merged, name="critic")


def build_energy_critic(card: CriticCard, n_features: int, n_conditions: int) -> keras.Model:
    """Scores, (n, 1), of the response and the layer energies (n, n_features) and their conditions.

    Its hidden layers are those of the head that judges high-level features.
    """
    features = keras.Input((n_features,), name="features")
    conditions = keras.Input((n_conditions,), name="conditions")
    score = _score("energy", [features, conditions], card.feature_layers, "float32")
    return keras.Model([features, conditions], score, name="energy_critic")


def _score(name: str, seen: list[Any], layout: Layout, dtype: str) -> Any:
    """A head: one number, (n, 1), from all that it sees."""
    joined = keras.layers.Concatenate(name=f"{name}_inputs")(seen)
    hidden = dense_layers(joined, layout, f"{name}_hidden", dtype)
    return keras.layers.Dense(1, name=f"{name}_score", dtype="float32")(hidden)
