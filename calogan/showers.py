"""`Showers`: voxel energies with their conditions and geometry, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import Label
from calogan.errors import CaloganError
from calogan.geometry import Geometry

REORDERED = "voxels_reordered"
"""In the provenance of showers whose voxels have other numbers than in what they were read from."""


@dataclass(frozen=True, eq=False)
class Showers:
    """n showers: deposits per voxel, the conditions they were made with, and the geometry."""

    energies: NDArray[np.float32]
    """Deposited energy, MeV, (n, n_voxels), voxels in the geometry's order."""
    conditions: Mapping[str, NDArray[np.float32]]
    """Name to values (n,): "energy" (incident kinetic energy, GeV) always, then any other."""
    geometry: Geometry
    overflow: NDArray[np.float32] | None = None
    """Energy of hits outside the cells, MeV, (n, n_layers + 1); last column: hits in no layer."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where the showers came from: files, hashes, thresholds, versions."""
    weights: NDArray[np.float32] | None = None
    """Event weights (n,), 0 or more; None where each shower counts as one."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Units of the conditions, by name, as far as they are known; see `unit`."""
    dead: NDArray[np.bool_] | None = None
    """Cells that were not read out, (n, n_voxels): their energies are 0, and say nothing. None
    where all cells of all showers were."""
    labels: Mapping[str, Label] = field(default_factory=dict)
    """The conditions that are labels, by name, as far as they are known."""

    def __post_init__(self) -> None:
        shape = np.shape(self.energies)
        if len(shape) != 2 or shape[1] != self.geometry.n_voxels:
            raise CaloganError(
                f"shower energies have shape {shape}, expected (n, {self.geometry.n_voxels}) "
                f"for geometry '{self.geometry.name}'"
            )
        if "energy" not in self.conditions:
            raise CaloganError(
                f"no condition 'energy' (incident energy, GeV), found {sorted(self.conditions)}"
            )
        for name, values in self.conditions.items():
            if np.shape(values) != shape[:1]:
                raise CaloganError(
                    f"condition '{name}' has shape {np.shape(values)}, expected ({shape[0]},)"
                )
        if self.overflow is not None:
            expected = (shape[0], self.geometry.n_layers + 1)
            if np.shape(self.overflow) != expected:
                raise CaloganError(
                    f"overflow has shape {np.shape(self.overflow)}, expected {expected}"
                )
        if self.weights is not None and np.shape(self.weights) != shape[:1]:
            raise CaloganError(
                f"event weights have shape {np.shape(self.weights)}, expected ({shape[0]},)"
            )
        if self.dead is not None:
            if np.shape(self.dead) != shape:
                raise CaloganError(
                    f"dead cells have shape {np.shape(self.dead)}, expected {shape}, one for each "
                    "energy"
                )
            if self.energies[self.dead].any():
                raise CaloganError("dead cells have energy, expected 0 in each")

    def __len__(self) -> int:
        return len(self.energies)

    @property
    def incident_energy(self) -> NDArray[np.float32]:
        """Incident kinetic energy, GeV, (n,)."""
        return self.conditions["energy"]

    def select(self, index: Any) -> Showers:
        """The showers at a mask, slice or list of positions."""
        return Showers(
            self.energies[index],
            {name: values[index] for name, values in self.conditions.items()},
            self.geometry,
            None if self.overflow is None else self.overflow[index],
            self.provenance,
            None if self.weights is None else self.weights[index],
            self.units,
            None if self.dead is None else self.dead[index],
            self.labels,
        )

    @staticmethod
    def concatenate(parts: Sequence[Showers]) -> Showers:
        """The showers of all parts, in order; all that they share is taken from the first."""
        first = parts[0]
        return replace(
            first,
            energies=np.concatenate([p.energies for p in parts]),
            conditions={
                name: np.concatenate([p.conditions[name] for p in parts])
                for name in first.conditions
            },
            overflow=_joined([p.overflow for p in parts]),
            weights=_joined([p.weights for p in parts]),
            dead=_joined_dead(parts),
        )

    def in_order_of(self, geometry: Geometry) -> Showers:
        """The showers with voxels as another geometry of the same cells numbers them.

        Where those are other numbers, the provenance says so by `REORDERED`.

        Raises CaloganError if the cells differ.
        """
        order = self.geometry.voxels_of(geometry)
        dead = None if self.dead is None else self.dead[:, order]
        provenance = self.provenance
        if not np.array_equal(order, np.arange(len(order))):
            provenance = {**provenance, REORDERED: True}
        return replace(
            self,
            energies=self.energies[:, order],
            geometry=geometry,
            dead=dead,
            provenance=provenance,
        )

    def unit(self, name: str) -> str:
        """Unit of a condition: GeV for the energy, always; empty where it is not known."""
        return "GeV" if name == "energy" else self.units.get(name, "")

    def words(self, name: str, row: int) -> str:
        """A condition of one shower in words: "energy 10 GeV"."""
        value = float(self.conditions[name][row])
        if name in self.labels:
            return f"{name} {self.labels[name].words(value)}"
        return f"{name} {value:.3g} {self.unit(name)}".rstrip()

    def apply_threshold(self, threshold: float) -> Showers:
        """Set voxels below `threshold` (MeV) to zero, as the readout does."""
        if threshold <= 0:
            return self
        kept = np.where(self.energies >= np.float32(threshold), self.energies, np.float32(0))
        return replace(self, energies=kept)

    def without(self, dead: NDArray[np.bool_] | None) -> Showers:
        """The showers with these cells, (n, n_voxels), dead besides those that are; None: none."""
        if dead is None:
            return self
        both = dead if self.dead is None else self.dead | dead
        return replace(self, energies=np.where(both, np.float32(0), self.energies), dead=both)

    def among(self, fingerprints: NDArray[np.uint64] | None) -> NDArray[np.bool_]:
        """Whether each shower's fingerprint is among those given, (n,); None: none is known."""
        if fingerprints is None:
            return np.zeros(len(self), np.bool_)
        return np.isin(self.fingerprints(), fingerprints)

    def fingerprints(self) -> NDArray[np.uint64]:
        """A hash of each shower's content, (n,): equal showers have equal fingerprints.

        Multilinear hashing of the float32 bit patterns modulo 2⁶⁴ (Lemire and Kaser 2014); it
        tells whether an event was in a training set, whichever file it is read from.
        """
        rng = np.random.default_rng(0xCA10)
        columns = [self.energies, self.incident_energy[:, None]]
        total = np.zeros(len(self), np.uint64)
        for block in columns:
            factors = rng.integers(1, 2**64, size=block.shape[1], dtype=np.uint64, endpoint=False)
            for start in range(0, len(self), 4096):
                rows = np.ascontiguousarray(block[start : start + 4096], np.float32)
                total[start : start + 4096] += rows.view(np.uint32).astype(np.uint64) @ (
                    factors | np.uint64(1)
                )
        return total


def _joined(columns: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    """None unless every part has one."""
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None


def _joined_dead(parts: Sequence[Showers]) -> NDArray[np.bool_] | None:
    """None if no part has dead cells."""
    if all(part.dead is None for part in parts):
        return None
    none = (np.zeros(part.energies.shape, np.bool_) for part in parts)
    return np.concatenate(
        [n if part.dead is None else part.dead for n, part in zip(none, parts, strict=True)]
    )


def without_dead(first: Showers, second: Showers) -> tuple[Showers, Showers]:
    """Two samples as they may be compared, shower by shower: what is dead in one is in both."""
    return first.without(second.dead), second.without(first.dead)
