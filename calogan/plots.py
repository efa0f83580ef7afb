"""Figures of showers: single events, averages, spectra and profiles, of one sample or of several::

    from calogan import Generator, plots, store

    real = store.load("test.h5")
    generated = Generator.load("generator.json").sample(real.conditions, seed=1)
    with plots.drawing("CMS"):
        figure = plots.spectra({"Geant4": real, "GAN": generated}, ["response", "cell_energy"])
        plots.save(figure, "spectra.pdf")

Every function takes `Showers`, or a mapping of names to them, in which the others are held against
the first; returns a `matplotlib.figure.Figure`; and draws into axes of yours where you give them.
Showers count as they are: apply the readout threshold first, to all (`Showers.apply_threshold`).
Cells that are dead in a shower of one sample count as dark in all samples, which must then be of
the same conditions, shower by shower; `event` alone shows what each has.

Figures look as the matplotlib style in force says: `drawing()` is the house's, `drawing("ATLAS")`
one of mplhep's, and without it your own holds. They belong to no window, so none stays open.
`histogram` and `profile` give the numbers behind them, as `hist` objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calogan import observables, panels
from calogan.errors import CaloganError
from calogan.files import atomic_path, writing
from calogan.geometry import Geometry
from calogan.observables import histogram, profile
from calogan.panels import Panel
from calogan.showers import Showers
from calogan.style import drawing

__all__ = [
    "averages",
    "drawing",
    "event",
    "histogram",
    "profile",
    "profiles",
    "save",
    "spectra",
]

Samples: TypeAlias = "Showers | Mapping[str, Showers]"
Place: TypeAlias = "Axes | tuple[Axes, Axes]"
"""Where to draw: axes, or those of the main panel and of the ratios below it."""
ENDINGS = (".pdf", ".png", ".svg")
PNG_DPI = 144
"""Of a figure in the house's style; one with larger letters, which is larger, has as many dots."""
MAX_LAYERS = 4
"""Layers drawn where none are named, evenly spread."""


def spectra(
    samples: Samples,
    names: Sequence[str] = ("response",),
    *,
    threshold: float = 0.0,
    axes: Sequence[Place] | None = None,
) -> Figure:
    """Histograms of observables, a panel each, with the ratios to the first sample below.

    Parameters
    ----------
    names : of observables, as for `histogram`
    threshold : readout threshold that was applied, MeV, where the bins of cell energies begin
    axes : a place for each name; None: a new figure

    Raises
    ------
    CaloganError : an observable is not known (all are listed), geometries differ, or there are not
        as many axes as names
    """
    found = _compared(samples)
    figure, grid = _panels(len(names), len(found) > 1, axes, "observable")
    by_sample = [observables.named(showers, names) for showers in found.values()]
    for panel, shown in zip(grid, zip(*by_sample, strict=True), strict=True):
        edges, log = shown[0].binning(threshold)
        drawn = [
            o.histogram(o.counts(edges), edges, showers.weights)
            for o, showers in zip(shown, found.values(), strict=True)
        ]
        panels.histograms(panel, drawn, log, shown[0].of_cells)
    _key(grid[0], found)
    return figure


def profiles(
    samples: Samples, names: Sequence[str] | None = None, *, axes: Sequence[Place] | None = None
) -> Figure:
    """Mean energy over incident energy along axes, with the ratios to the first sample below.

    Parameters
    ----------
    names : of profiles, as for `profile`; None: along the shower, and across evenly spread layers
    axes : a place for each name; None: a new figure

    Raises
    ------
    CaloganError : a profile is not known (all are listed), geometries differ, or there are not as
        many axes as names
    """
    found = _compared(samples)
    geometry = _geometry(found)
    if names is None:
        layers = {None, *panels.spread(geometry.n_layers, MAX_LAYERS)}
        nothing = next(iter(found.values())).select(slice(0))
        names = [p.name for p in observables.profiles(nothing) if p.layer in layers]
    figure, grid = _panels(len(names), len(found) > 1, axes, "profile")
    by_sample = [observables.profiles_named(showers, names) for showers in found.values()]
    for panel, shown in zip(grid, zip(*by_sample, strict=True), strict=True):
        means = [
            observables.mean_and_error(p.values, showers.weights)
            for p, showers in zip(shown, found.values(), strict=True)
        ]
        ratios = [_ratio(means[0], other) for other in means[1:]]
        p = shown[0]
        across = p.layer is not None
        panels.profiles(panel, p.edges, means, ratios, p.label, p.ticks, log=across)
    _key(grid[0], found)
    return figure


def averages(
    samples: Samples,
    layers: Sequence[int] | None = None,
    *,
    axes: NDArray[Any] | None = None,
) -> Figure:
    """Mean energy per cell, a row for each layer, a column for each sample.

    Of two samples the ratio is drawn besides, where both means are known to a third.

    Parameters
    ----------
    layers : positions; None: at most four, evenly spread
    axes : (n_layers, n_samples), one column more for the ratio of two; None: a new figure
    """
    found = _compared(samples)
    geometry = _geometry(found)
    chosen = _layers(geometry, layers)
    means = {
        name: observables.mean_and_error(showers.energies, showers.weights)
        for name, showers in found.items()
    }
    columns = len(found) + (len(found) == 2)
    figure, grid = _axes(
        len(chosen), columns, axes, (3.2 * columns, 2.6 * len(chosen) + 0.3), "row"
    )
    panels.averages(figure, grid, means, geometry, chosen)
    return figure


def event(
    samples: Samples,
    index: int = 0,
    layers: Sequence[int] | None = None,
    *,
    axes: NDArray[Any] | None = None,
) -> Figure:
    """One shower of each sample, a row each, layers across; its conditions stand above.

    Parameters
    ----------
    index : of the shower in every sample
    layers : positions; None: at most four, evenly spread
    axes : (n_samples, n_layers); None: a new figure
    """
    found = _samples(samples)
    geometry = _geometry(found)
    chosen = _layers(geometry, layers)
    for name, showers in found.items():
        if not -len(showers) <= index < len(showers):
            raise CaloganError(f"{name} has {len(showers)} showers, so there is no event {index}")
    size = (2.5 * len(chosen) + 0.9, 2.5 * len(found) + 0.3)
    figure, grid = _axes(len(found), len(chosen), axes, size, "col")
    words = {name: _conditions(showers, index) for name, showers in found.items()}
    values = [{n: float(v[index]) for n, v in s.conditions.items()} for s in found.values()]
    alike = all(each == values[0] for each in values)
    rows = {
        name if alike or not name else f"{name} ({words[name]})": showers.energies[index]
        for name, showers in found.items()
    }
    panels.event(figure, grid, rows, geometry, chosen)
    if axes is None and alike:
        figure.suptitle(max(words.values(), key=len), fontsize="medium", fontweight="bold")
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure on white, as SVG, PNG or PDF by the file's ending; the same bytes each time.

    Raises CaloganError for another ending.
    """
    check_ending(path)
    path = Path(path)
    kind = path.suffix[1:].lower()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
    with writing(path), atomic_path(path) as temporary:
        figure.savefig(
            temporary, format=kind, dpi=PNG_DPI / panels.scale(), facecolor="white",
            metadata=metadata,
        )  # fmt: skip


def check_ending(path: str | Path) -> None:
    """Raise CaloganError if the ending of `path` names no format of figures."""
    ending = Path(path).suffix
    if ending.lower() not in ENDINGS:
        raise CaloganError(
            f"cannot write {path}: its ending is '{ending}', expected {', '.join(ENDINGS)}"
        )


def _samples(samples: Samples) -> Mapping[str, Showers]:
    """Name to showers; a sample alone needs no name."""
    found = {"": samples} if isinstance(samples, Showers) else samples
    if not found:
        raise CaloganError("no samples to draw, expected one or more")
    for name, showers in found.items():
        if not len(showers):
            raise CaloganError(f"sample '{name}' has no showers, expected one or more")
    if len(found) > len(panels.COLOURS):
        raise CaloganError(f"{len(found)} samples, expected {len(panels.COLOURS)} at most")
    _geometry(found)
    return found


def _compared(samples: Samples) -> Mapping[str, Showers]:
    """The same with what is dead in a shower of any sample dead in all."""
    found = _samples(samples)
    masks = {name: s.dead for name, s in found.items() if s.dead is not None}
    if len(found) == 1 or not masks:
        return found
    first, *others = found.values()
    for name, other in zip([*found][1:], others, strict=True):
        shared = first.conditions.keys() & other.conditions.keys()
        if len(other) != len(first) or any(
            not np.allclose(first.conditions[c], other.conditions[c], rtol=1e-6, atol=0)
            for c in shared
        ):
            raise CaloganError(
                f"'{next(iter(masks))}' has dead cells, but showers of '{name}' have other "
                f"conditions than those of '{next(iter(found))}', so that it is not known which "
                "cells to leave out; generate it with --like, one shower for each"
            )
    dead: NDArray[np.bool_] = np.logical_or.reduce([*masks.values()])
    return {name: showers.without(dead) for name, showers in found.items()}


def _geometry(found: Mapping[str, Showers]) -> Geometry:
    """Of all samples."""
    (first, showers), *others = found.items()
    for name, other in others:
        if other.geometry != showers.geometry:
            raise CaloganError(
                f"geometries differ: {first} has '{showers.geometry.name}' with "
                f"{showers.geometry.n_voxels} voxels, {name} '{other.geometry.name}' with "
                f"{other.geometry.n_voxels}; draw them apart"
            )
    return showers.geometry


def _layers(geometry: Geometry, layers: Sequence[int] | None) -> Sequence[int]:
    if layers is None:
        return panels.spread(geometry.n_layers, MAX_LAYERS)
    for layer in layers:
        if not 0 <= layer < geometry.n_layers:
            raise CaloganError(
                f"no layer {layer}, geometry '{geometry.name}' has 0 to {geometry.n_layers - 1}"
            )
    if not layers:
        raise CaloganError("no layers to draw, expected one or more")
    return layers


def _panels(
    n: int, ratio: bool, axes: Sequence[Place] | None, what: str
) -> tuple[Figure, list[Panel]]:
    """A new figure of n panels, or those given and the figure that they are in."""
    if not n:
        raise CaloganError(f"no {what}s to draw, expected one or more")
    if axes is None:
        return panels.grid(n, ratio=ratio, width=4.4 if n == 1 else 3.3)
    if len(axes) != n:
        raise CaloganError(f"{len(axes)} axes for {n} {what}s, expected one for each")
    found = [Panel(each) if isinstance(each, Axes) else Panel(*each) for each in axes]
    if not ratio:
        found = [Panel(panel.main) for panel in found]
    return _figure(found[0].main), found


def _axes(
    rows: int, columns: int, axes: NDArray[Any] | None, size: tuple[float, float], share: str
) -> tuple[Figure, NDArray[Any]]:
    """A new figure with a grid of axes, or those given; size in inches of the house's letters."""
    if axes is None:
        width, height = (side * panels.scale() for side in size)
        figure = Figure(figsize=(width, height), layout="constrained")
        made: Any = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)  # type: ignore[call-overload]
        return figure, made
    given = np.asarray(axes, object)
    if given.size != rows * columns:
        raise CaloganError(f"axes of shape {given.shape}, expected ({rows}, {columns})")
    given = given.reshape(rows, columns)
    return _figure(given[0, 0]), given


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    if figure is None:
        raise CaloganError("the axes belong to no figure")
    return figure


def _key(panel: Panel, found: Mapping[str, Showers]) -> None:
    if any(found):
        panels.key(panel.main, [*found])


def _conditions(showers: Showers, index: int) -> str:
    return ", ".join(showers.words(name, index) for name in showers.conditions)


def _ratio(first: panels.Points, other: panels.Points) -> panels.Points:
    """other / first of independent samples, with the error of both; NaN where first is 0."""
    (p, dp), (q, dq) = first, other
    safe = np.where(p > 0, p, np.nan)
    ratio = q / safe
    return ratio, np.hypot(dq, ratio * dp) / safe
