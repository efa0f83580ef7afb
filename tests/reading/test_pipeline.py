from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from helpers.rootfiles import (
    SAMPLE,
    sample_arrays,
    write_fancy_tree,
    write_par04,
    write_sample,
    write_trees,
)

from calogan.card.keys import Card
from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.files import sha256
from calogan.reading import pipeline, store
from calogan.reading.pipeline import voxelize_files
from calogan.version import __version__

CARDS = Path(__file__).parents[2] / "data" / "cards"


def changed(card: Card, **fields: Any) -> Card:
    return card.model_copy(update={"input": card.input.model_copy(update=fields)})


def test_the_real_sample(tmp_path: Path) -> None:
    """ROOT to HDF5 against sums taken straight from the file."""
    seen: list[tuple[float, int]] = []
    output = tmp_path / "out.h5"
    summary = voxelize_files([SAMPLE], output, load_card(), progress=lambda *at: seen.append(at))
    showers = store.load(output)
    with uproot.open(SAMPLE) as file:
        hits = file["showers"].arrays()
    assert len(showers) == summary.events == 1000
    sums = ak.to_numpy(ak.sum(ak.values_astype(hits.hit_energy, "float64"), axis=1))
    assert np.allclose(showers.energies.sum(axis=1, dtype=float), sums, rtol=1e-6)
    for k, part in enumerate(showers.geometry.slices):
        layer = ak.to_numpy(ak.sum(hits.hit_energy[hits.hit_layer == k], axis=1))
        assert np.allclose(showers.energies[:, part].sum(axis=1), layer, rtol=1e-5, atol=1e-3)
    # Hits are cells, so every hit is a voxel of its own.
    assert summary.hits == np.count_nonzero(showers.energies)
    assert summary.energy == pytest.approx(sums.sum())
    assert not summary.hits_outside.any()
    assert not summary.warnings
    assert 0.19 < sums.sum() / (1000 * showers.incident_energy.sum()) < 0.22
    assert seen == [(1.0, 1000)]


def test_provenance(tmp_path: Path) -> None:
    files = [write_sample(tmp_path / f"{i}.root", seed=i) for i in range(2)]
    voxelize_files(files, tmp_path / "out.h5", load_card(), {"theta": 0.1})
    found = store.info(tmp_path / "out.h5").provenance
    assert found["files"] == [{"path": str(f), "sha256": sha256(f), "entries": 40} for f in files]
    assert found["inputs_sha256"] == sorted(sha256(f) for f in files)
    assert found["calogan_version"] == __version__
    assert found["input"]["tree"] == "showers"
    assert found["overrides"] == {"theta": 0.1}
    showers = store.load(tmp_path / "out.h5")
    assert found["energy_MeV"] == pytest.approx(float(showers.energies.sum(dtype=float)), rel=1e-5)
    assert (showers.conditions["theta"] == np.float32(0.1)).all()


def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write_sample(tmp_path / f"{i}.root", seed=i) for i in range(3)]
    voxelize_files([tmp_path / "*.root"], tmp_path / "a.h5", load_card())
    monkeypatch.setattr(pipeline, "BLOCK_BYTES", 3 * 4 * 504)
    voxelize_files(files, tmp_path / "b.h5", load_card())
    a, b = (store.load(tmp_path / name) for name in ("a.h5", "b.h5"))
    assert np.array_equal(a.energies, b.energies)
    assert np.array_equal(a.conditions["energy"], b.conditions["energy"])


def test_overflow_is_kept_and_reported(tmp_path: Path) -> None:
    arrays = sample_arrays()
    x = ak.where(arrays["hit_layer"] == 0, np.float32(300), arrays["hit_x"])
    z = ak.where(arrays["hit_layer"] == 2, np.float32(500), np.float32(0))
    path = write_sample(tmp_path / "a.root", hit_x=x, hit_z=ak.values_astype(z, "float32"))
    summary = voxelize_files([path], tmp_path / "out.h5", load_card())
    energy = {k: float(ak.sum(arrays["hit_energy"][arrays["hit_layer"] == k])) for k in (0, 2)}
    assert summary.overflow == pytest.approx([0, energy[0], 0, energy[2]], rel=1e-5)
    assert summary.hits_outside.tolist() == [
        0,
        int(ak.sum(arrays["hit_layer"] == 0)),
        0,
        int(ak.sum(arrays["hit_layer"] == 2)),
    ]
    showers = store.load(tmp_path / "out.h5")
    total = showers.energies.sum(axis=1) + showers.overflow.sum(axis=1)  # type: ignore[union-attr]
    assert np.allclose(total, ak.to_numpy(ak.sum(arrays["hit_energy"], axis=1)), rtol=1e-5)
    (warning,) = summary.warnings
    place = "beside layer 'middle'" if energy[0] > energy[2] else "in no layer"
    assert f"is outside the cells, most of it {place}; check [input] length_unit" in warning


def test_likely_mistakes_are_pointed_out(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    card = load_card()
    out = tmp_path / "out.h5"
    (warning,) = voxelize_files([path], out, changed(card, length_unit="m")).warnings
    assert "of the energy is outside the cells" in warning
    (warning,) = voxelize_files([path], out, changed(card, energy_unit="TeV")).warnings
    assert "times the incident energy; check [input] energy_unit" in warning
    (warning,) = voxelize_files([path], out, card, {"theta": 20.0}).warnings
    assert "condition 'theta' is 20..20 rad in the files, beyond the card's 0..0.3" in warning
    nothing = ak.zeros_like(sample_arrays()["hit_energy"])
    path = write_sample(tmp_path / "b.root", hit_energy=nothing)
    (warning,) = voxelize_files([path], out, card).warnings
    assert "no event has any energy" in warning


def test_par04_file(tmp_path: Path) -> None:
    path = write_par04(tmp_path / "e-_8GeV_theta60_1.root")
    voxelize_files([path], tmp_path / "out.h5", load_card(preset="par04"))
    showers = store.load(tmp_path / "out.h5")
    with uproot.open(path) as file:
        hits = file["virtualReadout"].arrays()
    dense = np.zeros((len(hits), 45, 9, 16))
    event = np.repeat(np.arange(len(hits)), ak.num(hits.zCell).to_numpy())
    index = [ak.flatten(hits[name]).to_numpy() for name in ("zCell", "rhoCell", "phiCell")]
    np.add.at(dense, (event, *index), ak.flatten(hits.EnergyCell).to_numpy())
    assert np.allclose(showers.energies, dense.reshape(len(hits), -1), rtol=1e-6)


def test_fancy_tree_file(tmp_path: Path) -> None:
    path = write_fancy_tree(tmp_path / "a.root")
    card = load_card(preset="calogan_root")
    voxelize_files([path], tmp_path / "out.h5", card)
    showers = store.load(tmp_path / "out.h5")
    with uproot.open(path) as file:
        tree = file["fancy_tree"].arrays(library="np")
    cells = np.stack([tree[f"cell_{i}"] for i in range(507)], axis=1)
    assert np.allclose(showers.energies, cells[:, :504], rtol=1e-6)
    assert np.allclose(showers.overflow[:, :3], cells[:, 504:], rtol=1e-6)  # type: ignore[index]
    for fields, message in (
        ({"overflow_cells": []}, r"a\.root: an event has 507 cells.*has 504 voxels"),
        ({"overflow_cells": ["cell_506"]}, r"a\.root: an event has 506 cells.*has 504 voxels"),
    ):
        with pytest.raises(CaloganError, match=message):
            voxelize_files([path], tmp_path / "out.h5", changed(card, **fields))


def test_a_failure_in_a_later_file_keeps_the_old_store(tmp_path: Path) -> None:
    good = write_sample(tmp_path / "a.root")
    bad = write_sample(tmp_path / "b.root", hit_x=None)
    output = tmp_path / "out.h5"
    voxelize_files([good], output, load_card())
    before = output.read_bytes()
    with pytest.raises(CaloganError, match="no branch 'hit_x'"):
        voxelize_files([good, bad], output, load_card())
    assert output.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.root", "b.root", "out.h5"]


def test_empty_files_are_counted(tmp_path: Path) -> None:
    nothing = {k: v[:0] for k, v in sample_arrays().items()}
    good = write_sample(tmp_path / "a.root")
    empty = [write_trees(tmp_path / f"{n}.root", showers=nothing) for n in ("b", "c")]
    output = tmp_path / "out.h5"
    summary = voxelize_files([empty[0], good, empty[1]], output, load_card())
    assert summary.events == 40
    assert summary.empty_files == [str(p) for p in empty]
    (warning,) = summary.warnings
    assert warning.startswith(f"2 files ({empty[0]}, {empty[1]}) without entries")
    found = store.info(output).provenance
    assert [f["entries"] for f in found["files"]] == [0, 40, 0]
    assert found["inputs_sha256"] == [sha256(good)]
    before = output.read_bytes()
    with pytest.raises(CaloganError, match=r"no events in .*b\.root; did its job fail"):
        voxelize_files(empty[:1], output, load_card())
    with pytest.raises(CaloganError, match=r"in .*b\.root, nor in the other 1 files"):
        voxelize_files(empty, output, load_card())
    assert output.read_bytes() == before


def test_a_file_named_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sample(tmp_path / "a.root")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    summary = voxelize_files(["a.root", path, "sub/../*.root"], "out.h5", load_card())
    assert summary.events == 40
    assert summary.files == ["a.root"]
    (warning,) = summary.warnings
    assert warning == "1 file (sub/../a.root) named twice, and read once"


def test_files_of_the_card(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    card = changed(load_card(), files=[str(path)])
    assert voxelize_files([], tmp_path / "out.h5", card).events == 40
    with pytest.raises(CaloganError, match="no input files"):
        voxelize_files([], tmp_path / "out.h5", load_card())


def test_output_over_an_input(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    with pytest.raises(CaloganError, match=r"a\.root is one of the input files"):
        voxelize_files([path], path, load_card())


def test_the_same_input_gives_the_same_file(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    for name in ("a.h5", "b.h5"):
        voxelize_files([path], tmp_path / name, load_card())
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        assert dict(a.attrs) == dict(b.attrs)
    assert sha256(tmp_path / "a.h5") == sha256(tmp_path / "b.h5")


def with_data(card: Card, *dead: dict[str, Any]) -> Card:
    return Card.model_validate({**card.model_dump(), "data": {"dead": list(dead)}})


def test_dead_cells_of_files_and_of_events(tmp_path: Path) -> None:
    numbers = ak.Array([[3, 500], [], [503]] * 10)
    for i in range(2):
        write_sample(tmp_path / f"run{i}.root", 30, seed=i, dead_cells=numbers)
    card = with_data(load_card(), {"cells": [7, 8]}, {"cells": [100], "pattern": "run1"})
    voxelize_files([tmp_path / "*.root"], tmp_path / "all.h5", load_card())
    summary = voxelize_files(
        [tmp_path / "*.root"], tmp_path / "out.h5", changed(card, dead_branch="dead_cells")
    )
    whole, found = store.load(tmp_path / "all.h5"), store.load(tmp_path / "out.h5")
    expected = np.zeros((60, 504), np.bool_)
    expected[:, [7, 8]] = True
    expected[30:, 100] = True
    for event in range(60):
        expected[event, np.array(numbers[event % 30], int)] = True
    assert found.dead is not None
    np.testing.assert_array_equal(found.dead, expected)
    np.testing.assert_array_equal(found.energies, np.where(expected, 0, whole.energies))
    assert summary.dead_energy == pytest.approx(whole.energies[expected].sum(), rel=1e-5) != 0
    np.testing.assert_array_equal(summary.dead_events, expected.sum(axis=0))
    assert any("2 cells are dead in every event (voxels 7, 8)" in w for w in summary.warnings)
    provenance = store.info(tmp_path / "out.h5").provenance
    assert provenance["dead"] == [
        {"cells": [7, 8], "pattern": None},
        {"cells": [100], "pattern": "run1"},
    ]


def test_dead_cells_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sample(tmp_path / "a.root", 30, dead_cells=ak.Array([[i] for i in range(30)]))
    monkeypatch.setattr(pipeline, "BLOCK_BYTES", 7 * 4 * 504)
    voxelize_files([path], tmp_path / "out.h5", changed(load_card(), dead_branch="dead_cells"))
    dead = store.load(tmp_path / "out.h5").dead
    assert dead is not None
    np.testing.assert_array_equal(np.argwhere(dead), [[i, i] for i in range(30)])


@pytest.mark.parametrize(
    ("branch", "message"),
    [
        (ak.Array([[504]] * 40), r"a.root: branch 'dead_cells' has voxel 504 as dead.* 0 to 503"),
        (ak.Array([[-1]] * 40), "has voxel -1 as dead"),
        (ak.Array([[1.0]] * 40), r"expected integers for \[input\] dead_branch"),
        (np.ones(40, np.int32), "expected a vector of numbers an event"),
        (None, r"no branch 'dead_cells' .*set \[input\] dead_branch"),
    ],
)
def test_dead_branches_that_say_no_voxels(tmp_path: Path, branch: Any, message: str) -> None:
    path = write_sample(tmp_path / "a.root", dead_cells=branch)
    with pytest.raises(CaloganError, match=message):
        voxelize_files([path], tmp_path / "out.h5", changed(load_card(), dead_branch="dead_cells"))


def test_dead_cells_beyond_the_geometry(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    with pytest.raises(CaloganError, match=r"\[data\] dead names voxel 504 as dead"):
        voxelize_files([path], tmp_path / "out.h5", with_data(load_card(), {"cells": [1, 504]}))
