"""Which kind of file it is, and files of none."""

from __future__ import annotations

from pathlib import Path

import pytest

from calogan.errors import CaloganError
from calogan.inspecting.inspect import inspect


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"a,b\n1,2\n", "is not a ROOT, HDF5 or CSV file, JSON model, run directory or bundle"),
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
