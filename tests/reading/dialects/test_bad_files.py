"""Files of each dialect that are broken: what is said names the file, the place and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from helpers.dialects import (
    COLLECTION,
    csv_card,
    csv_lines,
    write_calogan_hdf5,
    write_csv,
    write_edm4hep,
    write_fastcalosim,
    write_getting_high,
)
from helpers.rootfiles import write_fancy_tree, write_par04, write_sample, write_trees

from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.reading.pipeline import voxelize_files

PID = "pid22_E65536_eta_20_25.root"


@dataclass(frozen=True)
class Bad:
    preset: str
    what: str
    make: Callable[[Path], Path]
    message: str
    changes: tuple[str, ...] = ()


def cut(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


def without(write: Callable[..., Path], tree: str, branch: str) -> Callable[[Path], Path]:
    """Write a ROOT file, then again without one branch."""

    def make(folder: Path) -> Path:
        with uproot.open(write(folder / "whole.root")) as file:
            trees: dict[str, dict[str, Any]] = {}
            for name in file.keys(cycle=False):
                keys = file[name].keys()
                keys = [k for k in keys if not (k.startswith("n") and k[1:] in keys)]
                arrays = {k: file[name][k].array() for k in keys}
                trees[name] = {
                    k: v.to_numpy() if v.layout.is_numpy else v for k, v in arrays.items()
                }
        del trees[tree][branch]
        return write_trees(folder / "bad_theta60.root", **trees)

    return make


def par04(n: int = 30, **changes: Any) -> Callable[[Path], Path]:
    """A file of Par04's whose tree `global` is another; `EnergyMC` as it is in the arrays."""

    def make(folder: Path) -> Path:
        with uproot.open(write_par04(folder / "whole.root", n)) as file:
            hits = file["virtualReadout"]
            keys = ("EnergyCell", "rhoCell", "phiCell", "zCell")
            readout = {k: hits[k].array() for k in keys}
            conditions = {"EnergyMC": file["global"]["EnergyMC"].array(library="np"), **changes}
        return write_trees(
            folder / "bad_theta60.root", **{"global": conditions, "virtualReadout": readout}
        )

    return make


def csv(change: Callable[[list[str]], list[str]], name: str = "") -> Callable[[Path], Path]:
    return lambda folder: write_csv(folder, change(csv_lines()), name)


def line(number: int, change: Callable[[str], str]) -> Callable[[Path], Path]:
    """Lines count from 1."""
    return csv(lambda ls: [change(x) if i == number else x for i, x in enumerate(ls, 1)])


def edm4hep(**options: Any) -> Callable[[Path], Path]:
    return lambda folder: write_edm4hep(folder / "bad.root", **options)


def shifted(folder: Path) -> Path:
    """The y of hits belongs to other events."""
    with uproot.open(write_edm4hep(folder / "whole.root")) as file:
        y = file["events"][f"{COLLECTION}.position.y"].array()
    return write_edm4hep(folder / "bad.root", **{f"{COLLECTION}.position.y": y[::-1]})


def nowhere(folder: Path) -> Path:
    with uproot.open(write_edm4hep(folder / "whole.root")) as file:
        y = file["events"][f"{COLLECTION}.position.y"].array()
    counts = ak.num(y).to_numpy()
    flat = ak.flatten(y).to_numpy().copy()
    flat[counts[0]] = np.nan
    return write_edm4hep(
        folder / "bad.root", **{f"{COLLECTION}.position.y": ak.unflatten(flat, counts)}
    )


def calogan_hdf5(**changes: Any) -> Callable[[Path], Path]:
    return lambda folder: write_calogan_hdf5(folder / "bad.hdf5", **changes)


def with_nan(folder: Path) -> Path:
    path = write_calogan_hdf5(folder / "bad.hdf5")
    with h5py.File(path, "r+") as file:
        file["layer_1"][7, 3, 2] = np.nan
    return path


def objects(folder: Path) -> Path:
    cells = {f"Sampling_{i}": np.ones(3) for i in range(3)}
    return write_trees(folder / PID, FCS_ParametrizationInput=cells)


BAD = [
    Bad(
        "calogan_root",
        "a missing cell",
        without(write_fancy_tree, "fancy_tree", "cell_17"),
        r"no branch 'cell_17' in tree 'fancy_tree' of .*bad.*root, though there is 'cell_503'; "
        "cells must count from 0 without gaps",
    ),
    Bad(
        "calogan_root",
        "no incident energy",
        without(write_fancy_tree, "fancy_tree", "TotalEnergy"),
        r"no branch 'TotalEnergy' in tree 'fancy_tree' of .*bad.*set \[conditions\.energy\] branch",
    ),
    Bad(
        "calogan_root",
        "a file of another program",
        lambda folder: write_par04(folder / "bad.root"),
        r"no tree 'fancy_tree' in .*bad\.root; nearest: .*set \[input\] tree",
    ),
    Bad(
        "par04",
        "a missing branch",
        without(write_par04, "virtualReadout", "phiCell"),
        r"no branch 'phiCell' in tree 'virtualReadout' of .*bad.*root; nearest: "
        r".*set \[input\.branches\] second",
    ),
    Bad(
        "par04",
        "trees of other lengths",
        par04(EnergyMC=np.full(29, 5e3)),
        r"tree 'global' of .*bad.*root has 29 entries, but 'virtualReadout' has 30; "
        "conditions and hits must go entry by entry",
    ),
    Bad(
        "edm4hep",
        "fewer numbers than layers",
        edm4hep(),
        r"layer_numbers has 3 numbers, but geometry 'edm4hep' has 48 layers: expected one for each",
        ("input.layer_numbers=[1, 2, 3]",),
    ),
    Bad(
        "edm4hep",
        "a layer named twice",
        edm4hep(),
        r"layer_numbers has \[7\] twice, expected each number once",
        (f"input.layer_numbers={[*range(1, 48), 7]}",),
    ),
    Bad(
        "par04",
        "no angle in the name",
        lambda folder: write_par04(folder / "bad.root"),
        r"\[conditions\.theta\] pattern .* does not match the file name 'bad\.root'; mend it, or "
        r"give a constant with --set theta=VALUE",
    ),
    Bad(
        "lar_photons",
        "hits of unequal numbers",
        lambda folder: write_sample(folder / "bad.root", hit_x=ak.Array([[1.0]] * 40)),
        r"event 0 in tree 'showers' of .*bad\.root has .* values in 'hit_energy' but 1 in 'hit_x'",
    ),
    Bad(
        "lar_photons",
        "a file cut short",
        lambda folder: cut(write_sample(folder / "bad.root"), 9_000),
        r"bad\.root is cut short: it has 9000 bytes, its header says \d+; copy it again",
    ),
    Bad(
        "calogan_hdf5",
        "a missing layer",
        calogan_hdf5(layer_1=None),
        r"no dataset 'layer_1' in .*bad\.hdf5; nearest: .*'layer_2'.*another dialect",
    ),
    Bad(
        "calogan_hdf5",
        "no energies",
        calogan_hdf5(energy=None),
        r"no dataset 'energy' in .*bad\.hdf5; .*set \[conditions\.energy\] branch = \.\.\., or use "
        "--set energy=VALUE",
    ),
    Bad(
        "calogan_hdf5",
        "rows lost",
        calogan_hdf5(layer_2=np.zeros((11, 12, 6))),
        r"dataset 'layer_2' of .*bad\.hdf5 has 11 rows, but 'layer_0' has 12; all must have one",
    ),
    Bad(
        "calogan_hdf5",
        "another segmentation",
        calogan_hdf5(layer_1=np.zeros((12, 12, 10))),
        r"bad\.hdf5: .* 480 .*geometry 'calogan' has 504 voxels.*own cells in .geometry",
    ),
    Bad(
        "calogan_hdf5",
        "no numbers",
        calogan_hdf5(layer_0=[b"text"] * 12),
        r"dataset 'layer_0' of .*bad\.hdf5 has shape \(12,\) and type .*, expected numbers",
    ),
    Bad(
        "calogan_hdf5",
        "several energies an event",
        calogan_hdf5(energy=np.ones((12, 2))),
        r"dataset 'energy' of .*bad\.hdf5 has shape \(12, 2\), expected one number an event",
    ),
    Bad(
        "calogan_hdf5",
        "not a number",
        with_nan,
        r"the cells in .*bad\.hdf5 is nan in event 7 .*expected finite energies, 0 or more",
    ),
    Bad(
        "calogan_hdf5",
        "a truncated file",
        lambda folder: cut(write_calogan_hdf5(folder / "bad.hdf5"), 20_000),
        r"bad\.hdf5 is not a readable HDF5 file, or is damaged: .*; make or copy it again",
    ),
    Bad(
        "getting_high",
        "another group",
        lambda folder: write_calogan_hdf5(folder / "bad.hdf5"),
        r"no dataset '30x30/layers' in .*bad\.hdf5; nearest: ",
    ),
    Bad(
        "getting_high",
        "32 rows of cells",
        lambda folder: write_getting_high(folder / "bad.hdf5", layers=np.ones((3, 30, 32, 30))),
        r"bad\.hdf5: .* 28800 .*geometry 'getting-high' has 27000 voxels",
    ),
    Bad(
        "fastcalogan",
        "a short row",
        line(4, lambda text: text.rsplit(",", 1)[0]),
        r"line 4 of .*pid22.*csv has 21 columns, but line 1 has 22; was the file cut short",
    ),
    Bad(
        "fastcalogan",
        "a last row cut short",
        line(9, lambda text: text[:20]),
        r"line 9 of .*pid22.*csv has \d columns, but line 1 has 22",
    ),
    Bad(
        "fastcalogan",
        "text in a cell",
        line(2, lambda text: text.replace("0.001", "n/a")),
        r"column 1 in line 2 of .*pid22.*csv is 'n/a', expected a number",
    ),
    Bad(
        "fastcalogan",
        "an empty line",
        csv(lambda ls: [*ls[:5], "", *ls[5:]]),
        r"line 6 of .*pid22.*csv has 1 columns, but line 1 has 22",
    ),
    Bad(
        "fastcalogan",
        "an empty file",
        csv(lambda ls: []),
        r"no events in .*pid22.*csv; did its job fail",
    ),
    Bad(
        "fastcalogan",
        "a header",
        csv(lambda ls: [", ".join(f"c{i}" for i in range(22)), *ls]),
        r"column 1 in line 1 of .*csv is 'c0', expected a number; the files have no header",
    ),
    Bad(
        "fastcalogan",
        "blanks between numbers",
        csv(lambda ls: [text.replace(",", " ") for text in ls]),
        r"line 1 of .*csv has 1 columns, but \[input\] leading_columns names .*with commas",
    ),
    Bad(
        "fastcalogan",
        "other cells",
        csv(lambda ls: [text + ", 1" for text in ls]),
        r"pid22.*csv: .* 21 .*geometry 'unnamed' has 20 voxels.*own cells in .geometry",
    ),
    Bad(
        "fastcalogan",
        "negative energy",
        line(3, lambda text: text.rsplit(",", 1)[0] + ", -1"),
        r"a voxel in .*csv is -1 in event 2 .*expected finite energies, 0 or more",
    ),
    Bad(
        "fastcalogan",
        "no energy in the name",
        csv(lambda ls: ls, "photons.csv"),
        r"\[conditions\.energy\] pattern .* does not match the file name 'photons\.csv'; .*--set",
    ),
    Bad(
        "fastcalogan",
        "no such column",
        csv(lambda ls: ls),
        r"no column 'Eta' in .*csv, .* nearest of \[input\] leading_columns: 'eta'",
        ('conditions.eta = {unit = "", low = 0, high = 1, branch = "Eta"}',),
    ),
    Bad(
        "fastcalosim",
        "no samplings",
        lambda folder: write_fastcalosim(folder / PID, **{"hits.sampling": None}),
        r"no branch 'hits\.sampling' in tree .*pid22.*set \[input\.branches\] layer",
    ),
    Bad(
        "fastcalosim",
        "hits in matched cells",
        objects,
        r"tree 'FCS_Para.*' of .*pid22.*root holds hits inside matched cells .*write them as flat",
    ),
    Bad(
        "fastcalosim",
        "no energy in the name",
        lambda folder: write_fastcalosim(folder / "bad.root"),
        r"pattern .* does not match the file name 'bad\.root'; .*--set energy=VALUE",
    ),
    Bad(
        "fastcalosim",
        "no particle",
        lambda folder: write_fastcalosim(folder / PID),
        r"no branch 'TruthPx' in tree .*pid22.*root; nearest: .*set \[input\.particle\] px",
        ('input.particle = {px = "TruthPx", py = "TruthPy", pz = "TruthPz"}',),
    ),
    Bad(
        "fastcalosim",
        "a frame that needs the particle",
        lambda folder: write_fastcalosim(folder / PID),
        r"pid22.*root: \[frame\] needs the incident particle, .* set entry = 'first_layer'",
        ("frame = {barrel_radius = 1250}",),
    ),
    Bad(
        "edm4hep",
        "no encoding",
        edm4hep(encoding=None),
        r"no cellID encoding of 'ECalBarrelCollection' in the metadata of .*bad\.root; give it: "
        r"\[input\] cell_encoding = ",
    ),
    Bad(
        "edm4hep",
        "an encoding that is none",
        edm4hep(encoding="system:8,layer:six"),
        r"bad\.root: ECalBarrelCollection: field 'layer:six' of the cellID encoding "
        r".* is not name:width .*set \[input\] cell_encoding",
    ),
    Bad(
        "edm4hep",
        "an encoding beyond 64 bits",
        edm4hep(encoding="system:8,layer:60:6"),
        r"field 'layer:60:6' of the cellID encoding .* within 64 bits",
    ),
    Bad(
        "edm4hep",
        "no layer in the encoding",
        edm4hep(encoding="system:8,lay:6"),
        r"no field 'layer' in the cellID encoding .*; nearest: 'lay'; set \[input\] layer_field",
    ),
    Bad(
        "edm4hep",
        "another collection",
        edm4hep(),
        r"no collection 'ECalBarel' of SimCalorimeterHits in tree 'events' of .*bad\.root; "
        r"nearest: 'ECalBarrelCollection'; set \[input\] collections",
        ('input.collections = ["ECalBarel"]',),
    ),
    Bad(
        "edm4hep",
        "no collection chosen",
        edm4hep(),
        r"\[input\] collections is empty; tree 'events' of .*bad\.root has ECalBarrelCollection",
        ("input.collections = []",),
    ),
    Bad(
        "edm4hep",
        "no truth",
        edm4hep(**{"MCParticles.momentum.x": None}),
        r"no branch 'MCParticles\.momentum\.x' in tree 'events' of .*bad\.root; nearest: "
        r".*set \[input\] particle_collection",
    ),
    Bad(
        "edm4hep",
        "positions of other events",
        shifted,
        r"event \d in tree 'events' of .*bad\.root has \d+ values in 'ECalBarrelColl.*\.energy' "
        r"but \d+ in 'ECalBarrelCollection\.position\.y'",
    ),
    Bad(
        "edm4hep",
        "a position that is no number",
        nowhere,
        r"branch 'ECalBarrelCollection\.position\.y' in .*bad\.root is nan in event 1 .*positions",
    ),
    Bad(
        "edm4hep",
        "momentum that is no number",
        edm4hep(n=2, **{"MCParticles.momentum.x": ak.Array([[1.0, 2.0], [1.0, np.inf]])}),
        r"a primary particle in tree 'events' of .*bad\.root has px = inf in event 1, expected",
    ),
    Bad(
        "edm4hep",
        "only secondaries",
        edm4hep(n=1, **{"MCParticles.generatorStatus": ak.Array([[0, 0]])}),
        r"every event was left out, of .*bad\.root: 1: no primary particle",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.preset}: {bad.what}")
def test_bad_files(tmp_path: Path, bad: Bad) -> None:
    path = bad.make(tmp_path)
    if bad.preset == "fastcalogan":
        card = load_card(csv_card(tmp_path), bad.changes)
    else:
        card = load_card(changes=bad.changes, preset=bad.preset)
    with pytest.raises(CaloganError, match=bad.message):
        voxelize_files([path], tmp_path / "out.h5", card)
    assert not (tmp_path / "out.h5").exists()


def test_shuffled_trees_and_mixed_units_are_doubted(tmp_path: Path) -> None:
    card = load_card(preset="par04")
    rng = np.random.default_rng(1)
    energy = rng.uniform(1e3, 16e3, 200)
    cells = {"rhoCell": 4, "phiCell": 3, "zCell": 20}

    def write(name: str, incident: Any, factor: float = 1.0) -> Path:
        readout = {k: ak.unflatten(np.full(200, v, np.int32), 1) for k, v in cells.items()}
        deposits = ak.unflatten(0.03 * factor * energy * rng.normal(1, 0.1, 200), 1)
        trees = {"global": {"EnergyMC": incident}, "virtualReadout": readout}
        trees["virtualReadout"] = {"EnergyCell": deposits, **readout}
        return write_trees(tmp_path / f"{name}_theta60.root", **trees)

    good, shuffled = write("good", energy), write("shuffled", rng.permutation(energy))
    assert voxelize_files([good], tmp_path / "out.h5", card).warnings == []
    (warning,) = voxelize_files([good, shuffled], tmp_path / "out.h5", card).warnings
    assert warning.startswith(f"{shuffled}: the energy in hits does not follow the incident energy")
    assert "over 200 events); are the entries of trees 'virtualReadout' and 'global'" in warning
    giga = write("giga", energy, 1e-3)
    (warning,) = voxelize_files([good, giga], tmp_path / "out.h5", card).warnings
    assert f"in {good}, but to 3" in warning
    assert f"e-05 in {giga}; are their units the same?" in warning
