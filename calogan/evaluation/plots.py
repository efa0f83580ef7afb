"""Figures of an evaluation: results in, matplotlib figures out; nothing is measured here.

They are made of the same panels as those of `calogan.plots`. Figures are built without pyplot, so
none stays open, and drawn with a style in force: use `style.drawing` around the calls and around
saving.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from calogan import panels
from calogan.evaluation.results import Comparison, Correlations, Pictures, Profile
from calogan.geometry import Geometry
from calogan.metrics.bins import ConditionBins
from calogan.metrics.classifiers import ClassifierResult
from calogan.metrics.statistics import Floats, Value
from calogan.panels import DASHED
from calogan.reweighting.density_ratio import Reliability
from calogan.style import GENERATED, GENERATED_NAME, INK, OTHERS, REFERENCE_NAME

NAMES = (REFERENCE_NAME, GENERATED_NAME)


def condition_axis(axes: Axes, name: str, unit: str, edges: Floats, log: bool) -> None:
    """Label a condition's axis; a logarithmic one has ticks at 1, 2 and 5."""
    symbols = {"energy": "incident energy", "theta": "θ", "phi": "φ", "eta": "η"}
    axes.set_xlabel(symbols.get(name, name) + (f" [{unit}]" if unit else ""))
    if not log:
        return
    axes.set_xscale("log")
    nice = [t for d in range(-6, 9) for t in (1 * 10.0**d, 2 * 10.0**d, 5 * 10.0**d)]
    inside = [t for t in nice if edges[0] * 0.999 <= t <= edges[-1] * 1.001]
    if len(inside) > 1:
        axes.xaxis.set_major_locator(FixedLocator(inside))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def response_and_resolution(bins: ConditionBins) -> Figure:
    """Mean response and resolution against one condition, with ratio panels."""
    figure, found = panels.grid(2, width=4.4, height=3.6)
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
    for panel, title, (samples, ratios, least) in zip(found, titles, contents, strict=True):
        main, below = panel.main, panel.lowest
        for values, color, marker in zip(samples, (INK, GENERATED), ("o", "s"), strict=True):
            v, e = _columns(values)
            main.errorbar(
                middle, v, xerr=half, yerr=e, fmt=marker, color=color, markersize=4, linewidth=1,
                label=REFERENCE_NAME if color == INK else GENERATED_NAME,
            )  # fmt: skip
        v, e = _columns(ratios)
        below.errorbar(middle, v, xerr=half, yerr=e, fmt="s", color=GENERATED, markersize=4,
                       linewidth=1)  # fmt: skip
        panels.ratio_axis(below, v, e, least)
        condition_axis(below, bins.name, bins.unit, bins.edges, bins.scale == "log")
        if bins.values is not None:
            below.set_xticks(middle, bins.values)
        main.set_ylabel(title)
        main.margins(y=0.3)
        main.legend(loc="upper right", ncols=2)
    return figure


def histograms(comparisons: Sequence[Comparison]) -> Figure:
    """Reference and generated histograms with ratio panels, separation power in each title."""
    figure, found = panels.grid(len(comparisons), width=_width(comparisons))
    for panel, c in zip(found, comparisons, strict=True):
        cells = c.group == "cell_energy"
        panels.histograms(panel, (c.reference, c.generated), c.log, cells)
        title = f"separation {c.separation}, floor {c.floor.value:.4f}"
        panel.main.set_title(title, fontsize=8.5)
    panels.key(found[0].main, NAMES)
    return figure


def profiles(found: Sequence[Profile], log: bool = False) -> Figure:
    """Mean energy fraction along an axis, with ratio panels."""
    figure, grid = panels.grid(len(found), width=_width(found))
    for panel, p in zip(grid, found, strict=True):
        samples = p.reference, p.generated
        panels.profiles(panel, p.edges, samples, [p.ratio], p.label, p.ticks, log)
    panels.key(grid[0].main, NAMES)
    return figure


def _width(drawn: Sequence[object]) -> float:
    """Of each panel, inches."""
    return 4.4 if len(drawn) == 1 else 3.3


def average_showers(pictures: Pictures, geometry: Geometry, layers: Sequence[int]) -> Figure:
    """Mean energy per cell of both samples and their ratio, a row for each layer."""
    figure = Figure(figsize=(9.6, 2.6 * len(layers) + 0.3), layout="constrained")
    grid = figure.subplots(len(layers), 3, squeeze=False, sharex="row", sharey="row")
    means = dict(zip(NAMES, (pictures.reference, pictures.generated), strict=True))
    panels.averages(figure, grid, means, geometry, layers)
    return figure


def events(pictures: Pictures, geometry: Geometry, layers: Sequence[int]) -> Figure:
    """Single showers of both samples made at the same conditions: a row each, layers across."""
    n = len(pictures.events)
    figure = Figure(figsize=(2.5 * len(layers) + 0.6, 2.5 * 2 * n), layout="constrained")
    parts = np.atleast_1d(np.asarray(figure.subfigures(n, 1)))
    for part, (words, *pair) in zip(parts, pictures.events, strict=True):
        part.suptitle(words, fontsize=10.0, fontweight="bold")
        grid = part.subplots(2, len(layers), squeeze=False, sharex="col", sharey="col")
        panels.event(part, grid, dict(zip(NAMES, pair, strict=True)), geometry, layers)
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
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=DASHED)
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
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=DASHED)
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
