"""What is wrong with a store is found, and nothing where nothing is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.rootfiles import SAMPLE
from helpers.samples import make_labelled

from calogan.card.loading import load_card
from calogan.checking.cells import dark_layers, dead_cells, hot_cells
from calogan.checking.findings import Finding, check
from calogan.checking.page import _distributions
from calogan.checking.scan import scan
from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.reading.pipeline import voxelize_files
from calogan.showers import Showers


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand photons of Geant4."""
    path = tmp_path_factory.mktemp("check") / "sample.h5"
    voxelize_files([SAMPLE], path, load_card())
    return path


def found(*paths: Path, **options: Any) -> dict[str, Finding]:
    """What is not fine, by the question."""
    every = check([scan(path) for path in paths], **options)
    return {f.name: f for f in every if f.level != "fine"}


def altered(path: Path, folder: Path, name: str = "b.h5", **changes: Any) -> Path:
    store.save(replace(store.load(path), **changes), folder / name)
    return folder / name


def test_a_sample_of_geant4_is_fine(sample: Path) -> None:
    assert found(sample) == {}


def test_dead_and_hot_cells_are_named(sample: Path, tmp_path: Path) -> None:
    showers = store.load(sample)
    _, middle, back = showers.geometry.grids
    energies = showers.energies.copy()
    for cell in (middle[6, 5], middle[6, 4], middle[3, 8]):
        energies[:, cell] = 0
    energies[::2, back[1, 0]] = 3
    bad = altered(sample, tmp_path, energies=energies)
    answers = found(bad)
    assert set(answers) == {"dead cells", "hot cells"}
    assert {a.level for a in answers.values()} == {"wrong"}
    assert answers["dead cells"].words.startswith("3 of ")
    for place in ("middle [3, 8] (0 showers)", "middle [6, 4]", "middle [6, 5]"):
        assert place in answers["dead cells"].words
    assert "back [1, 0] (501 showers)" in answers["hot cells"].words


def test_cells_of_rings(tmp_path: Path) -> None:
    """Alpha comes round: a dead first sector is seen by its neighbours; n_alpha = 1 has none."""
    layer = {"system": "cylindrical", "r": {"low": 0, "high": 8, "n": 8}}
    full = {"low": -np.pi, "high": np.pi}
    geometry = Geometry.from_dict(
        {"layers": [{**layer, "alpha": {**full, "n": n}} for n in (6, 1)]}
    )
    lit = np.rint(2000 * np.exp(-geometry.radii / 2)).astype(int)
    read = np.full_like(lit, 2000)
    assert dead_cells(lit, read, geometry)[0].size == hot_cells(lit, read, geometry).size == 0
    killed = lit.copy()
    killed[[geometry.grids[0][2, 0], geometry.grids[1][3, 0]]] = 0
    dead, judged = dead_cells(killed, read, geometry)
    assert dead.tolist() == [geometry.grids[0][2, 0], geometry.grids[1][3, 0]]
    assert judged == geometry.n_voxels
    killed[geometry.grids[0][6, 5]] = 1500
    assert hot_cells(killed, read, geometry).tolist() == [geometry.grids[0][6, 5]]
    assert dead_cells(np.minimum(lit, 3), read, geometry)[1] == 0


def test_cells_that_are_marked_as_dead_are_not_judged_by_the_rest(
    sample: Path, tmp_path: Path
) -> None:
    """Marked in all showers but four, in every second one, and a whole layer in all."""
    showers = store.load(sample)
    _, middle, back = showers.geometry.grids
    dead = np.zeros(showers.energies.shape, np.bool_)
    dead[:, middle.ravel()[::5]] = True
    for cell in middle.ravel()[::5].tolist():
        dead[np.random.default_rng(cell).choice(len(showers), 4), cell] = False
    dead[::2, middle.ravel()[2::5]] = True
    dead[:, back] = True
    store.save(showers.without(dead), tmp_path / "marked.h5")
    assert found(tmp_path / "marked.h5") == {}
    store.save(showers.without(dead & (showers.geometry.layer_index == 2)), tmp_path / "back.h5")
    assert found(tmp_path / "back.h5") == {}


@pytest.mark.parametrize("factor, words", [(1e3, "206.*are the deposits in MeV"), (1e-4, "MeV")])
def test_wrong_units(sample: Path, tmp_path: Path, factor: float, words: str) -> None:
    energies = store.load(sample).energies * np.float32(factor)
    answer = found(altered(sample, tmp_path, energies=energies))["visible fraction"]
    assert answer.level == "wrong"
    assert re.search(words, answer.words)


def test_some_showers_over_one_are_to_be_looked_at(sample: Path, tmp_path: Path) -> None:
    energies = store.load(sample).energies.copy()
    energies[:3] *= 10
    answer = found(altered(sample, tmp_path, energies=energies))["visible fraction"]
    assert answer.level == "look" and "over 1 in 3 of 1,000 showers" in answer.words


def test_duplicates_and_overlap(sample: Path, tmp_path: Path) -> None:
    showers = store.load(sample)
    twice = np.r_[np.arange(50), 7, 8]
    store.save(showers.select(twice), tmp_path / "twice.h5")
    answer = found(tmp_path / "twice.h5")["duplicates"]
    assert answer.level == "wrong"
    assert answer.words == "2 showers are there before: 50 is 7, 51 is 8"
    for name, rows in (("a", slice(0, 600)), ("b", slice(500, 1000))):
        part = replace(showers.select(rows), provenance={})
        store.save(part, tmp_path / f"{name}.h5")
    answers = found(tmp_path / "a.h5", tmp_path / "b.h5")
    assert set(answers) == {"showers in both"}
    assert answers["showers in both"].words.startswith("100 showers are in both")
    # Another threshold hides the showers, not the files.
    store.save(showers.select(slice(0, 500)), tmp_path / "c.h5")
    store.save(showers.apply_threshold(1.0).select(slice(0, 500)), tmp_path / "d.h5")
    answers = found(tmp_path / "c.h5", tmp_path / "d.h5")
    assert set(answers) == {"input files in both"}
    assert "photons_22.root" in answers["input files in both"].words


def test_showers_of_a_generator_share_no_files(sample: Path, tmp_path: Path) -> None:
    """They name those that it was trained on."""
    showers = store.load(sample)
    made = {"command": "generate", "inputs_sha256": showers.provenance["inputs_sha256"]}
    shifted = showers.energies * np.float32(1.01)
    store.save(replace(showers, energies=shifted, provenance=made), tmp_path / "made.h5")
    assert found(sample, tmp_path / "made.h5") == {}


def test_empty_showers_are_no_duplicates(sample: Path, tmp_path: Path) -> None:
    energies = store.load(sample).energies.copy()
    energies[::10] = 0
    energy = np.full(1000, 20, np.float32)
    theta = store.load(sample).conditions["theta"]
    path = altered(sample, tmp_path, energies=energies,
                   conditions={"energy": energy, "theta": theta})  # fmt: skip
    answers = found(path)
    assert set(answers) == {"empty showers"}
    assert answers["empty showers"].words == "100 of 1,000 light no cell (10.00%)"


def test_ranges_of_the_card(sample: Path, tmp_path: Path) -> None:
    """By the card of voxelize, or another one."""
    showers = store.load(sample)
    energy = showers.incident_energy.copy()
    energy[[17, 90]] = 300
    path = altered(sample, tmp_path, conditions={**showers.conditions, "energy": energy})
    answer = found(path)["range of energy"]
    assert answer.level == "wrong"
    assert "allowed 1..50 GeV; 2 outside, first in shower 17" in answer.words
    energy[:] = 0
    none = altered(sample, tmp_path, "none.h5", conditions={**showers.conditions, "energy": energy})
    answers = found(none)
    assert answers["visible fraction"].level == answers["range of energy"].level == "wrong"
    degrees = [Condition("energy", "GeV", 1, 500, "log"), Condition("theta", "deg", 0, 20)]
    answer = found(sample, conditions=degrees)["range of theta"]
    assert "rad, allowed 0..20 deg; 1,000 outside" in answer.words
    wide = [Condition("energy", "GeV", 1, 500, "log"), Condition("eta", "", 0, 1)]
    answers = found(path, conditions=wide)
    assert set(answers) == {"range of eta"}
    assert answers["range of eta"].words == "the store has none, only ['energy', 'theta']"


def test_layers_that_showers_hardly_reach_are_no_fault(tmp_path: Path) -> None:
    axes = {"low": -1, "high": 1, "n": 1}
    layer = {"system": "cartesian", "x": axes, "y": axes}
    geometry = Geometry.from_dict({"layers": [layer] * 8})
    lit = np.array([500, 900, 300, 60, 9, 0, 1, 0])
    assert dark_layers(lit, geometry).size == 0
    for k in (0, 2):
        lit[k] = 0
    assert dark_layers(lit, geometry).tolist() == [0, 2]
    assert dark_layers(np.array([0, 7] + [0] * 6), geometry).tolist() == [0, *range(2, 8)]
    energies = np.zeros((200, 8), np.float32)
    for k, n in enumerate((200, 200, 60, 10, 2, 0, 1, 0)):
        energies[:n, k] = 1 + np.arange(n)
    showers = Showers(energies, {"energy": np.full(200, 10, np.float32)}, geometry)
    store.save(showers, tmp_path / "shallow.h5")
    answer = found(tmp_path / "shallow.h5")["dark layers"]
    assert answer.level == "look"
    assert "the layers beside hardly have any" in answer.words


def test_negative_dark_and_outside(sample: Path, tmp_path: Path) -> None:
    showers = store.load(sample)
    energies = showers.energies.copy()
    energies[:, showers.geometry.slices[2]] = 0
    energies[5, 0] = -1
    assert showers.overflow is not None
    overflow = showers.overflow.copy()
    overflow[:, 0] = energies.sum(axis=1)
    answers = found(altered(sample, tmp_path, energies=energies, overflow=overflow))
    assert answers["negative energies"].words.startswith("1 cells")
    assert answers["dark layers"].level == "wrong"
    assert "no shower has energy in back" in answers["dark layers"].words
    assert answers["energy outside the cells"].level == "look"
    assert "50.000% of the energy" in answers["energy outside the cells"].words


def test_too_few_to_judge(sample: Path, tmp_path: Path) -> None:
    store.save(store.load(sample).select(slice(0, 20)), tmp_path / "few.h5")
    answer = found(tmp_path / "few.h5")["dead cells"]
    assert (answer.level, answer.words) == ("look", "too few showers to judge any cell")


def test_other_cells_cannot_be_compared(sample: Path, tmp_path: Path) -> None:
    layer = {"x": {"low": 0, "high": 1, "n": 3}, "y": {"low": 0, "high": 1, "n": 3}}
    geometry = Geometry.from_dict({"layers": [layer]})
    made = Showers(np.full((40, 9), 30, np.float32), {"energy": np.full(40, 5, np.float32)},
                   geometry)  # fmt: skip
    store.save(made, tmp_path / "other.h5")
    answers = found(sample, tmp_path / "other.h5")
    assert answers["showers in both"].level == "look"
    assert "their cells differ" in answers["showers in both"].words
    h5py.File(tmp_path / "none.h5", "w").close()
    with pytest.raises(CaloganError, match="no dataset 'incident_energies'"):
        scan(tmp_path / "none.h5")


def test_a_scan_in_pieces_is_the_whole(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scan(sample)
    monkeypatch.setattr("calogan.checking.scan.BLOCK_BYTES", 4 * whole.geometry.n_voxels * 300)
    seen: list[float] = []
    pieces = scan(sample, progress=seen.append)
    assert seen == [0.3, 0.6, 0.9, 1.0]
    for name in ("lit", "visible", "fingerprints"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    np.testing.assert_allclose(pieces.energy, whole.energy, rtol=1e-12)
    np.testing.assert_array_equal(pieces.conditions["theta"], whole.conditions["theta"])
    assert pieces.outside == pytest.approx(whole.outside)


def test_labels_are_drawn_by_name(tmp_path: Path) -> None:
    showers = make_labelled(60)
    store.save(showers, tmp_path / "a.h5")
    others = {**showers.conditions, "particle": np.full(60, 13, np.float32)}
    store.save(replace(showers, conditions=others), tmp_path / "b.h5")
    one, two = (scan(tmp_path / name) for name in ("a.h5", "b.h5"))
    for scans, names in (([one], ["e-", "gamma"]), ([one, two], ["e-", "gamma", "others"])):
        figure = _distributions(scans)
        panel = next(axes for axes in figure.axes if axes.get_xlabel() == "particle")
        assert [tick.get_text() for tick in panel.get_xticklabels()] == names
        photons = (showers.conditions["particle"] == 22).mean()
        shown = panel.patches[0].get_data().values
        np.testing.assert_allclose(shown[:2], [1 - photons, photons])
        if len(scans) == 2:
            np.testing.assert_array_equal(panel.patches[1].get_data().values, [0, 0, 1])
