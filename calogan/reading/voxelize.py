"""Hits and a geometry to voxel energies: vectorised, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.geometry import FULL_TURN, Geometry

Layout = Literal["xyz", "rphiz", "indices", "cells"]
BLOCK_CELLS = 1 << 20
"""Doubles in the accumulator: 8 MB stay in a processor's cache, whatever the number of events."""


@dataclass(frozen=True, eq=False)
class Hits:
    """Hits of n events, event after event in flat arrays."""

    offsets: NDArray[np.int64]
    """Event i has the hits offsets[i] to offsets[i + 1]; starts at 0, (n + 1,)."""
    energy: NDArray[np.floating[Any]]
    """Deposits, MeV, (n_hits,)."""
    layout: Layout
    """How `coordinates` says where a hit is."""
    coordinates: Mapping[str, NDArray[Any]]
    """Role to values (n_hits,).

    xyz: x, y, z in mm; rphiz: r, z in mm and phi in rad; in both, `layer` (counted from 0) takes
    the place of z if it is given. indices: layer, first, second, counted from 0. cells: voxel, the
    number in the geometry's order, or -1 - k for energy known to be in layer k, outside its cells.
    """
    n_cells: tuple[int, int] | None = None
    """Layout cells: how many cells, and cells of overflow, the input has for each event."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def events(self, start: int, stop: int) -> Hits:
        """The events from `start` up to `stop`."""
        rows = slice(int(self.offsets[start]), int(self.offsets[stop]))
        return Hits(
            self.offsets[start : stop + 1] - self.offsets[start],
            self.energy[rows],
            self.layout,
            {role: values[rows] for role, values in self.coordinates.items()},
            self.n_cells,
        )

    def select(self, keep: NDArray[np.bool_]) -> Hits:
        """The events where `keep`, (n,), is true."""
        counts = np.diff(self.offsets)
        of_kept = np.repeat(keep, counts)
        return Hits(
            np.concatenate([[0], np.cumsum(counts[keep])]),
            self.energy[of_kept],
            self.layout,
            {role: values[of_kept] for role, values in self.coordinates.items()},
            self.n_cells,
        )

    def blocks(self, rows: int) -> Iterator[tuple[slice, Hits]]:
        """The events in blocks of up to `rows`."""
        for start in range(0, len(self), max(1, rows)):
            stop = min(start + max(1, rows), len(self))
            yield slice(start, stop), self.events(start, stop)


class Voxels(NamedTuple):
    """Deposits of n events, sorted into cells."""

    energies: NDArray[np.float32]
    """MeV per voxel, in the geometry's order, (n, n_voxels)."""
    overflow: NDArray[np.float32]
    """MeV beside the cells of each layer and, last, in no layer, (n, n_layers + 1)."""
    hits_outside: NDArray[np.int64]
    """Number of hits behind `overflow`, over all events, (n_layers + 1,)."""


def voxelize(hits: Hits, geometry: Geometry) -> Voxels:
    """Sum the hits of each event per voxel; hits outside the voxels are summed as overflow.

    A cell has its lower edge and not its upper, but the last upper edge of an axis, and of a layer
    with nothing behind it, belongs to the cell. The angle alpha is taken modulo a turn. Sums are
    accumulated in double precision.

    Raises CaloganError if the hits do not say what the geometry needs.
    """
    place = _Place(hits, geometry)
    width = geometry.n_voxels + geometry.n_layers + 1
    energies = np.empty((len(hits), geometry.n_voxels), np.float32)
    overflow = np.empty((len(hits), geometry.n_layers + 1), np.float32)
    hits_outside = np.zeros(geometry.n_layers + 1, np.int64)
    for rows, block in hits.blocks(BLOCK_CELLS // width):
        n = len(block)
        column = place.columns(block)
        outside = column[column >= geometry.n_voxels] - geometry.n_voxels
        hits_outside += np.bincount(outside, minlength=len(hits_outside))
        cell = np.repeat(np.arange(n) * width, np.diff(block.offsets))
        cell += column
        sums = np.bincount(cell, weights=block.energy, minlength=n * width).reshape(n, width)
        energies[rows] = sums[:, : geometry.n_voxels]
        overflow[rows] = sums[:, geometry.n_voxels :]
    return Voxels(energies, overflow, hits_outside)


class _Place:
    """Finds the column of each hit: a voxel, or n_voxels + k for the overflow of layer k."""

    def __init__(self, hits: Hits, geometry: Geometry) -> None:
        self.geometry = geometry
        self.starts = np.array([s.start for s in geometry.slices], np.intp)
        _check_roles(hits, geometry)
        if hits.layout == "cells":
            return
        if hits.layout != "indices" and "layer" not in hits.coordinates:
            self.depth, self.depth_layer = _depth_axis(geometry)
        # Layers with the same cells are handled together: 45 equal layers cost as much as one.
        grids: dict[Any, int] = {}
        self.layer_grid = np.full(geometry.n_layers + 1, -1, np.intp)  # last: in no layer
        self.grids: list[tuple[str, _Axis, _Axis]] = []
        for k, layer in enumerate(geometry.layers):
            key = (layer.system, layer.first_edges.tobytes(), layer.second_edges.tobytes())
            if key not in grids:
                grids[key] = len(self.grids)
                turn = layer.system == "cylindrical"
                self.grids.append(
                    (layer.system, _Axis(layer.first_edges), _Axis(layer.second_edges, turn))
                )
            self.layer_grid[k] = grids[key]

    def columns(self, hits: Hits) -> NDArray[np.intp]:
        """Column of each hit, (n_hits,)."""
        geometry = self.geometry
        if hits.layout == "cells":
            voxel = hits.coordinates["voxel"]
            return np.where(voxel >= 0, voxel, geometry.n_voxels - 1 - voxel)
        layer = self._layers(hits)
        grid = self.layer_grid[layer]
        column = np.full(len(layer), geometry.n_voxels + geometry.n_layers, np.intp)
        for g, (system, first_axis, second_axis) in enumerate(self.grids):
            members = np.flatnonzero(grid == g)
            if not len(members):
                continue
            first, second = _axis_values(hits, system, members)
            if hits.layout == "indices":
                i, j = first, second
            else:
                i, j = first_axis.index(first), second_axis.index(second)
            n_first, n_second = first_axis.n, second_axis.n
            inside = (i >= 0) & (i < n_first) & (j >= 0) & (j < n_second)
            where = layer[members]
            cell = i * n_second + j if geometry.fastest == "last" else j * n_first + i
            column[members] = np.where(inside, self.starts[where] + cell, geometry.n_voxels + where)
        return column

    def _layers(self, hits: Hits) -> NDArray[np.intp]:
        """Layer of each hit; -1: none."""
        if "layer" in hits.coordinates:
            layer = hits.coordinates["layer"].astype(np.intp)
            layer[(layer < 0) | (layer >= self.geometry.n_layers)] = -1
            return layer
        return self.depth_layer[self.depth.index(hits.coordinates["z"])]


class _Axis:
    """Edges of one axis, and the cell that holds a value."""

    def __init__(self, edges: NDArray[np.float64], turn: bool = False) -> None:
        self.n = len(edges) - 1
        self.first = edges[0]
        self.turn = turn
        upper = edges.copy()
        # The last edge belongs to its cell; over a full turn rounding must not open a gap.
        full = turn and upper[-1] - upper[0] > FULL_TURN * (1 - 1e-6)
        upper[-1] = np.inf if full else np.nextafter(upper[-1], np.inf)
        self.edges = upper
        self.per_step = self.n / (edges[-1] - edges[0])
        steps = (edges - self.first) * self.per_step
        self.even = bool(np.abs(steps - np.arange(self.n + 1)).max() < 0.1)

    def index(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """Index of the cell, -1 below the first edge and n above the last."""
        values = values.astype(np.float64)
        if self.turn:
            values = self.first + np.mod(values - self.first, FULL_TURN)
        if not self.even:
            found: NDArray[np.intp] = np.searchsorted(self.edges, values, side="right") - 1
            return found
        # Division finds the cell or its neighbour, the edges decide: as exact as a search.
        guess = (values - self.first) * self.per_step
        index: NDArray[np.intp] = np.clip(guess, 0, self.n - 1, out=guess).astype(np.intp)
        step = (values >= self.edges[1:][index]).astype(np.int8)
        step -= values < self.edges[index]
        index += step
        return index


def _depth_axis(geometry: Geometry) -> tuple[_Axis, NDArray[np.intp]]:
    """The axis of depth, and the layer of each of its cells: -1 in gaps, before and behind."""
    order = sorted(range(geometry.n_layers), key=lambda k: geometry.layers[k].z or (0.0, 0.0))
    edges: list[float] = []
    table: list[int] = []
    for k in order:
        front, back = geometry.layers[k].z or (0.0, 0.0)
        if edges and abs(front - edges[-1]) <= 1e-9 * max(1.0, abs(front)):
            edges[-1] = front
        elif edges:
            edges[-1] = float(np.nextafter(edges[-1], np.inf))
            edges.append(front)
            table.append(-1)
        else:
            edges.append(front)
        edges.append(back)
        table.append(k)
    # Behind the last edge the index is n, before the first -1, the table's last: both no layer.
    return _Axis(np.array(edges)), np.array([*table, -1, -1], np.intp)


def _axis_values(
    hits: Hits, system: str, members: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The two coordinates along a layer's axes, of the hits at `members`."""
    at = hits.coordinates
    if hits.layout == "indices":
        return at["first"][members].astype(np.intp), at["second"][members].astype(np.intp)
    if hits.layout == "xyz":
        x, y = at["x"][members], at["y"][members]
        if system == "cartesian":
            return x, y
        x, y = x.astype(np.float64), y.astype(np.float64)
        return np.hypot(x, y), np.arctan2(y, x)
    r, phi = at["r"][members], at["phi"][members]
    if system == "cylindrical":
        return r, phi
    r, phi = r.astype(np.float64), phi.astype(np.float64)
    return r * np.cos(phi), r * np.sin(phi)


def _check_roles(hits: Hits, geometry: Geometry) -> None:
    by_depth = hits.layout in ("xyz", "rphiz") and "layer" not in hits.coordinates
    unknown = [layer.name for layer in geometry.layers if layer.z is None]
    if by_depth and unknown:
        raise CaloganError(
            f"hits are placed by z, but layer '{unknown[0]}' of geometry '{geometry.name}' gives "
            "no z; give each layer z = [front, back] in mm, or read the layer number with "
            '[input.branches] layer = "..."'
        )
    for role, values in hits.coordinates.items():
        # The smallest and largest value reveal any NaN, in two fast passes.
        if values.size and not np.isfinite([values.min(), values.max()]).all():
            raise CaloganError(f"hits have a coordinate {role} that is not finite")
    if hits.n_cells is not None:
        cells, overflow_cells = hits.n_cells
        if cells != geometry.n_voxels:
            raise CaloganError(
                f"an event has {cells} cells, but geometry '{geometry.name}' has "
                f"{geometry.n_voxels} voxels, expected one for each; give the file's own cells in "
                "[geometry] of the card (a binning XML by file = ...), or, of a tree, name "
                "branches beside the voxels in [input] overflow_cells"
            )
        if overflow_cells not in (0, geometry.n_layers):
            raise CaloganError(
                f"[input] overflow_cells names {overflow_cells} branches, but geometry "
                f"'{geometry.name}' has {geometry.n_layers} layers, expected one for each or none"
            )
    if hits.layout == "cells" and hits.energy.size:
        voxel = hits.coordinates["voxel"]
        if voxel.max() >= geometry.n_voxels or -voxel.min() > geometry.n_layers:
            raise CaloganError(
                f"hits are in voxels up to {voxel.max()} and overflow cells up to "
                f"{max(0, -int(voxel.min()))}, but geometry '{geometry.name}' has "
                f"{geometry.n_voxels} voxels and {geometry.n_layers} layers"
            )
