"""All formats that showers are written in, by name and by the ending of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from calogan.errors import CaloganError
from calogan.reading.hdf5 import SUFFIXES
from calogan.showers import Showers
from calogan.writing.calochallenge import write_calochallenge, write_store
from calogan.writing.csv_lines import write_csv
from calogan.writing.root_trees import write_par04, write_trees
from calogan.writing.target import Target


@dataclass(frozen=True)
class Format:
    """One kind of file of showers."""

    name: str
    endings: tuple[str, ...]
    """Of its files; of formats that share one, the first is meant where none is named."""
    about: str
    """One line for people."""
    write: Callable[[Iterable[Showers], Target], None]
    """Writes the file as the showers come; it appears, whole, at the end, or not at all."""
    holds_all: bool = False
    """Whether it has a place for event weights, dead cells, and the energy outside the cells."""


FORMATS: tuple[Format, ...] = (
    Format("store", SUFFIXES, "a store like those of voxelize", write_store, holds_all=True),
    Format("csv", (".csv",), "a line for each cell with energy", write_csv),
    Format("root", (".root",), "a ROOT tree of hits, by a card's names", write_trees),
    Format(
        "calochallenge",
        SUFFIXES,
        "CaloChallenge: a store in its order of voxels, and the binning XML beside it",
        write_calochallenge,
        holds_all=True,
    ),
    Format("par04", (".root",), "ROOT as the Geant4 example Par04 writes it", write_par04),
)
BY_NAME = {each.name: each for each in FORMATS}


def format_of(path: str | Path, name: str | None = None) -> Format:
    """The format called `name`, or the one that the ending of `path` says.

    Raises CaloganError if there is none, or if the ending is not one of its own.
    """
    ending = Path(path).suffix
    if name is None:
        for each in FORMATS:
            if ending in each.endings:
                return each
        known = list(dict.fromkeys(e for each in FORMATS for e in each.endings))
        raise CaloganError(
            f"cannot write {path}: its ending is '{ending}', expected "
            f"{', '.join(known[:-1])} or {known[-1]}"
        )
    if name not in BY_NAME:
        raise CaloganError(f"no format '{name}'; there are {', '.join(BY_NAME)}")
    found = BY_NAME[name]
    if ending not in found.endings:
        raise CaloganError(
            f"cannot write {path} as {name}: its ending is '{ending}', expected "
            f"{' or '.join(found.endings)}"
        )
    return found


def write(
    parts: Iterable[Showers],
    target: Target,
    form: Format,
    progress: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Write showers as they come; the file appears, whole, at the end, or not at all.

    Parameters
    ----------
    parts : showers of the target's geometry and conditions
    progress : called with the number of showers that came since its last call

    Returns
    -------
    What the format has no place for, in words; empty where all is kept.
    """
    lost: set[str] = set()
    input = target.names.input if form.name == "root" and target.names is not None else None
    # A tree may have a branch for the energy beside each layer, none for that in no layer.
    placed = target.geometry.n_layers if input is not None and input.overflow_cells else 0
    marked = input is not None and input.dead_branch is not None

    def passing() -> Iterator[Showers]:
        for part in parts:
            if part.weights is not None:
                lost.add("event weights")
            if part.overflow is not None and part.overflow[:, placed:].any():
                lost.add("energy outside the cells")
            if part.dead is not None and part.dead.any() and not marked:
                lost.add("which cells are dead")
            yield part
            progress(len(part))

    form.write(passing(), target)
    return [] if form.holds_all else sorted(lost)
