"""The pieces of which networks are built: a layout's layers, convolutions, starting values."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from lwtnn_converter.layers import Scale, absolute
from numpy.typing import NDArray

from calogan.card.layouts import BatchNorm, Conv, Dense, Layout
from calogan.geometry import Geometry


def dense_layers(tensor: Any, layout: Layout, name: str, dtype: str) -> Any:
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


def image_vectors(voxels: Any, layout: Layout, geometry: Geometry, dtype: str) -> list[Any]:
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
            image = _Convolution(
                step, geometry.layers[k].closed, name=f"conv_{k}_{i}", dtype=dtype
            )(image)
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


def scale_layer(start: float | NDArray[np.float64], name: str) -> Scale:
    return Scale(scale_initializer=constant_start(np.asarray(start, np.float64)), name=name)


def small_start() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(0.1)


def constant_start(values: NDArray[np.float64] | np.floating[Any]) -> Any:
    return lambda shape, dtype=None: keras.ops.convert_to_tensor(
        np.broadcast_to(values, shape), dtype=dtype
    )
