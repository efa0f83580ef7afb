"""The showers of a file in another format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from calogan.card.keys import Card
from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading import store
from calogan.reading.pipeline import VoxelizeSummary, voxelize_files
from calogan.showers import Showers
from calogan.writing.formats import Format, write
from calogan.writing.target import Names, Target

BLOCK_BYTES = 16 << 20
"""Memory for the voxels of the showers that are read at once; hits take some times more."""
Progress = Callable[[float], None]
"""Called with the part of the work done, 0 to 1."""


@dataclass(frozen=True)
class Converted:
    """What became of a file."""

    n_showers: int
    left_out: tuple[str, ...]
    """What the format has no place for, in words."""
    voxelized: VoxelizeSummary | None
    """Of a file that was no store."""


def convert_file(
    source: str | Path,
    output: str | Path,
    form: Format,
    *,
    card: Card | None = None,
    overrides: Mapping[str, float | str] | None = None,
    geometry: Geometry | None = None,
    particle: str | None = None,
    progress: Progress = lambda done: None,
) -> Converted:
    """Write a file's showers in a format, some at a time; the file appears when it is complete.

    Parameters
    ----------
    source : a store; any other file is voxelized into one, which is removed at the end
    card : of a store, for the names that ROOT files get, None: those that its showers were once
        read by, if any; of any other file, how to read it
    overrides : of a file that is no store, conditions that take a constant value
    geometry : the same cells, to write voxels in its order; None: the store's, or the card's
    particle : for the binning XML; None: what the store says, if it does

    Raises CaloganError for a file that cannot be read, and for cells that the format cannot hold.
    """
    output = Path(output)
    if not Path(source).exists():
        raise CaloganError(f"no file {source}")
    if output.exists() and output.samefile(source):
        raise CaloganError(f"{output} is the file to convert; name another output")
    if store.is_store(source):
        if overrides:
            raise CaloganError(
                f"{source} is a store, whose conditions are as they are: leave out --set"
            )
        names = None if card is None else Names.of_card(card)
        n, left_out = _write(
            Path(source), source, output, form, geometry, particle, names, progress
        )
        return Converted(n, left_out, None)
    if card is None:
        raise CaloganError(
            f"{source} is no store: say how to read it with --preset or --config, as for "
            "`calogan voxelize`; `calogan inspect` finds the preset"
        )
    with ExitStack() as stack:
        # Beside the output: there is the room for it.
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(TemporaryDirectory(prefix=".", dir=output.parent))
        except OSError as error:
            raise CaloganError(f"cannot write {output}: {error}") from error
        voxels = Path(folder) / "voxels.h5"
        summary = voxelize_files(
            [source], voxels, card, overrides, lambda done, _: progress(0.5 * done)
        )
        n, left_out = _write(
            voxels, source, output, form, geometry, particle, None,
            lambda done: progress(0.5 + 0.5 * done),
        )  # fmt: skip
    return Converted(n, left_out, replace(summary, output=output))


def _write(
    path: Path,
    source: str | Path,
    output: Path,
    form: Format,
    geometry: Geometry | None,
    particle: str | None,
    names: Names | None,
    progress: Progress,
) -> tuple[int, tuple[str, ...]]:
    """Write the store at `path`, made from `source`: its number of showers, what is left out."""
    about = store.info(path)
    own = store.geometry_of(about, path)
    particle = particle or about.provenance.get("particle")
    origin = {"converted_from": str(source)}
    target = Target(
        output,
        geometry or own,
        about.conditions,
        origin if particle is None else {**origin, "particle": particle},
        particle,
        about.labels,
        names or Names.of_provenance(about.provenance, own),
    )
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress(done / about.n_showers)

    left_out = write(_parts(path, own, geometry), target, form, count)
    return about.n_showers, tuple(left_out)


def _parts(path: Path, own: Geometry, asked: Geometry | None) -> Iterator[Showers]:
    """A store's showers, in the order of another geometry if one is asked for."""
    for part in store.iterate(path, max(1, BLOCK_BYTES // (4 * own.n_voxels))):
        yield part if asked is None else part.in_order_of(asked)
