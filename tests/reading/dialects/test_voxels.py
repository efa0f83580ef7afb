"""From a file of each dialect to voxels: energies are those of the file, event by event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from helpers.dialects import (
    COLLECTION,
    cells,
    csv_card,
    csv_lines,
    write_calogan_hdf5,
    write_csv,
    write_edm4hep,
    write_fastcalosim,
    write_getting_high,
    write_hdf5,
)
from numpy.typing import NDArray

from calogan.card.keys import Card
from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.reading import store
from calogan.reading.dialects.edm4hep import parse_encoding
from calogan.reading.frame import MISSING
from calogan.reading.hits import read_hits
from calogan.reading.pipeline import VoxelizeSummary, voxelize_files
from calogan.showers import Showers

Sums = NDArray[np.float64]


def edm4hep_sums(path: Path) -> Sums:
    with uproot.open(path) as file:
        tree = file["events"]
        keys = tree.keys()
        names = [k for k in keys if k.endswith(".energy") and not k.startswith("n")]
        return sum(1e3 * ak.sum(tree[name].array(), axis=1).to_numpy() for name in names)


def fastcalosim_sums(path: Path) -> Sums:
    with uproot.open(path) as file:
        hits = file["FCS_ParametrizationInput"]["hits.hit_energy"].array()
    return 1e3 * ak.sum(hits, axis=1).to_numpy()


def hdf5_sums(path: Path) -> Sums:
    with h5py.File(path) as file:
        names = [
            k for k in ("layer_0", "layer_1", "layer_2", "overflow", "30x30/layers") if k in file
        ]
        return sum(np.asarray(file[k]).reshape(len(file[k]), -1).sum(axis=1) for k in names)


def csv_sums(path: Path) -> Sums:
    return np.loadtxt(path, delimiter=",")[:, 2:].sum(axis=1)


def make_csv(folder: Path) -> Path:
    return write_csv(folder, csv_lines())


FILES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Sums]]] = {
    "calogan_hdf5": (lambda p: write_calogan_hdf5(p / "a.hdf5"), hdf5_sums),
    "getting_high": (lambda p: write_getting_high(p / "a.hdf5"), hdf5_sums),
    "fastcalogan": (make_csv, csv_sums),
    "fastcalosim": (
        lambda p: write_fastcalosim(p / "pid22_E65536_eta_20_25.root"),
        fastcalosim_sums,
    ),
    "edm4hep": (lambda p: write_edm4hep(p / "a.root"), edm4hep_sums),
}


def card_for(name: str, folder: Path) -> Card:
    return load_card(csv_card(folder)) if name == "fastcalogan" else load_card(preset=name)


def voxelized(path: Path, card: Card) -> tuple[VoxelizeSummary, Showers]:
    output = path.parent / "out.h5"
    return voxelize_files([path], output, card), store.load(output)


@pytest.mark.parametrize("name", FILES)
def test_energies_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    write, sums = FILES[name]
    path = write(tmp_path)
    card = card_for(name, tmp_path)
    _, showers = voxelized(path, card)
    assert showers.overflow is not None
    found = showers.energies.sum(axis=1) + showers.overflow.sum(axis=1)
    assert np.allclose(found, sums(path), rtol=1e-5)
    assert (showers.energies.sum(axis=1) > 0.5 * found).all()


@pytest.mark.parametrize("name", FILES)
def test_chunks_do_not_matter(tmp_path: Path, name: str) -> None:
    path = FILES[name][0](tmp_path)
    card = card_for(name, tmp_path)
    (whole,) = read_hits([path], card.input, card.conditions, frame=card.frame)
    parts = [*read_hits([path], card.input, card.conditions, frame=card.frame, chunk_bytes=1000)]
    assert len(parts) > 2
    assert [p.start for p in parts[1:]] == [p.stop for p in parts[:-1]]
    assert parts[-1].stop == whole.stop == whole.entries
    for role, values in whole.hits.coordinates.items():
        joined = np.concatenate([p.hits.coordinates[role] for p in parts])
        assert np.allclose(joined, values, atol=1e-9)
    assert np.array_equal(np.concatenate([p.hits.energy for p in parts]), whole.hits.energy)
    for condition, values in whole.conditions.items():
        assert np.array_equal(np.concatenate([p.conditions[condition] for p in parts]), values)


def test_cells_keep_their_place(tmp_path: Path) -> None:
    path = write_calogan_hdf5(tmp_path / "a.hdf5")
    _, showers = voxelized(path, load_card(preset="calogan_hdf5"))
    with h5py.File(path) as file:
        assert np.allclose(showers.energies[:, 288:432].reshape(-1, 12, 12), file["layer_1"])
        assert np.allclose(showers.overflow[:, :3], file["overflow"])  # type: ignore[index]
        assert np.allclose(showers.conditions["energy"], np.ravel(file["energy"]))
    path = write_getting_high(tmp_path / "b.hdf5")
    _, showers = voxelized(path, load_card(preset="getting_high"))
    with h5py.File(path) as file:
        assert np.allclose(showers.energies.reshape(-1, 30, 30, 30), file["30x30/layers"])


def test_columns_before_the_voxels_are_conditions(tmp_path: Path) -> None:
    path = write_csv(tmp_path, csv_lines())
    eta = '[conditions.eta]\nunit = ""\nlow = 0.2\nhigh = 0.3\nbranch = "eta"\n'
    _, showers = voxelized(path, load_card(csv_card(tmp_path, eta)))
    assert np.allclose(showers.conditions["eta"], [0.2 + 0.01 * i for i in range(9)])
    assert np.allclose(showers.conditions["energy"], 65.536)
    table = np.loadtxt(path, delimiter=",")
    assert np.allclose(showers.energies, table[:, 2:])
    bare = write_csv(tmp_path, csv_lines(leading=False), "pid22_E512_eta_0_5.csv")
    _, showers = voxelized(bare, load_card(csv_card(tmp_path, "[input]\nleading_columns = []\n")))
    assert np.allclose(showers.energies, table[:, 2:])


def test_edm4hep_moves_hits_to_the_particle(tmp_path: Path) -> None:
    path = write_edm4hep(tmp_path / "a.root", n=20)
    card = load_card(preset="edm4hep", changes=["frame = {barrel_radius = 1250}"])
    (chunk,) = read_hits([path], card.input, card.conditions, frame=card.frame)
    at = chunk.hits.coordinates
    assert np.abs([at["x"].mean(), at["y"].mean()]).max() < 1
    assert np.std(at["x"]) == pytest.approx(6, rel=0.2)
    assert np.allclose(at["z"], (at["layer"] + 0.5) * 5.05, atol=30)
    with uproot.open(path) as file:
        pz = file["events"]["MCParticles.momentum.z"].array()[:, 1].to_numpy()
    energy = chunk.conditions["energy"]
    assert np.allclose(energy, np.linspace(5, 60, 20), rtol=1e-6)
    assert np.allclose(chunk.conditions["theta"], np.arccos(pz / energy), atol=1e-5)


def test_edm4hep_collections_are_read_together(tmp_path: Path) -> None:
    path = write_edm4hep(tmp_path / "a.root", second="HCalBarrelCollection")
    both = [COLLECTION, "HCalBarrelCollection"]
    card = load_card(preset="edm4hep", changes=[f"input.collections = {both}"])
    _, showers = voxelized(path, card)
    assert showers.overflow is not None
    found = showers.energies.sum(axis=1) + showers.overflow.sum(axis=1)
    assert np.allclose(found, edm4hep_sums(path), rtol=1e-5)


def test_events_of_several_primaries(tmp_path: Path) -> None:
    path = write_edm4hep(tmp_path / "a.root", several=3)
    summary, showers = voxelized(path, load_card(preset="edm4hep"))
    assert summary.left_out == {"more than one primary particle": 3}
    assert (summary.events, summary.several) == (5, 3)
    assert "3 of 8 events left out: more than one primary particle" in summary.warnings
    assert np.allclose(showers.conditions["energy"], np.linspace(5, 60, 8)[3:])
    assert showers.provenance["events_left_out"] == summary.left_out
    hardest = load_card(preset="edm4hep", changes=['input.primaries = "hardest"'])
    summary, showers = voxelized(path, hardest)
    assert (summary.events, summary.several, summary.left_out) == (8, 3, {})
    assert np.allclose(showers.conditions["energy"], np.linspace(5, 60, 8))
    assert any("3 events have several primary particles" in w for w in summary.warnings)
    path = write_edm4hep(tmp_path / "b.root", several=8)
    with pytest.raises(CaloganError, match=r"every event was left out.*primaries = \"hardest\""):
        voxelized(path, load_card(preset="edm4hep"))


def test_particles_that_miss_and_showers_that_leave(tmp_path: Path) -> None:
    path = write_edm4hep(tmp_path / "a.root", n=30)
    plane = "frame = {plane_point = [0, 0, 400], plane_normal = [0, 0, 1]}"
    summary, showers = voxelized(path, load_card(preset="edm4hep", changes=[plane]))
    with uproot.open(path) as file:
        away = file["events"]["MCParticles.momentum.z"].array()[:, 1].to_numpy() <= 0
    assert summary.left_out == {MISSING["surface"]: away.sum()}
    assert len(showers) == 30 - away.sum() > 0
    assert (showers.conditions["theta"] < np.pi / 2).all()
    assert summary.leaving == 0
    shifted = "frame = {barrel_radius = 1250, entry_at = [200, 0, 0]}"
    summary, _ = voxelized(path, load_card(preset="edm4hep", changes=[shifted]))
    assert summary.leaving == 30
    assert "beside layer 'layer_" in summary.warnings[0]


@pytest.mark.parametrize(
    ("text", "name", "cell_id", "value"),
    [
        ("a:3,layer:6,x:32:-16,y:-16", "layer", 0b101101_010, 0b101101),
        ("a:0:3,layer:3:6,x:32:-16,y:48:-16", "layer", 0b101101_010, 0b101101),
        ("a:3,layer:6,x:32:-16,y:-16", "x", 0xFFFE << 32, -2),
        ("a:3,layer:6,x:32:-16,y:-16", "y", 0x8000 << 48, -32768),
        ("all:64", "all", 2**63 - 1, 2**63 - 1),
    ],
)
def test_cell_ids_are_decoded(text: str, name: str, cell_id: int, value: int) -> None:
    field = parse_encoding(text, "here")[name]
    assert field.decode(np.array([cell_id], np.uint64)).tolist() == [value]


def test_dead_cells_of_a_dataset(tmp_path: Path) -> None:
    """A store read as the CaloChallenge's file that it is too: its dead cells stay dead."""
    energies = cells(6, 6480, 3)
    dead = np.random.default_rng(1).random(energies.shape) < 0.1
    path = write_hdf5(
        tmp_path / "a.h5",
        {"incident_energies": np.full((6, 1), 2e4), "showers": energies, "dead": dead},
    )
    with pytest.raises(CaloganError, match=r"a.h5 marks cells as dead.*dead_branch = \"dead\""):
        voxelized(path, load_card(preset="calochallenge"))
    card = load_card(preset="calochallenge")
    marked = card.model_copy(
        update={"input": card.input.model_copy(update={"dead_branch": "dead"})}
    )
    summary, showers = voxelized(path, marked)
    assert showers.dead is not None
    np.testing.assert_array_equal(showers.dead, dead)
    assert summary.dead_energy == pytest.approx(energies[dead].sum())
    with h5py.File(path, "r+") as file:
        del file["dead"]
        file["dead"] = dead[:, :7]
    with pytest.raises(
        CaloganError, match=r"'dead' of .*a.h5 has shape \(6, 7\), expected \(6, 648"
    ):
        voxelized(path, marked)


def test_dialects_that_know_no_dead_cells_say_so(tmp_path: Path) -> None:
    card = load_card(preset="edm4hep")
    changed = card.input.model_copy(update={"dead_branch": "broken"})
    path = write_edm4hep(tmp_path / "a.root")
    with pytest.raises(CaloganError, match=r"a.root: \[input\] dead_branch has no use for dialect"):
        voxelized(path, card.model_copy(update={"input": changed}))
