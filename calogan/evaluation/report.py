"""The report: an evaluation as one HTML page that needs nothing beside itself.

Figures are SVG in the page, with the text colour of the page, so that they follow its light or dark
theme; images inside them are embedded PNG.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from markupsafe import Markup
from matplotlib.figure import Figure

from calogan import panels, style
from calogan.evaluation import plots, talk
from calogan.evaluation.compare_evaluations import SAMPLE, SideBySide
from calogan.evaluation.pages import page
from calogan.evaluation.published import SOURCE
from calogan.evaluation.results import GROUPS, Comparison, Evaluation
from calogan.evaluation.stored import Stored
from calogan.plots import save
from calogan.style import GENERATED_NAME

MAX_LAYERS = 4
"""Layers drawn one by one; metrics.json and the table of observables hold all."""
SVG_DPI = 144
"""Of the images inside figures."""


def render(evaluation: Evaluation) -> str:
    """The page of one evaluation."""
    layers = panels.spread(evaluation.geometry.n_layers, MAX_LAYERS)
    with style.drawing():
        figures = {
            name: svg(figure, name, words) for name, figure, words in _figures(evaluation, layers)
        }
        screen = _screen([_stored(evaluation)])
    return page(
        "report.html.j2",
        published_source=SOURCE,
        evaluation=evaluation,
        settings=evaluation.settings,
        geometry=evaluation.geometry,
        figures=figures,
        screen=screen,
        groups=GROUPS,
        found={m.name: m for m in evaluation.measures},
        shown_layers=[evaluation.geometry.layers[i].name for i in layers],
        counts={
            level: sum(v.level == level for v in evaluation.summary)
            for level in ("equal", "close", "off")
        },
    )


def render_comparison(found: SideBySide) -> str:
    """The page of several evaluations beside each other."""
    with style.drawing():
        screen = _screen(found.evaluations)
    return page(
        "comparison.html.j2",
        published_source=SOURCE,
        found=found,
        differing=[SAMPLE[key] for key in found.differing],
        screen=screen,
        unlike=talk.unlike(found.evaluations),
        verdicts=found.verdicts,
        full=any(e.settings["classifier"] == "full" for e in found.evaluations),
    )


def _stored(evaluation: Evaluation) -> Stored:
    return Stored(GENERATED_NAME, evaluation.to_dict())


def _screen(evaluations: Sequence[Stored]) -> list[dict[str, str]]:
    """What the template shows of each figure of the screen."""
    return [
        {
            "name": shown.name,
            "title": shown.title,
            "said": shown.said,
            "svg": svg(shown.figure, shown.name, shown.words),
        }
        for shown in talk.screen(evaluations)
    ]


def save_figures(evaluation: Evaluation, folder: Path, kind: Literal["svg", "png", "pdf"]) -> None:
    """Write every figure of the page to a file of its own, FOLDER/NAME.KIND, on white."""
    layers = panels.spread(evaluation.geometry.n_layers, MAX_LAYERS)
    with style.drawing():
        shown = [(s.name, s.figure) for s in talk.screen([_stored(evaluation)])]
        below = [(name, figure) for name, figure, _ in _figures(evaluation, layers)]
        for name, figure in [*shown, *below]:
            save(figure, folder / f"{name}.{kind}")


def _figures(e: Evaluation, layers: list[int]) -> Iterator[tuple[str, Figure, str]]:
    """Name, figure and description of every figure below the first screen."""
    for bins in e.conditions:
        yield (
            f"condition-{bins.name}",
            plots.response_and_resolution(bins),
            f"Response and resolution against {bins.name}, generated and reference, with ratios",
        )
    for group, title in GROUPS.items():
        shown = [c for c in e.comparisons if c.group == group and _drawn(c, layers)]
        yield f"group-{group}", plots.histograms(shown), f"{title}: histograms with ratios"
    along = [p for p in e.profiles if p.layer is None]
    if along:
        yield "longitudinal", plots.profiles(along), "Mean energy fraction of every layer"
    across = [p for p in e.profiles if p.layer in layers]
    if across:
        yield "transverse", plots.profiles(across, log=True), "Mean energy across the layers"
    yield (
        "average",
        plots.average_showers(e.pictures, e.geometry, layers),
        "Average shower per layer: reference, generated, and their ratio",
    )
    yield "events", plots.events(e.pictures, e.geometry, layers), "Single showers"
    if e.geometry.n_layers > 1:
        yield (
            "correlations",
            plots.correlations(e.correlations, e.geometry),
            "Correlations of the layers' energies",
        )
    yield "roc", plots.roc(e.classifiers), "ROC curves of the classifiers"
    if e.refinement is not None:
        yield (
            "reliability",
            plots.reliability(e.refinement.reliability),
            "Predicted and observed probability of the refiner's classifier",
        )


def _drawn(c: Comparison, layers: list[int]) -> bool:
    return c.layer is None or c.layer in layers


def svg(figure: Figure, name: str, words: str) -> Markup:
    """A figure as an SVG element whose ids begin with `name`, and whose ink is the text colour.

    Parameters
    ----------
    words : description for readers who do not see it
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=SVG_DPI, metadata={"Date": None})
    text = buffer.getvalue()
    # The XML prologue and the licence metadata have no place inside a page.
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Equal images would share an id, and nothing refers to them by it.
    text = re.sub(r'(<image [^>]*?)\sid="[^"]*"', r"\1", text)
    text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace(style.INK, "currentColor")
    label = Markup('<svg role="img" aria-label="{}"').format(words)
    return Markup(text.replace("<svg", label, 1).strip())
