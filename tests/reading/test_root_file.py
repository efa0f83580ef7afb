"""ROOT files: found, opened, and those that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.rootfiles import SAMPLE

from calogan.card.conditions import ConditionCard
from calogan.card.keys import Input
from calogan.errors import CaloganError
from calogan.reading.hits import read_hits
from calogan.reading.root_file import expand_files

ENERGY = ConditionCard(unit="GeV", low=1, high=50, scale="log", branch="gen_energy")


def read(path: Path) -> None:
    for _ in read_hits([path], Input(), {"energy": ENERGY}):
        pass


def test_files_and_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.root", "a.root", "c[1].root"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    found, again = expand_files(["b.root", "*.root", "c[1].root", tmp_path / "a.root"])
    assert [str(p) for p in found] == ["b.root", "a.root", "c[1].root"]
    assert sorted(p.name for p in again) == ["a.root", "b.root", "c[1].root"]
    assert expand_files(["a.root"]) == ([Path("a.root")], [])
    with pytest.raises(CaloganError, match=r"no file matches 'x\*\.root'"):
        expand_files(["x*.root"])
    with pytest.raises(CaloganError, match=r"no file .*aa\.root; .* has 'a\.root'"):
        expand_files([tmp_path / "aa.root"])
    with pytest.raises(CaloganError, match="is not a file"):
        expand_files([tmp_path])
    with pytest.raises(CaloganError, match="no input files"):
        expand_files([])


@pytest.mark.parametrize("name", ["root://host//store/a.root", "https://host/a.root"])
def test_remote_files(name: str) -> None:
    for form in (name, Path(name)):
        with pytest.raises(CaloganError, match=r"a\.root is a remote file; .* with xrdcp"):
            expand_files([form])


@pytest.mark.parametrize("part", [0, 3, 60, 0.3, 0.9, 0.999])
def test_truncated_files(tmp_path: Path, part: float) -> None:
    data = SAMPLE.read_bytes()
    path = tmp_path / "a.root"
    path.write_bytes(data[: int(part * len(data)) if 0 < part < 1 else int(part)])
    with pytest.raises(CaloganError, match=r"a\.root"):
        read(path)


def test_damaged_files(tmp_path: Path) -> None:
    """Whatever a decoder stumbles over, the error is one of ours and names the file."""
    data = SAMPLE.read_bytes()
    rng = np.random.default_rng(0)
    failures = 0
    for _ in range(12):
        damaged = bytearray(data)
        start = int(rng.integers(0, len(data) - 2000))
        damaged[start : start + 2000] = rng.bytes(2000)
        path = tmp_path / "a.root"
        path.write_bytes(damaged)
        try:
            read(path)
        except CaloganError as error:
            failures += 1
            assert "a.root" in str(error)
    assert failures > 3


def test_not_root(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    path.write_text("hello world")
    with pytest.raises(CaloganError, match=r"a\.root is not a ROOT file: it begins with b'hell'"):
        read(path)
