"""ROOT trees: what was written by a card's names is read by them, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from helpers.cylinders import CONDITIONS, LAYER, make_cylinder_showers
from helpers.rootfiles import write_fancy_tree, write_par04
from helpers.samples import make_card, make_showers

from calogan.card.keys import Card
from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.reading.pipeline import voxelize_files
from calogan.showers import Showers
from calogan.writing.convert import convert_file
from calogan.writing.formats import format_of
from calogan.writing.target import Names

ROOT = format_of("a.root")
PAR04 = format_of("a.root", "par04")
SOURCES = {
    "energy": {"unit": "GeV", "low": 1, "high": 50, "scale": "log", "branch": "E0",
               "source_unit": "MeV"},
    "theta": {"unit": "rad", "low": 0, "high": 2, "branch": "tilt", "source_unit": "deg"},
}  # fmt: skip


def sparse(showers: Showers) -> Showers:
    """With showers that light nothing, and cells without energy."""
    kept = np.where(showers.energies < np.median(showers.energies), 0, showers.energies)
    kept[3] = 0
    return replace(showers, energies=kept.astype(np.float32))


def there_and_back(showers: Showers, card: Card, folder: Path) -> Showers:
    store.save(showers, folder / "a.h5")
    found = convert_file(folder / "a.h5", folder / "b.root", ROOT, card=card)
    assert found.left_out == ()
    voxelize_files([folder / "b.root"], folder / "c.h5", card)
    return store.load(folder / "c.h5")


@pytest.mark.parametrize(
    "input",
    [
        {},
        {"layout": "xyz", "energy_unit": "GeV", "length_unit": "cm", "condition_tree": "beam"},
        {"layout": "xyz", "branches": {"layer": "plane", "energy": "dE"}, "energy_unit": "keV"},
        {"layout": "rphiz", "length_unit": "m", "angle_unit": "deg", "tree": "hits"},
        {"layout": "indices", "energy_unit": "GeV"},
        {"layout": "indices", "layer_numbers": [3, 1, 7, 5, 4]},
        {"layout": "cells", "cells": "v{}_e", "energy_unit": "keV"},
    ],
)
@pytest.mark.parametrize("shape", ["flat", "round"])
def test_every_layout_comes_back(input: dict[str, Any], shape: str, tmp_path: Path) -> None:
    if shape == "flat":
        if "layer_numbers" in input:
            input = {**input, "layer_numbers": input["layer_numbers"][:2]}
        showers, card = make_showers(50), make_card(input=input, conditions=SOURCES)
    else:
        showers = make_cylinder_showers(50)
        card = make_card(
            input=input,
            conditions=SOURCES,
            geometry={"name": "cylinders", "layers": [LAYER]},
            data={"mirror": []},
        )
    showers = sparse(showers)
    found = there_and_back(showers, card, tmp_path)
    np.testing.assert_array_equal(found.energies, showers.energies)
    assert found.overflow is not None and not found.overflow.any()
    for name, values in showers.conditions.items():
        np.testing.assert_array_equal(found.conditions[name], values)


def test_a_fancy_tree_comes_back_with_its_overflow(tmp_path: Path) -> None:
    """Names by the store alone: it says what it was read by."""
    path = write_fancy_tree(tmp_path / "eplus.root")
    card = load_card(preset="calogan_root")
    voxelize_files([path], tmp_path / "a.h5", card)
    found = convert_file(tmp_path / "a.h5", tmp_path / "b.root", ROOT)
    assert found.left_out == ()
    with uproot.open(path) as theirs, uproot.open(tmp_path / "b.root") as ours:
        old, new = (f["fancy_tree"].arrays(library="np") for f in (theirs, ours))
    assert set(old) == set(new)
    for name, values in old.items():
        np.testing.assert_array_equal(new[name], values.astype(np.float32), err_msg=name)


def test_par04_comes_back(tmp_path: Path) -> None:
    """From its file, by way of CaloChallenge files, to files like its own."""
    card = load_card(preset="par04")
    path = write_par04(tmp_path / "e-_8GeV_theta60.root")
    voxelize_files([path], tmp_path / "a.h5", card)
    convert_file(
        tmp_path / "a.h5", tmp_path / "b.h5", format_of("b.h5", "calochallenge"),
        particle="electron",
    )  # fmt: skip
    found = convert_file(tmp_path / "b.h5", tmp_path / "c_theta60.root", PAR04)
    assert found.left_out == ()
    with uproot.open(path) as theirs, uproot.open(tmp_path / "c_theta60.root") as ours:
        assert {"global", "virtualReadout"} == set(ours.keys(cycle=False))
        assert {"EnergyCell", "rhoCell", "phiCell", "zCell"} <= set(ours["virtualReadout"].keys())
        energy = ours["global"]["EnergyMC"].array(library="np")
        expected = theirs["global"]["EnergyMC"].array(library="np")
        np.testing.assert_allclose(energy, expected, rtol=1e-7)
        assert energy.dtype == np.float64
        # It stands in the file's name there, which is not ours to choose.
        theta = ours["global"]["theta"].array(library="np")
        np.testing.assert_allclose(theta, np.pi / 3, rtol=1e-6)
    voxelize_files([tmp_path / "c_theta60.root"], tmp_path / "d.h5", card)
    again, before = (store.load(tmp_path / name) for name in ("d.h5", "a.h5"))
    np.testing.assert_array_equal(again.energies, before.energies)
    np.testing.assert_array_equal(again.incident_energy, before.incident_energy)


def test_phi_of_par04_counts_from_minus_pi(tmp_path: Path) -> None:
    showers = make_cylinder_showers(20)
    sectors = {"low": 0, "high": 2 * np.pi, "n": 4}
    turned = Geometry.from_dict({"layers": [{**LAYER, "alpha": sectors}]})
    order = showers.geometry.voxels_of(turned)
    store.save(
        replace(showers, energies=showers.energies[:, order], geometry=turned), tmp_path / "a.h5"
    )
    convert_file(tmp_path / "a.h5", tmp_path / "b.root", PAR04)
    with uproot.open(tmp_path / "b.root") as file:
        hits = file["virtualReadout"].arrays(library="np")
    found = np.zeros_like(showers.energies)
    for event in range(20):
        z, rho, phi = (hits[name][event] for name in ("zCell", "rhoCell", "phiCell"))
        found[event, (z * 3 + rho) * 4 + phi] = hits["EnergyCell"][event]
    np.testing.assert_array_equal(found, showers.energies)


def test_without_a_card_or_depth(tmp_path: Path) -> None:
    """Hits name their layer, in the names that `calogan voxelize` reads on its own."""
    showers = make_cylinder_showers(20)
    layer = {key: value for key, value in LAYER.items() if key != "z"}
    shallow = Geometry.from_dict({"layers": [{**layer, "name": f"z{i}"} for i in range(5)]})
    showers = replace(showers, geometry=shallow, overflow=np.ones((20, 6), np.float32),
                      weights=np.ones(20, np.float32))  # fmt: skip
    store.save(showers, tmp_path / "a.h5")
    found = convert_file(tmp_path / "a.h5", tmp_path / "b.root", ROOT)
    assert found.left_out == ("energy outside the cells", "event weights")
    conditions = {name: {**values, "branch": f"gen_{name}"} for name, values in CONDITIONS.items()}
    card = make_card(
        input={"branches": {"layer": "hit_layer"}},
        geometry=shallow.to_dict(),
        conditions=conditions,
        data={"mirror": []},
    )
    voxelize_files([tmp_path / "b.root"], tmp_path / "c.h5", card)
    np.testing.assert_array_equal(store.load(tmp_path / "c.h5").energies, showers.energies)
    with pytest.raises(CaloganError, match="layer 'z0' of geometry 'unnamed' gives no depth"):
        convert_file(
            tmp_path / "a.h5", tmp_path / "d.root", ROOT,
            card=make_card(conditions=CONDITIONS),
        )  # fmt: skip


def test_what_root_cannot_hold(tmp_path: Path) -> None:
    showers = make_showers(10)
    store.save(showers, tmp_path / "flat.h5")
    store.save(replace(showers, energies=-showers.energies), tmp_path / "negative.h5")
    store.save(replace(showers, units={"theta": "deg"}), tmp_path / "degrees.h5")
    twice = {**SOURCES, "theta": {**SOURCES["theta"], "branch": "hit_energy"}}
    two = {"layout": "cells", "overflow_cells": ["a", "b", "c"]}
    for name, form, card, message in (
        ("flat", PAR04, None, "no mesh of Par04: layer 'front' has cartesian cells 3 x 4"),
        ("negative", ROOT, None, "16.* cells have negative energies, down to -"),
        ("degrees", ROOT, make_card(), "condition 'theta' is in deg, but in rad in the card"),
        ("flat", ROOT, make_card(conditions=twice), "branch 'hit_energy' would be there twice"),
        ("flat", ROOT, make_card(input=two), "names 3 branches, but geometry 'small' has 2 layers"),
    ):
        with pytest.raises(CaloganError, match=message):
            convert_file(tmp_path / f"{name}.h5", tmp_path / "out.root", form, card=card)
    assert len([*tmp_path.iterdir()]) == 3


def test_names_of_a_dialect_that_is_no_tree() -> None:
    card = load_card(preset="calochallenge")
    with pytest.raises(CaloganError, match="reads files of dialect calochallenge, which are not"):
        Names.of_card(card)
    provenance = card.model_dump(mode="json", include={"input", "conditions"})
    geometry = make_card().build_geometry()
    assert Names.of_provenance(provenance, geometry) is None
    assert Names.of_provenance({"input": {"tree": 3}, "conditions": {}}, geometry) is None
    assert Names.of_provenance({}, geometry) is None
    moved = make_card(input={"particle": {"px": "a", "py": "b", "pz": "c"}})
    with pytest.raises(CaloganError, match="reads hits in the detector's frame, but showers are"):
        Names.of_card(moved)
    assert Names.of_provenance(moved.model_dump(mode="json"), geometry) is None
    # Hits of a card by z have none where depth is not known.
    usual = make_card().model_dump(mode="json")
    assert Names.of_provenance(usual, geometry) is not None
    layers = [{**layer, "z": None} for layer in geometry.to_dict()["layers"]]
    assert Names.of_provenance(usual, Geometry.from_dict({"layers": layers})) is None


@pytest.mark.parametrize("layout", ["xyz", "cells"])
def test_dead_cells_have_a_branch_where_the_card_names_one(layout: str, tmp_path: Path) -> None:
    showers = make_showers(50)
    dead = np.random.default_rng(2).random(showers.energies.shape) < 0.2
    dead[4] = False
    showers = showers.without(dead)
    card = make_card(input={"layout": layout, "dead_branch": "broken"}, conditions=SOURCES)
    found = there_and_back(showers, card, tmp_path)
    assert found.dead is not None
    np.testing.assert_array_equal(found.dead, dead)
    np.testing.assert_array_equal(found.energies, showers.energies)
    unmarked = convert_file(tmp_path / "a.h5", tmp_path / "d.root", ROOT)
    assert unmarked.left_out == ("which cells are dead",)


def test_energy_in_no_layer_has_no_branch_and_that_is_said(tmp_path: Path) -> None:
    showers = make_showers(50)
    layers = showers.geometry.n_layers
    cells = [f"out_{k}" for k in range(layers)]
    card = make_card(input={"layout": "cells", "overflow_cells": cells}, conditions=SOURCES)
    overflow = np.ones((len(showers), layers + 1), np.float32)
    for last, left_out in ((0, ()), (7, ("energy outside the cells",))):
        overflow[:, -1] = last
        store.save(replace(showers, overflow=overflow), tmp_path / "a.h5")
        found = convert_file(tmp_path / "a.h5", tmp_path / "b.root", ROOT, card=card)
        assert found.left_out == left_out


@pytest.mark.parametrize("layout", ["cells", "indices", "xyz"])
def test_cells_by_number_are_those_of_the_card(layout: str, tmp_path: Path) -> None:
    """By way of the CaloChallenge's order, in which r runs fastest and alpha begins at -pi."""
    layer = {"system": "cylindrical", "r": {"low": 0, "high": 30, "n": 3}, "z": [0, 10],
             "alpha": {"low": 0, "high": 2 * np.pi, "n": 8}}  # fmt: skip
    card = make_card(
        input={"layout": layout, "dead_branch": "broken"},
        conditions=SOURCES,
        geometry={"name": "round", "layers": [layer]},
        data={"mirror": []},
    )
    rng = np.random.default_rng(1)
    columns = {"energy": np.full(20, 10, np.float32), "theta": np.ones(20, np.float32)}
    energies = rng.exponential(size=(20, 24)).astype(np.float32)
    showers = Showers(energies, columns, card.build_geometry(), units={"theta": "rad"})
    showers = showers.without(rng.random(energies.shape) < 0.1)
    there_and_back(showers, card, tmp_path)
    turned, binning = tmp_path / "t.h5", tmp_path / "t.xml"
    convert_file(tmp_path / "c.h5", turned, format_of(turned, "calochallenge"), particle="photon")
    ways: dict[str, tuple[Path, dict[str, Any]]] = {
        "by the card": (turned, {"card": card}),
        "by the store": (tmp_path / "c.h5", {"geometry": Geometry.load(binning)}),
    }
    for way, (source, options) in ways.items():
        convert_file(source, tmp_path / "u.root", ROOT, **options)
        voxelize_files([tmp_path / "u.root"], tmp_path / "v.h5", card)
        found = store.load(tmp_path / "v.h5")
        np.testing.assert_array_equal(found.energies, showers.energies, err_msg=way)
        np.testing.assert_array_equal(found.dead, showers.dead, err_msg=way)
    # Its numbers are no longer known: hits by their place, and what has none is said.
    found_ = convert_file(turned, tmp_path / "w.root", ROOT)
    assert found_.left_out == ("which cells are dead",)
    default = make_card(
        conditions={n: {**SOURCES[n], "branch": f"gen_{n}", "source_unit": None} for n in SOURCES},
        geometry={"name": "round", "layers": [layer]},
        data={"mirror": []},
    )
    voxelize_files([tmp_path / "w.root"], tmp_path / "x.h5", default)
    np.testing.assert_array_equal(store.load(tmp_path / "x.h5").energies, showers.energies)
