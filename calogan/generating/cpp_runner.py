"""Showers from the C++ runner in NumPy arrays, at its speed.

    from calogan import runner

    generator = runner.Generator.load("generator.json")
    energies = generator.generate({"energy": [10, 20], "theta": 0.1}, seed=1)  # MeV, (2, n_voxels)

The same seed and event number give the same shower as in C++ and in `calogan-generate`, to the last
bit on one machine; `calogan.Generator`, which is NumPy, draws other random numbers. The C++ library
is loaded when first used: that in the package's folder, where wheels have it and `make cpp` puts
it, or the one that the environment variable CALOGAN_RUNNER_LIBRARY names.
"""

from __future__ import annotations

import ctypes
import json
import operator
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import AnyCondition, Condition, Label, condition_columns, labels_of
from calogan.errors import CaloganError
from calogan.generating.cpp_library import (
    POINTER,
    ConditionStruct,
    Library,
    PlacementStruct,
    load_library,
)
from calogan.geometry import Geometry
from calogan.showers import Showers
from calogan.version import __version__

__all__ = ["Generator", "Placement", "SparseShowers", "compile_model"]
FORMATS = ("float32", "bfloat16", "int8")
"""Of weights, as calogan_weights numbers them."""
CHUNK = 1 << 22
"""Energies made by one call of the library at most: between calls an interrupt is heard."""


class SparseShowers(NamedTuple):
    """Only the cells over the readout threshold, shower after shower."""

    offsets: NDArray[np.int64]
    """(n + 1,): shower i has the entries offsets[i] to offsets[i + 1] of the other two."""
    cells: NDArray[np.uint32]
    """Voxel numbers, increasing within a shower."""
    energies: NDArray[np.float32]
    """MeV."""


def compile_model(model: str | Path, output: str | Path, weights: str = "float32") -> None:
    """Make of an exported JSON a file that loads in milliseconds, for the runner alone.

    weights : "float32", exact; "bfloat16" or "int8", rounded, in a half or a quarter of the memory
    """
    if weights not in FORMATS:
        raise CaloganError(f"weights is {weights!r}, expected one of {', '.join(FORMATS)}")
    load_library().compile(encoded(model), encoded(output), FORMATS.index(weights))


def encoded(path: str | Path) -> bytes:
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise CaloganError(f"the path {str(path)!r} has a null character")
    return encoded


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the model's frame stands in the host's: a rotation, then a shift.

    ``placement(generator.geometry.centres)`` are the cells' centres in the host's frame. What the
    model's frame is, and what the two ways to place it are for, is said in runner.hpp.
    """

    rotation: NDArray[np.float64]
    """(3, 3)"""
    shift: NDArray[np.float64]
    """mm, (3,)"""

    @staticmethod
    def along(
        point: Sequence[float], direction: Sequence[float], entry: Sequence[float] = (0, 0, 0)
    ) -> Placement:
        """For cells that follow the particle: z axis along `direction`, `entry` at `point`, mm."""
        return _place("place_along", point=point, direction=direction, entry=entry)

    @staticmethod
    def facing(
        point: Sequence[float],
        normal: Sequence[float],
        lean: Sequence[float],
        entry: Sequence[float] = (0, 0, 0),
    ) -> Placement:
        """For a fixed calorimeter: z axis along `normal`, y axis to the side of `lean`."""
        return _place("place_facing", point=point, normal=normal, lean=lean, entry=entry)

    def __call__(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Positions of the model's frame, mm, (..., 3), in the host's."""
        placed: NDArray[np.float64] = np.asarray(positions, np.float64) @ self.rotation.T
        return placed + self.shift


def _place(function: str, **vectors: Sequence[float]) -> Placement:
    arrays = {name: np.ascontiguousarray(v, np.float64) for name, v in vectors.items()}
    for name, array in arrays.items():
        if array.shape != (3,):
            raise CaloganError(f"{name} has shape {array.shape}, expected three numbers")
    made = PlacementStruct()
    pointers = [array.ctypes.data for array in arrays.values()]
    getattr(load_library(), function)(*pointers, ctypes.byref(made))
    return Placement(np.array(made.rotation).reshape(3, 3), np.array(made.shift))


@dataclass(frozen=True, eq=False)
class Generator:
    """A trained generator, evaluated by the C++ runner; any number of threads may call it at once.

    Conditions are taken as in `calogan.Generator`: name to values (n,) in the units of
    `conditions`, one value serving for all. They are rounded to single precision, as stores keep
    them. Bad ones raise CaloganError; so does whatever else the library refuses.
    """

    name: str
    geometry: Geometry
    conditions: tuple[AnyCondition, ...]
    latent_size: int
    """Random numbers that one shower takes."""
    readout_threshold: float
    """MeV; energies below it are 0."""
    identity: Mapping[str, Any]
    """Of the model, for provenance, as in `calogan.Generator`."""
    _library: Library = field(repr=False)
    _handles: tuple[int, int] = field(repr=False)
    """The library's: one that keeps to the trained range and one that does not, of one model."""

    @staticmethod
    def load(path: str | Path, *, readout_threshold: float | None = None) -> Generator:
        """Load a model file: an exported JSON, or what `compile_model` made of one.

        readout_threshold : MeV, in place of the model's
        """
        if Path(path).is_dir():
            raise CaloganError(
                f"{path} is a folder, expected a model file; "
                "of a run, make one with `calogan export RUN -o MODEL.json`"
            )
        library, strict = load_library(), POINTER()
        library.load(encoded(path), ctypes.byref(strict))
        return Generator.adopt(library, strict, str(path), readout_threshold)

    @staticmethod
    def adopt(
        library: Library, strict: ctypes.c_void_p, path: str, readout_threshold: float | None
    ) -> Generator:
        """Of a handle of the library's, which is this generator's from now on."""
        free = POINTER()
        try:
            library.copy(strict, ctypes.byref(free))
            library.allow_extrapolation(free, 1)
            for handle in (strict, free) if readout_threshold is not None else ():
                library.set_readout_threshold(handle, readout_threshold)
            inputs = range(library.n_inputs_sha256(strict))
            weights = FORMATS[library.weights_format(strict)]
            made = Generator(
                library.name(strict).decode(),
                Geometry.from_dict(
                    json.loads(library.geometry_json(strict)), f"{path}: calogan.geometry"
                ),
                tuple(_condition(library, strict, i) for i in range(library.n_conditions(strict))),
                library.latent_size(strict),
                library.readout_threshold(strict),
                {
                    "model": path,
                    "weights_sha256": library.weights_sha256(strict).decode(),
                    **({} if weights == "float32" else {"weights_format": weights}),
                    "inputs_sha256": [library.inputs_sha256(strict, i).decode() for i in inputs],
                },
                library,
                (_address(strict), _address(free)),
            )
        except BaseException:
            library.free(strict)
            library.free(free)
            raise
        for address in made._handles:
            weakref.finalize(made, library.free, address)
        return made

    @property
    def n_voxels(self) -> int:
        return self.geometry.n_voxels

    def sample(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int,
        *,
        first_event: int = 0,
        threads: int = 1,
        allow_extrapolation: bool = False,
    ) -> Showers:
        """Make one shower for each entry of the conditions; arguments as those of `generate`."""
        values = self._values(conditions, allow_extrapolation)
        kept = {c.name: values[:, i].astype(np.float32) for i, c in enumerate(self.conditions)}
        seed, first_event = event_numbers(seed, first_event, len(values))
        energies = self._generate(values, seed, first_event, None, threads, allow_extrapolation)
        made_by = {
            "command": "generate",
            "producer": f"calogan.runner {__version__}",
            "generator": self.name,
            **self.identity,
            "calogan_version": __version__,
            "seed": seed,
            "first_event": first_event,
            "readout_threshold_MeV": self.readout_threshold,
        }
        units = {c.name: c.unit for c in self.conditions}
        return Showers(
            energies,
            kept,
            self.geometry,
            provenance=made_by,
            units=units,
            labels=labels_of(self.conditions),
        )

    def generate(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int,
        *,
        first_event: int = 0,
        out: NDArray[np.float32] | None = None,
        threads: int = 1,
        allow_extrapolation: bool = False,
    ) -> NDArray[np.float32]:
        """Energies in MeV, (n, n_voxels): one shower for each entry of the conditions.

        Parameters
        ----------
        conditions : name to values (n,)
        seed : 0 or more, below 2⁶⁴; with the event number it determines a shower
        first_event : event number of the first shower; they count up from there
        out : where to write them, C-contiguous; it is returned. None: a new array
        threads : how many make showers at a time; which ones they make does not depend on it
        allow_extrapolation : take conditions outside the trained range
        """
        values = self._values(conditions, allow_extrapolation)
        seed, first_event = event_numbers(seed, first_event, len(values))
        return self._generate(values, seed, first_event, out, threads, allow_extrapolation)

    def generate_from(
        self,
        conditions: Mapping[str, ArrayLike],
        latents: NDArray[np.float32],
        *,
        out: NDArray[np.float32] | None = None,
        threads: int = 1,
        allow_extrapolation: bool = False,
    ) -> NDArray[np.float32]:
        """The same from random numbers of your own: standard normal, (n, latent_size)."""
        values = self._values(conditions, allow_extrapolation)
        latents = np.ascontiguousarray(latents, np.float32)
        if latents.shape != (len(values), self.latent_size):
            raise CaloganError(
                f"latents have shape {latents.shape}, expected {(len(values), self.latent_size)}"
            )
        energies = self._output(out, len(values))

        def make(part: slice) -> None:
            self._library.generate_from(
                *self._arguments(values[part], allow_extrapolation),
                *(latents[part].ctypes.data, latents[part].size),
                *(energies[part].ctypes.data, energies[part].size),
            )

        self._in_chunks(len(values), threads, make)
        return energies

    def generate_sparse(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int,
        *,
        first_event: int = 0,
        threads: int = 1,
        allow_extrapolation: bool = False,
    ) -> SparseShowers:
        """The cells over the readout threshold alone; arguments and energies as of `generate`."""
        values = self._values(conditions, allow_extrapolation)
        seed, first_event = event_numbers(seed, first_event, len(values))
        hits = np.zeros(len(values) + 1, np.int64)

        def make(part: slice) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
            n = part.stop - part.start
            cells = np.empty(n * self.n_voxels, np.uint32)
            energies = np.empty(n * self.n_voxels, np.float32)
            offsets = np.empty(n + 1, np.uintp)
            self._library.generate_sparse(
                *(*self._arguments(values[part], allow_extrapolation), seed),
                *(first_event + part.start, cells.ctypes.data, energies.ctypes.data, cells.size),
                *(offsets.ctypes.data, offsets.size),
            )
            hits[part.start + 1 : part.stop + 1] = np.diff(offsets.astype(np.int64))
            # Copies, so that the room for all cells is given back.
            return cells[: int(offsets[-1])].copy(), energies[: int(offsets[-1])].copy()

        cells, energies = zip(*self._in_chunks(len(values), threads, make), strict=True)
        return SparseShowers(np.cumsum(hits), np.concatenate(cells), np.concatenate(energies))

    def _generate(
        self,
        values: NDArray[np.float64],
        seed: int,
        first_event: int,
        out: NDArray[np.float32] | None,
        threads: int,
        allow_extrapolation: bool,
    ) -> NDArray[np.float32]:
        energies = self._output(out, len(values))

        def make(part: slice) -> None:
            rows = energies[part]
            self._library.generate(
                *(*self._arguments(values[part], allow_extrapolation), seed),
                *(first_event + part.start, rows.ctypes.data, rows.size),
            )

        self._in_chunks(len(values), threads, make)
        return energies

    def _values(
        self, conditions: Mapping[str, ArrayLike], allow_extrapolation: bool
    ) -> NDArray[np.float64]:
        columns = condition_columns(
            self.conditions, conditions, f"generator '{self.name}'", allow_extrapolation
        )
        with np.errstate(over="ignore"):  # what becomes infinite is refused by the library
            rounded = [columns[c.name].astype(np.float32) for c in self.conditions]
        return np.stack(rounded, axis=1, dtype=np.float64)

    def _arguments(self, values: NDArray[np.float64], free: bool) -> tuple[int, int, int, int]:
        return self._handles[free], len(values), values.ctypes.data, values.size

    def _output(self, out: NDArray[np.float32] | None, n: int) -> NDArray[np.float32]:
        if out is None:
            return np.empty((n, self.n_voxels), np.float32)
        if not isinstance(out, np.ndarray):
            raise CaloganError(f"out is {type(out).__name__}, expected a NumPy array")
        flags = out.flags
        if (
            out.dtype != np.float32
            or out.shape != (n, self.n_voxels)
            or not (flags.c_contiguous and flags.aligned and flags.writeable)
        ):
            raise CaloganError(
                f"out is an array of {out.dtype} of shape {out.shape}"
                f"{'' if flags.c_contiguous else ', not C-contiguous'}"
                f"{'' if flags.aligned else ', not aligned'}"
                f"{'' if flags.writeable else ', read-only'}; "
                f"expected float32 of shape {(n, self.n_voxels)}, C-contiguous and writeable"
            )
        return out

    def _in_chunks(self, n: int, threads: int, make: Callable[[slice], Any]) -> list[Any]:
        """What make(part) gives for each part of n showers."""
        if threads < 1:
            raise CaloganError(f"threads is {threads}, expected 1 or more")
        rows = min(max(1, CHUNK // self.n_voxels), -(-n // threads))
        parts = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
        if threads == 1 or len(parts) == 1:
            return [make(part) for part in parts]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(make, parts))


def _condition(library: Library, handle: Any, i: int) -> AnyCondition:
    found = ConditionStruct()
    library.get_condition(handle, i, ctypes.byref(found))
    value, name = ctypes.c_double(), ctypes.c_char_p()
    labels: list[tuple[int, str]] = []
    for k in range(library.n_labels(handle, i)):
        library.get_label(handle, i, k, ctypes.byref(value), ctypes.byref(name))
        labels.append((int(value.value), (name.value or b"").decode()))
    if labels:
        values, names = zip(*labels, strict=True)
        return Label(found.name.decode(), values, names)
    scale: Literal["log", "linear"] = "log" if found.logarithmic else "linear"
    return Condition(found.name.decode(), found.unit.decode(), found.low, found.high, scale)


def _address(pointer: ctypes.c_void_p) -> int:
    return pointer.value or 0


def event_numbers(seed: SupportsIndex, first_event: SupportsIndex, n: int) -> tuple[int, int]:
    """Both as Python's, checked: ctypes would cut them to 64 bits without a word."""
    numbers = []
    for name, value, end in (("seed", seed, 2**64), ("first_event", first_event, 2**64 - n + 1)):
        try:
            number = operator.index(value)
        except TypeError:
            raise CaloganError(f"{name} is {value!r}, expected a whole number") from None
        if not 0 <= number < end:
            raise CaloganError(f"{name} is {number}, expected 0 to {end - 1}")
        numbers.append(number)
    return numbers[0], numbers[1]
