"""The page of a check: findings, maps of occupancy, distributions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calogan import panels, style
from calogan.checking.cells import dead_cells, hot_cells
from calogan.checking.findings import Finding
from calogan.checking.scan import Scan
from calogan.conditions import Label
from calogan.evaluation.pages import page
from calogan.evaluation.report import svg
from calogan.files import atomic_path
from calogan.version import __version__

MAX_LAYERS = 8
"""Layers whose maps are drawn; those with dead or hot cells first."""
COLUMNS = 4
BINS = 50
LEVELS = {"wrong": "off", "look": "close", "fine": "equal"}
"""Of findings, to the page's colours; the worst first."""


def write_page(path: str | Path, scans: Sequence[Scan], findings: Sequence[Finding]) -> None:
    """Write the page of a check as self-contained HTML, light and dark."""
    with style.drawing():
        maps = [
            svg(_map(scan), f"map-{i}", f"Occupancy of the cells of {scan.path}")
            for i, scan in enumerate(scans)
        ]
        distributions = svg(
            _distributions(scans), "distributions", "Visible fraction and conditions of the stores"
        )
    text = page(
        "check.html.j2",
        "calogan.checking",
        scans=scans,
        findings=sorted(findings, key=lambda f: [*LEVELS].index(f.level)),
        counts={level: sum(f.level == level for f in findings) for level in LEVELS},
        levels=LEVELS,
        maps=maps,
        distributions=distributions,
        version=__version__,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _map(scan: Scan) -> Figure:
    """In which part of the showers each cell is lit; crosses where cells are dead, circles hot."""
    geometry = scan.geometry
    dead, _ = dead_cells(scan.lit, scan.read, geometry)
    dead = np.union1d(dead, np.flatnonzero(scan.read == 0))
    hot = hot_cells(scan.lit, scan.read, geometry)
    layers = _drawn(np.concatenate([dead, hot]), scan)
    columns = min(COLUMNS, len(layers))
    rows = -(-len(layers) // columns)
    figure = Figure(figsize=(2.5 * columns + 0.5, 2.9 * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    occupancy = scan.lit / np.maximum(scan.read, 1)
    lit = occupancy[occupancy > 0]
    low = float(lit.min()) if lit.size else 0.1
    norm = LogNorm(min(low, 0.5), 1.0)
    mesh: Any = None
    for panel, layer in zip(axes, layers, strict=False):
        values = occupancy[geometry.grids[layer]]
        dark = np.where(values > 0, values, np.nan)
        mesh = panels.cells(panel, geometry, layer, dark, norm, "viridis")
        for cells, mark in ((dead, "x"), (hot, "o")):
            x, y = _places(cells[geometry.layer_index[cells] == layer], scan)
            panel.plot(x, y, mark, color=style.GENERATED, markersize=5, markerfacecolor="none")
        panel.set_title(geometry.layers[layer].name, fontsize=9.0)
    for panel in axes[len(layers) :]:
        panel.set_visible(False)
    figure.colorbar(mesh, ax=[*axes[: len(layers)]], label="showers that light the cell")
    return figure


def _drawn(marked: NDArray[np.intp], scan: Scan) -> list[int]:
    found = np.unique(scan.geometry.layer_index[marked]).tolist()
    others = panels.spread(scan.geometry.n_layers, MAX_LAYERS)
    return sorted([*found, *(k for k in others if k not in found)][:MAX_LAYERS])


def _places(cells: NDArray[np.intp], scan: Scan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y, _ = scan.geometry.centres[cells].T
    return x, y


def _by_value(
    panel: Axes, label: Label, samples: Sequence[NDArray[np.float64]]
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """A label's values numbered from 0, and the bins of these, named below the panel.

    What is none of its values is in the last bin, if there is such.
    """
    names, n = [*label.names], len(label.names)
    found = [
        np.where(label.covers(s), label.to_variables(s).argmax(axis=-1), n).astype(np.float64)
        for s in samples
    ]
    if any((sample == n).any() for sample in found):
        names.append("others")
    panel.set_xticks(range(len(names)), names)
    return found, np.arange(len(names) + 1, dtype=np.float64) - 0.5


def _distributions(scans: Sequence[Scan]) -> Figure:
    """The visible fraction and every condition, each store's normalised to 1."""
    names = list(dict.fromkeys(name for scan in scans for name in scan.conditions))
    labels = {name: label for scan in reversed(scans) for name, label in scan.labels.items()}
    quantities = [("visible fraction", [scan.fraction for scan in scans])]
    for name in names:
        unit = next((s.units[name] for s in scans if s.units.get(name)), "")
        label = f"{name} [{unit}]" if unit else name
        empty = np.zeros(0, np.float32)
        values = [s.conditions.get(name, empty).astype(np.float64) for s in scans]
        quantities.append((label, values))
    rows = -(-len(quantities) // 3)
    figure = Figure(figsize=(10.0, 2.8 * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, 3, squeeze=False))
    for panel, (label, samples) in zip(axes, quantities, strict=False):
        together = np.concatenate(samples)
        low, high = float(together.min()), float(together.max())
        wide = low > 0 and high > 30 * low
        edges = (
            np.geomspace(low, high, BINS + 1) if wide else np.histogram_bin_edges(together, BINS)
        )
        if label in labels:
            samples, edges = _by_value(panel, labels[label], samples)
            wide = False
        for i, sample in enumerate(samples):
            counts, _ = np.histogram(sample, edges)
            panel.stairs(
                counts / max(1, len(sample)), edges, color=(style.INK, *style.OTHERS)[i % 6]
            )
        if wide:
            panel.set_xscale("log")
        panel.set_xlabel(label)
        panel.set_ylabel("part of the showers")
    for panel in axes[len(quantities) :]:
        panel.set_visible(False)
    return figure
