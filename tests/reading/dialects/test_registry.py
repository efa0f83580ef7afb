"""Dialects are recognised by what is in a file."""

from __future__ import annotations

from pathlib import Path

from helpers.inspections import printed
from helpers.rootfiles import SAMPLE, write_fancy_tree, write_par04

from calogan.inspecting.inspect import inspect


def test_root_files_are_recognised(tmp_path: Path) -> None:
    for path, name, why in (
        (write_par04(tmp_path / "a.root"), "par04", "has rhoCell, phiCell, zCell"),
        (write_fancy_tree(tmp_path / "b.root"), "calogan_root", "cell_0 .. cell_506"),
        (SAMPLE, "branches", "vectors of hits: energy 'hit_energy'"),
    ):
        text = printed(inspect(path))
        assert f"{name}, " in text
        assert why in text
