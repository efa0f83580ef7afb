"""The generator: a plain Keras graph that holds nothing that lwtnn lacks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from lwtnn_converter.layers import Gate
from numpy.typing import NDArray
from scipy.special import ndtri

from calogan.card.keys import GeneratorCard
from calogan.geometry import Geometry
from calogan.networks.layers import constant_start, dense_layers, scale_layer, small_start

CELL_RISE = 8.0
"""Start of the step in a cell's logit as its own latent lights it up: a factor of e⁸ in energy."""
CELL_SHARPNESS = 2.0
"""Start of the factor of a cell's own latent."""
MIN_OCCUPANCY = 0.003
"""Cells lit in fewer showers than this, or in all but so few, start as if it were so many."""


def build_generator(
    card: GeneratorCard,
    geometry: Geometry,
    n_conditions: int,
    mean_fractions: NDArray[np.float32],
    occupancy: NDArray[np.floating[Any]] | None = None,
    *,
    dtype: str = "float32",
) -> keras.Model:
    """Latents and conditions to voxel energies as fractions of the incident energy.

    Within each calorimeter layer a softmax shares out the layer's energy, and a gate multiplies it
    with the layer's fraction of the incident energy, which a small trunk of its own predicts.

    With cell latents z, voxel i's logit has the term h_i sigmoid(p_i + s_i z_i): a step from dark
    to lit. The network decides by p_i how likely the cell is lit in this shower, and by the rest
    of the logit to which energy; h_i and s_i are learned for each cell. So a lone particle can
    leave in a cell the energy of one crossing, no more, in just some of the showers, which no
    smooth function of shared latents does.

    Parameters
    ----------
    mean_fractions : (n_voxels,), the mean shower, from which the output biases start
    occupancy : (n_voxels,), the part of the showers in which each cell is lit, from which the
        cells' own fluctuations start; None: all of them
    dtype : Keras dtype policy of the hidden layers; heads and gates stay in float32

    Returns
    -------
    Model from the inputs of `latent_sizes`, each (n, size), and the conditions (n, n_conditions)
    to (n, n_voxels + n_layers): after each layer's voxels comes one leftover of its gate, which
    `voxel_columns` leaves out.
    """
    latents = [
        keras.Input((size,), name=name) for name, size in latent_sizes(card, geometry).items()
    ]
    latent, *cell_latents = latents
    conditions = keras.Input((n_conditions,), name="conditions")
    joined = keras.layers.Concatenate(name="inputs")([latent, conditions])
    hidden = dense_layers(joined, card.trunk, "hidden", dtype)
    if card.latent_skip:
        hidden = keras.layers.Concatenate(name="skip")([hidden, joined])
    split = dense_layers(joined, card.layer_trunk, "layer_hidden", dtype)

    outputs = []
    for k, (layer, voxels) in enumerate(zip(geometry.layers, geometry.slices, strict=True)):
        mean = np.maximum(mean_fractions[voxels].astype(np.float64), 1e-9)
        share = np.clip(mean.sum(), 1e-6, 0.999)
        bias = np.log(mean / mean.sum())
        lit = np.ones(layer.n_voxels) if occupancy is None else occupancy[voxels]
        lit = np.clip(lit, MIN_OCCUPANCY, 1 - MIN_OCCUPANCY)
        if cell_latents:
            # The mean energy of a cell is that of a lit one times the chance to be lit.
            bias -= np.log(lit) + CELL_RISE
        logits = keras.layers.Dense(
            layer.n_voxels,
            kernel_initializer=small_start(),
            bias_initializer=constant_start(bias),
            name=f"voxels_{k}",
        )(hidden)
        if cell_latents:
            chance = keras.layers.Dense(
                layer.n_voxels,
                kernel_initializer=small_start(),
                bias_initializer=constant_start(CELL_SHARPNESS * ndtri(lit)),
                name=f"cell_chance_{k}",
            )(hidden)
            noise = scale_layer(CELL_SHARPNESS, f"cell_sharpness_{k}")(cell_latents[k])
            step = keras.layers.Add(name=f"cell_sum_{k}")([chance, noise])
            step = keras.layers.Activation("sigmoid", name=f"cell_lit_{k}")(step)
            step = scale_layer(CELL_RISE, f"cell_rise_{k}")(step)
            logits = keras.layers.Add(name=f"logits_{k}")([logits, step])
        fractions = keras.layers.Softmax(name=f"shares_{k}")(logits)
        logit = keras.layers.Dense(
            1,
            kernel_initializer=small_start(),
            bias_initializer=constant_start(np.log(share / (1 - share))),
            name=f"layer_energy_{k}",
        )(split)
        outputs.append(Gate(name=f"gate_{k}")([fractions, logit]))
    merged = (
        outputs[0] if len(outputs) == 1 else keras.layers.Concatenate(name="fractions")(outputs)
    )
    return keras.Model([*latents, conditions], merged, name="generator")


def layer_energy_part(
    model: keras.Model, n_layers: int
) -> tuple[keras.Model, list[keras.layers.Dense]]:
    """The part of a generator that makes the layer energies; it shares the generator's weights.

    Returns
    -------
    trunk : Model from the shared latent (n, latent_size) and the conditions (n, n_conditions) to
        what all heads take, (n, width)
    heads : one for each calorimeter layer, to the logit of its share of the incident energy, (n, 1)
    """
    heads = [model.get_layer(f"layer_energy_{k}") for k in range(n_layers)]
    ends = [model.inputs[0], model.inputs[-1]]
    return keras.Model(ends, heads[0].input, name="layer_energy_trunk"), heads


def latent_sizes(card: GeneratorCard, geometry: Geometry) -> dict[str, int]:
    """The generator's latent inputs and their sizes, in order; all are standard normal."""
    sizes = {"latent": card.latent_size}
    if card.cell_latents:
        sizes |= {f"cell_latent_{k}": layer.n_voxels for k, layer in enumerate(geometry.layers)}
    return sizes


def voxel_columns(geometry: Geometry) -> NDArray[np.intp]:
    """The generator's output columns that are voxels, (n_voxels,): all but the gates' leftovers."""
    return np.arange(geometry.n_voxels) + geometry.layer_index


def voxel_fractions(
    model: keras.Model,
    geometry: Geometry,
    latent: NDArray[np.float32],
    conditions: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Evaluate a generator: voxel energies as fractions of the incident energy, (n, n_voxels).

    Parameters
    ----------
    latent : (n, total), the latents of all inputs side by side in the order of `latent_sizes`
    conditions : (n, n_conditions), normalised
    """
    sizes = [tensor.shape[-1] for tensor in model.inputs[:-1]]
    parts = np.split(latent, np.cumsum(sizes)[:-1], axis=1)
    return np.asarray(model([*parts, conditions]), np.float32)[:, voxel_columns(geometry)]


def output_labels(geometry: Geometry) -> list[str]:
    """A label for each output column: voxel_<i>, and unused_layer_<k> for the gates' leftovers."""
    labels = []
    for k, voxels in enumerate(geometry.slices):
        labels += [f"voxel_{i}" for i in range(voxels.start, voxels.stop)]
        labels.append(f"unused_layer_{k}")
    return labels
