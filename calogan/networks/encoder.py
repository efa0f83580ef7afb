"""The encoder of the variational autoencoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from lwtnn_converter.layers import Scale

from calogan.card.keys import VaeCard

MAX_LOG_VARIANCE = 4.0
"""Of a latent's posterior, either sign: keeps the exponential in bounds before it has settled."""


def build_encoder(
    card: VaeCard,
    n_voxels: int,
    n_features: int,
    n_conditions: int,
    latent_size: int,
    *,
    cell_latents: bool,
    dtype: str = "float32",
) -> keras.Model:
    """Mean and log variance of the latents, from the two views of a shower and its conditions.

    Parameters
    ----------
    latent_size : latents of the whole shower
    cell_latents : one more for each voxel; their means have a term linear in that voxel
    dtype : Keras dtype policy of the hidden layers

    Returns
    -------
    Model from voxels (n, n_voxels), features (n, n_features) and conditions (n, n_conditions) to
    two tensors (n, latent_size + n_voxels), or (n, latent_size) without cell latents.
    """
    voxels = keras.Input((n_voxels,), name="voxels")
    features = keras.Input((n_features,), name="features")
    conditions = keras.Input((n_conditions,), name="conditions")
    inputs = [voxels, features, conditions]
    hidden: Any = keras.layers.Concatenate(name="inputs")(inputs)
    for i, width in enumerate(card.encoder_hidden):
        hidden = keras.layers.Dense(
            width,
            activation="swish",
            kernel_initializer="he_normal",
            name=f"hidden_{i}",
            dtype=dtype,
        )(hidden)
    means = [keras.layers.Dense(latent_size, name="mean", dtype="float32")(hidden)]
    if cell_latents:
        cells = keras.layers.Dense(
            n_voxels,
            kernel_initializer=keras.initializers.VarianceScaling(0.1),
            name="cell_mean",
            dtype="float32",
        )(hidden)
        own = Scale("zeros", name="own_voxel")(voxels)
        means.append(keras.layers.Add(name="cell_means")([cells, own]))
    log_variance = keras.layers.Dense(
        latent_size + cell_latents * n_voxels,
        kernel_initializer=keras.initializers.VarianceScaling(0.1),
        name="log_variance",
        dtype="float32",
    )(hidden)
    bounded = MAX_LOG_VARIANCE * ops.tanh(log_variance / MAX_LOG_VARIANCE)
    mean = keras.layers.Concatenate(name="means")(means) if cell_latents else means[0]
    return keras.Model(inputs, [mean, bounded], name="encoder")
