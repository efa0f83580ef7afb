"""Dialects are recognised by what is in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.dialects import (
    COLLECTION,
    ENCODING,
    csv_lines,
    write_calogan_hdf5,
    write_csv,
    write_edm4hep,
    write_fastcalosim,
    write_getting_high,
    write_hdf5,
)
from helpers.inspections import printed
from helpers.rootfiles import SAMPLE, write_fancy_tree, write_par04

from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.inspecting.inspect import inspect
from calogan.reading.pipeline import voxelize_files


def test_root_files_are_recognised(tmp_path: Path) -> None:
    for path, name, why in (
        (write_par04(tmp_path / "a.root"), "par04", "has rhoCell, phiCell, zCell"),
        (write_fancy_tree(tmp_path / "b.root"), "calogan_root", "cell_0 .. cell_506"),
        (SAMPLE, "branches", "vectors of hits: energy 'hit_energy'"),
    ):
        text = printed(inspect(path))
        assert f"{name}, " in text
        assert why in text


def test_other_files_are_recognised(tmp_path: Path) -> None:
    for path, name, why in (
        (write_calogan_hdf5(tmp_path / "a.h5"), "calogan_hdf5", "3 x 96, 12 x 12, 12 x 6 cells"),
        (write_getting_high(tmp_path / "b.h5"), "getting_high", "layers of 30 x 30 x 30 cells"),
        (write_fastcalosim(tmp_path / "c.root"), "fastcalosim", "has hits.hit_energy, hits.samp"),
        (write_edm4hep(tmp_path / "d.root"), "edm4hep", f"SimCalorimeterHits ({COLLECTION})"),
        (write_csv(tmp_path, csv_lines()), "fastcalogan", "its name has particle, energy and eta"),
        (write_csv(tmp_path, csv_lines(), "e.csv"), "fastcalogan", "first line is 22 numbers"),
    ):
        found = inspect(path)
        text = printed(found)
        assert f"{name}, " in text
        assert why in text
        assert found.card is not None
        assert f'extends = "{name}.toml"' in found.card
    path = write_hdf5(tmp_path / "f.h5", {"layer_0": np.ones((2, 3, 90)), "energy": np.ones(2)})
    assert inspect(path).card is None
    assert "dialect" not in printed(inspect(path))


def test_the_suggested_card_reads_the_file(tmp_path: Path) -> None:
    for write, name in (
        (write_calogan_hdf5, "a.h5"),
        (write_getting_high, "b.h5"),
        (write_fastcalosim, "pid22_E65536_eta_20_25.root"),
        (lambda path: write_edm4hep(path, second="HCalBarrelCollection"), "d.root"),
    ):
        path = write(tmp_path / name)
        card = tmp_path / "card.toml"
        card.write_text(str(inspect(path).card))
        assert voxelize_files([path], tmp_path / "out.h5", load_card(card)).events > 2
    path = write_csv(tmp_path, csv_lines())
    assert "of 20 voxels: 22 columns" in str(inspect(path).card)


def test_what_is_suggested_of_edm4hep(tmp_path: Path) -> None:
    path = write_edm4hep(tmp_path / "a.root", second="Another")
    text = str(inspect(path).card)
    assert f"# cellID of Another: {ENCODING}" in text
    assert "# its layers seen: 1 .. 40; see layer_numbers" in text
    text = str(inspect(write_edm4hep(tmp_path / "b.root", encoding=None)).card)
    assert "cellID of" not in text


def test_a_dialect_can_be_asked_for(tmp_path: Path) -> None:
    found = inspect(write_par04(tmp_path / "a.root"), "fastcalosim")
    assert 'extends = "fastcalosim.toml"' in str(found.card)
    assert "--preset names it" in printed(found)
    with pytest.raises(CaloganError, match=r"no dialect 'par4'; nearest: 'par04'.*there are"):
        inspect(SAMPLE, "par4")
