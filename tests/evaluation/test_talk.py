"""The first screen draws what metrics.json holds, of one evaluation and of several."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from helpers.evaluations import make_flat, quick, rings, without_classifiers
from matplotlib.figure import Figure

from calogan import style
from calogan.evaluation import talk
from calogan.evaluation.published import SUBMISSIONS
from calogan.evaluation.stored import Stored


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with style.drawing():
        yield


@pytest.fixture
def metrics() -> dict[str, Any]:
    """As read from a file."""
    found: dict[str, Any] = json.loads(json.dumps(quick().to_dict()))
    return found


def figures(*evaluations: Stored) -> dict[str, Figure]:
    return {shown.name: shown.figure for shown in talk.screen(evaluations)}


def test_what_is_stored_comes_back(metrics: dict[str, Any]) -> None:
    e, stored = quick(), Stored("GAN", metrics)
    bins = e.conditions[0]
    curve = stored.curve("resolution")
    np.testing.assert_array_equal(curve.edges, bins.edges)
    for which, values in (("reference", bins.resolution[0]), ("ratio", bins.resolution_ratio)):
        np.testing.assert_array_equal(getattr(curve, which), np.transpose(values))
    for c in e.comparisons:
        for found, expected in zip(
            stored.histograms(c.name), (c.reference, c.generated), strict=True
        ):
            np.testing.assert_allclose(found.values(flow=True), expected.values(flow=True))
            np.testing.assert_allclose(found.variances(flow=True), expected.variances(flow=True))
            assert found.axes[0].label == c.label


def test_the_curves_are_those_of_each_evaluation(metrics: dict[str, Any]) -> None:
    other = copy.deepcopy(metrics)
    for number in other["conditions"]["energy"]["response"]["ratio"]:
        number["value"] = 1.25
    one, two = Stored("GAN", metrics), Stored("VAE", other)
    below, main = figures(one, two)["talk-response"].axes
    shown = [container.lines[0] for container in below.containers]
    np.testing.assert_array_equal(shown[0].get_ydata(), one.curve("response").ratio[0])
    np.testing.assert_array_equal(
        shown[1].get_ydata(), [1.25] * len(one.curve("response").ratio[0])
    )
    assert (shown[0].get_xdata() < shown[1].get_xdata()).all()  # not one over the other
    assert len(main.containers) == 3  # full simulation once
    assert [t.get_text() for t in main.get_legend().get_texts()] == ["Geant4", "GAN", "VAE"]


def test_distributions_in_other_bins_are_left_out_and_said(metrics: dict[str, Any]) -> None:
    other = copy.deepcopy(metrics)
    other["observables"]["response"]["edges"] = [
        2 * edge for edge in other["observables"]["response"]["edges"]
    ]
    both = Stored("GAN", metrics), Stored("VAE", other)
    assert talk.unlike(both) == ["VAE"]
    drawn = figures(*both)
    for name, names in (("visible", ["Geant4", "GAN"]), ("cells", ["Geant4", "GAN", "VAE"])):
        main = drawn[f"talk-{name}"].axes[1]
        assert [t.get_text() for t in main.get_legend().get_texts()] == names
        assert len([p for p in main.patches if not p.get_fill()]) == len(names)


def test_aucs_stand_over_the_published_ones(metrics: dict[str, Any]) -> None:
    full = copy.deepcopy(metrics)
    full["classifiers"]["voxels"] = {**full["classifiers"]["quick_voxels"]}
    full["classifiers"]["voxels"]["auc"] = {"value": 0.8, "uncertainty": 0.01}
    axes = figures(Stored("small", metrics), Stored("full", full))["talk-auc"].axes[0]
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names[:2] == ["small", "full"] and names[2:] == [p.label for p in SUBMISSIONS]
    assert "CaloINN (flow, dataset 2)" in names
    marks = [c.lines[0] for c in axes.containers]  # features and voxels of each
    by_row = {(m.get_ydata()[0], m.get_marker()): m for m in marks}
    voxels = by_row[1, "s"]
    assert voxels.get_xdata()[0] == 0.8 and voxels.get_markerfacecolor() != "none"
    hollow = by_row[0, "s"]
    assert hollow.get_xdata()[0] == metrics["classifiers"]["quick_voxels"]["auc"]["value"]
    assert hollow.get_markerfacecolor() == "none"


def test_published_values_are_areas_under_curves() -> None:
    assert all(0.5 <= x <= 1 for p in SUBMISSIONS for x in (p.voxels, p.features))
    assert len({(p.name, p.dataset) for p in SUBMISSIONS}) == len(SUBMISSIONS)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_other_geometries_and_missing_classifiers(n_layers: int) -> None:
    geometry = rings(n_layers)
    e = without_classifiers(make_flat(geometry, seed=1), make_flat(geometry, seed=2))
    stored = Stored("GAN", e.to_dict())
    assert talk.distributions(stored)[1] == "width_r[layer_0]"  # where most of the energy is
    for figure in figures(stored).values():
        figure.draw_without_rendering()
