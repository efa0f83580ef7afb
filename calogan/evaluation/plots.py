"""Figures of an evaluation: results in, matplotlib figures out; nothing is measured here.

Figures are built without pyplot, so none stays open, and drawn with `STYLE` in force: use `drawing`
around the calls and around saving. Colours are Okabe and Ito's, told apart by colour-blind eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from calogan.evaluation.observables import image
from calogan.evaluation.results import Comparison, Correlations, Histogram, Pictures, Profile
from calogan.geometry import Geometry
from calogan.metrics.bins import ConditionBins
from calogan.metrics.classifiers import ClassifierResult
from calogan.metrics.statistics import Floats, Value
from calogan.reweighting.density_ratio import Reliability
from calogan.style import GENERATED, GENERATED_NAME, INK, OTHERS, REFERENCE_NAME


def _panels(
    columns: int, rows: int = 1, width: float = 3.3, height: float = 3.1
) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A grid of main panels, each with a ratio panel below; width and height of each in inches.

    Placed by hand: with this many axes matplotlib's layout engines take longer than all drawing.
    """
    left, right, bottom, top, gap, ratio_height = 0.68, 0.12, 0.48, 0.26, 0.07, 0.62
    figure = Figure(figsize=(width * columns, height * rows))
    full = np.array([width * columns, height * rows, width * columns, height * rows])
    inner_width = width - left - right
    main_height = height - bottom - top - gap - ratio_height
    pairs = []
    for row in reversed(range(rows)):
        for column in range(columns):
            x, y = column * width + left, row * height + bottom
            below = figure.add_axes(tuple(np.array([x, y, inner_width, ratio_height]) / full))
            y += ratio_height + gap
            place = np.array([x, y, inner_width, main_height]) / full
            main = figure.add_axes(tuple(place), sharex=below)
            main.tick_params(labelbottom=False)
            for axes in (main, below):
                axes.yaxis.set_label_coords(-0.53 / inner_width, 0.5)
            pairs.append((main, below))
    return figure, pairs


def _ratio_axis(axes: Axes, values: Floats, errors: Floats, least: float = 0.05) -> None:
    """Limits of a ratio panel: around 1, wide enough for what is measured well, at most 0 to 2."""
    good = np.isfinite(values) & np.isfinite(errors) & (errors < 0.5)
    off = np.abs(values[good] - 1) + errors[good]
    span = float(np.clip(1.15 * np.max(off, initial=0.0), least, 1.0))
    axes.set_ylim(1 - span, 1 + span)
    axes.axhline(1.0, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    # Ticks at the ends would collide with those of the panel above.
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, prune="both"))
    axes.set_ylabel("ratio")


def _steps(axes: Axes, edges: Floats, values: Floats, errors: Floats, color: str) -> None:
    """A histogram line with an error band."""
    mplhep.histplot(values, bins=edges, ax=axes, color=color, yerr=False, flow="none", label=None)
    low, high = values - errors, values + errors
    axes.stairs(high, edges, baseline=low, fill=True, color=color, alpha=0.25, linewidth=0)


def _marks(axes: Axes, edges: Floats, values: Floats, errors: Floats, color: str) -> None:
    log = axes.get_xscale() == "log"
    centres = np.sqrt(edges[1:] * edges[:-1]) if log else 0.5 * (edges[1:] + edges[:-1])
    axes.errorbar(centres, values, yerr=errors, color=color, fmt="o", markersize=2.6, linewidth=0.9)


def _key(axes: Axes) -> None:
    """Legend of reference and generated."""
    for name, color in ((REFERENCE_NAME, INK), (GENERATED_NAME, GENERATED)):
        axes.plot([], [], color=color, label=name)
    axes.legend(loc="best")


def _log_range(axes: Axes, bins: ConditionBins) -> None:
    if bins.scale != "log":
        return
    axes.set_xscale("log")
    nice = [t for d in range(-6, 9) for t in (1 * 10.0**d, 2 * 10.0**d, 5 * 10.0**d)]
    inside = [t for t in nice if bins.edges[0] * 0.999 <= t <= bins.edges[-1] * 1.001]
    if len(inside) > 1:
        axes.xaxis.set_major_locator(FixedLocator(inside))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def response_and_resolution(bins: ConditionBins) -> Figure:
    """Mean response and resolution against one condition, with ratio panels."""
    figure, pairs = _panels(2, width=4.4, height=3.6)
    symbols = {"energy": "incident energy", "theta": "θ", "phi": "φ", "eta": "η"}
    axis = symbols.get(bins.name, bins.name) + (f" [{bins.unit}]" if bins.unit else "")
    titles = ("mean of visible / incident energy", "resolution, σ / mean")
    contents = (
        (bins.response, bins.response_ratio, 0.01),
        (bins.resolution, bins.resolution_ratio, 0.1),
    )
    middle = (
        np.sqrt(bins.edges[1:] * bins.edges[:-1])
        if bins.scale == "log"
        else 0.5 * (bins.edges[1:] + bins.edges[:-1])
    )
    half = np.abs(np.stack([middle - bins.edges[:-1], bins.edges[1:] - middle]))
    for (main, below), title, (samples, ratios, least) in zip(pairs, titles, contents, strict=True):
        for values, color, marker in zip(samples, (INK, GENERATED), ("o", "s"), strict=True):
            v, e = _columns(values)
            main.errorbar(
                middle, v, xerr=half, yerr=e, fmt=marker, color=color, markersize=4, linewidth=1,
                label=REFERENCE_NAME if color == INK else GENERATED_NAME,
            )  # fmt: skip
        v, e = _columns(ratios)
        below.errorbar(middle, v, xerr=half, yerr=e, fmt="s", color=GENERATED, markersize=4,
                       linewidth=1)  # fmt: skip
        _ratio_axis(below, v, e, least)
        _log_range(below, bins)
        if bins.values is not None:
            below.set_xticks(middle, bins.values)
        main.set_ylabel(title)
        main.margins(y=0.3)
        below.set_xlabel(axis)
        main.legend(loc="upper right", ncols=2)
    return figure


def histograms(comparisons: Sequence[Comparison], columns: int = 3) -> Figure:
    """Reference and generated histograms with ratio panels, separation power in each title."""
    columns = min(columns, len(comparisons))
    rows = -(-len(comparisons) // columns)
    figure, pairs = _panels(columns, rows, width=4.4 if columns == 1 else 3.3)
    for (main, below), c in zip(pairs, comparisons, strict=False):
        edges = np.asarray(c.reference.axes[0].edges, np.float64)
        (p, dp), (q, dq) = _contents(c.reference), _contents(c.generated)
        if c.log:
            main.set_xscale("log")
        main.stairs(p, edges, fill=True, color=INK, alpha=0.10, linewidth=0)
        _steps(main, edges, p, dp, INK)
        _steps(main, edges, q, dq, GENERATED)
        ratio, error = _quotient(q, dq, p, dp)
        below.stairs(
            1 + _relative(p, dp), edges, baseline=1 - _relative(p, dp), fill=True, color=INK,
            alpha=0.15, linewidth=0,
        )  # fmt: skip
        # The reference's error is the band, so the points carry the generated sample's alone.
        _marks(below, edges, ratio, error, GENERATED)
        well = _relative(p, dp) < 0.15
        _ratio_axis(below, np.where(well, ratio, np.nan), error, 0.2)
        if c.group == "cell_energy":
            main.set_yscale("log")
            main.set_ylabel("cells per shower")
        else:
            main.set_ylim(bottom=0)
            main.set_ylabel("fraction of showers")
        main.set_xlim(edges[0], edges[-1])
        main.set_title(f"separation {c.separation}, floor {c.floor.value:.4f}", fontsize=8.5)
        below.set_xlabel(c.label)
    for main, below in pairs[len(comparisons) :]:
        main.set_axis_off()
        below.set_axis_off()
    _key(pairs[0][0])
    return figure


def profiles(found: Sequence[Profile], columns: int = 3, log: bool = False) -> Figure:
    """Mean energy fraction along an axis, with ratio panels."""
    columns = min(columns, len(found))
    rows = -(-len(found) // columns)
    figure, pairs = _panels(columns, rows, width=4.4 if columns == 1 else 3.3)
    for (main, below), p in zip(pairs, found, strict=False):
        _steps(main, p.edges, *p.reference, INK)
        _steps(main, p.edges, *p.generated, GENERATED)
        _marks(below, p.edges, *p.ratio, GENERATED)
        with np.errstate(divide="ignore", invalid="ignore"):
            well = p.reference[1] < 0.1 * p.reference[0]
        _ratio_axis(below, np.where(well, p.ratio[0], np.nan), p.ratio[1], 0.02)
        if log and (p.reference[0] > 0).any():
            main.set_yscale("log")
            filled = p.reference[0][p.reference[0] > 0]
            main.set_ylim(0.5 * filled.min(), 2 * filled.max())
        else:
            main.set_ylim(bottom=0)
        main.set_xlim(p.edges[0], p.edges[-1])
        main.set_ylabel("energy / incident energy")
        below.set_xlabel(p.label)
        if p.ticks is not None and len(p.ticks) <= 8:
            below.set_xticks(range(len(p.ticks)), p.ticks)
    for main, below in pairs[len(found) :]:
        main.set_axis_off()
        below.set_axis_off()
    _key(pairs[0][0])
    return figure


def average_showers(pictures: Pictures, geometry: Geometry, layers: Sequence[int]) -> Figure:
    """Mean energy per cell of both samples and their ratio, a row for each layer."""
    figure = Figure(figsize=(9.6, 2.6 * len(layers) + 0.3), layout="constrained")
    grid = figure.subplots(len(layers), 3, squeeze=False, sharex="row", sharey="row")
    means = pictures.reference[0], pictures.generated[0]
    for row, layer in zip(grid, layers, strict=True):
        images = [image(m, geometry, layer) for m in means]
        top = max(float(images[0].max()), 1e-6)
        norm = LogNorm(top * 1e-4, top)
        meshes = [
            _cells(axes, geometry, layer, np.where(i > 0, i, np.nan), norm, "viridis")
            for axes, i in zip(row[:2], images, strict=True)
        ]
        figure.colorbar(meshes[1], ax=row[1], label="mean energy [MeV]", extend="min")
        errors = [image(e, geometry, layer) for e in (pictures.reference[1], pictures.generated[1])]
        # Cells that are not known to a third would only show noise.
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = np.log2(images[1] / images[0])
            known = np.hypot(errors[0] / images[0], errors[1] / images[1]) < 0.33
        shown = np.where(known & np.isfinite(quotient), quotient, np.nan)
        mesh = _cells(row[2], geometry, layer, shown, Normalize(-1, 1), "PuOr_r")
        bar = figure.colorbar(mesh, ax=row[2], label="generated / Geant4", extend="both")
        bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["½", "0.71", "1", "1.41", "2"])
        row[0].set_ylabel(f"{geometry.layers[layer].name}: y [mm]")
        for axes in row[1:]:
            axes.set_ylabel("")
    for axes, title in zip(grid[0], (REFERENCE_NAME, GENERATED_NAME, "ratio"), strict=True):
        axes.set_title(title)
    return figure


def events(pictures: Pictures, geometry: Geometry, layers: Sequence[int]) -> Figure:
    """Single showers of both samples made at the same conditions: a row each, layers across."""
    n = len(pictures.events)
    figure = Figure(figsize=(2.5 * len(layers) + 0.6, 2.5 * 2 * n), layout="constrained")
    parts = np.atleast_1d(np.asarray(figure.subfigures(n, 1)))
    for part, (words, *pair) in zip(parts, pictures.events, strict=True):
        part.suptitle(words, fontsize=10.0, fontweight="bold")
        grid = part.subplots(2, len(layers), squeeze=False, sharex="col", sharey="col")
        top = max(float(np.max(pair)), 1e-3)
        norm = LogNorm(max(1e-3 * top, 1e-3), top)
        mesh = None
        for i, (row, energies, name) in enumerate(
            zip(grid, pair, (REFERENCE_NAME, GENERATED_NAME), strict=True)
        ):
            for k, (axes, layer) in enumerate(zip(row, layers, strict=True)):
                cells = image(energies, geometry, layer)
                mesh = _cells(axes, geometry, layer, np.where(cells > 0, cells, np.nan), norm,
                              "viridis")  # fmt: skip
                axes.set_title(f"{name}, {geometry.layers[layer].name}", fontsize=9.0)
                if k:
                    axes.set_ylabel("")
                if i == 0:
                    axes.set_xlabel("")
        if mesh is not None:
            part.colorbar(mesh, ax=grid, label="energy [MeV]", extend="min")
    return figure


def correlations(found: Correlations, geometry: Geometry) -> Figure:
    """Correlation matrices of the layer energies, and their difference over its error."""
    names = [layer.name for layer in geometry.layers]
    figure = Figure(figsize=(10.0, 3.2), layout="constrained")
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = (found.generated - found.reference) / found.uncertainty
    np.fill_diagonal(pull, 0.0)
    contents = (
        (found.reference, REFERENCE_NAME, 1.0, "correlation"),
        (found.generated, GENERATED_NAME, 1.0, "correlation"),
        (np.nan_to_num(pull), "difference / uncertainty", 5.0, "standard deviations"),
    )
    panels = figure.subplots(1, 3)
    for axes, (matrix, title, limit, label) in zip(panels, contents, strict=True):
        shown = axes.imshow(matrix, cmap="PuOr_r", vmin=-limit, vmax=limit, rasterized=True)
        axes.set_title(title)
        figure.colorbar(shown, ax=axes, label=label, shrink=0.85)
        axes.minorticks_off()
        axes.tick_params(length=0)
        if len(names) <= 8:
            axes.set_xticks(range(len(names)), names)
            axes.set_yticks(range(len(names)), names)
            for (i, j), value in np.ndenumerate(matrix):
                strong = abs(value) > 0.6 * limit
                axes.text(j, i, f"{value:+.2f}" if limit == 1 else f"{value:+.1f}", ha="center",
                          va="center", fontsize=8.5,
                          color="white" if strong else "#1a1a1a")  # fmt: skip
        else:
            axes.set_xlabel("layer")
            axes.set_ylabel("layer")
    return figure


def roc(results: Sequence[ClassifierResult]) -> Figure:
    """ROC curves; on the diagonal the samples cannot be told apart."""
    figure = Figure(figsize=(6.8, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    for result, (color, line) in zip(
        results, zip((GENERATED, *OTHERS), cycle(("-", "--", "-.")), strict=False), strict=False
    ):
        axes.plot(
            *result.roc, color=color, linestyle=line,
            label=f"{result.label}\nAUC {result.auc}",
        )  # fmt: skip
    axes.set_xlabel("generated showers taken for Geant4")
    axes.set_ylabel("Geant4 showers recognised")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), labelspacing=1.0)
    return figure


def reliability(found: Reliability) -> Figure:
    """Predicted against observed probability; on the diagonal a classifier is calibrated."""
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.errorbar(
        found.predicted, found.observed, found.uncertainty,
        fmt="o", markersize=4, color=GENERATED,
    )  # fmt: skip
    axes.set_xlabel("probability predicted")
    axes.set_ylabel("fraction of Geant4 showers")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    return figure


def _columns(values: Sequence[Value]) -> tuple[Floats, Floats]:
    table = np.array(values, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _contents(h: Histogram) -> tuple[Floats, Floats]:
    view: Any = h.view()
    return np.asarray(view.value, np.float64), np.sqrt(np.asarray(view.variance, np.float64))


def _relative(values: Floats, errors: Floats) -> Floats:
    return np.asarray(errors / np.where(values > 0, values, np.inf), np.float64)


def _quotient(a: Floats, da: Floats, b: Floats, db: Floats) -> tuple[Floats, Floats]:
    """a / b with the error of a alone; NaN where b is 0."""
    safe = np.where(b > 0, b, np.nan)
    return a / safe, da / safe


def _cells(
    axes: Axes, geometry: Geometry, layer: int, values: NDArray[Any], norm: Normalize, cmap: str
) -> QuadMesh:
    """One layer in the transverse plane: x-y cells, or r-alpha cells drawn where they lie."""
    shape = geometry.layers[layer]
    first, second = np.meshgrid(shape.first_edges, shape.second_edges, indexing="ij")
    if shape.system == "cylindrical":
        # A bin of alpha is drawn as a polygon; finer steps make it the ring segment it is.
        fine = max(1, int(np.ceil(48 / shape.shape[1])))
        alpha = np.interp(
            np.arange(shape.shape[1] * fine + 1) / fine,
            np.arange(shape.shape[1] + 1),
            shape.second_edges,
        )
        values = np.repeat(values, fine, axis=1)
        r, alpha = np.meshgrid(shape.first_edges, alpha, indexing="ij")
        first, second = r * np.cos(alpha), r * np.sin(alpha)
    mesh = axes.pcolormesh(
        first, second, np.ma.masked_invalid(values), norm=norm, cmap=cmap, rasterized=True
    )
    axes.set_aspect("equal")
    axes.set_xlabel("x [mm]")
    axes.set_ylabel("y [mm]")
    axes.tick_params(which="both", top=False, right=False)
    return mesh


def spread(n: int, at_most: int) -> list[int]:
    """Positions of at most so many of n layers, evenly spread, first and last among them."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, at_most)).tolist()})
