"""Layout strings as TMVA users write them, `DENSE|256|SWISH,DENSE|512|SWISH`: read and written.

The syntax is that of the option Layout of TMVA's MethodDL (TMVA Users Guide, arXiv:physics/0703039,
and https://root.cern/doc/master/classTMVA_1_1MethodDL.html). Commas part the layers, bars their
fields:

- `DENSE|width|activation`, the two in any order; without `DENSE` too, as in `256|SWISH`
- `CONV|depth|kernel height|kernel width|stride height|stride width|padding height|padding
  width|activation`
- `RESHAPE|FLAT`: images to one vector; `RESHAPE|depth|height|width`: a vector to one image
- `BNORM|momentum|epsilon`, both may be left out

An activation left out is TANH, as in TMVA. Small letters and blanks are welcome. Unlike in TMVA, a
layout holds the hidden layers alone, and what cannot be read is an error, never a default.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NoReturn

from calogan.errors import CaloganError, nearest
from calogan.geometry import Geometry

Place = Literal["generator", "critic", "features"]
"""Where a layout stands: in the generator, or in the critic's head for voxels or for features."""
LWTNN_ACTIVATIONS = ("SWISH", "RELU", "LEAKYRELU", "ELU", "TANH", "SIGMOID", "SYMMRELU", "LINEAR")
ACTIVATIONS = (*LWTNN_ACTIVATIONS, "SOFTSIGN", "GAUSS")
"""TMVA's, of which SYMMRELU is |x| and GAUSS exp(-x²), and SWISH, LEAKYRELU (slope 0.2), ELU."""
DEFAULT_ACTIVATION = "TANH"
MAX_SIZE = 100_000
MAX_IMAGE = 1_000
_CONV_FIELDS = (
    "depth",
    "kernel height",
    "kernel width",
    "stride height",
    "stride width",
    "padding height",
    "padding width",
)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer."""

    width: int
    activation: str = DEFAULT_ACTIVATION
    at: int = field(default=0, compare=False)
    """Where in the layout string it begins, counted from 0."""

    def __str__(self) -> str:
        return f"DENSE|{self.width}|{self.activation}"


@dataclass(frozen=True)
class Conv:
    """A convolution over an image; pairs are (height, width), that is the first and second axis."""

    depth: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    activation: str = DEFAULT_ACTIVATION
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        numbers = (self.depth, *self.kernel, *self.stride, *self.padding)
        return "|".join(["CONV", *map(str, numbers), self.activation])


@dataclass(frozen=True)
class Reshape:
    """All images to one vector, or a vector to one image."""

    shape: tuple[int, int, int] | None = None
    """Depth, height and width of the image; None: FLAT."""
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return "|".join(["RESHAPE", *(map(str, self.shape) if self.shape else ["FLAT"])])


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalization (Ioffe, Szegedy, arXiv:1502.03167)."""

    momentum: float = 0.99
    """Of the moving averages that stand for the batch's mean and variance in generation."""
    epsilon: float = 1e-4
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"BNORM|{self.momentum!r}|{self.epsilon!r}"


Step = Dense | Conv | Reshape | BatchNorm


@dataclass(frozen=True)
class Layout:
    """Hidden layers in order."""

    steps: tuple[Step, ...]
    text: str = field(default="", compare=False)
    """What they were read from."""

    def __str__(self) -> str:
        """The layout string, in full: it parses to the same layout."""
        return ",".join(map(str, self.steps))

    @staticmethod
    def dense(widths: Sequence[int], activation: str) -> Layout:
        """Fully connected layers of one activation, by its name in Keras."""
        name = activation.replace("_", "").upper()
        steps = tuple(Dense(width, name) for width in widths)
        return Layout(steps, ",".join(map(str, steps)))

    @staticmethod
    def parse(text: str, place: Place) -> Layout:
        """Read a layout string.

        Raises CaloganError, for what cannot be read and for layers that have no use in `place`: it
        shows the string with a caret where it is wrong, and says what was found and expected.
        """
        layout = Layout(tuple(_step(part) for part in _split(_Field(text, 0, text), ",")), text)
        if place == "critic":
            _check_critic(layout)
        else:
            _check_vector(layout, place)
        return layout

    @cached_property
    def image_steps(self) -> tuple[Step, ...]:
        """The layers before RESHAPE|FLAT: they see images. Empty where there is no such layer."""
        return self.steps[: self._flat]

    @cached_property
    def vector_steps(self) -> tuple[Step, ...]:
        """The layers that see one vector: all, or those after RESHAPE|FLAT."""
        return self.steps[self._flat + 1 :] if self.image_steps else self.steps

    @property
    def _flat(self) -> int:
        flat = (i for i, s in enumerate(self.steps) if isinstance(s, Reshape) and s.shape is None)
        return next(flat, 0)

    def images(self, geometry: Geometry) -> list[tuple[str, list[tuple[int, int]]]]:
        """What the layers before RESHAPE|FLAT make of a calorimeter.

        Returns
        -------
        For each image its name, and its (height, width): first that of the cells, then after each
        convolution. There is one image for each calorimeter layer, or, after
        RESHAPE|depth|height|width, one image with a channel for each.

        Raises
        ------
        CaloganError for images that are none of this calorimeter's, or cells that no output sees.
        """
        if not self.image_steps:
            return []
        shapes = [layer.shape for layer in geometry.layers]
        names = [f"layer '{layer.name}'" for layer in geometry.layers]
        first, *convolutions = self.image_steps
        if isinstance(first, Reshape):
            wanted = (len(shapes), *shapes[0])
            alike = len(set(shapes)) == 1 and len({layer.closed for layer in geometry.layers}) == 1
            if not alike or first.shape != wanted:
                grids = ", ".join(dict.fromkeys(f"{h} x {w}" for h, w in shapes))
                advice = (
                    f"expected RESHAPE|{'|'.join(map(str, wanted))}, the layers as channels"
                    if alike
                    else "which are no channels of one image; without this RESHAPE each layer is "
                    "an image of its own"
                )
                self.mistake(first.at, f"{len(shapes)} layers of {grids} cells: {advice}")
            shapes, names = shapes[:1], ["all layers"]
        else:
            convolutions = [first, *convolutions]
        images = []
        for k, (name, shape) in enumerate(zip(names, shapes, strict=True)):
            sizes = [shape]
            for step in convolutions:
                if isinstance(step, Conv):
                    sizes.append(self._convolved(step, sizes[-1], name, geometry.layers[k].closed))
            images.append((name, sizes))
        return images

    def _convolved(
        self, step: Conv, size: tuple[int, int], name: str, closed: bool
    ) -> tuple[int, int]:
        out = []
        axes = zip(("height", "width"), size, step.kernel, step.stride, step.padding, strict=True)
        for axis, n, kernel, stride, padding in axes:
            room = n + 2 * padding - kernel
            image = f"{name} is here an image of {size[0]} x {size[1]}"
            what = f"{image}, and along its {axis} a kernel of"
            if room < 0:
                self.mistake(
                    step.at,
                    f"{what} {kernel} with padding {padding} does not fit; "
                    "make the kernel smaller, or the padding larger",
                )
            if room % stride > padding:
                self.mistake(
                    step.at,
                    f"{what} {kernel} with stride {stride} and padding {padding} leaves the last "
                    f"{room % stride - padding} unseen; make padding or kernel larger",
                )
            if closed and axis == "width" and padding > n:
                self.mistake(
                    step.at,
                    f"{what} {kernel} with padding {padding} goes round alpha more than once; "
                    "make the padding smaller",
                )
            out.append(room // stride + 1)
        return out[0], out[1]

    def mistake(self, at: int, problem: str) -> NoReturn:
        """Raise a CaloganError that points at a character of the string, counted from 0."""
        _mistake(self.text, at, problem)


@dataclass(frozen=True)
class _Field:
    """A piece of a layout string, without the blanks around it."""

    text: str
    at: int
    whole: str

    @property
    def word(self) -> str:
        return self.text.upper()

    def expected(self, what: str) -> NoReturn:
        found = f"'{self.text}'" if self.text else "nothing"
        _mistake(self.whole, self.at, f"found {found}, expected {what}")


def _mistake(text: str, at: int, problem: str) -> NoReturn:
    shown = re.sub(r"\s", " ", text)
    raise CaloganError(f"at character {at + 1} {problem}\n    {shown}\n    {' ' * at}^")


def _split(piece: _Field, separator: str) -> list[_Field]:
    """The parts of a piece; one that is empty stands before its separator."""
    fields, at = [], piece.at
    for part in piece.text.split(separator):
        stripped = part.strip()
        begin = at + (part.index(stripped) if stripped else len(part))
        fields.append(_Field(stripped, begin, piece.whole))
        at += len(part) + 1
    return fields


def _step(part: _Field) -> Step:
    kind, *fields = _split(part, "|")
    end = _Field("", part.at + len(part.text), part.whole)
    if kind.word == "DENSE":
        return _dense(fields, kind, end)
    if kind.word == "CONV":
        return _conv(fields, kind, end)
    if kind.word == "RESHAPE":
        return _reshape(fields, kind, end)
    if kind.word == "BNORM":
        return _batch_norm(fields, kind)
    if kind.word == "MAXPOOL":
        kind.expected(
            "CONV with strides, as pooling hides cells from the gradient: "
            "CONV|32|3|3|2|2|1|1|LEAKYRELU halves height and width"
        )
    if kind.word in ACTIVATIONS or _is_whole(kind.text):
        return _dense([kind, *fields], kind, end)
    known = ("DENSE", "CONV", "RESHAPE", "BNORM")
    hint = f"; nearest: {nearest(kind.text, known, 1)}" if kind.text else ""
    kind.expected(f"a layer, one of {', '.join(known)}{hint}")


def _dense(fields: list[_Field], kind: _Field, end: _Field) -> Dense:
    width: int | None = None
    activation: str | None = None
    wanted = f"the width, a whole number of 1 to {MAX_SIZE}"
    for each in fields:
        if activation is None and each.word in ACTIVATIONS:
            activation = each.word
        elif width is None and (activation is not None or each.text[:1].isdigit()):
            width = _whole(each, "the width", 1, MAX_SIZE)
        elif width is None:
            each.expected(f"{wanted}, or an activation")
        elif activation is None:
            activation = _activation(each)
        else:
            each.expected("the end of DENSE|width|activation")
    if width is None:
        end.expected(wanted)
    return Dense(width, activation or DEFAULT_ACTIVATION, kind.at)


def _conv(fields: list[_Field], kind: _Field, end: _Field) -> Conv:
    form = f"CONV|{'|'.join(_CONV_FIELDS)}|activation"
    if len(fields) < len(_CONV_FIELDS):
        end.expected(f"the {_CONV_FIELDS[len(fields)]} of {form}")
    numbers: list[int] = []
    for i, (name, each) in enumerate(zip(_CONV_FIELDS, fields, strict=False)):
        # A stride beyond the kernel, or a padding that fills it, would leave cells unseen.
        low, high = 1, MAX_SIZE if i == 0 else MAX_IMAGE
        note = ""
        if name.startswith("stride"):
            high, note = numbers[i - 2], ", as no cell may be left out"
        elif name.startswith("padding"):
            low, high, note = 0, numbers[i - 4] - 1, ", less than the kernel"
        numbers.append(_whole(each, f"the {name}", low, high, note))
    rest = fields[len(_CONV_FIELDS) :]
    activation = _activation(rest[0]) if rest else DEFAULT_ACTIVATION
    if len(rest) > 1:
        rest[1].expected(f"the end of {form}")
    depth, a, b, c, d, e, f = numbers
    return Conv(depth, (a, b), (c, d), (e, f), activation, kind.at)


def _reshape(fields: list[_Field], kind: _Field, end: _Field) -> Reshape:
    names = ("depth", "height", "width")
    if fields and fields[0].word == "FLAT":
        if len(fields) > 1:
            fields[1].expected("the end of RESHAPE|FLAT")
        return Reshape(None, kind.at)
    numbers: list[int] = []
    for name, each in zip(names, fields, strict=False):
        numbers.append(_whole(each, f"the {name}" + " or FLAT" * (not numbers), 1, MAX_SIZE))
    if len(fields) > 3:
        flat = fields[3].word == "FLAT"
        note = "; RESHAPE|FLAT counts the width by itself" if flat else ""
        fields[3].expected(f"the end of RESHAPE|depth|height|width{note}")
    if len(numbers) < 3:
        end.expected(f"the {names[len(numbers)]} of RESHAPE|depth|height|width, or RESHAPE|FLAT")
    return Reshape((numbers[0], numbers[1], numbers[2]), kind.at)


def _batch_norm(fields: list[_Field], kind: _Field) -> BatchNorm:
    if len(fields) > 2:
        fields[2].expected("the end of BNORM|momentum|epsilon")
    values = [math.nan, math.nan]
    limits = (
        ("the momentum, a number of 0 to below 1", 1.0),
        ("epsilon, a number above 0", math.inf),
    )
    for i, (each, (what, below)) in enumerate(zip(fields, limits, strict=False)):
        try:
            values[i] = float(each.text)
        except ValueError:
            each.expected(what)
        if not 0 <= values[i] < below or (i == 1 and values[i] == 0):
            each.expected(what)
    default = BatchNorm()
    return BatchNorm(
        values[0] if len(fields) > 0 else default.momentum,
        values[1] if len(fields) > 1 else default.epsilon,
        kind.at,
    )


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _whole(each: _Field, what: str, low: int, high: int, note: str = "") -> int:
    if not _is_whole(each.text) or len(each.text) > 9 or not low <= int(each.text) <= high:
        each.expected(f"{what}, a whole number of {low} to {high}{note}")
    return int(each.text)


def _activation(each: _Field) -> str:
    if each.word not in ACTIVATIONS:
        hint = f"; nearest: {nearest(each.text, ACTIVATIONS, 1)}" if each.text else ""
        each.expected(f"an activation, one of {', '.join(ACTIVATIONS)}{hint}")
    return each.word


def _check_vector(layout: Layout, place: Place) -> None:
    """Layers that see a vector: all of the generator, and the critic's head for features."""
    for step in layout.steps:
        if isinstance(step, Conv):
            why = (
                "lwtnn has no convolution over images, so that the generator could not be exported"
                if place == "generator"
                else "features are no image"
            )
            layout.mistake(step.at, f"found CONV: {why}; use DENSE")
        if isinstance(step, Reshape):
            layout.mistake(
                step.at, "found RESHAPE: there are no images here, only vectors; leave it out"
            )
        if place == "features":
            _check_critic_step(layout, step)
        elif isinstance(step, Dense) and step.activation not in LWTNN_ACTIVATIONS:
            layout.mistake(
                step.at,
                f"found the activation {step.activation}, which lwtnn lacks; "
                f"expected one of {', '.join(LWTNN_ACTIVATIONS)}",
            )


def _check_critic(layout: Layout) -> None:
    """Images come first, and after RESHAPE|FLAT vectors."""
    images = flat = dense = False
    for step in layout.steps:
        _check_critic_step(layout, step)
        if isinstance(step, Dense):
            if images and not flat:
                layout.mistake(step.at, "found DENSE, expected RESHAPE|FLAT between it and images")
            dense = True
        elif isinstance(step, Reshape) and step.shape is None:
            if flat or not images:
                layout.mistake(step.at, "found RESHAPE|FLAT without an image before it")
            flat = True
        elif flat or dense:
            layout.mistake(
                step.at, "found a layer for images after one for vectors; CONV layers come first"
            )
        elif isinstance(step, Reshape) and images:
            layout.mistake(
                step.at, "found a second image; RESHAPE|depth|height|width comes first, on voxels"
            )
        else:
            images = True
    if images and not flat:
        layout.mistake(len(layout.text), "found nothing, expected RESHAPE|FLAT after the images")


def _check_critic_step(layout: Layout, step: Step) -> None:
    if isinstance(step, BatchNorm):
        layout.mistake(
            step.at,
            "found BNORM: a critic must judge each shower by itself, as its gradient penalties "
            "(R1, R2, WGAN-GP: arXiv:1704.00028) take the slope at one shower; leave it out",
        )
    if step is layout.steps[-1] and isinstance(step, Dense) and str(step) == "DENSE|1|LINEAR":
        layout.mistake(
            step.at,
            "found an output layer: a layout holds the hidden layers, and the score's own layer "
            "comes by itself; leave it out",
        )
