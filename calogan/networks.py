"""Generator and critic: plain Keras graphs; the generator holds nothing that lwtnn lacks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from lwtnn_converter.layers import Gate, Scale, absolute
from numpy.typing import NDArray
from scipy.special import ndtri

from calogan.config import CriticCard, GeneratorCard
from calogan.geometry import Geometry
from calogan.layouts import BatchNorm, Conv, Dense, Layout, wraps

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
    hidden = _layers(joined, card.trunk, "hidden", dtype)
    if card.latent_skip:
        hidden = keras.layers.Concatenate(name="skip")([hidden, joined])
    split = _layers(joined, card.layer_trunk, "layer_hidden", dtype)

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
            kernel_initializer=_small(),
            bias_initializer=_constant(bias),
            name=f"voxels_{k}",
        )(hidden)
        if cell_latents:
            chance = keras.layers.Dense(
                layer.n_voxels,
                kernel_initializer=_small(),
                bias_initializer=_constant(CELL_SHARPNESS * ndtri(lit)),
                name=f"cell_chance_{k}",
            )(hidden)
            noise = _scale(CELL_SHARPNESS, f"cell_sharpness_{k}")(cell_latents[k])
            step = keras.layers.Add(name=f"cell_sum_{k}")([chance, noise])
            step = keras.layers.Activation("sigmoid", name=f"cell_lit_{k}")(step)
            step = _scale(CELL_RISE, f"cell_rise_{k}")(step)
            logits = keras.layers.Add(name=f"logits_{k}")([logits, step])
        fractions = keras.layers.Softmax(name=f"shares_{k}")(logits)
        logit = keras.layers.Dense(
            1,
            kernel_initializer=_small(),
            bias_initializer=_constant(np.log(share / (1 - share))),
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
    cells = _images(voxels, card.voxel_layers, geometry, dtype)
    for name, seen, layout in (
        ("voxel", [*cells, features, conditions], card.voxel_layers),
        ("feature", [features, conditions], card.feature_layers),
    ):
        joined = keras.layers.Concatenate(name=f"{name}_inputs")(seen)
        hidden = _layers(joined, layout, f"{name}_hidden", dtype)
        scores.append(keras.layers.Dense(1, name=f"{name}_score", dtype="float32")(hidden))
    merged = keras.layers.Concatenate(name="scores", dtype="float32")(scores)
    return keras.Model([voxels, features, conditions], merged, name="critic")


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


def _layers(tensor: Any, layout: Layout, name: str, dtype: str) -> Any:
    """The layers of a layout that see one vector."""
    for i, step in enumerate(layout.vector_steps):
        if isinstance(step, Dense):
            tensor = keras.layers.Dense(
                step.width,
                activation=_activation_of(step),
                kernel_initializer="he_normal",
                name=f"{name}_{i}",
                dtype=dtype,
            )(tensor)
        elif isinstance(step, BatchNorm):
            tensor = keras.layers.BatchNormalization(
                momentum=step.momentum, epsilon=step.epsilon, name=f"{name}_{i}", dtype=dtype
            )(tensor)
    return tensor


def _images(voxels: Any, layout: Layout, geometry: Geometry, dtype: str) -> list[Any]:
    """What the layers of a layout that see images make of the voxels: a vector for each image."""
    images = layout.images(geometry)
    if not images:
        return [voxels]
    convolutions = [step for step in layout.image_steps if isinstance(step, Conv)]
    outputs = []
    first = 0
    for k, (_, ((height, width), *_)) in enumerate(images):
        depth = geometry.n_layers // len(images)
        n = depth * height * width
        # Voxels run layer by layer; "fastest" says which axis follows.
        last = geometry.fastest == "last"
        image = voxels[:, first : first + n]
        image = ops.reshape(image, (-1, depth, *((height, width) if last else (width, height))))
        image = ops.transpose(image, (0, 2, 3, 1) if last else (0, 3, 2, 1))
        first += n
        for i, step in enumerate(convolutions):
            image = _Convolution(step, wraps(geometry, k), name=f"conv_{k}_{i}", dtype=dtype)(image)
        outputs.append(keras.layers.Flatten(name=f"flat_{k}")(image))
    return outputs


class _Convolution(keras.layers.Layer):  # type: ignore[misc]
    """A convolution of images (n, height, width, channels), with zeros around the image; where its
    width is closed, each end is continued by the other.

    Patches are cut out and multiplied with the kernel. Compiled by XLA on a processor, the second
    derivatives that gradient penalties need take a fraction of the time of Keras's own.
    """

    def __init__(self, step: Conv, closed: bool, **options: Any) -> None:
        super().__init__(**options)
        self._step = step
        self._closed = closed
        self._function = keras.activations.get(_activation_of(step))

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            shape=(*self._step.kernel, input_shape[-1], self._step.depth),
            initializer="he_normal",
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self._step.depth,), initializer="zeros", name="bias")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        step = self._step
        (above, beside), (down, along) = step.padding, step.stride
        zeros = [[0, 0], [above, above], [0, 0] if self._closed else [beside, beside], [0, 0]]
        image = ops.pad(inputs, zeros)
        if self._closed and beside:
            image = ops.concatenate([image[:, :, -beside:], image, image[:, :, :beside]], axis=2)
        rows, columns = (
            (n - kernel) // stride * stride + 1
            for n, kernel, stride in zip(image.shape[1:3], step.kernel, step.stride, strict=True)
        )
        patches = [
            image[:, i : i + rows : down, j : j + columns : along]
            for i in range(step.kernel[0])
            for j in range(step.kernel[1])
        ]
        kernel = ops.reshape(self.kernel, (-1, step.depth))
        return self._function(ops.matmul(ops.concatenate(patches, axis=-1), kernel) + self.bias)


def _activation_of(step: Dense | Conv) -> Any:
    """A layer's activation, as Keras takes it."""
    name = step.activation
    special = {
        "LEAKYRELU": "leaky_relu",
        "SYMMRELU": absolute,
        "GAUSS": _gauss,
        "SOFTSIGN": _softsign,
    }
    return special.get(name, name.lower())


def _gauss(x: Any) -> Any:
    return ops.exp(-ops.square(x))


def _softsign(x: Any) -> Any:
    # TensorFlow's own has no second derivative, which gradient penalties need.
    return x / (1.0 + ops.absolute(x))


def _scale(start: float, name: str) -> Scale:
    return Scale(scale_initializer=keras.initializers.Constant(start), name=name)


def _small() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(0.1)


def _constant(values: NDArray[np.float64] | np.floating[Any]) -> Any:
    return lambda shape, dtype=None: keras.ops.convert_to_tensor(
        np.broadcast_to(values, shape), dtype=dtype
    )
