"""What is said of ROOT and HDF5 files."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from helpers.inspections import printed
from helpers.rootfiles import SAMPLE, write_trees
from helpers.samples import make_showers

from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.inspecting.inspect import inspect
from calogan.reading import store


def test_root_without_hits(tmp_path: Path) -> None:
    path = write_trees(tmp_path / "a.root", t={"time": np.arange(3.0)})
    found = inspect(path)
    assert found.card is None
    assert "no tree has branches that look like hits" in printed(found)
    with uproot.recreate(tmp_path / "b.root") as file:
        file["h"] = np.histogram([1.0, 2.0])
    assert "h (TH1D)" in printed(inspect(tmp_path / "b.root"))
    empty = ak.unflatten(np.zeros(0, np.float32), np.zeros(3, int))
    hits = {f"hit_{k}": empty for k in ("energy", "x", "y", "z")}
    path = write_trees(tmp_path / "c.root", showers={**hits, "gen_energy": np.ones(3)})
    assert "have no hits: give the layers" in str(inspect(path).card)


def test_damaged_root(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    path.write_bytes(SAMPLE.read_bytes()[:200_000])
    with pytest.raises(CaloganError, match="is cut short"):
        inspect(path)


def test_store(tmp_path: Path) -> None:
    showers = make_showers(30)
    provenance = {"files": [{"path": "x.root"}], "hits": 12}
    conditions = [("energy", "GeV"), ("theta", "rad")]
    store.save(showers, tmp_path / "a.h5", conditions, provenance)
    found = inspect(tmp_path / "a.h5")
    assert found.kind == "store of showers, version 1"
    text = printed(found)
    assert "30 of 16 voxels" in text
    assert "energy [GeV], theta [rad]" in text
    assert "1 files, first x.root" in text
    assert f"{showers.energies.min():.6g} .. {showers.energies.max():.6g}" in text
    assert "3 x 4" in text


def test_other_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layer_0"] = np.array([[1.0, np.nan], [3.0, 2.0]])
        file["group/name"] = "text"
        file["one"] = 7
        file.attrs["made"] = "by hand"
    text = printed(inspect(tmp_path / "a.h5"))
    assert "HDF5 file, not a store of showers" in text
    assert "1 .. 3, 1 not finite" in text
    assert "group/name" in text
    assert "by hand" in text
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["showers"], file["incident_energies"] = np.ones((2, 3)), np.ones((2, 1))
    assert "CaloChallenge HDF5 file; its geometry is in a binning XML" in printed(
        inspect(tmp_path / "b.h5")
    )
    text = printed(inspect(tmp_path / "b.h5"))
    assert 'extends = "calochallenge.toml"' in text and '# file = "binning.xml"' in text
    xml = '<Bins><Bin name="e"><Layer id="0" r_edges="0,1,2,3" n_bin_alpha="1" /></Bin></Bins>'
    (tmp_path / "other.xml").write_text("<a/>")
    (tmp_path / "three.xml").write_text(xml)
    found = inspect(tmp_path / "b.h5")
    assert '[geometry]\nfile = "three.xml"' in str(found.card)
    (tmp_path / "b.toml").write_text(str(found.card))
    assert load_card(tmp_path / "b.toml").build_geometry().n_voxels == 3
    (tmp_path / "c.h5").write_bytes((tmp_path / "b.h5").read_bytes()[:900])
    with pytest.raises(CaloganError, match=r"c\.h5 is not a readable HDF5 file"):
        inspect(tmp_path / "c.h5")
