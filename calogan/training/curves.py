"""Curves of losses and scores against the update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from calogan.style import GENERATED, INK, OTHERS


def training_curves(
    lines: Sequence[Mapping[str, Any]], kept: float | None, tolerated: float = 1.0
) -> Figure:
    """Losses and validation scores against the update.

    Parameters
    ----------
    lines : of a run's metrics.jsonl
    kept : update of the generator that is kept, None if none was scored
    tolerated : the score that just passes
    """
    figure = Figure(figsize=(9.6, 6.4), layout="constrained", facecolor="white")
    panels = figure.subplots(2, 2, sharex=True).ravel()
    contents = (
        (
            "loss",
            {k: k.removesuffix("_loss") for k in (lines or [{}])[-1] if k.endswith("_loss")},
        ),
        (
            "validation score, and its parts",
            {"validation_score": "score"}
            | {
                key: key.removeprefix("validation_score_")
                for line in lines
                for key in line
                if key.startswith("validation_score_")
            },
        ),
        (
            "generated / real",
            {
                f"validation_{k}": words
                for k, words in {
                    "response_ratio": "response",
                    "resolution_ratio": "resolution",
                    "occupancy_ratio": "cells over threshold",
                    "diversity": "spread over latents",
                }.items()
            },
        ),
        (
            "of validation showers",
            {
                "validation_auc": "AUC, boosted trees on features",
                "validation_cells_auc": "AUC, boosted trees on cells",
                "validation_recall": "recall of cells",
                "validation_feature_recall": "recall of features / real",
            },
        ),
    )
    colours = (INK, GENERATED, *OTHERS)
    for axes, (title, names) in zip(panels, contents, strict=True):
        for i, (name, words) in enumerate(names.items()):
            points = [(line["update"], line[name]) for line in lines if name in line]
            if points:
                style = {"marker": "o", "markersize": 2.5} if len(points) < 100 else {}
                colour = colours[i % len(colours)]
                axes.plot(*zip(*points, strict=True), color=colour, label=words, **style)
        if kept is not None:
            axes.axvline(kept, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_ylabel(title)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
    panels[1].axhline(tolerated, color=INK, linewidth=0.5)
    if any("validation_score" in line for line in lines):
        panels[1].set_yscale("log")
    for line in lines:
        if "warning" in line:
            panels[1].axvspan(line["update"] * 0.995, line["update"], color=GENERATED, alpha=0.25)
    for axes in panels[2:]:
        axes.set_xlabel("update")
    figure.suptitle(
        "training" if kept is None else f"training; the generator kept is that of update {kept:.0f}"
    )
    return figure
