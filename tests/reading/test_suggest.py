"""Run cards that are suggested for ROOT files, used to read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from helpers.inspections import printed
from helpers.rootfiles import (
    SAMPLE,
    sample_arrays,
    write_fancy_tree,
    write_par04,
    write_sample,
    write_trees,
)

from calogan.card.loading import load_card
from calogan.inspecting.inspect import inspect
from calogan.reading import store
from calogan.reading.pipeline import voxelize_files
from calogan.reading.suggest import words


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
