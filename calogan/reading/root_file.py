"""ROOT files: opened, their trees and branches named, read in chunks of bounded memory."""

from __future__ import annotations

import glob
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from calogan.errors import CaloganError, nearest
from calogan.files import refuse_remote

T = TypeVar("T")


@dataclass(frozen=True)
class BranchInfo:
    """A branch, as far as its type goes."""

    name: str
    typename: str
    size: int = 0
    """Bytes of its values."""

    @property
    def shape(self) -> str:
        """scalar, vector (of numbers), or other."""
        number = r"(?:u?int\d+_t|float|double|int|short|long|unsigned \w+|bool)"
        if re.fullmatch(number, self.typename):
            return "scalar"
        if re.fullmatch(rf"(?:std::)?vector<{number}>|{number}\[\w*\]", self.typename):
            return "vector"
        return "other"

    @property
    def is_integer(self) -> bool:
        return not re.search("float|double", self.typename)


@dataclass(frozen=True)
class TreeInfo:
    name: str
    entries: int
    branches: tuple[BranchInfo, ...]


def expand_files(files: Sequence[str | Path]) -> tuple[list[Path], list[Path]]:
    """Paths and globs to files, in the order given, a glob's in alphabetical order.

    Returns the files, each once whatever its spelling, and those that were named again.
    """
    if not files:
        raise CaloganError("no input files; name ROOT files or set [input] files in the card")
    found: dict[Path, Path] = {}
    again: dict[Path, Path] = {}
    for name in files:
        refuse_remote(name)
        path = Path(name).expanduser()
        if path.exists():
            matches = [path]
        elif glob.has_magic(str(name)):
            # Path.glob takes no absolute patterns
            matches = [Path(m) for m in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
            if not matches:
                raise CaloganError(f"no file matches '{name}' (looked from {Path.cwd()})")
        else:
            siblings = [p.name for p in path.parent.glob("*.root")]
            hint = f"; {path.parent} has {nearest(path.name, siblings)}" if siblings else ""
            raise CaloganError(f"no file {path}{hint}")
        for match in matches:
            if not match.is_file():
                raise CaloganError(
                    f"{match} is not a file; name ROOT files or a glob such as '{match}/*.root'"
                )
            (again if match.resolve() in found else found)[match.resolve()] = match
    return list(found.values()), list(again.values())


class Tree:
    """A tree of a file; its errors say which."""

    def __init__(self, directory: Any, path: Path, name: str, key: str) -> None:
        """Find tree `name`, which the card's [input] `key` asks for."""
        self.where = f"tree '{name}' of {path}"
        trees = tree_names(directory)
        if name not in trees:
            hint = f"nearest: {nearest(name, trees)}; set [input] {key} = ..."
            raise CaloganError(
                f"no tree '{name}' in {path}; {hint if trees else 'the file has no trees'}"
            )
        self.tree = decode(self.where, lambda: directory[name])
        self.entries = int(self.tree.num_entries)

    def require(self, branch: str, key: str, other: str = "") -> None:
        """Raise CaloganError if there is no such branch; `key` of the card names it."""
        if branch not in self.tree:
            raise CaloganError(
                f"no branch '{branch}' in {self.where}; "
                f"nearest: {nearest(branch, branch_names(self.tree))}; set {key} = ...{other}"
            )

    def read(self, branches: Iterable[str], start: int, stop: int) -> Any:
        names = list(dict.fromkeys(branches))
        read = partial(self.tree.arrays, entry_start=start, entry_stop=stop, library="ak")
        return decode(self.where, lambda: read(names))

    def chunks(self, branches: Iterable[str], size: int) -> Iterator[tuple[int, Any]]:
        """Number of the first entry, and arrays of about `size` bytes, for successive entries."""
        names = list(dict.fromkeys(branches))
        step = decode(self.where, lambda: _entries_per_chunk(self.tree, names, size))
        if step >= self.entries:
            yield 0, self.read(names, 0, self.entries)
            return
        # iterate keeps the basket that straddles two chunks, so none is decompressed twice.
        parts = self.tree.iterate(names, step_size=step, library="ak")
        start = 0
        while start < self.entries:
            arrays = decode(self.where, lambda: next(parts))
            yield start, arrays
            start += len(arrays)


def open_root(path: Path) -> Any:
    """Open a ROOT file; a context manager. Raises CaloganError if it is none, or cut short."""
    import uproot

    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError as error:
        raise CaloganError(f"cannot read {path}: {error}") from error
    if header[:4] != b"root":
        raise CaloganError(f"{path} is not a ROOT file: it begins with {header[:4]!r}, not b'root'")
    size, expected = path.stat().st_size, _size_in_header(header)
    if size < expected:
        raise CaloganError(
            f"{path} is cut short: it has {size} bytes, its header says {expected}; copy it again"
        )
    # Plain reads here and now: threads cost more than they bring, and mapped pages would count as
    # memory in use, as much as the file is large.
    return decode(
        str(path),
        lambda: uproot.open(
            path,
            object_cache=None,
            array_cache=None,
            handler=uproot.MultithreadedFileSource,
            use_threads=False,
        ),
    )


def _size_in_header(header: bytes) -> int:
    """End of the file by the header: magic, version, begin, end, of 8 bytes in large files."""
    if len(header) < 20:
        return 20
    version = struct.unpack_from(">i", header, 4)[0]
    end: int = struct.unpack_from(">q" if version >= 1_000_000 else ">i", header, 12)[0]
    return end


def branch_names(tree: Any) -> list[str]:
    """Names by which a tree's branches can be read: short ones, then paths of nested ones."""
    paths = [str(key) for key in tree.keys(recursive=True)]
    return list(dict.fromkeys([*(p.rsplit("/", 1)[-1] for p in paths), *paths]))


def tree_names(directory: Any) -> list[str]:
    """Names of the trees and ntuples in a file, without cycle numbers."""
    kinds = directory.classnames(cycle=False)
    return [str(k) for k, kind in kinds.items() if kind in ("TTree", "TNtuple", "ROOT::RNTuple")]


def tree_infos(directory: Any, path: Path) -> list[TreeInfo]:
    """What every tree of a file holds."""
    return [
        decode(f"tree '{name}' of {path}", partial(_tree_info, directory, name))
        for name in tree_names(directory)
    ]


def _tree_info(directory: Any, name: str) -> TreeInfo:
    tree = directory[name]
    branches = tuple(
        BranchInfo(
            str(key).rsplit("/", 1)[-1],
            str(branch.typename),
            int(getattr(branch, "uncompressed_bytes", 0)),
        )
        for key, branch in zip(tree.keys(recursive=True), tree.values(recursive=True), strict=True)
    )
    return TreeInfo(name, int(tree.num_entries), branches)


def decode(where: str, action: Callable[[], T]) -> T:
    """Run a call into uproot; whatever its decoders raise becomes one error that says where."""
    try:
        return action()
    except CaloganError:
        raise
    except Exception as error:  # zlib, struct, index, key, type, ... errors, by the damage
        raise CaloganError(
            f"cannot read {where}: {_first_line(error)}; is the file damaged, or of a type that "
            "uproot does not read?"
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _entries_per_chunk(tree: Any, branches: list[str], chunk_bytes: int) -> int:
    """Entries whose branches take about `chunk_bytes` once decompressed."""
    entries = int(tree.num_entries)
    try:
        total = sum(int(tree[name].uncompressed_bytes) for name in branches)
    except AttributeError:  # an RNTuple; a TTree would take long to answer this way
        return max(1, int(tree.num_entries_for(chunk_bytes, filter_name=branches)))
    return max(1, int(entries * chunk_bytes / max(1, total)))
