"""Figures of showers show the numbers of the showers, in axes of anyone's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hist
import matplotlib
import numpy as np
import pytest
from helpers.evaluations import make_flat, make_pair, quick, rings
from helpers.samples import make_labelled, make_showers
from matplotlib.figure import Figure

from calogan import plots
from calogan.errors import CaloganError
from calogan.features import layer_fractions, response
from calogan.showers import Showers


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with plots.drawing():
        yield


@pytest.fixture(scope="module")
def pair() -> dict[str, Showers]:
    real, fake = make_pair(400)
    return {"Geant4": real, "GAN": fake}


def texts(figure: Figure) -> str:
    found = [figure.get_suptitle()]
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title()]
        legend = axes.get_legend()
        found += [t.get_text() for t in legend.get_texts()] if legend else []
    return "\n".join(found)


def test_a_histogram_counts_every_shower_once(showers: Showers) -> None:
    found = plots.histogram(showers, "response", np.linspace(0, 2, 11))
    assert isinstance(found, hist.Hist)
    expected, _ = np.histogram(response(showers), np.linspace(0, 2, 11))
    n = len(showers)
    np.testing.assert_allclose(found.values(), expected / n)
    np.testing.assert_allclose(found.variances(), expected / n**2)
    assert found.axes[0].label == "visible / incident energy"
    made = plots.histogram(showers, "response").values(flow=True)
    assert made.sum() == pytest.approx(1) and (made[1:-1] > 0).sum() > 5


def test_weights_count_as_copies_do(showers: Showers) -> None:
    copies = np.arange(len(showers)) % 3
    weighted = replace(showers, weights=copies.astype(np.float32))
    copied = showers.select(np.repeat(np.arange(len(showers)), copies))
    edges = np.geomspace(1, 1000, 6)
    for make in (
        lambda s: plots.histogram(s, "cell_energy", edges),
        lambda s: plots.profile(s, "longitudinal"),
    ):
        np.testing.assert_allclose(make(weighted).values(), make(copied).values(), rtol=1e-9)
        # The copies are no further showers.
        assert (make(weighted).variances() > make(copied).variances()).all()
    with pytest.raises(CaloganError, match="weights of 600 showers sum to 0"):
        plots.histogram(replace(showers, weights=np.zeros(600, np.float32)), "response")
    with pytest.raises(CaloganError, match="there are no showers"):
        plots.profile(showers.select(slice(0)), "longitudinal")


def test_a_profile_has_the_mean_and_its_error(showers: Showers) -> None:
    found = plots.profile(showers, "longitudinal")
    fractions = layer_fractions(showers)
    np.testing.assert_allclose(found.values(), fractions.mean(axis=0))
    error = fractions.std(axis=0) / np.sqrt(len(showers))
    np.testing.assert_allclose(np.sqrt(found.variances()), error)
    across = plots.profile(showers, "y[front]")
    np.testing.assert_allclose(across.sum().value, found.values()[0], rtol=1e-5)


def test_spectra_show_the_histograms_of_an_evaluation() -> None:
    real, fake = (s.apply_threshold(0.1) for s in make_pair(700))
    names = ["response", "width_x[front]", "cell_energy"]
    figure = plots.spectra({"real": real, "GAN": fake}, names, threshold=0.1)
    by_name = {c.name: c for c in quick().comparisons}
    assert len(figure.axes) == 2 * len(names)
    for main, name in zip(figure.axes[1::2], names, strict=True):
        lines = [p for p in main.patches if not p.get_fill()]
        for line, expected in zip(
            lines, (by_name[name].reference, by_name[name].generated), strict=True
        ):
            values, edges, _ = line.get_data()
            np.testing.assert_allclose(values, expected.values())
            np.testing.assert_allclose(edges, expected.axes[0].edges)
    for words in ("visible / incident energy", "width in x [mm]", "cell energy [MeV]", "GAN"):
        assert words in texts(figure)


def test_profiles_show_means_and_ratios(pair: dict[str, Showers]) -> None:
    figure = plots.profiles(pair, ["longitudinal"])
    below, main = figure.axes
    means = [plots.profile(showers, "longitudinal").values() for showers in pair.values()]
    np.testing.assert_allclose(below.containers[0].lines[0].get_ydata(), means[1] / means[0])
    assert [t.get_text() for t in below.get_xticklabels()] == ["front", "back"]
    assert main.get_ylabel() == "energy / incident energy"
    everything = plots.profiles(pair["GAN"])
    assert len(everything.axes) == 5  # along, and both axes of both layers; no ratio
    assert "front: x [mm]" in texts(everything) and everything.axes[1].get_yscale() == "log"


def test_averages_show_the_mean_of_every_cell(pair: dict[str, Showers]) -> None:
    figure = plots.averages(pair, [1])
    shown = [axes.collections[0].get_array() for axes in figure.axes[:3]]
    layer = pair["GAN"].geometry.grids[1]
    means = [s.energies.mean(axis=0)[layer] for s in pair.values()]
    np.testing.assert_allclose(shown[0], means[0], rtol=1e-5)
    np.testing.assert_allclose(shown[1], means[1], rtol=1e-5)
    known = ~shown[2].mask
    assert known.any()
    np.testing.assert_allclose(shown[2][known], np.log2(means[1] / means[0])[known], rtol=1e-4)
    assert "GAN / Geant4" in texts(figure) and "back: y [mm]" in texts(figure)
    alone = plots.averages(pair["GAN"])
    assert len(alone.axes) == 4  # two layers and their colour bars


def test_an_event_stands_with_its_conditions(pair: dict[str, Showers]) -> None:
    figure = plots.event(pair, 7)
    energy = pair["GAN"].incident_energy[7]
    assert figure.get_suptitle().startswith(f"energy {energy:.3g} GeV, theta ")
    assert "GAN, back" in texts(figure)
    front = pair["GAN"].energies[7][pair["GAN"].geometry.grids[0]]
    shown = figure.axes[2].collections[0].get_array()
    np.testing.assert_allclose(shown.filled(0), front)
    other = {"first": pair["GAN"].select([7]), "second": pair["GAN"].select([8])}
    figure = plots.event(other)
    assert not figure.get_suptitle() and f"first (energy {energy:.3g} GeV" in texts(figure)
    figure = plots.event(make_labelled(5), 1)
    assert figure.get_suptitle().endswith((", particle e- (11)", ", particle gamma (22)"))


def test_what_is_drawn_goes_into_axes_of_others(pair: dict[str, Showers]) -> None:
    figure = Figure()
    grid = figure.subplots(2, 3)
    given = [(grid[0, 0], grid[1, 0]), grid[0, 1]]
    assert plots.spectra(pair, ["response", "n_cells"], axes=given) is figure
    assert grid[1, 0].get_ylabel() == "ratio" and grid[0, 1].get_xlabel() == "cells over threshold"
    assert plots.profiles(pair, ["x[front]"], axes=[grid[0, 2]]) is figure
    alone = pair["GAN"]
    assert plots.event(alone, 1, [0, 1], axes=grid[1, 1:]) is figure
    assert not figure.get_suptitle()
    figure.draw_without_rendering()


@pytest.mark.parametrize("n_layers", [1, 12])
def test_cylinders_and_empty_layers_can_be_drawn(n_layers: int) -> None:
    showers = make_flat(rings(n_layers), 20)
    showers.energies[:, showers.geometry.slices[-1]] = 0
    both = {"a": showers, "b": make_flat(rings(n_layers), 20, seed=2)}
    figures = [
        *(plots.averages(both), plots.event(both), plots.profiles(both)),
        plots.spectra(both, ["response", f"width_r[layer_{n_layers - 1}]", "cell_energy"]),
    ]
    for figure in figures:
        figure.draw_without_rendering()
    assert len(plots.event(showers).axes) == min(n_layers, 4) + 1


def test_a_style_of_mplhep_gives_letters_and_size() -> None:
    showers = make_showers(50)
    house = plots.spectra(showers)
    with plots.drawing("LHCb2"):
        figure = plots.spectra(showers)
        assert figure.axes[0].xaxis.label.get_size() == 32
        assert matplotlib.rcParams["font.family"] == ["serif"]
    np.testing.assert_allclose(figure.get_size_inches(), 3.2 * house.get_size_inches())
    assert matplotlib.rcParams["axes.labelsize"] == 10
    with (
        pytest.raises(CaloganError, match=r"no style 'Atlas'; nearest: 'ATLAS'.*all: \['ALICE'"),
        plots.drawing("Atlas"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "start"), [("a.svg", b"<?xml"), ("b.PNG", b"\x89PNG"), ("c.pdf", b"%PDF")]
)
def test_files_are_the_same_each_time(tmp_path: Path, name: str, start: bytes) -> None:
    contents = []
    for folder in ("first", "second"):
        plots.save(plots.spectra(make_showers(50)), tmp_path / folder / name)
        contents.append((tmp_path / folder / name).read_bytes())
    assert contents[0].startswith(start) and contents[0] == contents[1]


def test_what_cannot_be_drawn_is_said(pair: dict[str, Showers], tmp_path: Path) -> None:
    one = pair["GAN"]
    wrong = {
        r"no observable 'widht_x\[front\]'; nearest: 'width_x\[front\]'": lambda: plots.spectra(
            one, ["widht_x[front]"]
        ),
        r"no profile 'along'; .* all: longitudinal, x\[front\]": lambda: plots.profiles(
            one, ["along"]
        ),
        "geometries differ: a has 'rings' with 24 voxels, b 'small' with 16": lambda: (
            plots.averages({"a": make_flat(rings(2), 5), "b": one})
        ),
        "no layer 2, geometry 'small' has 0 to 1": lambda: plots.averages(one, [2]),
        "no layers to draw": lambda: plots.event(one, 0, []),
        "Geant4 has 400 showers, so there is no event 400": lambda: plots.event(pair, 400),
        "sample 'none' has no showers": lambda: plots.spectra({"none": one.select(slice(0))}),
        "no samples to draw": lambda: plots.spectra({}),
        "no observables to draw": lambda: plots.spectra(one, []),
        "8 samples, expected 7 at most": lambda: plots.spectra({str(i): one for i in range(8)}),
        "1 axes for 2 observables": lambda: plots.spectra(
            one, ["response", "n_cells"], axes=[Figure().add_subplot()]
        ),
        r"axes of shape \(1,\), expected \(1, 2\)": lambda: plots.event(
            one, axes=np.array([Figure().add_subplot()])
        ),
        "its ending is '.jpg', expected .pdf, .png, .svg": lambda: plots.save(
            Figure(), tmp_path / "a.jpg"
        ),
    }
    for message, call in wrong.items():
        with pytest.raises(CaloganError, match=message):
            call()


def test_what_is_dead_in_one_sample_is_dark_in_all(pair: dict[str, Showers]) -> None:
    real, fake = pair.values()
    dead = np.random.default_rng(5).uniform(size=real.energies.shape) < 0.2
    with_dead = {"Geant4": real.without(dead), "GAN": fake}
    both = {"Geant4": real.without(dead), "GAN": fake.without(dead)}
    for draw in (
        lambda samples: plots.averages(samples, [0]).axes[1].collections[0].get_array(),
        lambda samples: plots.profiles(samples, ["longitudinal"]).axes[0].containers[0].lines[0],
        lambda samples: plots.spectra(samples, ["response"]).axes[1].patches[-1].get_path(),
    ):
        found, expected, plain = (_numbers(draw(s)) for s in (with_dead, both, pair))
        np.testing.assert_array_equal(found, expected)
        assert found.shape != plain.shape or (found != plain).any()
    others = {"Geant4": real.without(dead), "GAN": fake.select(slice(None, None, -1))}
    with pytest.raises(
        CaloganError, match="'Geant4' has dead cells, but showers of 'GAN' have oth"
    ):
        plots.spectra(others)
    plots.event(others)
    plots.spectra(real.without(dead))


def _numbers(drawn: Any) -> np.ndarray[Any, Any]:
    if hasattr(drawn, "vertices"):
        return np.asarray(drawn.vertices)
    return np.ma.filled(drawn.get_ydata() if hasattr(drawn, "get_ydata") else drawn, -1.0)


def test_events_say_their_labels_by_name() -> None:
    showers = make_labelled(20, seed=2)
    photon = int(np.flatnonzero(showers.conditions["particle"] == 22)[0])
    assert "particle gamma (22)" in texts(plots.event(showers, photon))
