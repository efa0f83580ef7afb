"""What a dialect of input files is: a name, how to recognise its files, how to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Input
from calogan.reading.root_file import TreeInfo
from calogan.reading.voxelize import Hits


@dataclass(frozen=True, eq=False)
class Particles:
    """The incident particle of each of n events: of several primaries, that of most energy.

    Of an event without one, everything is 0.
    """

    primaries: NDArray[np.int64]
    """How many primaries the event has, (n,)."""
    energy: NDArray[np.float64]
    """Total energy, GeV, (n,)."""
    momentum: NDArray[np.float64]
    """GeV, (n, 3)."""
    vertex: NDArray[np.float64]
    """Where it starts, mm, (n, 3)."""
    entry: NDArray[np.float64] | None = None
    """Where it enters the calorimeter, mm, (n, 3), if the file says."""


@dataclass(frozen=True, eq=False)
class DeadCells:
    """Cells of some events that were not read out, (n_dead,) each."""

    event: NDArray[np.intp]
    """Counted from 0 among these events."""
    voxel: NDArray[Any]
    """Counted from 0 in the geometry's order."""

    def select(self, keep: NDArray[np.bool_]) -> DeadCells:
        """Those of the events that are kept, which are counted anew."""
        here = keep[self.event]
        return DeadCells((np.cumsum(keep) - 1)[self.event[here]], self.voxel[here])


@dataclass(frozen=True, eq=False)
class Events:
    """Consecutive events of one file."""

    hits: Hits
    """Of dialects that hold cells already, `cell_hits`."""
    columns: Mapping[str, NDArray[Any]]
    """Condition to values (n,), in the file's units, of those that the file holds."""
    start: int
    """Entry number of the first event in the file."""
    entries: int
    """Entries of the whole file."""
    particles: Particles | None = None
    dead: DeadCells | None = None
    """None where the file does not say them."""


@dataclass(frozen=True)
class Contents:
    """What is in a file, as far as it tells the dialect; nothing of a format is empty."""

    path: Path
    trees: tuple[TreeInfo, ...] = ()
    """Of a ROOT file."""
    datasets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of an HDF5 file: whole name, such as "30x30/layers", to shape."""
    n_columns: int = 0
    """Of a CSV file: numbers in its first row."""


@dataclass(frozen=True)
class Dialect:
    """One kind of input file."""

    name: str
    """In `[input] dialect` of cards, and that of the shipped card for `--preset`."""
    about: str
    """One line for people."""
    recognise: Callable[[Contents], str | None]
    """Why a file is of this dialect; None if it is not."""
    read: Callable[[Path, Input, Mapping[str, str], int], Iterator[Events]]
    """Reads a file: its path, `[input]` of the card, condition to the name of its column (the
    `branch` of the card), bytes that one chunk may take. Raises CaloganError naming file, place and
    remedy; a file without entries gives nothing."""
    suggest: Callable[[Path], str] | None = None
    """What a card for one file says beside extending the shipped one, TOML."""
    by_branches: bool = False
    """Whether it is read by the branches of the card, as any ROOT tree of hits or cells."""
