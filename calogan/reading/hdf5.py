"""HDF5 itself: files opened with clear errors, and columns that grow, compressed."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.files import refuse_remote

SUFFIXES = (".h5", ".hdf5")
"""Of the names of HDF5 files."""


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to read; wrap what is done with it in `reading`."""
    refuse_remote(path)
    if not Path(path).is_file():
        raise CaloganError(f"no file {path}")
    with reading(path):
        file = h5py.File(path, "r")
    with file:
        yield file


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """For calls of h5py alone: what they raise for damaged files becomes a CaloganError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CaloganError(
            f"{path} is not a readable HDF5 file, or is damaged: {error}; make or copy it again"
        ) from error


def dataset_of(
    file: h5py.File, path: str | Path, name: str
) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type of a dataset; None if there is none of that name."""
    with reading(path):
        found = file.get(name)
        return (found.shape, found.dtype) if isinstance(found, h5py.Dataset) else None


def check_shapes(
    file: h5py.File, path: str | Path, expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise CaloganError unless these datasets are there, in these shapes."""
    for name, shape in expected.items():
        found = dataset_of(file, path, name)
        if found is None:
            raise CaloganError(f"no dataset '{name}' in {path}, though its attributes name it")
        if found[0] != shape:
            raise CaloganError(f"dataset '{name}' of {path} has shape {found[0]}, expected {shape}")


class ChunkedColumns:
    """A growing dataset of numbers, compressed beside the caller's work.

    Chunks are compressed in another thread and handed to HDF5 ready-made. zlib's run-length
    strategy suits showers, which are mostly zeros: a third faster than its default at level 1, and
    10 % smaller; any HDF5 reads it as gzip.
    """

    def __init__(
        self,
        file: h5py.File,
        name: str,
        width: int | None,
        rows: int,
        pool: ThreadPoolExecutor,
        kind: str = "<f4",
    ) -> None:
        self._file, self._name, self._pool, self._kind = file, name, pool, kind
        self._rows = rows
        self._row_shape = () if width is None else (width,)
        self._buffer = np.empty((rows, *self._row_shape), kind)
        self._filled = 0
        self._n = 0  # rows handed to the pool
        self._capacity = 0
        self._dataset: h5py.Dataset | None = None
        self._pending: deque[tuple[int, Future[bytes]]] = deque()

    def append(self, values: NDArray[Any]) -> None:
        done = 0
        while done < len(values):
            part = values[done : done + self._rows - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            done += len(part)
            if self._filled == self._rows:
                self._flush()

    def finish(self) -> None:
        dataset = self._drain(0)
        # Cut to size before the last chunk is there: HDF5 would decode it, to clear its end.
        dataset.resize(self._n + self._filled, axis=0)
        if self._filled:
            self._buffer[self._filled :] = 0
            self._write(dataset, self._n, _deflate(self._buffer))

    def _flush(self) -> None:
        self._pending.append((self._n, self._pool.submit(_deflate, self._buffer)))
        self._buffer = np.empty_like(self._buffer)
        self._n += self._filled
        self._filled = 0
        self._drain(8)

    def _drain(self, keep: int) -> h5py.Dataset:
        """Write finished chunks, waiting until no more than `keep` are under way."""
        if self._dataset is None:
            self._dataset = self._file.create_dataset(
                self._name,
                shape=(0, *self._row_shape),
                maxshape=(None, *self._row_shape),
                chunks=(self._rows, *self._row_shape),
                dtype=self._kind,
                compression="gzip",
                compression_opts=1,
            )
        while self._pending and (len(self._pending) > keep or self._pending[0][1].done()):
            start, future = self._pending.popleft()
            if start + self._rows > self._capacity:
                # HDF5 takes long to resize, so it grows in large steps.
                self._capacity = 2 * start + self._rows
                self._dataset.resize(self._capacity, axis=0)
            self._write(self._dataset, start, future.result())
        return self._dataset

    def _write(self, dataset: h5py.Dataset, start: int, chunk: bytes) -> None:
        dataset.id.write_direct_chunk((start, *(0 for _ in self._row_shape)), chunk)


def _deflate(data: NDArray[Any]) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return packer.compress(data.data) + packer.flush()
