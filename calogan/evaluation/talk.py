"""Six figures for one screen, of one evaluation or of several beside each other.

Response, resolution, three distributions, and AUCs with what the field published beside them. All
is drawn from what metrics.json holds, so the page of one evaluation and that of several are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from calogan import panels
from calogan.errors import CaloganError
from calogan.evaluation.plots import condition_axis
from calogan.evaluation.published import SUBMISSIONS
from calogan.evaluation.stored import Curve, Stored
from calogan.metrics.statistics import Floats, Value
from calogan.panels import COLOURS, DASHED
from calogan.style import INK, REFERENCE_NAME

SIZE = 4.4, 2.85
"""Of a figure, inches."""
GREY = "#8a919c"
"""Of published values, legible on light and dark."""
MARKS = ("s", "D", "^", "v", "P", "X")
"""Of evaluations in their order."""
SPACES: dict[Literal["features", "voxels"], str] = {"features": "o", "voxels": "s"}
"""What a classifier sees, and its mark."""


class Shown(NamedTuple):
    """One figure of the screen."""

    name: str
    title: str
    said: str
    """What it shows in numbers, of a single evaluation; else empty."""
    figure: Figure
    words: str
    """For readers who do not see it."""


def screen(evaluations: Sequence[Stored]) -> Iterator[Shown]:
    """The figures; the first evaluation's full simulation is drawn, each ratio is to its own.

    Raises CaloganError for more evaluations than there are marks.
    """
    if len(evaluations) > len(MARKS):
        raise CaloganError(
            f"{len(evaluations)} evaluations for one page, expected {len(MARKS)} at most; "
            "the table takes any number"
        )
    one = evaluations[0] if len(evaluations) == 1 else None
    names = ", ".join(e.name for e in evaluations)
    titles: dict[Literal["response", "resolution"], str] = {
        "response": "Mean response",
        "resolution": "Resolution",
    }
    for quantity, title in titles.items():
        said = "" if one is None else _worst(one.curve(quantity))
        words = f"{title} against the incident energy: {REFERENCE_NAME}, {names}, with ratios"
        yield Shown(f"talk-{quantity}", title, said, _curves(evaluations, quantity), words)
    for observable in distributions(evaluations[0]):
        name, title = _TITLES[observable.partition("[")[0]]
        said = ""
        if one is not None:
            found = one.metrics["observables"][observable]["separation_power"]
            said = f"separation power {Value(found['value'], found['uncertainty'] or np.nan)}"
        figure = _distribution(evaluations, observable)
        words = f"{title}: histograms of {REFERENCE_NAME}, {names}, with ratios"
        yield Shown(f"talk-{name}", title, said, figure, words)
    said = "" if one is None else _aucs_said(one)
    words = f"AUC of classifiers: {names}, and published generators"
    yield Shown("talk-auc", "Told from Geant4 by a classifier", said, _aucs(evaluations), words)


_TITLES = {
    "response": ("visible", "Visible energy"),
    "width_r": ("width", "Shower width"),
    "cell_energy": ("cells", "Cell energies"),
}
"""Name and heading of each distribution."""


def distributions(evaluation: Stored) -> tuple[str, ...]:
    """Of the shower's energy, of its width where most of it is, and of its cells."""
    fractions = {
        name.partition("[")[2]: found["mean"]["reference"]["value"] or 0.0
        for name, found in evaluation.metrics["observables"].items()
        if name.startswith("energy_over_incident[")
    }
    return (
        "response",
        f"width_r[{max(fractions, key=lambda layer: fractions[layer])}",
        "cell_energy",
    )


def unlike(evaluations: Sequence[Stored]) -> list[str]:
    """Names of evaluations whose histograms have other bins than the first's: not drawn there."""
    first = evaluations[0]
    return [
        e.name
        for e in evaluations[1:]
        if any(not _alike(first, e, observable) for observable in distributions(first))
    ]


def _alike(first: Stored, other: Stored, observable: str) -> bool:
    edges = [e.metrics["observables"].get(observable, {}).get("edges") for e in (first, other)]
    return bool(edges[0] == edges[1])


def _curves(evaluations: Sequence[Stored], quantity: Literal["response", "resolution"]) -> Figure:
    figure, (panel,) = panels.grid(1, width=SIZE[0], height=SIZE[1])
    curves = [e.curve(quantity) for e in evaluations]
    first = curves[0]
    _marks(panel.main, first, first.reference, "o", INK)
    n = len(curves)
    for i, (curve, mark, color) in enumerate(zip(curves, MARKS, COLOURS[1:], strict=False)):
        shift = None if n == 1 else 0.5 * (i / (n - 1) - 0.5)
        _marks(panel.main, curve, curve.generated, mark, color, shift)
        _marks(panel.lowest, curve, curve.ratio, mark, color, shift)
    values, errors = (np.concatenate([curve.ratio[k] for curve in curves]) for k in (0, 1))
    panels.ratio_axis(panel.lowest, values, errors, {"response": 0.01, "resolution": 0.1}[quantity])
    condition_axis(panel.lowest, "energy", first.unit, first.edges, first.log)
    label = {"response": "visible / incident energy", "resolution": "σ / mean"}[quantity]
    panel.main.set_ylabel(label)
    low, high = panel.main.get_ylim()
    # Room for the legend
    panel.main.set_ylim(low, high + (0.3 + 0.05 * n) * (high - low))
    names = [REFERENCE_NAME, *(e.name for e in evaluations)]
    panels.key(panel.main, names, loc="upper right", ncols=2)
    return figure


def _marks(
    axes: Axes,
    curve: Curve,
    points: tuple[Floats, Floats],
    mark: str,
    color: str,
    shift: float | None = None,
) -> None:
    """Points with their bins; or, of several curves, shifted to the side by a part of a bin."""
    ends = np.log(curve.edges) if curve.log else curve.edges
    width = np.diff(ends)
    at, low, high = (
        np.exp(x) if curve.log else x
        for x in (0.5 * (ends[1:] + ends[:-1]) + (shift or 0.0) * width, ends[:-1], ends[1:])
    )
    across = np.stack([at - low, high - at]) if shift is None else None
    axes.errorbar(
        at, points[0], xerr=across, yerr=points[1], fmt=mark, color=color, markersize=4,
        linewidth=1,
    )  # fmt: skip


def _distribution(evaluations: Sequence[Stored], observable: str) -> Figure:
    figure, (panel,) = panels.grid(1, width=SIZE[0], height=SIZE[1])
    first = evaluations[0]
    drawn = [
        (e, color)
        for e, color in zip(evaluations, COLOURS[1:], strict=False)
        if _alike(first, e, observable)
    ]
    cells = first.metrics["observables"][observable]["group"] == "cell_energy"
    shown = [first.histograms(observable)[0], *(e.histograms(observable)[1] for e, _ in drawn)]
    colours = [INK, *(color for _, color in drawn)]
    panels.histograms(panel, shown, cells, cells, colours)
    if not cells:
        panel.main.set_ylim(0, 1.25 * panel.main.get_ylim()[1])  # room for the legend
    panels.key(panel.main, [REFERENCE_NAME, *(e.name for e, _ in drawn)], colours)
    return figure


def _aucs(evaluations: Sequence[Stored]) -> Figure:
    """A row for each generator: by high-level features and by all voxels."""
    figure = Figure(figsize=SIZE)
    n = len(evaluations) + len(SUBMISSIONS)
    axes = figure.add_axes((0.385, 0.17, 0.585, 0.73))
    names = []
    for i, e in enumerate(evaluations):
        for space, mark in SPACES.items():
            auc = e.auc(space)
            if auc is not None:
                face = COLOURS[i + 1] if auc.challenge else "none"
                axes.errorbar(
                    auc.found.value, i, xerr=auc.found.uncertainty, fmt=mark, color=COLOURS[i + 1],
                    markerfacecolor=face, markersize=6, linewidth=1.2,
                )  # fmt: skip
        names.append(e.name if len(e.name) <= 24 else f"{e.name[:23]}…")
    for i, p in enumerate(SUBMISSIONS, len(evaluations)):
        axes.plot([p.features, p.voxels], [i, i], color=GREY, linewidth=0.8, alpha=0.6)
        for space, mark in SPACES.items():
            axes.plot(getattr(p, space), i, mark, color=GREY, markersize=5)
        names.append(p.label)
    axes.axhline(len(evaluations) - 0.5, color=GREY, linewidth=0.8)
    axes.axvline(0.5, color=INK, linewidth=0.8, linestyle=DASHED)
    axes.set_yticks(range(n), names)
    axes.tick_params(axis="y", length=0, which="both", labelsize=8.0)
    for tick, color in zip(axes.get_yticklabels(), COLOURS[1 : len(evaluations) + 1], strict=False):
        tick.set_color(color)
        tick.set_fontweight("bold")
    axes.set_ylim(n - 0.4, -0.6)
    axes.set_xlim(0.47, 1.02)
    axes.set_xlabel("AUC")
    marks = {"high-level features": "o", "all voxels": "s"}
    axes.legend(
        [Line2D([], [], color=GREY, marker=m, linestyle="") for m in marks.values()], [*marks],
        loc="lower left", bbox_to_anchor=(-0.1, 0.99), ncols=2, handletextpad=0.1,
        columnspacing=1.0, borderpad=0.0,
    )  # fmt: skip
    return figure


def _worst(curve: Curve) -> str:
    """The ratio that is furthest from 1, in words."""
    ratio, error = curve.ratio
    known = np.flatnonzero(np.isfinite(ratio))
    if not len(known):
        return ""
    worst = known[np.argmax(np.abs(ratio[known] - 1))]
    return f"furthest from Geant4: × {Value(float(ratio[worst]), float(error[worst]))}"


def _aucs_said(evaluation: Stored) -> str:
    found = {space: evaluation.auc(space) for space in SPACES}
    return ", ".join(f"{space} {auc.found}" for space, auc in found.items() if auc is not None)
