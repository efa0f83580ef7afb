"""What is compared shower by shower: layer energies, centres, widths, sparsity, occupancy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.features import layer_fractions, response, shape_features
from calogan.geometry import AXES, Geometry
from calogan.showers import Showers


@dataclass(frozen=True, slots=True, eq=False)
class Observable:
    """One number per shower."""

    name: str
    """As in metrics.json: `width_x[front]`."""
    group: str
    """One of `results.GROUPS`."""
    label: str
    """Axis label, with unit."""
    values: NDArray[np.float64]
    """(n,), NaN where undefined: the centre of a layer without energy."""
    layer: int | None = None
    """Position of the layer; None for the whole shower."""
    spacing: float | None = None
    """Distance between possible values of a discrete observable."""


def observables(showers: Showers) -> list[Observable]:
    """All observables of showers whose readout threshold has been applied.

    Centres, widths and sparsity are those of the CaloChallenge (arXiv:2410.21611); see
    `calogan.features` for the formulas.
    """
    geometry = showers.geometry
    fractions = layer_fractions(showers)
    visible = fractions.sum(axis=1)
    hit = showers.energies > 0
    found = [
        Observable("response", "response", "visible / incident energy", response(showers)),
    ]
    shapes = shape_features(showers.energies, geometry, np)
    for i, layer in enumerate(geometry.layers):
        tag, name = f"[{layer.name}]", layer.name
        with np.errstate(invalid="ignore", divide="ignore"):
            of_visible = fractions[:, i] / visible
        if geometry.n_layers > 1:
            found.append(
                Observable(
                    f"energy_over_visible{tag}",
                    "layer_energy",
                    f"{name}: energy / visible energy",
                    of_visible,
                    i,
                )
            )
        found.append(
            Observable(
                f"energy_over_incident{tag}",
                "layer_energy",
                f"{name}: energy / incident energy",
                fractions[:, i],
                i,
            )
        )
        empty = fractions[:, i] <= 0
        for key in ("centre_x", "centre_y", "width_x", "width_y", "width_r"):
            kind, axis = key.split("_")
            values = 100.0 * shapes[key][:, i].astype(np.float64)
            words = f"radial {kind}" if axis == "r" else f"{kind} in {axis}"
            found.append(
                Observable(
                    f"{key}{tag}", kind, f"{name}: {words} [mm]", np.where(empty, np.nan, values), i
                )
            )
    n = geometry.n_voxels
    cells = hit.sum(axis=1).astype(np.float64)
    found.append(Observable("n_cells", "sparsity", "cells over threshold", cells, spacing=1.0))
    found.append(Observable("sparsity", "sparsity", "sparsity", 1 - cells / n, spacing=1 / n))
    for i, (layer, part) in enumerate(zip(geometry.layers, geometry.slices, strict=True)):
        values = 1 - hit[:, part].mean(axis=1)
        found.append(
            Observable(
                f"sparsity[{layer.name}]",
                "sparsity",
                f"{layer.name}: sparsity",
                values,
                i,
                spacing=1 / layer.n_voxels,
            )
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """One axis of one layer: which voxels lie in which row of cells."""

    layer: int
    axis: str
    """x, y, r or alpha."""
    unit: str
    edges: NDArray[np.float64]
    """(n_rows + 1,), mm or rad."""
    matrix: NDArray[np.float32]
    """(layer's voxels, n_rows): sums voxels over the other axis."""


def projections(geometry: Geometry) -> list[Projection]:
    """Both axes of every layer, for transverse profiles; an axis of one cell is left out."""
    found = []
    for i, layer in enumerate(geometry.layers):
        first, second = np.indices(layer.shape)
        if geometry.fastest == "first":
            first, second = first.T, second.T
        edges = (layer.first_edges, layer.second_edges)
        for axis, index, along in zip(AXES[layer.system], (first, second), edges, strict=True):
            if len(along) > 2:
                matrix = np.eye(len(along) - 1, dtype=np.float32)[index.ravel()]
                unit = "rad" if axis == "alpha" else "mm"
                found.append(Projection(i, axis, unit, along, matrix))
    return found


def image(energies: NDArray[Any], geometry: Geometry, layer: int) -> NDArray[Any]:
    """One layer of one shower, (n_voxels,), as a grid of cells (first axis, second axis)."""
    return energies[geometry.grids[layer]]
