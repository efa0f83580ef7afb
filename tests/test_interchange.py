"""Showers to awkward arrays and tables and back, and showers of momenta."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import vector
from helpers.evaluations import make_flat, rings
from helpers.programs import GATED_MODEL
from helpers.samples import make_labelled, make_showers
from numpy.testing import assert_allclose, assert_array_equal

from calogan import interchange, runner
from calogan.conditions import Condition, Label, condition_columns
from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.showers import Showers


@pytest.fixture(scope="module")
def some() -> Showers:
    """Over a threshold; the third has no hit, two have weights."""
    showers = make_showers(30).apply_threshold(20.0)
    showers.energies[2] = 0
    weights = np.linspace(0.5, 2, 30).astype(np.float32)
    return replace(showers, weights=weights, units={"energy": "GeV", "theta": "rad"})


def same(found: Showers, expected: Showers) -> None:
    assert_array_equal(found.energies, expected.energies)
    for name, values in expected.conditions.items():
        assert_array_equal(found.conditions[name], values)
        assert found.unit(name) == expected.unit(name)
    assert found.conditions.keys() == expected.conditions.keys()
    assert_array_equal(found.weights, expected.weights)


def test_hits_are_the_cells_with_energy(some: Showers) -> None:
    events = interchange.to_awkward(some)
    assert len(events) == 30 and len(events.hits[2]) == 0
    assert_allclose(ak.sum(events.hits.energy, axis=1), some.energies.sum(axis=1), rtol=1e-6)
    assert_array_equal(ak.num(events.hits), (some.energies > 0).sum(axis=1))
    hit = events.hits[0, 0]
    assert_allclose([hit.x, hit.y, hit.z], some.geometry.centres[hit.voxel])
    assert hit.layer == some.geometry.layer_index[hit.voxel]
    assert ak.parameters(ak.flatten(events.hits.energy))["unit"] == "MeV"
    assert ak.parameters(events.theta)["unit"] == "rad"


@pytest.mark.parametrize("dropped", [set(), {"voxel"}, {"voxel", "layer"}, {"voxel", "z"}])
def test_awkward_arrays_come_back_by_voxel_layer_or_depth(some: Showers, dropped: set[str]) -> None:
    events = interchange.to_awkward(some)
    hits = events.hits[[name for name in ak.fields(events.hits) if name not in dropped]]
    found = interchange.from_awkward(ak.with_field(events, hits, "hits"), some.geometry)
    same(found, some)
    assert (found.overflow is None) == (not dropped)


def test_cylinders_without_depth_come_back() -> None:
    showers = replace(make_flat(rings(3), 20), units={"energy": "GeV"})
    same(interchange.from_awkward(interchange.to_awkward(showers), showers.geometry), showers)


def test_hits_beside_the_cells_are_overflow(some: Showers) -> None:
    hits = [[{"energy": 3.0, "x": 1000.0, "y": 0.0, "z": 10.0}], []]
    events = ak.zip({"energy": [5.0, 6.0], "hits": ak.Array(hits)}, depth_limit=1)
    found = interchange.from_awkward(events, some.geometry)
    assert found.energies.sum() == 0
    assert found.overflow is not None and found.overflow[0, 0] == 3.0


def test_arrow_and_parquet_keep_everything(some: Showers, tmp_path: Path) -> None:
    table = interchange.to_arrow(some)
    assert table.num_rows == 30
    assert table.schema.field("theta").metadata[b"unit"] == b"rad"
    pyarrow.parquet.write_table(table, tmp_path / "showers.parquet")
    back = pyarrow.parquet.read_table(tmp_path / "showers.parquet")
    inside = back.schema.field("hits").type.value_type
    assert inside.field("x").metadata[b"unit"] == b"mm"
    same(interchange.from_arrow(back, some.geometry), some)


def test_pandas_has_a_row_for_each_hit(some: Showers) -> None:
    table = interchange.to_pandas(some)
    assert len(table) == (some.energies > 0).sum()
    sums = table.groupby("event")["hit_energy"].sum()
    assert 2 not in sums.index
    assert_allclose(sums, some.energies.sum(axis=1)[sums.index], rtol=1e-5)
    assert table.loc[(5, 0), "energy"] == some.incident_energy[5]
    assert table.attrs["units"]["hit_energy"] == "MeV"
    filled = np.flatnonzero(some.energies.any(axis=1))
    shuffled = table.sample(frac=1, random_state=1)
    shuffled.attrs = table.attrs
    same(interchange.from_pandas(shuffled, some.geometry), some.select(filled))


def records(**changes: Any) -> ak.Array:
    hits = {"energy": [[1.0]], "x": [[0.0]], "y": [[0.0]], "z": [[10.0]]} | changes
    return ak.zip(
        {
            "energy": changes.pop("incident", [5.0]),
            "hits": ak.zip({n: v for n, v in hits.items() if v is not None and n != "incident"}),
        },
        depth_limit=1,
    )


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (ak.Array([{"energy": 1.0}]), r"have fields \['energy'\], expected 'hits'"),
        (records(z=None), "expected 'energy' with 'voxel', or with 'x', 'y'"),
        (records(z=[[np.nan]]), "hits.z has 1 values that are not finite; give hits their 'voxel'"),
        (records(energy=[[None]]), r"hits.energy is of type .*\?.*, expected a number"),
        (records(voxel=[[0.5]]), "hits.voxel is of type .*float64"),
        (records(voxel=[[99]]), "voxels up to 99"),
        (records(voxel=[[-1]]), "hits.voxel is below 0 for 1 hits, expected 0 to 15; leave"),
        (records(incident=["a"]), "energy is of type .*string, expected a number"),
        (records(energy=[[np.inf]]), "hits.energy has 1 values that are not finite$"),
    ],
)
def test_what_is_no_shower_is_said(events: ak.Array, message: str, some: Showers) -> None:
    with pytest.raises(CaloganError, match=message):
        interchange.from_awkward(events, some.geometry)


def test_other_units_are_refused(some: Showers) -> None:
    events = interchange.to_awkward(some)
    incident = ak.with_parameter(events.energy, "unit", "MeV")
    with pytest.raises(CaloganError, match="condition 'energy' is in MeV, expected GeV"):
        interchange.from_awkward(ak.with_field(events, incident, "energy"), some.geometry)
    table = interchange.to_pandas(some)
    table.attrs["units"]["x"] = "cm"
    table = table.drop(columns="voxel")
    with pytest.raises(CaloganError, match=r"hits\.x is in cm, expected mm"):
        interchange.from_pandas(table, some.geometry)


def test_tables_that_are_none(some: Showers, monkeypatch: pytest.MonkeyPatch) -> None:
    table = interchange.to_pandas(some)
    with pytest.raises(CaloganError, match=r"levels \[None\], expected 'event'"):
        interchange.from_pandas(table.reset_index(drop=True), some.geometry)
    with pytest.raises(CaloganError, match="none of them of hits"):
        interchange.from_pandas(table[["theta"]], some.geometry)
    changed = table.copy()
    changed.iloc[0, changed.columns.get_loc("theta")] = 9.0
    with pytest.raises(CaloganError, match="'theta' differs within an event"):
        interchange.from_pandas(changed, some.geometry)
    named = Showers(some.energies, {**some.conditions, "hits": some.incident_energy}, some.geometry)
    with pytest.raises(CaloganError, match="a condition is called 'hits'"):
        interchange.to_awkward(named)
    assert isinstance(table, pd.DataFrame)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(CaloganError, match=r"pandas is not installed.*calogan\[tables\]"):
        interchange.to_pandas(some)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """Energy 1..50 GeV and theta 0..0.35 rad."""
    return Generator.load(GATED_MODEL)


def test_showers_of_momenta_keep_their_structure(generator: Generator) -> None:
    vector.register_awkward()
    theta = ak.Array([[0.1, 0.2], [], [0.3]])
    energy = ak.Array([[10.0, 20.0], [], [30.0]])
    photons = vector.zip(
        {"E": energy, "theta": theta, "phi": theta * 0 + 1, "pt": energy * np.sin(theta)}
    )
    found = interchange.from_momenta(generator, photons, seed=4)
    assert ak.num(found).tolist() == [2, 0, 1]
    assert_allclose(ak.flatten(found.energy), [10, 20, 30], rtol=1e-6)
    assert_allclose(ak.flatten(found.theta), [0.1, 0.2, 0.3], rtol=1e-6)
    made = generator.sample({"energy": [10, 20, 30], "theta": [0.1, 0.2, 0.3]}, seed=4)
    sums = ak.sum(found.hits.energy, axis=-1)
    assert_allclose(ak.flatten(sums), made.energies.sum(axis=1), rtol=1e-5)
    nothing = interchange.from_momenta(generator, photons[1:2], seed=4)
    assert ak.num(nothing).tolist() == [0] and "hits" in ak.fields(nothing)
    one = interchange.from_momenta(generator, vector.obj(px=0, py=3, pz=4 * 3), seed=1)
    assert_allclose(one.theta, [np.arctan2(3, 12)], rtol=1e-6)


def test_the_energy_of_a_massive_particle_is_kinetic(generator: Generator) -> None:
    pions = vector.array({"px": [0.0], "py": [1.0], "pz": [5.0]})
    assert not hasattr(pions, "E")
    found = interchange.from_momenta(generator, pions, 1, mass=0.13957)
    assert_allclose(found.energy, np.sqrt(26 + 0.13957**2) - 0.13957, rtol=1e-6)
    turned = interchange.from_momenta(generator, pions, 1, conditions={"theta": 0.3})
    assert_allclose(turned.theta, [0.3], rtol=1e-6)


class Asked:
    """A generator that makes empty showers, and keeps what it was asked for."""

    def __init__(self, *conditions: Condition | Label) -> None:
        self.geometry = make_showers(1).geometry
        self.conditions = (Condition("energy", "GeV", 1, 50, "log"), *conditions)

    def sample(self, conditions: Mapping[str, Any], seed: int) -> Showers:
        self.asked = condition_columns(self.conditions, conditions, "generator")
        found = {name: values.astype(np.float32) for name, values in self.asked.items()}
        empty = np.zeros((len(found["energy"]), self.geometry.n_voxels), np.float32)
        return Showers(empty, found, self.geometry)


def test_angles_come_in_the_units_and_on_the_turn_of_the_generator() -> None:
    particles = vector.array({"px": [0.0, 0.0], "py": [-1.0, 1.0], "pz": [5.0, 5.0]})
    degrees = Asked(Condition("theta", "deg", 0, 20), Condition("phi", "deg", 0, 360))
    interchange.from_momenta(degrees, particles, 1)
    assert_allclose(degrees.asked["theta"], np.degrees(np.arctan2(1, 5)))
    assert_allclose(degrees.asked["phi"], [270, 90])
    around = Asked(Condition("phi", "rad", -np.pi, np.pi), Label("kind", (11, 22), ("e-", "gamma")))
    found = interchange.from_momenta(around, particles, 1, conditions={"kind": ["e-", "gamma"]})
    assert_allclose(around.asked["phi"], [-np.pi / 2, np.pi / 2])
    assert found.kind.tolist() == [11, 22]
    with pytest.raises(CaloganError, match="takes theta in 'turns', expected 'rad' or 'mrad' or"):
        interchange.from_momenta(Asked(Condition("theta", "turns", 0, 1)), particles, 1)
    turns = Asked(Condition("theta", "turns", 0, 1))
    interchange.from_momenta(turns, particles, 1, conditions={"theta": 0.05})
    assert_allclose(turns.asked["theta"], 0.05)


def test_momenta_that_cannot_be_are_refused(generator: Generator) -> None:
    with pytest.raises(CaloganError, match="ndarray, without px, py, pz"):
        interchange.from_momenta(generator, np.zeros((3, 4)), 1)
    with pytest.raises(CaloganError, match=r"takes energy 1\.\.50 GeV, was asked for 80 GeV"):
        interchange.from_momenta(
            generator, vector.array({"px": [0.0], "py": [0.0], "pz": [80.0]}), 1
        )
    deep = ak.Array([[[{"px": 0.0, "py": 0.0, "pz": 5.0}]]])
    with pytest.raises(CaloganError, match="momenta have 3 dimensions"):
        interchange.from_momenta(generator, deep, 1)
    with pytest.raises(CaloganError, match=r"knows no conditions \['eta'\]"):
        interchange.from_momenta(generator, deep[0, 0], 1, conditions={"eta": 1.0})


def test_the_cpp_runner_makes_showers_of_momenta_too() -> None:
    photon = vector.obj(px=0, py=1, pz=9)
    fast = runner.Generator.load(GATED_MODEL)
    (found,) = interchange.from_momenta(fast, photon, seed=3)
    made = fast.sample({"energy": np.hypot(1, 9), "theta": np.arctan2(1, 9)}, 3)
    assert_allclose(ak.sum(found.hits.energy), made.energies.sum(), rtol=1e-5)


def test_labels_and_dead_cells_come_back(tmp_path: Path) -> None:
    showers = make_labelled(30)
    dead = np.random.default_rng(2).uniform(size=showers.energies.shape) < 0.1
    dead[:5] = False
    showers = showers.without(dead)
    geometry = showers.geometry
    events = interchange.to_awkward(showers)
    assert_array_equal(ak.num(events.dead), dead.sum(axis=1))
    pyarrow.parquet.write_table(interchange.to_arrow(showers), tmp_path / "a.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    frame = interchange.to_pandas(showers)
    for found in (
        interchange.from_awkward(events, geometry),
        interchange.from_arrow(table, geometry),
        interchange.from_pandas(frame, geometry),
    ):
        assert found.labels == showers.labels
        assert_array_equal(found.conditions["particle"], showers.conditions["particle"])
        assert_array_equal(found.energies, showers.energies)
        assert found.conditions.keys() == showers.conditions.keys()
        if found.dead is not None:
            assert_array_equal(found.dead, dead)
    assert found.dead is None  # a table of hits has no place for it
    wrong = ak.with_field(events, ak.Array([[geometry.n_voxels]] * 30), "dead")
    with pytest.raises(CaloganError, match=f"dead has voxels {geometry.n_voxels} to .*has 0 to"):
        interchange.from_awkward(wrong, geometry)
