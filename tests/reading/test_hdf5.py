"""HDF5 itself: columns that grow, and errors that name the file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from calogan.errors import CaloganError
from calogan.reading.hdf5 import ChunkedColumns, open_hdf5, reading


@pytest.mark.parametrize("width", [None, 3])
@pytest.mark.parametrize("parts", [(1,), (10,), (4, 0, 7, 100, 3), (25, 25)])
def test_columns_grow_by_any_part(tmp_path: Path, width: int | None, parts: tuple[int]) -> None:
    shape = () if width is None else (width,)
    values = np.random.default_rng(0).random((sum(parts), *shape)).astype(np.float32)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file, ThreadPoolExecutor(1) as pool:
        columns = ChunkedColumns(file, "group/values", width, 10, pool)
        for part in np.split(values, np.cumsum(parts)[:-1]):
            columns.append(part)
        columns.finish()
    with open_hdf5(path) as file:
        found = file["group/values"]
        assert found.compression == "gzip" and found.chunks == (10, *shape)
        np.testing.assert_array_equal(found[()], values)


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match=r"no file .*none\.h5"), open_hdf5(tmp_path / "none.h5"):
        pass
    with pytest.raises(CaloganError, match=r"a\.h5 is a remote file"), open_hdf5("https://h/a.h5"):
        pass
    (tmp_path / "text.h5").write_text("no")
    with (
        pytest.raises(CaloganError, match=r"text\.h5 is not a readable HDF5 file, or is damaged"),
        open_hdf5(tmp_path / "text.h5"),
    ):
        pass
    with pytest.raises(CaloganError, match=r"a\.h5 .* or is damaged: 'x'"), reading("a.h5"):
        raise KeyError("x")
