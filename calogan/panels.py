"""Panels of figures, and what is drawn on them: arrays and histograms in, nothing is measured.

`calogan.plots` and the figures of an evaluation are made of these. Sizes are in proportion to the
letters of the style in force, `scale`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import hist
import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from calogan.geometry import Geometry
from calogan.style import GENERATED, INK, OTHERS, STYLE

Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]
"""Values and their standard errors."""
COLOURS = (INK, GENERATED, *OTHERS)
"""Of samples in their order; the first is what the others are held against."""
DASHED = (0, (4, 3))


class Panel(NamedTuple):
    """Where one thing is drawn."""

    main: Axes
    below: Axes | None = None
    """For the ratio to the first sample; None: it is not drawn."""

    @property
    def lowest(self) -> Axes:
        """The axes that carry the label of x."""
        return self.main if self.below is None else self.below


def scale() -> float:
    """How much larger the letters of the style in force are than those of `STYLE`."""
    size = FontProperties(size=mpl.rcParams["axes.labelsize"]).get_size_in_points()
    return float(size / STYLE["axes.labelsize"])


def grid(
    n: int, columns: int = 3, ratio: bool = True, width: float = 3.3, height: float = 3.1
) -> tuple[Figure, list[Panel]]:
    """A figure of n panels, row by row, with ratios below or without.

    Width and height of each in inches, of letters as in `STYLE`. Placed by hand: with this many
    axes matplotlib's layout engines take longer than all drawing.
    """
    columns = min(columns, n)
    rows = -(-n // columns)
    s = scale()
    left, right, bottom, top, gap, ratio_height = 0.68, 0.12, 0.48, 0.26, 0.07, 0.62
    figure = Figure(figsize=(s * width * columns, s * height * rows))
    full = np.array([width * columns, height * rows, width * columns, height * rows])
    inner_width = width - left - right
    main_height = height - bottom - top - (gap + ratio_height if ratio else 0)
    found = []
    for i in range(n):
        x, y = i % columns * width + left, (rows - 1 - i // columns) * height + bottom
        below = None
        if ratio:
            below = figure.add_axes(tuple(np.array([x, y, inner_width, ratio_height]) / full))
            y += ratio_height + gap
        place = np.array([x, y, inner_width, main_height]) / full
        main = figure.add_axes(tuple(place), sharex=below)
        if below is not None:
            main.tick_params(labelbottom=False)
        for axes in (main, below):
            if axes is not None:
                axes.yaxis.set_label_coords(-0.53 / inner_width, 0.5)
        found.append(Panel(main, below))
    return figure, found


def ratio_axis(axes: Axes, values: Floats, errors: Floats, least: float = 0.05) -> None:
    """Limits of a ratio panel: around 1, wide enough for what is measured well, at most 0 to 2."""
    good = np.isfinite(values) & np.isfinite(errors) & (errors < 0.5)
    off = np.abs(values[good] - 1) + errors[good]
    span = float(np.clip(1.15 * np.max(off, initial=0.0), least, 1.0))
    axes.set_ylim(1 - span, 1 + span)
    axes.axhline(1.0, color=INK, linewidth=0.8 * scale(), linestyle=DASHED)
    # Ticks at the ends would collide with those of the panel above.
    nice = [t * 10.0**d for d in (-3, -2, -1, 0) for t in (1, 2, 5)]
    step = max(t for t in nice if t <= max(0.75 * span, nice[0]))
    axes.yaxis.set_major_locator(FixedLocator([1 - step, 1, 1 + step]))
    axes.set_ylabel("ratio")


def steps(axes: Axes, edges: Floats, values: Floats, errors: Floats, color: str) -> None:
    """A histogram line with an error band."""
    mplhep.histplot(values, bins=edges, ax=axes, color=color, yerr=False, flow="none", label=None)
    low, high = values - errors, values + errors
    axes.stairs(high, edges, baseline=low, fill=True, color=color, alpha=0.25, linewidth=0)


def marks(axes: Axes, edges: Floats, values: Floats, errors: Floats, color: str) -> None:
    """A point with its error bar in each bin."""
    log = axes.get_xscale() == "log"
    centres = np.sqrt(edges[1:] * edges[:-1]) if log else 0.5 * (edges[1:] + edges[:-1])
    s = scale()
    axes.errorbar(
        centres, values, yerr=errors, color=color, fmt="o", markersize=2.6 * s, linewidth=0.9 * s,
        capsize=0,
    )  # fmt: skip


def key(axes: Axes, names: Sequence[str], colours: Sequence[str] = COLOURS, **place: Any) -> None:
    """Legend of samples in their order; `place` as `Axes.legend` takes it."""
    for name, color in zip(names, colours, strict=False):
        axes.plot([], [], color=color, label=name)
    axes.legend(**{"loc": "best", **place})


def histograms(
    panel: Panel,
    samples: Sequence[hist.Hist[Any]],
    log: bool = False,
    cells: bool = False,
    colours: Sequence[str] = COLOURS,
) -> None:
    """Histograms of samples over each other, and below them the ratios to the first.

    Parameters
    ----------
    samples : entries per shower with variances, in the same bins; the axis' label is drawn
    log : bins are even in the logarithm
    cells : entries are cells, not showers
    colours : of the samples
    """
    main, below = panel
    edges = np.asarray(samples[0].axes[0].edges, np.float64)
    contents = [_contents(h) for h in samples]
    p, dp = contents[0]
    if log:
        main.set_xscale("log")
    if len(samples) > 1:
        main.stairs(p, edges, fill=True, color=INK, alpha=0.10, linewidth=0)
    for (values, errors), color in zip(contents, colours, strict=False):
        steps(main, edges, values, errors, color)
    if cells:
        main.set_yscale("log")
        main.set_ylabel("cells per shower")
    else:
        main.set_ylim(bottom=0)
        main.set_ylabel("fraction of showers")
    main.set_xlim(edges[0], edges[-1])
    panel.lowest.set_xlabel(samples[0].axes[0].label)
    if below is None:
        return
    # The first sample's error is a band, so the points carry their own alone.
    share = _relative(p, dp)
    below.stairs(
        1 + share, edges, baseline=1 - share, fill=True, color=INK, alpha=0.15, linewidth=0
    )
    ratios = [_quotient(q, dq, p, dp) for q, dq in contents[1:]]
    for (ratio, error), color in zip(ratios, colours[1:], strict=False):
        marks(below, edges, ratio, error, color)
    well = share < 0.15
    shown = [np.where(well, ratio, np.nan) for ratio, _ in ratios]
    ratio_axis(below, np.concatenate(shown), np.concatenate([error for _, error in ratios]), 0.2)


def profiles(
    panel: Panel,
    edges: Floats,
    samples: Sequence[Points],
    ratios: Sequence[Points],
    label: str,
    ticks: Sequence[str] | None = None,
    log: bool = False,
) -> None:
    """Mean energy over incident energy along an axis, and ratios to the first sample.

    Parameters
    ----------
    edges : (n_bins + 1,)
    samples, ratios : values and errors, (n_bins,) each
    ticks : names of the bins, of an axis without lengths
    log : energies on a logarithmic scale, if there are any
    """
    main, below = panel
    for (values, errors), color in zip(samples, COLOURS, strict=False):
        steps(main, edges, values, errors, color)
    filled = samples[0][0][samples[0][0] > 0]
    if log and filled.size:
        main.set_yscale("log")
        main.set_ylim(0.5 * filled.min(), 2 * filled.max())
    else:
        main.set_ylim(bottom=0)
    main.set_xlim(edges[0], edges[-1])
    main.set_ylabel("energy / incident energy")
    panel.lowest.set_xlabel(label)
    if ticks is not None and len(ticks) <= 8:
        panel.lowest.set_xticks(range(len(ticks)), ticks)
    if below is None:
        return
    for (values, errors), color in zip(ratios, COLOURS[1:], strict=False):
        marks(below, edges, values, errors, color)
    with np.errstate(divide="ignore", invalid="ignore"):
        well = samples[0][1] < 0.1 * samples[0][0]
    shown = np.concatenate([np.where(well, values, np.nan) for values, _ in ratios])
    ratio_axis(below, shown, np.concatenate([errors for _, errors in ratios]), 0.02)


def averages(
    figure: Figure | SubFigure,
    grid: NDArray[Any],
    means: Mapping[str, Points],
    geometry: Geometry,
    layers: Sequence[int],
) -> None:
    """Mean energy per cell: a row of axes for each layer, a column for each sample.

    One more column is for the ratio of the second sample to the first.

    Parameters
    ----------
    grid : axes of `figure`, (n_layers, n_samples or n_samples + 1)
    means : name to mean of every voxel, MeV, and its standard error, (n_voxels,)
    """
    samples = [*means.values()]
    for row, layer in zip(grid, layers, strict=True):
        images = [mean[geometry.grids[layer]] for mean, _ in samples]
        top = max(float(images[0].max()), 1e-6)
        norm = LogNorm(top * 1e-4, top)
        meshes = [
            cells(axes, geometry, layer, np.where(i > 0, i, np.nan), norm, "viridis")
            for axes, i in zip(row, images, strict=False)
        ]
        last = row[len(images) - 1]
        figure.colorbar(meshes[-1], ax=last, label="mean energy [MeV]", extend="min")
        if len(row) > len(images):
            errors = [error[geometry.grids[layer]] for _, error in samples]
            # Cells that are not known to a third would only show noise.
            with np.errstate(divide="ignore", invalid="ignore"):
                quotient = np.log2(images[1] / images[0])
                known = np.hypot(errors[0] / images[0], errors[1] / images[1]) < 0.33
            shown = np.where(known & np.isfinite(quotient), quotient, np.nan)
            mesh = cells(row[-1], geometry, layer, shown, Normalize(-1, 1), "PuOr_r")
            first, second = [*means][:2]
            bar = figure.colorbar(mesh, ax=row[-1], label=f"{second} / {first}", extend="both")
            bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["½", "0.71", "1", "1.41", "2"])
        row[0].set_ylabel(f"{geometry.layers[layer].name}: y [mm]")
        for axes in row[1:]:
            axes.set_ylabel("")
    for axes, title in zip(grid[0], (*means, "ratio"), strict=False):
        axes.set_title(title)


def event(
    figure: Figure | SubFigure,
    grid: NDArray[Any],
    samples: Mapping[str, NDArray[np.float32]],
    geometry: Geometry,
    layers: Sequence[int],
) -> None:
    """Single showers on one scale of colours: a row of axes for each, layers across.

    Parameters
    ----------
    grid : axes of `figure`, (n_samples, n_layers)
    samples : name to energies of a shower's voxels, MeV, (n_voxels,)
    """
    top = max(max(float(np.max(energies)) for energies in samples.values()), 1e-3)
    norm = LogNorm(max(1e-3 * top, 1e-3), max(top, 2e-3))
    mesh = None
    for i, (row, (name, energies)) in enumerate(zip(grid, samples.items(), strict=True)):
        for k, (axes, layer) in enumerate(zip(row, layers, strict=True)):
            shown = energies[geometry.grids[layer]]
            shown = np.where(shown > 0, shown, np.nan)
            mesh = cells(axes, geometry, layer, shown, norm, "viridis")
            title = f"{name}, {geometry.layers[layer].name}"
            axes.set_title(title, fontsize=9.0 * scale())
            if k:
                axes.set_ylabel("")
            if i < len(grid) - 1:
                axes.set_xlabel("")
    if mesh is not None:
        figure.colorbar(mesh, ax=grid, label="energy [MeV]", extend="min")


def cells(
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


def _contents(h: hist.Hist[Any]) -> Points:
    view: Any = h.view()
    return np.asarray(view.value, np.float64), np.sqrt(np.asarray(view.variance, np.float64))


def _relative(values: Floats, errors: Floats) -> Floats:
    return np.asarray(errors / np.where(values > 0, values, np.inf), np.float64)


def _quotient(a: Floats, da: Floats, b: Floats, db: Floats) -> Points:
    """a / b with the error of a alone; NaN where b is 0."""
    safe = np.where(b > 0, b, np.nan)
    return a / safe, da / safe
