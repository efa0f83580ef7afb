"""The generator: a plain Keras graph that holds nothing that lwtnn lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from lwtnn_converter.layers import Gate, GroupSoftmax, Scale
from numpy.typing import NDArray
from scipy.special import ndtri

from calogan.card.keys import GeneratorCard
from calogan.geometry import Geometry
from calogan.networks.layers import constant_start, dense_layers, scale_layer, small_start

CELL_RISE = 8.0
"""Start of the step in a cell's logit as its own latent lights it up: a factor of e⁸ in energy."""
LAYER_RISE = 0.5
"""The same of a layer that is always lit."""
ALWAYS_LIT = 0.98
"""Part of the showers in which such a layer is lit."""
CELL_SHARPNESS = 2.0
"""Start of the factor of a cell's own latent."""
RARE_SHARPNESS = 0.5
"""Of joint heads it is 1 in cells that are mostly lit, whose energies vary, and this more for each
standard deviation that a rarer one is away from that: those are lit or not."""
JOINT_SHIFT = 7.0
"""Added to the logits of joint heads, of which most start at -15 to 0."""
MIN_OCCUPANCY = 0.003
"""Cells lit in fewer showers than this, or in all but so few, start as if it were so many."""
MIN_OCCUPANCY_JOINT = 1e-4
"""The same of joint heads: most cells of a fine mesh are lit as rarely as that."""


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

    With joint heads `GroupSoftmax` does both for all layers at once. Layers then have steps in
    their energies' logits, as cells do, in which a direction of the shared latents stands for the
    own latent: so a layer far from the shower is dark or lit. The voxels' trunk sees what the layer
    energies are made of.

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
    `voxel_columns` leaves out. With joint heads (n, n_voxels + 1), for there is one leftover.
    """
    latents = [
        keras.Input((size,), name=name) for name, size in latent_sizes(card, geometry).items()
    ]
    latent, *cell_latents = latents
    conditions = keras.Input((n_conditions,), name="conditions")
    joined = keras.layers.Concatenate(name="inputs")([latent, conditions])
    start = _Start.of(geometry, mean_fractions, occupancy)
    if card.heads == "joint":
        fractions = _joint_heads(card, geometry, start, joined, conditions, cell_latents, dtype)
    else:
        fractions = _layer_heads(card, geometry, start, joined, cell_latents, dtype)
    return keras.Model([*latents, conditions], fractions, name="generator")


@dataclass(frozen=True, eq=False)
class _Start:
    """What the first biases are made from."""

    bias: NDArray[np.float64]
    """(n_voxels,): the logarithm of each voxel's part of the mean energy of its layer."""
    shares: NDArray[np.float64]
    """(n_layers,): the layers' mean shares of the incident energy."""
    lit: NDArray[np.floating[Any]]
    """(n_voxels,): the part of the showers in which each is lit."""

    @staticmethod
    def of(
        geometry: Geometry,
        mean_fractions: NDArray[np.float32],
        occupancy: NDArray[np.floating[Any]] | None,
    ) -> _Start:
        """Arguments as those of `build_generator`."""
        mean = np.maximum(mean_fractions.astype(np.float64), 1e-9)
        sums = np.array([mean[voxels].sum() for voxels in geometry.slices])
        lit = np.ones(geometry.n_voxels) if occupancy is None else occupancy
        bias = np.log(mean / sums[geometry.layer_index])
        return _Start(bias, np.clip(sums, 1e-6, 0.999), lit)


def _layer_heads(
    card: GeneratorCard,
    geometry: Geometry,
    start: _Start,
    joined: Any,
    cell_latents: list[Any],
    dtype: str,
) -> Any:
    """A softmax and a gate for each layer, side by side, (n, n_voxels + n_layers)."""
    hidden = dense_layers(joined, card.trunk, "hidden", dtype)
    if card.latent_skip:
        hidden = keras.layers.Concatenate(name="skip")([hidden, joined])
    split = dense_layers(joined, card.layer_trunk, "layer_hidden", dtype)
    lit = np.clip(start.lit, MIN_OCCUPANCY, 1 - MIN_OCCUPANCY)
    outputs = []
    for k, (voxels, share) in enumerate(zip(geometry.slices, start.shares, strict=True)):
        own = cell_latents[k] if cell_latents else None
        logits = _logits(hidden, f"_{k}", start.bias[voxels], lit[voxels], own, CELL_SHARPNESS)
        fractions = keras.layers.Softmax(name=f"shares_{k}")(logits)
        logit = _head(f"layer_energy_{k}", np.log([share / (1 - share)]))(split)
        outputs.append(Gate(name=f"gate_{k}")([fractions, logit]))
    return outputs[0] if len(outputs) == 1 else keras.layers.Concatenate(name="fractions")(outputs)


def _joint_heads(
    card: GeneratorCard,
    geometry: Geometry,
    start: _Start,
    joined: Any,
    conditions: Any,
    cell_latents: list[Any],
    dtype: str,
) -> Any:
    """One head for the voxels and one for the layers' energies, (n, n_voxels + 1)."""
    split = dense_layers(joined, card.layer_trunk, "layer_hidden", dtype)
    dark = np.array([np.prod(1 - start.lit[voxels]) for voxels in geometry.slices])
    groups, steps = _layer_energies(split, joined, start.shares, 1 - dark)
    known = keras.layers.Concatenate(name="known")([joined, split, steps])
    hidden = dense_layers(known, card.trunk, "hidden", dtype)
    also = joined if card.latent_skip else conditions
    hidden = keras.layers.Concatenate(name="skip")([hidden, also])
    # Cells of a dark layer are dark by its step: theirs are for when it is lit.
    lit = start.lit / np.clip(1 - dark, MIN_OCCUPANCY, 1)[geometry.layer_index]
    lit = np.clip(lit, MIN_OCCUPANCY_JOINT, 1 - MIN_OCCUPANCY_JOINT)
    sharpness = 1 - RARE_SHARPNESS * np.minimum(ndtri(lit), 0)
    own = cell_latents[0] if cell_latents else None
    # The logits of joint heads have bounds; only their differences count.
    logits = _logits(hidden, "", start.bias + JOINT_SHIFT, lit, own, sharpness)
    sizes = [layer.n_voxels for layer in geometry.layers]
    return GroupSoftmax(sizes, name="fractions")([logits, groups])


def _logits(
    hidden: Any,
    name: str,
    bias: NDArray[np.float64],
    lit: NDArray[np.floating[Any]],
    own_latents: Any,
    sharpness: float | NDArray[np.float64],
) -> Any:
    """A head for some voxels; `bias` and `lit` (n,), `own_latents` None if they have none."""
    if own_latents is None:
        return _head(f"voxels{name}", bias)(hidden)
    # The mean energy of a cell is that of a lit one times the chance to be lit.
    logits = _head(f"voxels{name}", bias - np.log(lit) - CELL_RISE)(hidden)
    chance = _head(f"cell_chance{name}", sharpness * ndtri(lit))(hidden)
    noise = scale_layer(sharpness, f"cell_sharpness{name}")(own_latents)
    step = keras.layers.Add(name=f"cell_sum{name}")([chance, noise])
    step = keras.layers.Activation("sigmoid", name=f"cell_lit{name}")(step)
    step = scale_layer(CELL_RISE, f"cell_rise{name}")(step)
    return keras.layers.Add(name=f"logits{name}")([logits, step])


def _head(name: str, bias: NDArray[np.float64]) -> keras.layers.Dense:
    return keras.layers.Dense(
        len(bias),
        kernel_initializer=small_start(),
        bias_initializer=constant_start(bias),
        name=name,
    )


def _layer_energies(
    split: Any, joined: Any, sums: NDArray[np.float64], lit: NDArray[np.float64]
) -> tuple[Any, Any]:
    """Logits of the layers' shares and of what is left over, and the steps in them.

    Both (n, n_layers + 1). `sums`, `lit` (n_layers,): the mean shares, and in how many showers.
    """
    n = len(sums)
    lit = np.clip(lit, MIN_OCCUPANCY, 1)
    # A layer that is always lit is at half the height of a small step, where it is a straight line.
    always = lit > ALWAYS_LIT
    rise = np.where(always, LAYER_RISE, CELL_RISE)
    chance = np.where(always, 0.0, CELL_SHARPNESS * ndtri(np.minimum(lit, ALWAYS_LIT)))
    bias = np.log(sums) - np.where(always, 0.5 * rise, np.log(lit) + rise)
    rest = max(1 - sums.sum(), 1e-3)
    logits = _head("layer_energies", np.append(bias, np.log(rest)))(split)

    def directions(shape: Any, dtype: Any = None) -> Any:
        kernel = np.zeros(shape)
        first = shape[0] - joined.shape[1]
        kernel[first:, :n] = CELL_SHARPNESS * np.eye(joined.shape[1], n)
        return ops.convert_to_tensor(kernel, dtype=dtype)

    seen = keras.layers.Concatenate(name="layer_step_inputs")([split, joined])
    steps = keras.layers.Dense(
        n + 1,
        activation="sigmoid",
        kernel_initializer=directions,
        bias_initializer=constant_start(np.append(chance, 0.0)),
        name="layer_lit",
    )(seen)
    steps = Scale(constant_start(np.append(rise, 0.0)), name="layer_rise")(steps)
    return keras.layers.Add(name="layer_logits")([logits, steps]), steps


@dataclass(frozen=True, eq=False)
class LayerEnergies:
    """The part of a generator that makes the layer energies; it shares the generator's weights."""

    logits: keras.Model
    """From the shared latent (n, latent_size) and the conditions (n, n_conditions) to the logits of
    the layers' shares of the incident energy, (n, n_layers); with joint heads (n, n_layers + 1),
    for what is left over has one too."""
    hidden: keras.Model
    """From the same to what all heads take, (n, width)."""
    heads: list[keras.layers.Dense]
    """One for each calorimeter layer, or a joint one; their sum with steps, if there are any, are
    the logits."""
    joint: bool

    def fractions(self, logits: Any) -> Any:
        """Layer energies over the incident energy, (n, n_layers), from their logits."""
        return ops.softmax(logits)[:, :-1] if self.joint else ops.sigmoid(logits)

    def gain(self, fractions: Any) -> Any:
        """How fast the logarithm of each layer's energy rises with all layers' logits together."""
        return 1 - (fractions.sum(axis=1, keepdims=True) if self.joint else fractions)

    def weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Kernel (width, n_logits) and bias (n_logits,) of all heads together."""
        kernels, biases = zip(*(head.get_weights() for head in self.heads), strict=True)
        return np.concatenate(kernels, axis=1), np.concatenate(biases)

    def set_weights(self, kernel: NDArray[Any], bias: NDArray[Any]) -> None:
        """Give the heads the weights of `weights`."""
        ends = np.cumsum([head.units for head in self.heads])[:-1]
        parts = np.split(kernel, ends, axis=1), np.split(bias, ends)
        for head, *found in zip(self.heads, *parts, strict=True):
            head.set_weights([part.astype(np.float32) for part in found])


def layer_energy_part(model: keras.Model, n_layers: int) -> LayerEnergies:
    """The part of a generator by `build_generator` that makes the layer energies."""
    joint = any(layer.name == "layer_energies" for layer in model.layers)
    names = ["layer_energies"] if joint else [f"layer_energy_{k}" for k in range(n_layers)]
    heads = [model.get_layer(name) for name in names]
    ends = [model.inputs[0], model.inputs[-1]]
    outputs = [model.get_layer("layer_logits").output] if joint else [h.output for h in heads]
    logits = outputs[0]
    if len(outputs) > 1:
        logits = keras.layers.Concatenate(name="layer_logits", dtype="float32")(outputs)
    return LayerEnergies(
        keras.Model(ends, logits, name="layer_energy_logits"),
        keras.Model(ends, heads[0].input, name="layer_energy_trunk"),
        heads,
        joint,
    )


def latent_sizes(card: GeneratorCard, geometry: Geometry) -> dict[str, int]:
    """The generator's latent inputs and their sizes, in order; all are standard normal."""
    sizes = {"latent": card.latent_size}
    if card.cell_latents and card.heads == "joint":
        sizes["cell_latent"] = geometry.n_voxels
    elif card.cell_latents:
        sizes |= {f"cell_latent_{k}": layer.n_voxels for k, layer in enumerate(geometry.layers)}
    return sizes


def voxel_columns(geometry: Geometry, n_outputs: int) -> NDArray[np.intp]:
    """Which of a generator's output columns are voxels, (n_voxels,): all but the leftovers."""
    labels = output_labels(geometry, n_outputs)
    return np.flatnonzero([label.startswith("voxel_") for label in labels])


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
    n = model.outputs[0].shape[-1]
    return np.asarray(model([*parts, conditions]), np.float32)[:, voxel_columns(geometry, n)]


def output_labels(geometry: Geometry, n_outputs: int) -> list[str]:
    """A label for each output column: voxel_<i>, and unused_layer_<k> for the gates' leftovers.

    The one leftover of joint heads, after all voxels, is unused_layer_0.
    """
    if n_outputs == geometry.n_voxels + 1:
        return [*(f"voxel_{i}" for i in range(geometry.n_voxels)), "unused_layer_0"]
    labels = []
    for k, voxels in enumerate(geometry.slices):
        labels += [f"voxel_{i}" for i in range(voxels.start, voxels.stop)]
        labels.append(f"unused_layer_{k}")
    return labels
