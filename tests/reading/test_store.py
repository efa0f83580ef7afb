from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.samples import make_showers

from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.reading.store import StoreWriter
from calogan.showers import Showers

CONDITIONS = [("energy", "GeV"), ("theta", "rad")]


@pytest.fixture
def sample() -> Showers:
    showers = make_showers(50)
    overflow = np.arange(150, dtype=np.float32).reshape(50, 3)
    return Showers(showers.energies, showers.conditions, showers.geometry, overflow, {"a": 1})


@pytest.fixture
def path(tmp_path: Path, sample: Showers) -> Path:
    store.save(sample, tmp_path / "a.h5", CONDITIONS)
    return tmp_path / "a.h5"


def assert_same(found: Showers, expected: Showers) -> None:
    assert np.array_equal(found.energies, expected.energies)
    assert found.conditions.keys() == expected.conditions.keys()
    for name, values in expected.conditions.items():
        assert np.array_equal(found.conditions[name], values)
        assert found.conditions[name].dtype == np.float32
    assert found.geometry == expected.geometry
    if expected.overflow is None:
        assert found.overflow is None
    else:
        assert np.array_equal(found.overflow, expected.overflow)
    assert found.provenance == expected.provenance


def test_round_trip(path: Path, sample: Showers) -> None:
    assert_same(store.load(path), sample)
    assert_same(store.load(path, 10, 20), sample.select(slice(10, 20)))
    assert_same(store.load(path, stop=-45), sample.select(slice(0, 5)))
    assert len(store.load(path, 60, 70)) == 0
    assert np.array_equal(store.load(path).fingerprints(), sample.fingerprints())


def test_iterate(path: Path, sample: Showers) -> None:
    pieces = list(store.iterate(path, 20))
    assert [len(p) for p in pieces] == [20, 20, 10]
    assert np.array_equal(np.concatenate([p.energies for p in pieces]), sample.energies)
    with pytest.raises(CaloganError, match="rows is 0"):
        next(store.iterate(path, 0))


def test_info(path: Path, sample: Showers) -> None:
    about = store.info(path)
    assert (about.n_showers, about.n_voxels, about.version) == (50, 16, store.OLD_VERSION)
    assert about.conditions == tuple(CONDITIONS)
    assert about.geometry == sample.geometry
    assert about.has_overflow
    assert about.provenance == {"a": 1}


def test_is_a_calochallenge_file(path: Path, sample: Showers) -> None:
    with h5py.File(path) as file:
        assert np.array_equal(file["showers"][:], sample.energies)
        assert file["showers"].compression == "gzip"
        assert file["showers"].chunks is not None
        assert file["incident_energies"].shape == (50, 1)
        assert np.allclose(file["incident_energies"][:, 0], 1000 * sample.incident_energy)


def test_chunks_of_any_size_append(
    tmp_path: Path, sample: Showers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK_BYTES", 7 * 4 * 16)  # 7 rows
    monkeypatch.setattr(store, "COLUMN_CHUNK", 3)
    with StoreWriter(tmp_path / "b.h5", sample.geometry, CONDITIONS, {"a": 1}) as writer:
        for start, stop in [(0, 0), (0, 1), (1, 8), (8, 30), (30, 31), (31, 50)]:
            part = sample.select(slice(start, stop))
            writer.append(part.energies, part.conditions, part.overflow)
    assert_same(store.load(tmp_path / "b.h5"), sample)
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["showers"].chunks == (7, 16)


def test_without_overflow_and_units(tmp_path: Path) -> None:
    showers = make_showers(20)
    store.save(replace(showers, units={}), tmp_path / "b.h5")
    assert_same(store.load(tmp_path / "b.h5"), showers)
    assert store.info(tmp_path / "b.h5").conditions == (("energy", "GeV"), ("theta", ""))


def test_provenance_may_be_added_to(tmp_path: Path, sample: Showers) -> None:
    with StoreWriter(tmp_path / "b.h5", sample.geometry, [("energy", "GeV")], {"a": 1}) as writer:
        writer.append(sample.energies, {"energy": sample.incident_energy})
        writer.provenance["b"] = [2, "x"]
    assert store.info(tmp_path / "b.h5").provenance == {"a": 1, "b": [2, "x"]}


def test_a_failure_leaves_the_old_file(path: Path, sample: Showers) -> None:
    def fail() -> None:
        with StoreWriter(path, sample.geometry, CONDITIONS, {}) as writer:
            writer.append(sample.energies, sample.conditions)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert_same(store.load(path), sample)
    assert list(path.parent.iterdir()) == [path]


def test_failing_to_finish_leaves_the_old_file(path: Path, sample: Showers) -> None:
    with (
        pytest.raises(TypeError, match="not JSON serializable"),
        StoreWriter(path, sample.geometry, CONDITIONS, {"bad": object()}) as writer,
    ):
        writer.append(sample.energies, sample.conditions)
    assert_same(store.load(path), sample)
    assert list(path.parent.iterdir()) == [path]


def test_wrong_appends(tmp_path: Path, sample: Showers) -> None:
    def write(*chunks: Any, conditions: Any = CONDITIONS) -> None:
        with StoreWriter(tmp_path / "b.h5", sample.geometry, conditions, {}) as writer:
            for chunk in chunks:
                writer.append(*chunk)

    good = (sample.energies, sample.conditions, sample.overflow)
    with pytest.raises(CaloganError, match=r"no showers to write to .*b\.h5"):
        write()
    with pytest.raises(CaloganError, match=r"shape \(50, 15\), expected \(n, 16\)"):
        write((sample.energies[:, 1:], sample.conditions))
    with pytest.raises(CaloganError, match=r"conditions are \['energy'\], expected"):
        write((sample.energies, {"energy": sample.incident_energy}))
    with pytest.raises(CaloganError, match="overflow must come with every chunk or with none"):
        write(good, good[:2])
    with pytest.raises(CaloganError, match=r"overflow has shape"):
        write((*good[:2], sample.overflow[:, 1:]))  # type: ignore[index]
    with pytest.raises(CaloganError, match="first condition is"):
        write(good, conditions=[("theta", "rad")])
    assert not list(tmp_path.iterdir())


def test_a_plain_calochallenge_file(tmp_path: Path, sample: Showers) -> None:
    path = tmp_path / "b.h5"
    with h5py.File(path, "w") as file:
        file["showers"] = sample.energies.astype(np.float64)
        file["incident_energies"] = 1000 * sample.incident_energy[:, None].astype(np.float64)
    found = store.load(path, geometry=sample.geometry)
    assert np.array_equal(found.energies, sample.energies)
    assert np.allclose(found.incident_energy, sample.incident_energy, rtol=1e-6)
    assert list(found.conditions) == ["energy"]
    assert store.info(path).geometry is None
    with pytest.raises(CaloganError, match="CaloChallenge file without its geometry; give it"):
        store.load(path)
    layer = {"x_edges": [0, 1], "y_edges": [0, 1]}
    small = Geometry.from_dict({"name": "small", "layers": [layer]})
    with pytest.raises(CaloganError, match="has 16 columns, expected 1 for geometry 'small'"):
        store.load(path, geometry=small)


def test_a_geometry_that_differs(path: Path, sample: Showers) -> None:
    assert_same(store.load(path, geometry=sample.geometry), sample)
    other = Geometry("other", sample.geometry.layers, "first")
    with pytest.raises(
        CaloganError, match="made with geometry 'small' of 16 voxels, which differs"
    ):
        store.load(path, geometry=other)


def edit(path: Path, name: str, values: Any) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        if values is not None:
            file[name] = values


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("showers", None, r"no dataset 'showers' in .*; nearest: "),
        ("incident_energies", None, "no dataset 'incident_energies'"),
        ("conditions/theta", None, "no dataset 'conditions/theta' in .*, though"),
        ("showers", np.ones(50), r"has shape \(50,\) and type float64, expected two-dimensional"),
        ("showers", np.array([[b"a"]]), r"type \|S1, expected two-dimensional numbers"),
        ("showers", np.ones((50, 17)), "has 17 columns, expected 16"),
        ("incident_energies", np.ones((49, 1)), r"has shape \(49, 1\), expected \(50, 1\)"),
        ("conditions/theta", np.ones(49), r"has shape \(49,\), expected \(50,\)"),
        ("overflow", np.ones((50, 2)), r"has shape \(50, 2\), expected \(50, 3\)"),
        ("showers", np.full((50, 16), np.nan), "'showers' .* has 800 values that are not finite"),
        ("conditions/theta", np.full(50, np.inf), "'conditions/theta' .* first in row 0"),
    ],
)
def test_wrong_datasets(path: Path, name: str, values: Any, message: str) -> None:
    edit(path, name, values)
    with pytest.raises(CaloganError, match=message):
        store.load(path)


def test_conditions_alone(path: Path, sample: Showers) -> None:
    found = store.load_conditions(path)
    assert np.array_equal(found["theta"], sample.conditions["theta"])
    with h5py.File(path, "r+") as file:
        file["conditions/theta"][33] = np.nan
    with pytest.raises(CaloganError, match=r"'conditions/theta' of .* first in row 33"):
        store.load_conditions(path)


def test_row_of_a_bad_value(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["showers"][33, 2] = np.nan
    with pytest.raises(CaloganError, match="first in row 33"):
        store.load(path)
    with pytest.raises(CaloganError, match="first in row 33"):
        list(store.iterate(path, 10))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("calogan_store", 99, "store of version 99, this program reads version 1 and 2"),
        ("geometry", "{", "attribute 'geometry' .* is not JSON"),
        ("geometry", None, "has no attribute 'geometry'"),
        ("geometry", "{}", r"geometry\.layers: expected a list"),
        ("conditions", "[1]", "'conditions' of .* is not a list of names and units"),
        ("provenance", None, "has no attribute 'provenance'"),
    ],
)
def test_wrong_attributes(path: Path, name: str, value: Any, message: str) -> None:
    with h5py.File(path, "r+") as file:
        if value is None:
            del file.attrs[name]
        else:
            file.attrs[name] = value
    with pytest.raises(CaloganError, match=message):
        store.load(path)


def test_no_showers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["showers"] = np.zeros((0, 16))
        file["incident_energies"] = np.zeros((0, 1))
    with pytest.raises(CaloganError, match="holds no showers"):
        store.info(tmp_path / "b.h5")


def test_not_hdf5(tmp_path: Path, path: Path) -> None:
    with pytest.raises(CaloganError, match=r"no file .*none\.h5"):
        store.load(tmp_path / "none.h5")
    (tmp_path / "b.h5").write_text("no")
    with pytest.raises(CaloganError, match=r"b\.h5 is not a readable HDF5 file"):
        store.load(tmp_path / "b.h5")


@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.9, 0.99])
def test_cut_files(path: Path, part: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(CaloganError, match=r"a\.h5 is not a readable HDF5 file, or is damaged"):
        store.load(path)


def test_damaged_showers(path: Path) -> None:
    with h5py.File(path) as file:
        chunk = file["showers"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + 100] = bytes(100)
    path.write_bytes(data)
    assert store.info(path).n_showers == 50
    with pytest.raises(CaloganError, match=r"a\.h5 is not a readable HDF5 file, or is damaged"):
        store.load(path)


@pytest.mark.parametrize("failure", [MemoryError, TypeError, KeyError, ValueError])
def test_other_failures_are_not_called_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise failure("not the file's fault")

    monkeypatch.setattr(store, "Showers", fail)
    with pytest.raises(failure, match="not the file's fault"):
        store.load(path)


@pytest.mark.parametrize("rows", [50, 60_000])
def test_a_full_disk(tmp_path: Path, rows: int) -> None:
    """One error, whether the space runs out between chunks or at the end; the old file stays."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.h5"
    store.save(make_showers(5), path)
    before = path.read_bytes()
    showers = make_showers(rows)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(
            CaloganError, match=r"cannot write .*a\.h5: File too large; is the disk full"
        ):
            store.save(showers, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_attributes_are_json(path: Path) -> None:
    with h5py.File(path) as file:
        assert json.loads(file.attrs["conditions"])[1] == {"name": "theta", "unit": "rad"}
        assert json.loads(file.attrs["geometry"])["name"] == "small"


def test_dead_cells(tmp_path: Path, sample: Showers) -> None:
    dead = np.random.default_rng(1).random(sample.energies.shape) < 0.2
    killed = sample.without(dead)
    store.save(killed, tmp_path / "a.h5")
    found = store.load(tmp_path / "a.h5")
    assert_same(found, killed)
    assert found.dead is not None
    np.testing.assert_array_equal(found.dead, dead)
    about = store.info(tmp_path / "a.h5")
    assert (about.version, about.has_dead) == (store.STORE_VERSION, True)
    pieces = [piece.dead for piece in store.iterate(tmp_path / "a.h5", 20)]
    np.testing.assert_array_equal(np.concatenate(pieces), dead)


def test_another_program_may_leave_noise_in_dead_cells(path: Path, sample: Showers) -> None:
    """And may be a writer of plain CaloChallenge files."""
    dead = np.zeros(sample.energies.shape, np.int8)
    dead[:, 3] = 1
    with h5py.File(path, "r+") as file:
        file["dead"] = dead
        for name in list(file.attrs):
            del file.attrs[name]
    found = store.load(path, geometry=sample.geometry)
    assert not found.energies[:, 3].any()
    np.testing.assert_array_equal(np.delete(found.energies, 3, 1), np.delete(sample.energies, 3, 1))
    edit(path, "dead", dead[:, :5])
    with pytest.raises(CaloganError, match=r"'dead' .* shape \(50, 5\), expected \(50, 16\)"):
        store.load(path, geometry=sample.geometry)
