from __future__ import annotations

import io
import json
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
from helpers.samples import make_card, make_showers
from rich.console import Console

from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.inspecting.inspect import inspect
from calogan.inspecting.tables import Inspection
from calogan.reading import store
from calogan.reading.pipeline import voxelize_files
from calogan.reading.suggest import words


def printed(found: Inspection) -> str:
    console = Console(width=200, file=io.StringIO())
    console.print(found)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def suggested(path: Path) -> Any:
    """The suggested card, read back, and what it makes of the file."""
    found = inspect(path)
    assert found.card is not None
    card_file = path.with_suffix(".toml")
    card_file.write_text(found.card, encoding="utf-8")
    card = load_card(card_file)
    summary = voxelize_files([path], path.with_suffix(".h5"), card)
    return card, summary, store.load(path.with_suffix(".h5"))


def test_words() -> None:
    assert words("EnergyCell") == words("energy_cell") == ["energy", "cell"]
    assert words("hits/hits.hit_x") == ["hits", "hits", "hit", "x"]
    assert words("ECalBarrel.position.x") == ["e", "cal", "barrel", "position", "x"]


def test_root_sample(tmp_path: Path) -> None:
    """The suggestion for the sample finds its cells, and makes the same showers as its card."""
    path = tmp_path / "photons.root"
    path.write_bytes(SAMPLE.read_bytes())
    card, summary, showers = suggested(path)
    assert not summary.warnings
    shipped = load_card()
    assert list(card.conditions) == ["energy", "theta"]
    assert card.conditions["energy"].source_unit == "GeV"
    assert 1 <= card.conditions["energy"].low < 1.1
    assert [layer.shape for layer in card.build_geometry().layers] == [(3, 96), (12, 12), (12, 6)]
    voxelize_files([path], tmp_path / "b.h5", shipped)
    assert np.array_equal(showers.energies, store.load(tmp_path / "b.h5").energies)
    text = printed(inspect(path))
    assert "std::vector<float>" in text
    assert "tree showers, 1,000 entries" in text
    assert "gen_phi is always 1.5708: not a condition" in text


def test_root_positions_off_any_grid(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root", n=200, hit_layer=None)
    card, summary, _ = suggested(path)
    assert card.input.branches == {k: f"hit_{k}" for k in ("energy", "x", "y", "z")}
    assert summary.outside_fraction == 0
    assert card.build_geometry().n_layers == 10


def test_root_par04(tmp_path: Path) -> None:
    card, summary, showers = suggested(write_par04(tmp_path / "e-_8GeV_theta60_1.root"))
    assert card.input.layout == "indices"
    assert (card.input.tree, card.input.condition_tree) == ("virtualReadout", "global")
    assert card.conditions["energy"].source_unit == "MeV"
    assert showers.conditions["theta"] == pytest.approx(np.pi / 3)
    assert [layer.shape for layer in showers.geometry.layers] == [(9, 16)] * 45
    assert not summary.warnings


def test_root_fancy_tree(tmp_path: Path) -> None:
    path = write_fancy_tree(tmp_path / "a.root")
    card, summary, showers = suggested(path)
    assert card.input.overflow_cells == ["cell_504", "cell_505", "cell_506"]
    assert showers.energies.shape == (12, 504)
    assert summary.hits_outside[:3].all()
    assert "cell_0 .. cell_506 (507 branches)" in printed(inspect(path))


def test_root_cylindrical(tmp_path: Path) -> None:
    arrays = sample_arrays()
    path = write_trees(
        tmp_path / "a.root",
        events={
            "mcEnergy": arrays["gen_energy"] * 1000,
            "mcTheta": np.degrees(arrays["gen_theta"]) + 60,
            "cellEdep": arrays["hit_energy"],
            "cellR": abs(arrays["hit_x"]),
            "cellPhi": arrays["hit_y"] / 100,
            "cellLayer": arrays["hit_layer"],
        },
    )
    card, summary, _ = suggested(path)
    assert card.input.layout == "rphiz"
    assert card.conditions["theta"].source_unit == "deg"
    assert summary.outside_fraction == 0


def test_root_all_in_gev(tmp_path: Path) -> None:
    """Hits and truth in one unit: MeV, unless the showers would be of some MeV only."""
    arrays = sample_arrays()
    energy = arrays["hit_energy"] / 1000
    path = write_sample(tmp_path / "a.root", hit_energy=ak.values_astype(energy, "float32"))
    card, summary, showers = suggested(path)
    assert card.input.energy_unit == card.conditions["energy"].source_unit == "GeV"
    assert "of the hits; a guess" in path.with_suffix(".toml").read_text()
    assert card.conditions["energy"].low >= 1
    assert np.allclose(showers.incident_energy, arrays["gen_energy"])
    assert not summary.warnings
    path = write_sample(tmp_path / "b.root", gen_energy=arrays["gen_energy"] * 1000)
    card = suggested(path)[0]
    assert card.input.energy_unit == card.conditions["energy"].source_unit == "MeV"
    assert "of the hits; a guess" in path.with_suffix(".toml").read_text()


def test_root_without_energy(tmp_path: Path) -> None:
    """No branch tells the energy: the name of the file may, or the card says what is missing."""
    fields = {"gen_energy": None, "gen_theta": None}
    path = write_sample(tmp_path / "e_20GeV.root", **fields)
    assert (suggested(path)[2].incident_energy == 20).all()
    found = inspect(write_sample(tmp_path / "a.root", **fields))
    assert found.card is not None
    assert "set branch = ..., or use\n# --set energy=GEV" in found.card


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
    (tmp_path / "c.h5").write_bytes((tmp_path / "b.h5").read_bytes()[:900])
    with pytest.raises(CaloganError, match=r"c\.h5 is not a readable HDF5 file"):
        inspect(tmp_path / "c.h5")


GRAPH = {
    "inputs": [{"name": "latent", "variables": [{"name": f"latent_{i}"} for i in range(9)]}],
    "input_sequences": [],
    "nodes": [],
    "layers": [
        {"architecture": "dense", "weights": [1.0, 2.0], "bias": [0.5], "activation": "linear"},
        {"architecture": "maxout", "sublayers": [{"weights": [1.0], "bias": [0.0]}]},
    ],
    "outputs": {"fractions": {"node_index": 0, "labels": ["voxel_0", "voxel_1"]}},
}


def test_lwtnn_graph(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GRAPH))
    found = inspect(path)
    assert found.kind == "lwtnn graph"
    text = printed(found)
    assert "1 dense, 1 maxout" in text
    assert "latent_0 .. latent_8 (9)" in text
    assert dict(found.facts)["weights"] == "5"
    sequential = {"inputs": [{"name": "x"}], "layers": [], "outputs": ["y"], "defaults": {}}
    path.write_text(json.dumps(sequential))
    assert inspect(path).kind == "lwtnn sequential model"


def test_generator(tmp_path: Path) -> None:
    card = make_card()
    block = {
        "schema_version": 1,
        "name": "small",
        "producer": "calogan 0.1.0",
        "latent": {
            "nodes": [{"name": "latent", "size": 9}],
            "distribution": "normal",
            "mean": 0.0,
            "std": 1.0,
        },
        "conditions": {
            "node": "conditions",
            "variables": [c.to_dict() for c in card.condition_list],
        },
        "output": "fractions",
        "readout_threshold": 0.1,
        "geometry": card.build_geometry().to_dict(),
        "self_test": [],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**GRAPH, "calogan": block}))
    text = printed(inspect(path))
    for expected in (
        "calogan generator",
        "latent (9), normal",
        "0.35",
        "log",
        "geometry small, 16 voxels",
        "0.1 MeV",
    ):
        assert expected in text
    del block["latent"]
    path.write_text(json.dumps({**GRAPH, "calogan": block}))
    with pytest.raises(
        CaloganError, match="'calogan' block that is not complete: KeyError 'latent'"
    ):
        inspect(path)


def test_run_directory(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(CaloganError, match="is not a run directory"):
        inspect(run)
    (run / "card.json").write_text(make_card(training={"updates": 200}).model_dump_json())
    assert "0 of 200 (0%)" in printed(inspect(run))
    lines = [{"update": 40, "critic": 1.5, "validation_response_ratio": 0.99}, {"update": 80}]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = printed(inspect(run))
    assert "80 of 200 (40%)" in text
    assert "validation_response_ratio" in text
    assert "not written yet" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"a,b\n1,2\n", "is not a ROOT file, HDF5 file, JSON model or run directory"),
        (b'{"a": 1}', r"is JSON, but not a generator or lwtnn model: keys \['a'\]"),
        (b'{"a": ', "is not valid JSON"),
        (b"{\xff", "cannot read JSON file"),
    ],
)
def test_anything_else(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(CaloganError, match=message):
        inspect(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match="no file or folder"):
        inspect(tmp_path / "none")
    with pytest.raises(CaloganError, match="is a remote file"):
        inspect("root://host//a.root")
