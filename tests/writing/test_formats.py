"""Formats by name and ending."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.samples import make_showers

from calogan.errors import CaloganError
from calogan.reading import store
from calogan.writing.convert import convert_file
from calogan.writing.formats import FORMATS, format_of


def test_the_ending_says_the_format_and_a_name_says_more() -> None:
    assert [format_of(f"a.{e}").name for e in ("h5", "hdf5", "csv", "root")] == [
        *("store", "store", "csv", "root")
    ]
    assert format_of("a.root", "par04").name == "par04"
    for each in FORMATS:
        assert format_of(f"a{each.endings[0]}", each.name) is each
    for path, name, message in (
        ("a.txt", None, r"its ending is '\.txt', expected \.h5, \.hdf5, \.csv or \.root"),
        ("a.h5", "par04", r"cannot write a\.h5 as par04: its ending is '\.h5', expected \.root"),
        ("a.csv", "calochallenge", r"expected \.h5 or \.hdf5"),
        ("a.csv", "delphes", "no format 'delphes'; there are store, csv, root, calochallenge"),
    ):
        with pytest.raises(CaloganError, match=message):
            format_of(path, name)


def test_what_is_converted_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.root").write_bytes(b"root")
    store.save(make_showers(5), tmp_path / "a.h5")
    for source, options, message in (
        ("a.root", {}, "is no store: say how to read it with --preset or --config"),
        ("none.h5", {}, "no file .*none.h5"),
        ("a.h5", {"overrides": {"theta": 1.0}}, "is a store, whose conditions are as they are"),
    ):
        with pytest.raises(CaloganError, match=message):
            convert_file(tmp_path / source, tmp_path / "b.csv", format_of("b.csv"), **options)
    with pytest.raises(CaloganError, match="is the file to convert; name another output"):
        convert_file(tmp_path / "a.h5", tmp_path / "a.h5", format_of("a.h5"))


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    store.save(make_showers(50), tmp_path / "a.h5")
    seen: list[float] = []
    convert_file(tmp_path / "a.h5", tmp_path / "a.csv", format_of("a.csv"), progress=seen.append)
    assert seen[-1] == 1.0
