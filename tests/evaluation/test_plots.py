"""Figures show what they were given, in any geometry, and leave nothing open."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from helpers.evaluations import make_flat, quick, rings, without_classifiers
from matplotlib.figure import Figure

from calogan import panels, style
from calogan.evaluation import plots
from calogan.training import curves


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with style.drawing():
        yield


def texts(figure: Figure) -> str:
    found = [t.get_text() for axes in figure.axes for t in axes.texts]
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title()]
        legend = axes.get_legend()
        found += [t.get_text() for t in legend.get_texts()] if legend else []
    return "\n".join(found)


def test_response_and_resolution_show_the_ratios() -> None:
    bins = quick().conditions[0]
    figure = plots.response_and_resolution(bins)
    main, below = figure.axes[1], figure.axes[0]
    assert below.get_xscale() == "log"
    assert "incident energy [GeV]" in texts(figure) and "Geant4" in texts(figure)
    shown = below.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(shown, [r.value for r in bins.response_ratio])
    low, high = below.get_ylim()
    assert low < 1 < high and low + high == pytest.approx(2)
    assert main.get_ylim()[0] > 0.1


def test_histograms_say_their_separation_power() -> None:
    found = [c for c in quick().comparisons if c.group == "width"]
    figure = plots.histograms(found)
    for c in found:
        assert c.label in texts(figure)
        assert f"separation {c.separation}" in texts(figure)
    assert sum(axes.axison for axes in figure.axes) == 2 * len(found)


def test_a_spectrum_is_logarithmic() -> None:
    figure = plots.histograms([c for c in quick().comparisons if c.group == "cell_energy"])
    assert figure.axes[1].get_yscale() == figure.axes[1].get_xscale() == "log"
    assert "cell energy [MeV]" in texts(figure)


@pytest.mark.parametrize("n_layers", [1, 12])
def test_every_figure_of_cylinders_can_be_drawn(n_layers: int) -> None:
    geometry = rings(n_layers)
    e = without_classifiers(make_flat(geometry, seed=1), make_flat(geometry, seed=2))
    layers = panels.spread(n_layers, 2)
    figures = [
        plots.profiles(e.profiles[:2], log=True),
        plots.average_showers(e.pictures, geometry, layers),
        plots.events(e.pictures, geometry, layers),
        plots.correlations(e.correlations, geometry),
        plots.roc(e.classifiers),
    ]
    for figure in figures:
        figure.draw_without_rendering()
    assert "layer_0: y [mm]" in texts(figures[1])
    # Rings are round: the picture reaches as far in x as in y, and to the outer radius.
    box = figures[1].axes[0].dataLim
    np.testing.assert_allclose([box.x0, box.x1, box.y0, box.y1], [-30, 30, -30, 30], rtol=0.01)


def test_nothing_in_a_layer_can_be_drawn() -> None:
    geometry = rings(2)
    showers = make_flat(geometry)
    showers.energies[:, geometry.slices[1]] = 0
    e = without_classifiers(showers, showers)
    for figure in (
        plots.average_showers(e.pictures, geometry, [0, 1]),
        plots.events(e.pictures, geometry, [0, 1]),
        plots.profiles(e.profiles, log=True),
        plots.histograms([c for c in e.comparisons if c.layer == 1]),
        plots.correlations(e.correlations, geometry),
    ):
        figure.draw_without_rendering()


def test_layers_are_spread_evenly() -> None:
    assert panels.spread(3, 4) == [0, 1, 2]
    assert panels.spread(45, 4) == [0, 15, 29, 44]
    assert panels.spread(1, 4) == [0]


def test_the_style_is_left_as_it_was() -> None:
    with matplotlib.rc_context({"font.size": 33.0}):
        with style.drawing():
            assert matplotlib.rcParams["font.size"] == 10
        assert matplotlib.rcParams["font.size"] == 33


def test_curves_hold_losses_scores_and_the_update_kept() -> None:
    first = {"update": 4, "critic_loss": 1.0, "score_gap": 0.3}
    scored = {
        **{"update": 8, "critic_loss": 0.9, "score_gap": 0.2, "validation_score": 2.0},
        **{"validation_score_recall": 1.5, "validation_auc": 0.8, "validation_diversity": 0.4},
        "warning": "mode collapse: ...",
    }
    with style.drawing():
        figure = curves.training_curves([first, scored], 8)
        nothing = curves.training_curves([first], None)
    shown = [[line.get_label() for line in axes.lines] for axes in figure.axes]
    assert "critic" in shown[0]
    assert {"score", "recall"} <= set(shown[1]) and "gap" not in shown[1]
    assert len(figure.axes[1].patches) == 1  # the alarm
    assert "update 8" in figure.get_suptitle()
    assert "kept" not in nothing.get_suptitle()
