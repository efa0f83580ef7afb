"""Bundles: many generators in one folder, each for a range of conditions, by the C++ runner.

    bundle = runner.Bundle.open("endcap")
    for part in bundle.generate({"energy": [10, 20], "eta": 0.1, "particle": 22}, seed=1):
        part.energies  # MeV, of the showers part.showers, by the member part.member

The index alone is read at first, a member when it is first needed. `calogan bundle` makes the
folder; bundle.hpp says how a member is chosen.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import broadcast_columns
from calogan.errors import CaloganError
from calogan.generating.cpp_library import POINTER, ConditionStruct, Library, load_library
from calogan.generating.cpp_runner import Generator, encoded, event_numbers


class BundleCondition(NamedTuple):
    """What a bundle's showers are asked for by; a tag, such as a particle's number, too."""

    name: str
    unit: str
    low: float
    """Of all members together, between which not everything need be covered; as `high`."""
    high: float
    scale: Literal["log", "linear"]


class BundlePart(NamedTuple):
    """The showers that one member made."""

    member: int
    showers: NDArray[np.intp]
    """Which they are of those asked for, (m,)."""
    energies: NDArray[np.float32]
    """MeV, (m, n_voxels of the member)."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Generators that are loaded when they are first used; any number of threads may call it.

    Conditions are name to values (n,) in the units of `conditions`, one value serving for all; they
    are rounded to single precision, as stores keep them. What no member covers raises CaloganError.
    """

    name: str
    conditions: tuple[BundleCondition, ...]
    members: tuple[str, ...]
    """Names; a member's number is its place here."""
    folder: Path
    _library: Library = field(repr=False)
    _handle: int = field(repr=False)
    _generators: dict[int, Generator] = field(default_factory=dict, repr=False)

    @staticmethod
    def open(folder: str | Path) -> Bundle:
        """Read the index in a folder."""
        library, handle = load_library(), POINTER()
        library.bundle_open(encoded(folder), ctypes.byref(handle))
        made = Bundle(
            library.bundle_name(handle).decode(),
            tuple(
                _condition(library, handle, i) for i in range(library.bundle_n_conditions(handle))
            ),
            tuple(
                library.bundle_member_name(handle, i).decode()
                for i in range(library.bundle_size(handle))
            ),
            Path(folder),
            library,
            handle.value or 0,
        )
        weakref.finalize(made, library.bundle_free, made._handle)
        return made

    @property
    def n_loaded(self) -> int:
        """How many members are in memory."""
        return int(self._library.bundle_n_loaded(self._handle))

    def generator(self, member: int) -> Generator:
        """A member, loaded if this is its first use; its weights are the bundle's."""
        if member in self._generators:
            return self._generators[member]
        if not 0 <= member < len(self.members):
            raise CaloganError(
                f"bundle '{self.name}' has {len(self.members)} members, counted from 0; "
                f"was asked for number {member}"
            )
        handle = POINTER()
        self._library.bundle_generator(self._handle, member, ctypes.byref(handle))
        where = f"{self.folder}: {self.members[member]}"
        made = Generator.adopt(self._library, handle, where, None)
        return self._generators.setdefault(member, made)

    def choose(
        self, conditions: Mapping[str, ArrayLike], seed: int, *, first_event: int = 0
    ) -> NDArray[np.intp]:
        """Number of the member for each shower, (n,); event numbers count up from first_event."""
        values = self._values(conditions)
        return self._choose(values, seed, first_event)

    def generate(
        self, conditions: Mapping[str, ArrayLike], seed: int, *, first_event: int = 0
    ) -> list[BundlePart]:
        """One shower for each entry of the conditions, sorted by the members that made them.

        Each is its member's, bit for bit: that of the same conditions, seed and event number.
        """
        values = self._values(conditions)
        chosen = self._choose(values, seed, first_event)
        names = [c.name for c in self.conditions]
        parts = []
        for member in np.unique(chosen):
            generator = self.generator(int(member))
            rows = np.flatnonzero(chosen == member)
            columns = [names.index(c.name) for c in generator.conditions]
            energies = np.empty((len(rows), generator.n_voxels), np.float32)
            # Showers side by side are made together: their event numbers follow each other.
            ends = np.flatnonzero(np.diff(rows) > 1) + 1
            for block in np.split(np.arange(len(rows)), ends):
                mine = slice(int(block[0]), int(block[-1]) + 1)
                given = {names[k]: values[rows[mine], k] for k in columns}
                first = int(first_event) + int(rows[mine.start])
                generator.generate(given, seed, first_event=first, out=energies[mine])
            parts.append(BundlePart(int(member), rows, energies))
        return parts

    def _values(self, conditions: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
        names = [c.name for c in self.conditions]
        columns = broadcast_columns(names, conditions, f"bundle '{self.name}'")
        with np.errstate(over="ignore"):  # what becomes infinite is refused by the library
            rounded = [columns[name].astype(np.float32) for name in names]
        return np.stack(rounded, axis=1, dtype=np.float64)

    def _choose(
        self, values: NDArray[np.float64], seed: SupportsIndex, first_event: SupportsIndex
    ) -> NDArray[np.intp]:
        seed, first_event = event_numbers(seed, first_event, len(values))
        chosen = np.empty(len(values), np.uintp)
        self._library.bundle_choose(
            *(self._handle, len(values), values.ctypes.data, values.size, seed, first_event),
            *(chosen.ctypes.data, chosen.size),
        )
        return chosen.astype(np.intp)


def _condition(library: Library, handle: ctypes.c_void_p, i: int) -> BundleCondition:
    found = ConditionStruct()
    library.bundle_get_condition(handle, i, ctypes.byref(found))
    scale: Literal["log", "linear"] = "log" if found.logarithmic else "linear"
    return BundleCondition(found.name.decode(), found.unit.decode(), found.low, found.high, scale)
