"""CaloChallenge HDF5 and XML: what its programs find, and the way back, bit for bit."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.cylinders import LAYER, make_cylinder_showers, voxel_at
from helpers.samples import make_showers

from calogan.card.keys import Card
from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.files import sha256
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.reading.pipeline import voxelize_files
from calogan.showers import Showers
from calogan.writing.calochallenge import in_xml_order, to_xml
from calogan.writing.convert import convert_file
from calogan.writing.formats import format_of

CALOCHALLENGE = format_of("a.h5", "calochallenge")
STORE = format_of("a.h5", "store")

# The layers of data set 1 with voxels: id, r edges, sectors; and their voxels.
PHOTONS = {
    0: ("0,5,10,30,50,100,200,400,600", 1),
    1: ("0,2,4,6,8,10,12,15,20,30,40,50,70,90,120,150,200", 10),
    2: ("0,2,5,10,15,20,25,30,40,50,60,80,100,130,160,200,250,300,350,400", 10),
    3: ("0,50,100,200,400,600", 1),
    12: ("0,100,200,400,1000,2000", 1),
}
PIONS = {
    0: ("0,5,10,30,50,100,200,400,600", 1),
    1: ("0,1,4,7,10,15,30,50,90,150,200", 10),
    2: ("0,5,10,20,30,50,80,130,200,300,400", 10),
    3: ("0,50,100,200,400,600", 1),
    12: ("0,10,20,30,50,80,100,130,160,200,250,300,350,400,1000,2000", 10),
    13: ("0,10,20,30,50,80,100,130,160,200,250,300,350,400,600,1000,2000", 10),
    14: ("0,50,100,150,200,250,300,400,600,1000,2000", 1),
}


def write_xml(path: Path, layers: dict[int, tuple[str, int]], name: str) -> Path:
    lines = [
        f'<Layer id="{i}" r_edges="{layers.get(i, ("0", 1))[0]}" '
        f'n_bin_alpha="{layers.get(i, ("0", 1))[1]}" />'
        for i in range(24)
    ]
    path.write_text(f'<Bins><Bin pid="0" name="{name}">{"".join(lines)}</Bin></Bins>')
    return path


def in_geometry(geometry: Geometry, n: int = 40) -> Showers:
    rng = np.random.default_rng(5)
    energies = rng.exponential(3, (n, geometry.n_voxels)) * (rng.random((n, 1)) < 0.8)
    incident = (2.0 ** rng.integers(8, 23, n) / 1000).astype(np.float32)
    return Showers(energies.astype(np.float32), {"energy": incident}, geometry)


def xml_handler(path: Path, particle: str) -> list[tuple[int, int, float, float]]:
    """Place in the file, and middle in r and alpha, of each voxel: what the challenge's XMLHandler
    makes of the file, by its loops."""
    for each in ElementTree.parse(path).getroot():
        if each.attrib["name"] == particle:
            break
    else:
        raise ValueError(particle)
    found = []
    for place, layer in enumerate(each):
        r = [float(s) for s in layer.attrib["r_edges"].split(",")]
        n_alpha = int(layer.attrib["n_bin_alpha"])
        alpha = np.linspace(-np.pi, np.pi, n_alpha + 1)
        assert int(layer.attrib["id"]) == place  # it takes one for the other
        for j in range(n_alpha):
            for i in range(len(r) - 1):
                found.append((place, i, (r[i] + r[i + 1]) / 2, (alpha[j] + alpha[j + 1]) / 2))
    return found


@pytest.mark.parametrize(
    ("layers", "particle", "n"), [(PHOTONS, "photon", 368), (PIONS, "pion", 533)]
)
def test_data_set_1_comes_back(
    layers: dict[int, tuple[str, int]], particle: str, n: int, tmp_path: Path
) -> None:
    """By its own XML to a store, and written again: the same voxels, and the same XML to it."""
    geometry = Geometry.load(write_xml(tmp_path / "binning.xml", layers, particle))
    assert geometry.n_voxels == n
    showers = in_geometry(geometry)
    with h5py.File(tmp_path / "theirs.hdf5", "w") as file:
        file["incident_energies"] = 1000.0 * showers.incident_energy[:, None].astype(np.float64)
        file["showers"] = showers.energies.astype(np.float64)
    card = card_for(tmp_path / "binning.xml")
    found = convert_file(
        tmp_path / "theirs.hdf5", tmp_path / "ours.hdf5", CALOCHALLENGE,
        card=card, particle=particle,
    )  # fmt: skip
    assert found.n_showers == 40 and found.left_out == () and found.voxelized is not None
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    with h5py.File(tmp_path / "theirs.hdf5") as theirs, h5py.File(tmp_path / "ours.hdf5") as ours:
        for name in ("showers", "incident_energies"):
            np.testing.assert_array_equal(ours[name][:], theirs[name][:])
        # Their classifiers mix it with voxels, and have weights in double precision.
        assert ours["incident_energies"].dtype == np.float64
    assert Geometry.load(tmp_path / "ours.xml") == geometry
    handled = xml_handler(tmp_path / "ours.xml", particle)
    assert [h[0] for h in handled] == [
        int(geometry.layers[k].name.removeprefix("layer_")) for k in geometry.layer_index
    ]
    np.testing.assert_allclose([h[2] for h in handled], geometry.radii)


def card_for(xml: Path) -> Card:
    path = xml.with_suffix(".toml")
    path.write_text(
        f'extends = "calochallenge.toml"\n[geometry]\nfile = "{xml.name}"\n'
        "[conditions.energy]\nlow = 0.2\nhigh = 5000\n"
    )
    return load_card(path)


def test_alpha_fastest_to_r_fastest_and_back(tmp_path: Path) -> None:
    """Each deposit is where the challenge's loops look for it; and the way back, bit for bit."""
    showers = make_cylinder_showers(30)
    store.save(showers, tmp_path / "a.h5")
    convert_file(tmp_path / "a.h5", tmp_path / "b.h5", CALOCHALLENGE, particle="electron")
    with h5py.File(tmp_path / "b.h5") as file:
        found = file["showers"][:]
    for column, (layer, _, r, alpha) in enumerate(xml_handler(tmp_path / "b.xml", "electron")):
        voxel = voxel_at(showers.geometry, r, alpha, layer)
        np.testing.assert_array_equal(found[:, column], showers.energies[:, voxel])
    # The particle is known from the first time, and depth from the geometry.
    mesh = tmp_path / "mesh.toml"
    mesh.write_text(
        f'name = "mesh"\n[[layers]]\nname = "z"\nsystem = "cylindrical"\n'
        f"r = {{ low = 0, high = 15, n = 3 }}\n"
        f"alpha = {{ low = {-np.pi!r}, high = {np.pi!r}, n = 4 }}\n"
        "z = { low = 10, high = 30, n = 5 }\n"
    )
    convert_file(tmp_path / "b.h5", tmp_path / "c.h5", STORE, geometry=Geometry.load(mesh))
    again = store.load(tmp_path / "c.h5")
    np.testing.assert_array_equal(again.energies, showers.energies)
    assert again.geometry == showers.geometry
    for name, values in showers.conditions.items():
        np.testing.assert_array_equal(again.conditions[name], values)
    convert_file(tmp_path / "c.h5", tmp_path / "d.h5", CALOCHALLENGE)
    assert (tmp_path / "d.xml").read_text() == (tmp_path / "b.xml").read_text()
    provenance = store.info(tmp_path / "d.h5").provenance
    assert provenance["particle"] == "electron"
    assert provenance["converted_from"] == str(tmp_path / "c.h5")


def test_sectors_that_begin_elsewhere_are_turned() -> None:
    turned = Geometry.from_dict({"layers": [{**LAYER, "alpha": {"low": 0, "high": 2 * np.pi,
                                                                "n": 4}}]})  # fmt: skip
    ordered = in_xml_order(turned)
    order = turned.voxels_of(ordered)
    np.testing.assert_allclose(turned.centres[order][:, :2], ordered.centres[:, :2], atol=1e-9)
    assert not np.array_equal(order, np.arange(turned.n_voxels))


def test_layers_keep_their_numbers_if_they_rise() -> None:
    def ids(*names: str) -> list[str]:
        layers = [{**LAYER, "name": name, "z": None} for name in names]
        geometry = Geometry.from_dict({"layers": layers})
        root = ElementTree.fromstring(to_xml(geometry, "photon"))
        return [e.attrib["id"] for e in root.iter("Layer") if "," in e.attrib["r_edges"]]

    assert ids("s1", "s2", "s5") == ["1", "2", "5"]
    assert ids("s2", "s1") == ids("front", "back") == ids("s1", "s1") == ["0", "1"]


def test_what_the_xml_cannot_hold(tmp_path: Path) -> None:
    store.save(make_showers(10), tmp_path / "flat.h5")
    store.save(make_cylinder_showers(10), tmp_path / "round.h5")
    for name, particle, message in (
        ("flat", "photon", "layer 'front' of geometry 'small' is no layer of the CaloChallenge"),
        ("round", None, "its binning XML names the particle; give --xml-particle"),
        ("round", "gamma", "knows no 'gamma'; give one of photon, electron"),
    ):
        with pytest.raises(CaloganError, match=message):
            convert_file(
                tmp_path / f"{name}.h5", tmp_path / "out.h5", CALOCHALLENGE, particle=particle
            )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["flat.h5", "round.h5"]


# Reading


def theirs(path: Path, **datasets: object) -> Path:
    showers = make_cylinder_showers(8)
    sets = {
        "incident_energies": 1000 * showers.incident_energy[:, None],
        "showers": showers.energies,
        **datasets,
    }
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            if values is not None:
                file[name] = values
    return path


@pytest.fixture
def card(tmp_path: Path) -> Card:
    xml = {i: ("0,5,10,15", 4) for i in range(5)}
    return card_for(write_xml(tmp_path / "five.xml", xml, "electron"))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"showers": None}, r"no dataset 'showers' in .*a\.hdf5; nearest: 'incident"),
        ({"incident_energies": None}, r"no dataset 'incident_energies' in .*conditions\.energy\]"),
        ({"incident_energies": np.ones((7, 1))}, "has 7 rows, but 'showers' has 8; all must have"),
        ({"incident_energies": np.ones((8, 2))}, r"shape \(8, 2\), expected one number an event"),
        ({"showers": np.ones((8, 59))}, "59.*has 60"),
        ({"showers": np.full((8, 60), "a", "S1")}, "expected numbers, one row an event"),
        ({"showers": -np.ones((8, 60))}, r"dataset 'showers' in .*a\.hdf5 is -1 in event 0"),
        ({"showers": np.full((8, 60), np.nan)}, "is nan in event 0"),
        ({"incident_energies": np.zeros((8, 1))}, "condition 'energy' is 0 GeV in event 0"),
    ],
)
def test_bad_files(tmp_path: Path, card: Card, datasets: dict[str, object], message: str) -> None:
    path = theirs(tmp_path / "a.hdf5", **datasets)
    with pytest.raises(CaloganError, match=message):
        voxelize_files([path], tmp_path / "out.h5", card)
    assert not (tmp_path / "out.h5").exists()


def test_a_truncated_file(tmp_path: Path, card: Card) -> None:
    path = theirs(tmp_path / "a.hdf5")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CaloganError, match=r"a\.hdf5 is not a readable HDF5 file, or is damaged"):
        voxelize_files([path], tmp_path / "out.h5", card)


def test_the_wrong_xml(tmp_path: Path) -> None:
    """Of another data set, or no XML at all."""
    path = theirs(tmp_path / "a.hdf5")
    card = card_for(write_xml(tmp_path / "photons.xml", PHOTONS, "photon"))
    with pytest.raises(CaloganError, match=r"60.*'photons' has 368"):
        voxelize_files([path], tmp_path / "out.h5", card)
    (tmp_path / "bad.xml").write_text("<Bins><Bin></Bins>")
    with pytest.raises(CaloganError, match=r"geometry file .*bad\.xml is not valid XML"):
        card_for(tmp_path / "bad.xml")


def test_reading_in_chunks_is_reading_at_once(tmp_path: Path, card: Card) -> None:
    path = theirs(tmp_path / "a.hdf5")
    from calogan.reading.hits import read_hits

    chunks = list(read_hits([path], card.input, card.conditions, chunk_bytes=3 * 60 * 8))
    assert [len(c.hits) for c in chunks] == [3, 3, 2]
    assert [c.start for c in chunks] == [0, 3, 6]
    energy = np.concatenate([c.hits.energy for c in chunks])
    assert energy.sum() == pytest.approx(make_cylinder_showers(8).energies.sum(), rel=1e-5)


def test_a_failure_leaves_both_old_files(tmp_path: Path) -> None:
    store.save(make_cylinder_showers(10), tmp_path / "a.h5")
    for name in ("b.h5", "b.xml"):
        (tmp_path / name).write_text("old")
    before = {p.name: sha256(p) for p in tmp_path.iterdir()}

    def stop(done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_file(
            tmp_path / "a.h5", tmp_path / "b.h5", CALOCHALLENGE, particle="pion", progress=stop
        )
    assert {p.name: sha256(p) for p in tmp_path.iterdir()} == before
