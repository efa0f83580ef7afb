"""The keys of the run card: every section, its defaults, what each key means and may be.

Those of a condition are in `calogan.card.conditions`, of the training loop in
`calogan.card.training`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from calogan.bands import Bands, check_bands
from calogan.card.conditions import AnyConditionCard, LabelCard, regular_expression
from calogan.card.frame import Frame, ParticleRole
from calogan.card.layouts import Layout, Place
from calogan.card.training import SelectionCard, Training
from calogan.conditions import AnyCondition, input_columns, labels_of
from calogan.errors import CaloganError
from calogan.geometry import Geometry

Role = Literal["energy", "x", "y", "z", "r", "phi", "layer", "first", "second"]
ROLES: dict[str, tuple[Role, ...]] = {
    "xyz": ("energy", "x", "y", "z"),
    "rphiz": ("energy", "r", "phi", "z"),
    "indices": ("energy", "layer", "first", "second"),
    "cells": (),
}
"""What the branches of each layout are for; `layer` may take the place of z."""


DialectName = Literal[
    "branches",
    "par04",
    "calogan_root",
    "calogan_hdf5",
    "calochallenge",
    "fastcalogan",
    "fastcalosim",
    "edm4hep",
    "getting_high",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Input(_Section):
    """Where hits are in the files; the defaults are the sample's names."""

    dialect: DialectName = "branches"
    """Kind of file; `branches` is any ROOT tree of hits or cells, read by the keys below."""
    files: list[str] = []
    """Paths and globs, used if the command line names none."""
    tree: str = "showers"
    """Tree that holds the hits."""
    condition_tree: str | None = None
    """Tree that holds the conditions, entry by entry as `tree`; None: the same tree."""
    layout: Literal["xyz", "rphiz", "indices", "cells"] = "xyz"
    """xyz, rphiz: jagged hits by position; indices: jagged hits by layer and cell indices along
    the layer's first and second axis; cells: one branch per voxel."""
    branches: dict[Role, str] = {}
    """Role to branch name, over the defaults hit_energy, hit_x, ...; with a `layer` branch and
    layout xyz or rphiz, the layer is taken from it and z is not needed."""
    cells: str = "cell_{}"
    """Layout cells: branch name of voxel i, with {} for i counted from 0."""
    overflow_cells: list[str] = []
    """Layout cells: branches of energy outside the voxels, one a layer; counted as overflow."""
    layer_numbers: list[int] = []
    """Numbers that the file gives to the geometry's layers, in their order, where these are not
    0, 1, 2, ...; hits of other layers are outside the cells."""
    particle: dict[ParticleRole, str] = {}
    """Role to branch of the incident particle, a number or a vector of primaries an event: px, py,
    pz, with energy or mass, and the vertex x, y, z in `length_unit`, without which it is the
    origin. entry_r, entry_phi, entry_z: where it
    enters, for `[frame] entry = "file"`."""
    particle_unit: Literal["eV", "keV", "MeV", "GeV", "TeV"] = "GeV"
    """Unit of the particle's momentum, energy and mass in the file."""
    primaries: Literal["one", "hardest"] = "one"
    """Of events with several primary particles: leave them out, or take the one of most energy for
    the incident particle. Both are counted and reported."""
    collections: list[str] = []
    """Dialect edm4hep: collections of SimCalorimeterHits that are read together."""
    particle_collection: str = "MCParticles"
    """Dialect edm4hep: collection of MCParticles; those of generatorStatus 1 are the primaries."""
    cell_encoding: str | None = None
    """Dialect edm4hep: fields of cellID, as in "system:8,layer:6,x:32:-16,y:-16"; None: what the
    file says of each collection."""
    layer_field: str = "layer"
    """Dialect edm4hep: the field of cellID that numbers the layers."""
    leading_columns: list[str] = []
    """Dialect fastcalogan: names of the columns before the voxels, which conditions may name."""
    energy_unit: Literal["eV", "keV", "MeV", "GeV", "TeV"] = "MeV"
    """Unit of the hits' energies in the file."""
    length_unit: Literal["um", "mm", "cm", "m"] = "mm"
    """Unit of x, y, z and r in the file."""
    angle_unit: Literal["rad", "mrad", "deg"] = "rad"
    """Unit of phi in the file."""
    dead_branch: str | None = None
    """Branch of `tree` with a vector an event: the numbers of the voxels, counted from 0 in the
    geometry's order, that were not read out in it; of HDF5 files the dataset (n, cells) that is not
    0 there. None: see `[data] dead`."""

    @model_validator(mode="after")
    def _complete(self) -> Input:
        needed = ROLES[self.layout]
        allowed = {*needed, "layer"} if needed else set()
        unused = [role for role in self.branches if role not in allowed]
        if unused:
            raise ValueError(
                f"layout '{self.layout}' has no use for {unused} in [input.branches]; "
                f"it reads {sorted(allowed)}"
            )
        if "layer" in self.branches:
            needed = tuple(role for role in needed if role != "z")
        names = {role: self.branches.get(role, f"hit_{role}") for role in needed}
        object.__setattr__(self, "branches", {**names, **self.branches})
        given = set(self.particle)
        for together in (("px", "py", "pz"), ("x", "y", "z"), ("entry_r", "entry_phi", "entry_z")):
            missing = [role for role in together if role not in given]
            if given and (0 < len(missing) < 3 or "px" in missing):
                raise ValueError(f"particle has {sorted(given)}, expected {missing} too")
        if self.layout == "cells" and self.cells.count("{}") != 1:
            raise ValueError(f"cells is {self.cells!r}, expected one {{}} in it, as in 'cell_{{}}'")
        return self


class DeadCells(_Section):
    """Cells that were not read out."""

    cells: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    """Numbers of their voxels, counted from 0 in the geometry's order."""
    pattern: str | None = None
    """Regular expression on the names of the files in which they are dead; None: in all."""

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        return None if pattern is None else regular_expression(pattern).pattern


class Exchange(_Section):
    """Two values of a label that may change places."""

    condition: str
    """Name of the label."""
    values: tuple[int | str, int | str]
    """As in its `values`: ["e-", "e+"]."""
    mirror: list[Literal["x", "y"]] = []
    """Axes under whose reflection showers of one look like those of the other, as in a magnetic
    field; none: as they are."""


class Data(_Section):
    """The HDF5 store to train on, and the readout."""

    train: str | None = None
    """Store made by `calogan voxelize`; a relative path starts from the working directory."""
    validation_fraction: float = Field(0.05, gt=0, lt=0.9)
    """Part of the store never trained on, scored during training."""
    readout_threshold: float = Field(0.0, ge=0)
    """MeV; voxels below it read as zero, in generation and evaluation. The critic sees them all
    the same, since a hard cut has no gradient, but counts cells and scales voxels by it."""
    mirror: list[Literal["x", "y"]] = []
    """Axes under whose reflection the showers are symmetric: training doubles the data by it.
    "y" is y -> -y, of cylindrical layers alpha -> -alpha; "x" is alpha -> pi - alpha there."""
    turn: bool = False
    """Whether showers are symmetric under turns about the axis by whole cells in alpha: training
    multiplies the data by as many. Where they nearly are, see `[training] random_turns`."""
    exchange: list[Exchange] = []
    """Labels whose showers are alike, such as those of a particle and its antiparticle: training
    sees each shower with the other value too, which doubles the showers in memory."""
    dead: list[DeadCells] = []
    """Cells that were not read out, which `calogan voxelize` marks in the store; besides those of
    `[input] dead_branch`. Neither training nor evaluation looks at them, in real and in generated
    showers; they are generated like all others. A cell that is dead in all showers of a training
    needs a living image under `mirror` or `turn`."""
    hold_out: dict[str, tuple[float, float]] = {}
    """Condition to a band [low, high] of it, whose showers are neither trained nor validated on, to
    measure how well the generator interpolates. Of several bands, each is held out."""


Activation = Literal["swish", "relu", "leaky_relu", "elu", "tanh"]
Widths = Annotated[list[PositiveInt], Field(min_length=1)]


def _parsing(place: Place) -> Callable[[str | None], str | None]:
    def check(text: str | None) -> str | None:
        if text is not None:
            try:
                Layout.parse(text, place)
            except CaloganError as error:
                raise ValueError(str(error)) from error
        return text

    return check


class _Network(_Section):
    """Hidden layers as widths and one activation, or in full as a TMVA layout string."""

    pairs: ClassVar[tuple[tuple[str, str], ...]]
    """Keys of which one is given: widths, and the layout that may stand in their place."""
    activation: Activation | None

    @classmethod
    def drop_replaced(cls, merged: dict[str, Any], above: dict[str, Any]) -> None:
        """Drop from a table, merged of two cards, what the card above describes the other way."""
        for pair in cls.pairs:
            for new, old in (pair, pair[::-1]):
                if new in above and old not in above:
                    merged.pop(old, None)
        if all(layout in merged for _, layout in cls.pairs) and "activation" not in above:
            merged.pop("activation", None)

    @model_validator(mode="after")
    def _described_once(self) -> _Network:
        """Of each pair of keys keep the one that is given."""
        given = {key for key in self.model_fields_set if getattr(self, key) is not None}
        for widths, layout in self.pairs:
            if layout not in given:
                if getattr(self, widths) is None:
                    raise ValueError(f"{widths} or {layout} is missing; give one of them")
            elif widths in given:
                raise ValueError(f"{widths} and {layout} are both given; leave one of them out")
            else:
                object.__setattr__(self, widths, None)
        layouts = [layout for _, layout in self.pairs]
        if set(layouts) <= given:
            if "activation" in given:
                raise ValueError(
                    f"activation has no use where {' and '.join(layouts)} give it; leave it out"
                )
            object.__setattr__(self, "activation", None)
        elif self.activation is None:
            raise ValueError("activation is missing")
        return self

    def _layers(self, widths: str, layout: str, place: Place) -> Layout:
        text = getattr(self, layout)
        if text is not None:
            return Layout.parse(text, place)
        return Layout.dense(getattr(self, widths), str(self.activation))


class GeneratorCard(_Network):
    """The generator network."""

    pairs = (("hidden", "layout"), ("layer_hidden", "layer_layout"))

    latent_size: int = Field(128, ge=1, le=100_000)
    """Latents that the whole shower depends on."""
    cell_latents: bool = True
    """One more latent for each voxel, for fluctuations that cells do not share."""
    heads: Literal["layers", "joint"] = "layers"
    """A head for the voxels of each calorimeter layer, or one joint head for all: for meshes of
    many layers, since lwtnn computes the hidden layers anew for every head. Joint heads take
    `last hidden width` x `voxels` weights twice, so end `hidden` with a narrow layer. They come
    with steps in the layers' energies as there are in cells, and see these energies."""
    hidden: Widths | None = [320, 320, 320]
    """Width of each hidden layer."""
    layout: str | None = None
    """In place of `hidden`: its layers as TMVA writes them (see `layouts`), DENSE and
    BNORM, as in "DENSE|256|SWISH,DENSE|512|SWISH"."""
    layer_hidden: list[PositiveInt] | None = [128, 128]
    """Hidden widths of the trunk that sets each calorimeter layer's energy fraction."""
    layer_layout: str | None = None
    """In place of `layer_hidden`, as `layout`."""
    activation: Activation | None = "swish"
    """Of the layers of `hidden` and `layer_hidden`."""
    latent_skip: bool = True
    """Feed latents and conditions once more into the voxel heads."""

    _parsed = field_validator("layout", "layer_layout")(_parsing("generator"))

    @property
    def trunk(self) -> Layout:
        return self._layers("hidden", "layout", "generator")

    @property
    def layer_trunk(self) -> Layout:
        return self._layers("layer_hidden", "layer_layout", "generator")


class CriticCard(_Network):
    """The critic network."""

    pairs = (("hidden", "layout"), ("feature_hidden", "feature_layout"))

    hidden: Widths | None = [320, 320, 320]
    """Width of each hidden layer of the head that judges voxels."""
    layout: str | None = None
    """In place of `hidden`: its layers as TMVA writes them (see `layouts`). CONV layers come
    first and see each calorimeter layer's cells as an image; RESHAPE|FLAT ends them:
    "CONV|16|3|3|2|2|1|1|LEAKYRELU,RESHAPE|FLAT,DENSE|320|LEAKYRELU". Where all layers have the same
    cells, RESHAPE|layers|first|second before CONV makes them the channels of one image."""
    feature_hidden: Widths | None = [128, 128, 128]
    """Width of each hidden layer of the head that judges high-level features alone."""
    feature_layout: str | None = None
    """In place of `feature_hidden`: DENSE layers."""
    activation: Activation | None = "leaky_relu"
    """Of the layers of `hidden` and `feature_hidden`."""

    _voxels_parsed = field_validator("layout")(_parsing("critic"))
    _features_parsed = field_validator("feature_layout")(_parsing("features"))

    @property
    def voxel_layers(self) -> Layout:
        return self._layers("hidden", "layout", "critic")

    @property
    def feature_layers(self) -> Layout:
        return self._layers("feature_hidden", "feature_layout", "features")


class VaeCard(_Section):
    """The variational autoencoder; its decoder is the generator."""

    encoder_hidden: list[PositiveInt] = Field([320, 320], min_length=1)
    """Width of each hidden layer of the encoder."""
    beta: float = Field(1.0, ge=0)
    """Weight of the divergence of the latents' posterior from their prior."""
    warm_up: float = Field(0.1, ge=0, le=1)
    """Part of the updates in which that weight rises from zero."""
    noise: float = Field(0.2, gt=0)
    """Standard deviation of the likelihood, in units of each voxel's or feature's spread: what
    differs by less is not told apart."""
    energies: float = Field(10.0, ge=0)
    """Weight of the response and the layer energies; a voxel has 1."""
    shapes: float = Field(1.0, ge=0)
    """Weight of centres, widths and counts of each layer."""


class Card(_Section):
    """A whole run: input, geometry, conditions, data, networks, training, selection."""

    name: str = "calogan"
    """Of the run: its directory is runs/NAME unless another is given."""
    input: Input = Input()
    frame: Frame | None = None
    geometry: dict[str, Any]
    """Inline layers, or `file = "..."` (TOML, JSON, CaloChallenge XML; `particle` for the last),
    relative to the card, and `fastest` where the order of voxels is not the file's."""
    conditions: dict[str, AnyConditionCard]
    """By name, `energy` first; with `values` it is a label."""
    data: Data = Data()
    generator: GeneratorCard = GeneratorCard()
    critic: CriticCard = CriticCard()
    """Used by method "gan"."""
    vae: VaeCard = VaeCard()
    """Used by method "vae"."""
    training: Training = Training()
    selection: SelectionCard = SelectionCard()
    tags: dict[str, int | float | tuple[int | float, int | float]] = {}
    """What tells this generator from others of a bundle, beside the ranges of its conditions: a
    value, or an interval [low, high], as in `particle = 22`, `eta = [0.2, 0.25]`. The network does
    not see them."""

    @model_validator(mode="after")
    def _tags_apart(self) -> Card:
        for name, tag in self.tags.items():
            if name in self.conditions:
                raise ValueError(
                    f"tags.{name}: '{name}' is a condition of the generator, whose range says "
                    "what it takes; leave the tag out"
                )
            low, high = tag if isinstance(tag, tuple) else (tag, tag)
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"tags.{name} is {tag}, expected a number, or [low, high]")
        return self

    @model_validator(mode="after")
    def _energy_first(self) -> Card:
        if next(iter(self.conditions), None) != "energy":
            raise ValueError(
                f"the first condition must be 'energy' (incident energy, GeV), "
                f"found {list(self.conditions)}"
            )
        energy = self.conditions["energy"]
        if isinstance(energy, LabelCard):
            raise ValueError("conditions.energy has values, expected a range: unit, low and high")
        if energy.unit != "GeV":
            raise ValueError("conditions.energy.unit must be 'GeV' (set source_unit to convert)")
        check_bands(self.data.hold_out, self.condition_list)  # and raises for impossible ranges
        normal = self.frame is not None and self.frame.entry == "surface"
        tilted = [
            name
            for name, c in self.conditions.items()
            if getattr(c, "particle", None) == "incidence"
        ]
        if tilted and not normal:
            raise ValueError(
                f"condition '{tilted[0]}' is the particle's incidence, its angle to a normal, "
                "which needs [frame] with entry = 'surface'"
            )
        labels = labels_of(self.condition_list)
        for exchange in self.data.exchange:
            if exchange.condition not in labels:
                raise ValueError(
                    f"data.exchange has '{exchange.condition}', which is no condition with values, "
                    f"found {[*labels]}"
                )
            label = labels[exchange.condition]
            first, second = label.to_values(exchange.values)
            if first == second or not label.covers([first, second]).all():
                raise ValueError(
                    f"data.exchange has values {list(exchange.values)} of '{label.name}', expected "
                    f"two of {label.span}"
                )
        return self

    @property
    def condition_list(self) -> list[AnyCondition]:
        return [card.condition(name) for name, card in self.conditions.items()]

    @property
    def n_inputs(self) -> int:
        """Numbers that networks are fed for the conditions of a shower."""
        return sum(input_columns(self.condition_list))

    def build_geometry(self) -> Geometry:
        return Geometry.from_dict(self.geometry)


def with_hold_out(card: Card, bands: Bands) -> Card:
    """The card with these bands held out in place of its own.

    Raises CaloganError for bands that are not inside the range of a condition.
    """
    check_bands(bands, card.condition_list)
    data = card.data.model_copy(update={"hold_out": dict(bands)})
    return card.model_copy(update={"data": data})
