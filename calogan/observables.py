"""What is measured shower by shower: energies, centres, widths, sparsity, profiles; as histograms.

`histogram` and `profile` give `hist` objects of one sample. An evaluation compares the same
observables, and so the same numbers, of two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.errors import CaloganError, nearest
from calogan.features import layer_fractions, response, shape_features
from calogan.geometry import AXES, Geometry
from calogan.metrics import histograms
from calogan.metrics.statistics import Floats
from calogan.showers import Showers

Histogram: TypeAlias = "hist.Hist[Any]"
Named = TypeVar("Named")
CELL_BINS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Observable:
    """One number per shower, or the energies of its cells."""

    name: str
    """As in metrics.json: `width_x[front]`."""
    group: str
    """Kind: "response", "layer_energy", "centre", "width", "sparsity", "cell_energy"."""
    label: str
    """Axis label, with unit."""
    values: NDArray[np.floating[Any]]
    """(n,), NaN where undefined: the centre of a layer without energy. Of cells (n, n_voxels), 0
    where there is no entry."""
    layer: int | None = None
    """Position of the layer; None for the whole shower."""
    spacing: float | None = None
    """Distance between possible values of a discrete observable."""

    @property
    def of_cells(self) -> bool:
        """Whether its entries are cells, not showers."""
        return self.values.ndim == 2

    def binning(self, threshold: float = 0.0) -> tuple[Floats, bool]:
        """Edges of bins made for these values, and whether they are even in the logarithm.

        Bins of cells begin at the readout threshold, MeV; where there is none, at the least energy.
        """
        if self.of_cells:
            positive = self.values[self.values > 0]
            low = threshold if threshold > 0 else float(positive.min(initial=1.0))
            high = max(float(positive.max(initial=0.0)), 2 * low)
            return np.geomspace(low, high * 1.001, CELL_BINS + 1), True
        log = self.group == "layer_energy" and histograms.is_long_tailed(self.values)
        return histograms.reference_edges(self.values, spacing=self.spacing, log=log), log

    def counts(self, edges: ArrayLike) -> NDArray[np.float32]:
        """Entries of each shower, (n, n_bins + 3): underflow, bins, overflow, undefined."""
        count = histograms.entry_counts if self.of_cells else histograms.shower_counts
        return count(self.values, edges)

    def histogram(
        self, counts: NDArray[np.float32], edges: Floats, weights: NDArray[Any] | None = None
    ) -> Histogram:
        """Mean entries per shower, of `counts`; variances are over showers, not entries.

        `weights` of showers, (n,); None: each counts as one.
        """
        filled: Histogram = hist.Hist(
            hist.axis.Variable(edges, name="x", label=self.label), hist.storage.Weight()
        )
        share = _shares(weights, len(counts))
        inside = counts[:, :-1].astype(np.float64)
        view: Any = filled.view(flow=True)
        view.value = share @ inside
        # Second moment, not variance, as for Poisson counts: the number of showers is not given.
        view.variance = share**2 @ inside**2
        return filled


def observables(showers: Showers) -> list[Observable]:
    """All observables of showers whose readout threshold has been applied.

    Centres, widths and sparsity are those of the CaloChallenge (arXiv:2410.21611); see
    `calogan.features` for the formulas.
    """
    return [*_of_showers(showers), cell_energies(showers)]


def cell_energies(showers: Showers) -> Observable:
    """The spectrum of the energies of cells."""
    return Observable("cell_energy", "cell_energy", "cell energy [MeV]", showers.energies)


def _of_showers(showers: Showers) -> list[Observable]:
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


@dataclass(frozen=True, slots=True, eq=False)
class Profiled:
    """Energy over incident energy along an axis, shower by shower."""

    name: str
    """As in metrics.json: `longitudinal`, `x[front]`."""
    label: str
    """Axis label, with unit."""
    layer: int | None
    """Position of the layer that it runs across; None along the shower."""
    edges: Floats
    """(n_bins + 1,)"""
    ticks: tuple[str, ...] | None
    """Names of the bins, for an axis without lengths."""
    values: NDArray[Any]
    """(n, n_bins)"""


def profiles(showers: Showers) -> Iterator[Profiled]:
    """Along the shower, layer by layer, and along the axes of each layer's cells."""
    geometry = showers.geometry
    if geometry.n_layers > 1:
        yield Profiled(
            "longitudinal",
            "layer",
            None,
            np.arange(-0.5, geometry.n_layers),
            tuple(layer.name for layer in geometry.layers),
            layer_fractions(showers),
        )
    scaled = showers.energies / (1000 * showers.incident_energy[:, None])
    for p in projections(geometry):
        part, name = geometry.slices[p.layer], geometry.layers[p.layer].name
        yield Profiled(
            f"{p.axis}[{name}]",
            f"{name}: {p.axis} [{p.unit}]",
            p.layer,
            p.edges,
            None,
            scaled[:, part] @ p.matrix,
        )


def named(showers: Showers, names: Sequence[str]) -> list[Observable]:
    """Some of the `observables`; an unknown name is a CaloganError that lists the nearest."""
    if {*names} == {"cell_energy"}:  # has no need of the others
        return [cell_energies(showers) for _ in names]
    found = {o.name: o for o in observables(showers)}
    return [_known(found, name, "observable") for name in names]


def profiles_named(showers: Showers, names: Sequence[str]) -> list[Profiled]:
    """Some of the `profiles`; an unknown name is a CaloganError that lists the nearest."""
    found = {p.name: p for p in profiles(showers)}
    return [_known(found, name, "profile") for name in names]


def _known(found: Mapping[str, Named], name: str, what: str) -> Named:
    if name not in found:
        raise CaloganError(
            f"no {what} '{name}'; nearest: {nearest(name, found)}; all: {', '.join(found)}"
        )
    return found[name]


def histogram(showers: Showers, name: str, edges: ArrayLike | None = None) -> Histogram:
    """Histogram of one observable: entries per shower, with variances over showers.

    Parameters
    ----------
    showers : their readout threshold applied; their event weights are taken into account
    name : "response", "n_cells", "cell_energy" (entries are cells), or with a layer's name, as
        "width_x[front]"; another one raises CaloganError, which lists them all
    edges : (n_bins + 1,), in the unit of the axis; None: made for these showers
    """
    (found,) = named(showers, [name])
    bins = found.binning()[0] if edges is None else np.asarray(edges, np.float64)
    return found.histogram(found.counts(bins), bins, showers.weights)


def profile(showers: Showers, name: str) -> Histogram:
    """Mean energy over incident energy along an axis, as a histogram; variances are of the means.

    Parameters
    ----------
    showers : their event weights are taken into account
    name : "longitudinal", a bin for each layer, or with a layer's name, as "x[front]", "r[0]"
    """
    (found,) = profiles_named(showers, [name])
    filled: Histogram = hist.Hist(
        hist.axis.Variable(found.edges, name="x", label=found.label), hist.storage.Weight()
    )
    view: Any = filled.view()
    view.value, errors = mean_and_error(found.values, showers.weights)
    view.variance = errors**2
    return filled


def mean_and_error(
    values: NDArray[Any], weights: NDArray[Any] | None = None
) -> tuple[Floats, Floats]:
    """Mean over showers of values (n, k), and its standard error, (k,) each."""
    share = _shares(weights, len(values))
    mean = share @ values.astype(np.float64)
    return mean, np.sqrt(share**2 @ (values - mean) ** 2)


def _shares(weights: NDArray[Any] | None, n: int) -> Floats:
    """What each shower counts for, (n,), in sum 1."""
    if not n:
        raise CaloganError("there are no showers, expected one or more")
    if weights is None:
        return np.full(n, 1.0 / n)
    total = float(weights.sum(dtype=np.float64))
    if not total > 0:
        raise CaloganError(f"the event weights of {n} showers sum to {total:g}, expected above 0")
    return weights.astype(np.float64) / total
