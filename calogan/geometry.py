"""Calorimeter geometry: layers of cartesian or cylindrical cells, and the order of their voxels."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.binning import FIRST_ALPHA, RingLayer, parse_xml, read_bin
from calogan.errors import CaloganError
from calogan.files import parse_toml, read_text

System = Literal["cartesian", "cylindrical"]
FULL_TURN = 2 * np.pi
AXES: dict[str, tuple[str, str]] = {"cartesian": ("x", "y"), "cylindrical": ("r", "alpha")}


@dataclass(frozen=True, eq=False)
class Layer:
    """One readout layer, a grid of cells in two axes.

    Shapes: `first_edges` (n_first + 1,), `second_edges` (n_second + 1,).
    """

    name: str
    system: System
    """cartesian: axes x, y; cylindrical: axes r, alpha."""
    first_edges: NDArray[np.float64]
    """Edges in x or r, mm, increasing; r is never negative."""
    second_edges: NDArray[np.float64]
    """Edges in y, mm, or alpha, rad, increasing; alpha spans at most one turn."""
    z: tuple[float, float] | None = None
    """Depth covered, mm, front and back; None if hits name their layer and depth is unknown."""

    def __post_init__(self) -> None:
        where = f"layer '{self.name}'"
        if self.system not in AXES:
            raise CaloganError(f"{where}: system is {self.system!r}, expected one of {[*AXES]}")
        for axis, field in zip(AXES[self.system], ("first_edges", "second_edges"), strict=True):
            object.__setattr__(self, field, _edges(getattr(self, field), f"{where}: {axis}_edges"))
        if self.system == "cylindrical":
            if self.first_edges[0] < 0:
                raise CaloganError(
                    f"{where}: r_edges start at {self.first_edges[0]:g} mm, expected 0 or more"
                )
            if np.ptp(self.second_edges) > FULL_TURN * (1 + 1e-6):
                raise CaloganError(
                    f"{where}: alpha_edges span {np.ptp(self.second_edges):g} rad, "
                    "expected at most one turn, 2 pi"
                )
        if self.z is not None:
            low, high = (float(v) for v in self.z)
            if not (np.isfinite([low, high]).all() and low < high):
                raise CaloganError(f"{where}: z is [{low:g}, {high:g}] mm, expected low < high")
            object.__setattr__(self, "z", (low, high))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along the two axes: (x, y) or (r, alpha)."""
        return len(self.first_edges) - 1, len(self.second_edges) - 1

    @property
    def n_voxels(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def closed(self) -> bool:
        """Whether the second axis comes round to where it began: alpha over a full turn."""
        full = bool(np.ptp(self.second_edges) > FULL_TURN * (1 - 1e-6))
        return full and self.system == "cylindrical"

    @property
    def number(self) -> int | None:
        """The number that ends its name; None if none does."""
        found = re.search(r"\d+$", self.name)
        return int(found.group()) if found else None

    @property
    def even_sectors(self) -> bool:
        """Whether it is cylindrical, and alpha divided evenly over a full turn."""
        steps = np.diff(self.second_edges)
        return self.closed and bool(np.allclose(steps, steps[0]))

    def to_dict(self) -> dict[str, Any]:
        first, second = AXES[self.system]
        return {
            "name": self.name,
            "system": self.system,
            f"{first}_edges": self.first_edges.tolist(),
            f"{second}_edges": self.second_edges.tolist(),
            "z": None if self.z is None else list(self.z),
        }


def _edges(values: ArrayLike, where: str) -> NDArray[np.float64]:
    try:
        edges = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CaloganError(f"{where}: expected a list of numbers, found {values!r}") from error
    if edges.ndim != 1 or len(edges) < 2:
        raise CaloganError(f"{where}: expected two or more edges, found {values!r}")
    if not np.isfinite(edges).all() or not (np.diff(edges) > 0).all():
        raise CaloganError(f"{where}: edges must be finite and increase, found {edges.tolist()}")
    edges.setflags(write=False)
    return edges


@dataclass(frozen=True, eq=False)
class Geometry:
    """Layers in order, and how their voxels are numbered.

    Voxels run layer by layer. Within a layer the second axis (y or alpha) runs fastest, unless
    `fastest` is "first": then x or r does, as in the CaloChallenge files.
    """

    name: str
    layers: tuple[Layer, ...]
    fastest: Literal["first", "last"] = "last"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise CaloganError(f"geometry '{self.name}' has no layers")
        if self.fastest not in ("first", "last"):
            raise CaloganError(
                f"geometry '{self.name}': fastest is {self.fastest!r}, expected 'first' or 'last'"
            )
        depths = sorted(layer.z for layer in self.layers if layer.z is not None)
        for (_, back), (front, _) in pairwise(depths):
            if front < back - 1e-9 * max(1.0, abs(back)):
                raise CaloganError(
                    f"geometry '{self.name}': layers overlap in z, "
                    f"one ends at {back:g} mm and the next begins at {front:g} mm"
                )

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    @cached_property
    def n_voxels(self) -> int:
        return sum(layer.n_voxels for layer in self.layers)

    @cached_property
    def equal_layers(self) -> bool:
        """Whether all layers have as many voxels."""
        return len({layer.n_voxels for layer in self.layers}) == 1

    @cached_property
    def rings(self) -> NDArray[np.intp]:
        """The ring of every voxel, (n_voxels,): cells of one layer at one r, numbered through.

        Raises CaloganError for a layer that is not cylindrical.
        """
        rings = np.empty(self.n_voxels, np.intp)
        first = 0
        for layer, grid in zip(self.layers, self.grids, strict=True):
            if layer.system != "cylindrical":
                raise CaloganError(
                    f"layer '{layer.name}' of geometry '{self.name}' is {layer.system}: only "
                    "cylindrical layers have rings; set [training] ring_marginals = 0"
                )
            rings[grid] = first + np.arange(len(grid))[:, None]
            first += len(grid)
        return rings

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The voxels of each layer."""
        ends = np.cumsum([layer.n_voxels for layer in self.layers]).tolist()
        return tuple(slice(a, b) for a, b in zip([0, *ends], ends, strict=False))

    @cached_property
    def grids(self) -> tuple[NDArray[np.intp], ...]:
        """The voxels of each layer as a grid of cells, (n_first, n_second) along its two axes."""
        order: Literal["C", "F"] = "C" if self.fastest == "last" else "F"
        return tuple(
            np.arange(voxels.start, voxels.stop).reshape(layer.shape, order=order)
            for layer, voxels in zip(self.layers, self.slices, strict=True)
        )

    @cached_property
    def layer_index(self) -> NDArray[np.intp]:
        """The layer of every voxel, (n_voxels,)."""
        return np.repeat(np.arange(self.n_layers), [layer.n_voxels for layer in self.layers])

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Cell centres x, y, z in mm, (n_voxels, 3); z is NaN where the layer gives no depth.

        The centre of a sector is at its middle radius and angle. A ring, a cell that spans a full
        turn, has its centre on the axis.
        """
        rows = []
        for layer in self.layers:
            a, b = self._middles(layer)
            if layer.system == "cylindrical":
                # A ring's middle angle says nothing: it would put the centre to one side.
                ring = layer.shape[1] == 1 and layer.closed
                r, alpha = a, b
                a = np.zeros_like(r) if ring else r * np.cos(alpha)
                b = np.zeros_like(r) if ring else r * np.sin(alpha)
            z = np.nan if layer.z is None else 0.5 * (layer.z[0] + layer.z[1])
            rows.append(np.stack([a, b, np.full(a.size, z)], axis=1))
        return np.concatenate(rows)

    @cached_property
    def radii(self) -> NDArray[np.float64]:
        """Distance of cells from the axis x = y = 0, mm, (n_voxels,).

        Of cylindrical cells the middle of their r edges, rings included; of cartesian ones that of
        the centre.
        """
        rows = []
        for layer in self.layers:
            first, second = self._middles(layer)
            rows.append(first if layer.system == "cylindrical" else np.hypot(first, second))
        return np.concatenate(rows)

    def _middles(self, layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The middle of each cell of a layer along its two axes, in the order of voxels."""
        first, second = (
            0.5 * (edges[1:] + edges[:-1]) for edges in (layer.first_edges, layer.second_edges)
        )
        a, b = np.meshgrid(first, second, indexing="xy" if self.fastest == "first" else "ij")
        return a.ravel(), b.ravel()

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "fastest": self.fastest,
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def __eq__(self, other: object) -> bool:
        """Equal if the cells are the same; names do not count."""
        if not isinstance(other, Geometry):
            return NotImplemented
        return self.fastest == other.fastest and [
            {**layer.to_dict(), "name": ""} for layer in self.layers
        ] == [{**layer.to_dict(), "name": ""} for layer in other.layers]

    def __hash__(self) -> int:
        return hash((self.fastest, tuple(layer.shape for layer in self.layers)))

    @staticmethod
    def from_dict(fields: Any, where: str = "geometry") -> Geometry:
        """Read the form of `to_dict`.

        An axis may also be given as ``x = {low = -240, high = 240, n = 3}`` in place of
        ``x_edges = [...]``; and ``z = {low = 0, high = 153, n = 45}`` makes 45 layers of the same
        cells one behind the other, with a number after their name.
        """
        if not isinstance(fields, dict):
            raise CaloganError(f"{where}: expected a table, found {type(fields).__name__}")
        _only(fields, {"name", "fastest", "layers"}, where)
        layers = fields.get("layers")
        if not isinstance(layers, list):
            raise CaloganError(f"{where}.layers: expected a list of layers, found {layers!r}")
        return Geometry(
            name=str(fields.get("name", "unnamed")),
            layers=tuple(
                layer
                for i, each in enumerate(layers)
                for layer in _layers(each, f"{where}.layers[{i}]", i)
            ),
            fastest=fields.get("fastest", "last"),
        )

    @staticmethod
    def load(path: str | Path, particle: str | None = None) -> Geometry:
        """Read a geometry from TOML, JSON, or CaloChallenge binning XML.

        Parameters
        ----------
        path : file ending in .toml, .json or .xml
        particle : name of the `Bin` to take from an XML file that has several
        """
        path = Path(path)
        if path.suffix not in (".toml", ".json", ".xml"):
            raise CaloganError(
                f"geometry file {path}: ending is '{path.suffix}', expected .toml, .json or .xml"
            )
        if path.suffix == ".xml":
            return _of_rings(read_bin(parse_xml(path, "geometry file"), path, particle), path.stem)
        text = read_text(path, "geometry file")
        try:
            fields = (
                json.loads(text)
                if path.suffix == ".json"
                else parse_toml(text, f"geometry file {path}")
            )
        except json.JSONDecodeError as error:
            raise CaloganError(f"geometry file {path} is not valid JSON: {error}") from error
        inner = fields.get("geometry", fields) if isinstance(fields, dict) else fields
        return Geometry.from_dict(inner, where=f"{path}: geometry")

    def grid_from(self, k: int, start: float) -> NDArray[np.intp]:
        """The voxels of layer k, (n_r, n_alpha), with alpha counted from `start`, rad.

        Raises CaloganError unless the layer is cylindrical and alpha evenly divided over a full
        turn, with an edge at `start`.
        """
        layer = self.layers[k]
        n_alpha = layer.shape[1]
        turn = (start - layer.second_edges[0]) / (FULL_TURN / n_alpha)
        whole = abs(turn - round(turn)) < 1e-3 or n_alpha == 1
        if not (layer.even_sectors and whole):
            at = "-pi" if start == FIRST_ALPHA else f"{start:g}"
            raise CaloganError(
                f"layer '{layer.name}': alpha edges are {layer.second_edges.tolist()}, expected "
                f"even ones over a full turn with an edge at {at}"
            )
        return np.roll(self.grids[k], -round(turn), axis=1)

    def voxels_of(self, other: Geometry) -> NDArray[np.intp]:
        """Which voxel of this geometry is each voxel of another with the same cells.

        So ``energies[:, g.voxels_of(other)]`` are energies of g in the other's order. Sectors may
        begin at another angle, depth may be unknown in either; the order of layers is the same.

        Returns
        -------
        (n_voxels,), a permutation

        Raises CaloganError if the cells differ.
        """
        if self.n_layers != other.n_layers:
            raise CaloganError(
                f"geometry '{self.name}' has {self.n_layers} layers, '{other.name}' has "
                f"{other.n_layers}: expected the same cells"
            )
        found = np.empty(self.n_voxels, np.intp)
        for k, (mine, theirs) in enumerate(zip(self.layers, other.layers, strict=True)):
            same = mine.system == theirs.system and mine.shape == theirs.shape
            same = same and np.allclose(mine.first_edges, theirs.first_edges)
            if mine.z is not None and theirs.z is not None:
                same = same and np.allclose(mine.z, theirs.z)
            turned = mine.even_sectors and theirs.even_sectors
            if not same or not (turned or np.allclose(mine.second_edges, theirs.second_edges)):
                raise CaloganError(
                    f"layer '{mine.name}' of geometry '{self.name}' has {mine.shape[0]} x "
                    f"{mine.shape[1]} cells, '{theirs.name}' of '{other.name}' has "
                    f"{theirs.shape[0]} x {theirs.shape[1]}, or other edges: expected the same "
                    "cells"
                )
            start = float(theirs.second_edges[0])
            found[other.grids[k]] = self.grid_from(k, start) if turned else self.grids[k]
        return found


def _only(fields: dict[str, Any], known: set[str], where: str) -> None:
    for key in fields:
        if key not in known:
            raise CaloganError(f"{where}: unknown key '{key}', expected one of {sorted(known)}")


def _layers(fields: Any, where: str, index: int) -> list[Layer]:
    """The layer, or layers, of one table."""
    if not isinstance(fields, dict):
        raise CaloganError(f"{where}: expected a table, found {fields!r}")
    system = fields.get("system", "cartesian")
    if system not in AXES:
        raise CaloganError(f"{where}.system is {system!r}, expected one of {[*AXES]}")
    axes = AXES[system]
    _only(fields, {"name", "system", "z", *axes, *(f"{a}_edges" for a in axes)}, where)
    first, second = (_axis(fields, axis, where) for axis in axes)
    name = str(fields.get("name", f"layer_{index}"))
    z = fields.get("z")
    if isinstance(z, dict):
        edges = _axis(fields, "z", where).tolist()
        return [
            Layer(f"{name}{i}", system, first, second, (front, back))
            for i, (front, back) in enumerate(pairwise(edges))
        ]
    if z is not None and (
        not isinstance(z, list) or len(z) != 2 or not all(_is_number(v) for v in z)
    ):
        raise CaloganError(
            f"{where}.z: expected [front, back] in mm, or {{low, high, n}}, found {z!r}"
        )
    return [Layer(name, system, first, second, None if z is None else (z[0], z[1]))]


def _axis(fields: dict[str, Any], axis: str, where: str) -> NDArray[np.float64]:
    if (f"{axis}_edges" in fields) == (axis in fields):
        raise CaloganError(
            f"{where}: expected either {axis}_edges = [...] or {axis} = {{low, high, n}}"
        )
    if axis not in fields:
        return _edges(fields[f"{axis}_edges"], f"{where}.{axis}_edges")
    spec = fields[axis]
    if not isinstance(spec, dict) or set(spec) != {"low", "high", "n"}:
        raise CaloganError(
            f"{where}.{axis}: expected {{low = ..., high = ..., n = ...}}, found {spec!r}"
        )
    low, high, n = spec["low"], spec["high"], spec["n"]
    numbers = (
        _is_number(low) and _is_number(high) and isinstance(n, int) and not isinstance(n, bool)
    )
    if not (numbers and low < high and np.isfinite([low, high]).all() and 0 < n <= 1_000_000):
        raise CaloganError(
            f"{where}.{axis}: expected numbers low < high and a whole n > 0, found {spec!r}"
        )
    return np.linspace(low, high, n + 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_rings(layers: Sequence[RingLayer], name: str) -> Geometry:
    """Binning XML's layers; those with one r edge hold no voxel and are left out."""
    return Geometry(
        name,
        tuple(
            Layer(
                f"layer_{each.id}",
                "cylindrical",
                np.array(each.r_edges),
                even_sectors(each.n_alpha),
            )
            for each in layers
            if len(each.r_edges) > 1
        ),
        fastest="first",
    )


def even_sectors(n: int) -> NDArray[np.float64]:
    """Alpha edges of n sectors as binning XML means them, rad, (n + 1,)."""
    return np.linspace(FIRST_ALPHA, FIRST_ALPHA + FULL_TURN, n + 1)
