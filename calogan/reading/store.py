"""The HDF5 store of showers: the CaloChallenge dialect, with conditions, geometry, provenance.

The dialect (https://calochallenge.github.io/homepage/) is `incident_energies` (n, 1) and
`showers` (n, n_voxels), both in MeV. Beside them stand `conditions/<name>` (n,), `overflow`
(n, n_layers + 1) in MeV, event `weights` (n,), `dead` (n, n_voxels) where cells were not read out
(not 0: dead), and as attributes of the file the format's version `calogan_store` and, in JSON,
`geometry`, `conditions` and `provenance`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import Label, condition_from_dict, labels_of
from calogan.errors import CaloganError, nearest
from calogan.files import atomic_path, writing
from calogan.geometry import Geometry
from calogan.reading.hdf5 import ChunkedColumns, check_shapes, dataset_of, open_hdf5, reading
from calogan.showers import Showers

STORE_VERSION = 2
"""Written where there are dead cells; before it, a program would take their zeros for energies."""
OLD_VERSION = 1
"""Written where there are none: programs that know no other read it."""
CHUNK_BYTES = 1 << 20
COLUMN_CHUNK = 4096


@dataclass(frozen=True)
class StoreInfo:
    """What a store says of itself."""

    n_showers: int
    n_voxels: int
    geometry: Geometry | None
    """None: a plain CaloChallenge file, which does not hold it."""
    conditions: tuple[tuple[str, str], ...]
    """Name and unit; `energy` in GeV first."""
    has_overflow: bool
    version: int | None
    """Of the format; None: a plain CaloChallenge file."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    has_weights: bool = False
    """Whether its showers have event weights."""
    has_dead: bool = False
    """Whether some cells of some showers are dead."""
    labels: Mapping[str, Label] = field(default_factory=dict)
    """Those of `conditions` that are labels."""


class StoreWriter:
    """Writes a store chunk by chunk; the file appears, whole, when the block ends well.

    >>> with StoreWriter("out.h5", geometry, [("energy", "GeV")], {}) as writer:  # doctest: +SKIP
    ...     writer.append(energies, {"energy": incident}, overflow)

    `provenance` may be added to until the end. If the block raises, nothing is left behind and an
    older file at `path` stays whole.
    """

    def __init__(
        self,
        path: str | Path,
        geometry: Geometry,
        conditions: Sequence[tuple[str, str]],
        provenance: Mapping[str, Any],
        labels: Mapping[str, Label] | None = None,
    ) -> None:
        if not conditions or tuple(conditions[0]) != ("energy", "GeV"):
            raise CaloganError(
                f"a store's first condition is ('energy', 'GeV'), found {list(conditions)}"
            )
        self.path = Path(path)
        self.geometry = geometry
        self.conditions = [(name, unit) for name, unit in conditions]
        self.provenance, self.labels = dict(provenance), dict(labels or {})
        self.n_showers = 0
        self._overflow: bool | None = None
        self._weighted: bool | None = None
        self._masked: bool | None = None

    def __enter__(self) -> StoreWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            with writing(self.path, RuntimeError):
                self._file = h5py.File(temporary, "w")
            stack.push(self._close)
            pool = stack.enter_context(ThreadPoolExecutor(1))
            self._stack = stack.pop_all()
        voxels = self.geometry.n_voxels
        rows = min(4096, max(1, CHUNK_BYTES // (4 * voxels)))
        self._showers = ChunkedColumns(self._file, "showers", voxels, rows, pool)
        # In double precision the CaloChallenge's classifiers compute, whose weights are double too.
        self._energies = ChunkedColumns(
            self._file, "incident_energies", 1, COLUMN_CHUNK, pool, "<f8"
        )
        self._columns = {
            name: ChunkedColumns(self._file, f"conditions/{name}", None, COLUMN_CHUNK, pool)
            for name, _ in self.conditions
        }
        self._overflows = ChunkedColumns(
            self._file, "overflow", self.geometry.n_layers + 1, COLUMN_CHUNK, pool
        )
        self._weights = ChunkedColumns(self._file, "weights", None, COLUMN_CHUNK, pool)
        self._dead = ChunkedColumns(self._file, "dead", voxels, rows, pool, "|u1")
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            try:
                with writing(self.path, RuntimeError):
                    self._finish()
            except BaseException as failure:
                self._stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._stack.__exit__(kind, error, trace)

    def _close(self, kind: Any, *_: Any) -> None:
        """Close the file; of two errors, the first is the one to tell."""
        try:
            with writing(self.path, RuntimeError):
                self._file.close()
        except CaloganError:
            if kind is None:
                raise

    def append(
        self,
        energies: ArrayLike,
        conditions: Mapping[str, ArrayLike],
        overflow: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        dead: ArrayLike | None = None,
    ) -> None:
        """Add showers.

        Parameters
        ----------
        energies : (k, n_voxels), MeV
        conditions : name to values (k,), all that the store was made with
        overflow : (k, n_layers + 1), MeV; with every call or with none
        weights : event weights (k,); with every call or with none
        dead : cells that were not read out, (k, n_voxels); with every call or with none
        """
        known = [name for name, _ in self.conditions]
        if sorted(conditions) != sorted(known):
            raise CaloganError(
                f"cannot add to {self.path}: conditions are {sorted(conditions)}, "
                f"expected {sorted(known)}"
            )
        for what, before, now in (
            ("overflow", self._overflow, overflow),
            ("weights", self._weighted, weights),
            ("dead", self._masked, dead),
        ):
            if before not in (None, now is not None):
                raise CaloganError(
                    f"cannot add to {self.path}: {what} must come with every chunk or with none"
                )
        # Showers checks the shapes.
        chunk = Showers(
            np.asarray(energies, np.float32),
            {name: np.asarray(conditions[name], np.float32) for name in known},
            self.geometry,
            None if overflow is None else np.asarray(overflow, np.float32),
            weights=None if weights is None else np.asarray(weights, np.float32),
            dead=None if dead is None else np.asarray(dead, np.bool_),
        )
        self._overflow, self._weighted = overflow is not None, weights is not None
        self._masked = dead is not None
        self.n_showers += len(chunk)
        with writing(self.path, RuntimeError):
            self._showers.append(chunk.energies)
            self._energies.append(np.asarray(conditions["energy"], np.float64)[:, None] * 1000.0)
            for name, column in self._columns.items():
                column.append(chunk.conditions[name])
            if chunk.overflow is not None:
                self._overflows.append(chunk.overflow)
            if chunk.weights is not None:
                self._weights.append(chunk.weights)
            if chunk.dead is not None:
                self._dead.append(chunk.dead)

    def add(self, showers: Showers) -> None:
        """Add showers with all they hold."""
        self.append(
            showers.energies, showers.conditions, showers.overflow, showers.weights, showers.dead
        )

    def _finish(self) -> None:
        if not self.n_showers:
            raise CaloganError(f"no showers to write to {self.path}")
        for columns in (self._showers, self._energies, *self._columns.values()):
            columns.finish()
        if self._overflow:
            self._overflows.finish()
        if self._weighted:
            self._weights.finish()
        if self._masked:
            self._dead.finish()
        attributes = self._file.attrs
        attributes["calogan_store"] = STORE_VERSION if self._masked else OLD_VERSION
        attributes["geometry"] = json.dumps(self.geometry.to_dict())
        attributes["conditions"] = json.dumps(
            [
                {"name": name, "unit": unit}
                | (self.labels[name].to_dict() if name in self.labels else {})
                for name, unit in self.conditions
            ]
        )
        attributes["provenance"] = json.dumps(self.provenance)


def save(
    showers: Showers,
    path: str | Path,
    conditions: Sequence[tuple[str, str]] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write showers to a store.

    Parameters
    ----------
    conditions : name and unit of each, `energy` first; None: those of `showers`
    provenance : None: that of `showers`
    """
    if conditions is None:
        others = [name for name in showers.conditions if name != "energy"]
        conditions = [("energy", "GeV"), *((name, showers.unit(name)) for name in others)]
    provenance = showers.provenance if provenance is None else provenance
    with StoreWriter(path, showers.geometry, conditions, provenance, showers.labels) as writer:
        writer.add(showers)


def is_store(path: str | Path) -> bool:
    """Whether a file is a store, rather than one of another format."""
    if not h5py.is_hdf5(path):
        return False
    with open_hdf5(path) as file, reading(path):
        return "calogan_store" in file.attrs


def info(path: str | Path) -> StoreInfo:
    """What is in a store, without reading its showers."""
    with open_hdf5(path) as file:
        return _describe(file, path)


def load(
    path: str | Path,
    start: int | None = None,
    stop: int | None = None,
    geometry: Geometry | None = None,
) -> Showers:
    """Read showers from a store or a CaloChallenge file.

    Parameters
    ----------
    start, stop : the rows, as in a slice
    geometry : needed for CaloChallenge files, which do not hold it; must agree with a store's own
    """
    with open_hdf5(path) as file:
        about = _describe(file, path)
        first, last, _ = slice(start, stop).indices(about.n_showers)
        rows = slice(first, max(first, last))
        return _read(file, path, about, geometry_of(about, path, geometry), rows)


def load_conditions(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Read only the conditions of a store's showers: name to values (n,)."""
    with open_hdf5(path) as file:
        return _conditions(file, path, _describe(file, path), slice(None))


def iterate(
    path: str | Path, rows: int = 10_000, geometry: Geometry | None = None
) -> Iterator[Showers]:
    """Read showers in pieces of up to `rows`, for files larger than memory."""
    if rows < 1:
        raise CaloganError(f"rows is {rows}, expected 1 or more")
    with open_hdf5(path) as file:
        about = _describe(file, path)
        whole = geometry_of(about, path, geometry)
        for start in range(0, about.n_showers, rows):
            stop = min(start + rows, about.n_showers)
            yield _read(file, path, about, whole, slice(start, stop))


def _describe(file: h5py.File, path: str | Path) -> StoreInfo:
    shapes = {}
    for name in ("incident_energies", "showers"):
        found = dataset_of(file, path, name)
        if found is None:
            with reading(path):
                names = list(file)
            raise CaloganError(
                f"no dataset '{name}' in {path}; nearest: {nearest(name, names)}; "
                "a store is made by `calogan voxelize`"
            )
        shapes[name], kind = found
        if len(shapes[name]) != 2 or kind.kind not in "fiu":
            raise CaloganError(
                f"dataset '{name}' of {path} has shape {shapes[name]} and type {kind}, "
                "expected two-dimensional numbers"
            )
    n, n_voxels = shapes["showers"]
    if shapes["incident_energies"] != (n, 1):
        raise CaloganError(
            f"dataset 'incident_energies' of {path} has shape {shapes['incident_energies']}, "
            f"expected ({n}, 1) as 'showers' has {n} rows"
        )
    if n == 0:
        raise CaloganError(f"{path} holds no showers")
    with reading(path):
        version = file.attrs.get("calogan_store")
        has_overflow, has_weights, has_dead = (k in file for k in ("overflow", "weights", "dead"))
    if version is None:
        check_shapes(file, path, {"dead": (n, n_voxels)} if has_dead else {})
        energy = (("energy", "GeV"),)
        return StoreInfo(n, n_voxels, None, energy, False, None, has_dead=has_dead)
    if version not in (OLD_VERSION, STORE_VERSION):
        raise CaloganError(
            f"{path} is a store of version {version}, this program reads version {OLD_VERSION} "
            f"and {STORE_VERSION}; use the calogan that wrote it, or voxelize again"
        )
    geometry = Geometry.from_dict(_attribute(file, path, "geometry"), f"{path}: geometry")
    if geometry.n_voxels != n_voxels:
        raise CaloganError(
            f"dataset 'showers' of {path} has {n_voxels} columns, expected {geometry.n_voxels} "
            f"for its geometry '{geometry.name}'"
        )
    try:
        listed = _attribute(file, path, "conditions")
        conditions = tuple((str(c["name"]), str(c["unit"])) for c in listed)
        labels = labels_of([condition_from_dict(c) for c in listed if "values" in c])
    except (KeyError, TypeError) as error:
        raise CaloganError(
            f"attribute 'conditions' of {path} is not a list of names and units"
        ) from error
    expected: dict[str, tuple[int, ...]] = {f"conditions/{name}": (n,) for name, _ in conditions}
    if has_overflow:
        expected["overflow"] = (n, geometry.n_layers + 1)
    if has_weights:
        expected["weights"] = (n,)
    if has_dead:
        expected["dead"] = (n, n_voxels)
    check_shapes(file, path, expected)
    provenance = _attribute(file, path, "provenance")
    return StoreInfo(
        n,
        n_voxels,
        geometry,
        conditions,
        has_overflow,
        int(version),
        provenance,
        has_weights,
        has_dead,
        labels,
    )


def _attribute(file: h5py.File, path: str | Path, name: str) -> Any:
    with reading(path):
        text = file.attrs.get(name)
    if text is None:
        raise CaloganError(f"store {path} has no attribute '{name}'")
    try:
        return json.loads(text)
    except (TypeError, json.JSONDecodeError) as error:
        raise CaloganError(f"attribute '{name}' of {path} is not JSON: {error}") from error


def geometry_of(about: StoreInfo, path: str | Path, given: Geometry | None = None) -> Geometry:
    """The cells of a store, or those given for a CaloChallenge file, which does not hold them.

    Raises CaloganError if they are neither known nor given, or do not agree.
    """
    if about.geometry is None and given is None:
        raise CaloganError(
            f"{path} is a CaloChallenge file without its geometry; give it, for example "
            'Geometry.load("binning_dataset_2.xml")'
        )
    if about.geometry is not None and given is not None and about.geometry != given:
        raise CaloganError(
            f"{path} was made with geometry '{about.geometry.name}' of {about.n_voxels} voxels, "
            f"which differs from '{given.name}' of {given.n_voxels}"
        )
    chosen = about.geometry or given
    if chosen is None or chosen.n_voxels != about.n_voxels:
        raise CaloganError(
            f"dataset 'showers' of {path} has {about.n_voxels} columns, expected "
            f"{given.n_voxels if given else 0} for geometry '{given.name if given else ''}'"
        )
    return chosen


def _read(
    file: h5py.File, path: str | Path, about: StoreInfo, geometry: Geometry, rows: slice
) -> Showers:
    energies, dead = _values(file, path, "showers", rows), None
    if about.has_dead:
        with reading(path):
            dead = np.asarray(file["dead"][rows] != 0)
        # Another program's file may hold noise there.
        energies[dead] = 0
    return Showers(
        energies,
        _conditions(file, path, about, rows),
        geometry,
        _values(file, path, "overflow", rows) if about.has_overflow else None,
        about.provenance,
        _values(file, path, "weights", rows) if about.has_weights else None,
        dict(about.conditions),
        dead,
        about.labels,
    )


def _conditions(
    file: h5py.File, path: str | Path, about: StoreInfo, rows: slice
) -> dict[str, NDArray[np.float32]]:
    if about.version is None:
        return {"energy": _values(file, path, "incident_energies", rows, 1e-3)[:, 0]}
    return {name: _values(file, path, f"conditions/{name}", rows) for name, _ in about.conditions}


def _values(
    file: h5py.File, path: str | Path, name: str, rows: slice, factor: float = 1.0
) -> NDArray[np.float32]:
    with reading(path):
        values = file[name][rows]
    if factor != 1.0:
        values = values * np.float64(factor)
    values = np.asarray(values, np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        row = (rows.start or 0) + int(np.argwhere(~finite)[0][0])
        raise CaloganError(
            f"dataset '{name}' of {path} has {int((~finite).sum())} values that are not finite, "
            f"first in row {row}"
        )
    return values
