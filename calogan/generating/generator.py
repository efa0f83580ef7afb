"""`Generator`: showers from a run directory or an exported JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import AnyCondition, condition_columns, labels_of, network_input
from calogan.errors import CaloganError
from calogan.generating.model_file import ModelFile
from calogan.geometry import Geometry
from calogan.showers import Showers
from calogan.training.run import Run
from calogan.version import __version__

ROWS = 4096
"""Showers evaluated at a time."""
Network = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Generator:
    """A trained generator with all it needs to make showers."""

    name: str
    geometry: Geometry
    conditions: tuple[AnyCondition, ...]
    latent_size: int
    """Standard normal numbers that one shower takes."""
    readout_threshold: float
    """MeV; voxels below it are set to zero."""
    seen_events: NDArray[np.uint64] | None
    """Sorted fingerprints of the showers it was trained and validated on; None if not known."""
    identity: Mapping[str, Any]
    """Of the model, for provenance: "model" (its path), "weights_sha256", and "inputs_sha256", the
    hashes of the ROOT files it was trained on, as far as they are known; of a run
    "dead_in_training" besides, by what their dead cells were named."""
    hold_out: Mapping[str, tuple[float, float]]
    """Bands of conditions, low <= value < high, that its training held out."""
    network: Network = field(repr=False)
    """From latents (n, latent_size) and conditions as it sees them (n, n_inputs) to voxel energies
    as fractions of the incident energy, (n, n_voxels)."""
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Of the card that it was trained by at least "input", "frame" and "conditions", if known."""

    @staticmethod
    def load(path: str | Path) -> Generator:
        """Load from a run directory (needs TensorFlow) or an exported JSON (does not).

        Raises CaloganError for anything else, and for a JSON that fails its own self-test.
        """
        path = Path(path)
        if path.is_dir():
            return _from_run(path)
        return _from_json(path)

    def sample(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int,
        *,
        allow_extrapolation: bool = False,
    ) -> Showers:
        """Make one shower for each entry of the conditions; arguments as those of `stream`."""
        parts = self.stream(conditions, seed, allow_extrapolation=allow_extrapolation)
        return Showers.concatenate([*parts])

    def stream(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int,
        *,
        allow_extrapolation: bool = False,
    ) -> Iterator[Showers]:
        """Make one shower for each entry of the conditions, some thousand at a time.

        Parameters
        ----------
        conditions : name to values (n,), in the units of `self.conditions`; names that the
            generator does not know are an error, one value serves for all showers
        seed : the same seed gives the same showers
        allow_extrapolation : take conditions outside the trained range

        Raises
        ------
        CaloganError
            A condition is missing, unknown, not finite, or outside the trained range.
        """
        values = condition_columns(
            self.conditions, conditions, f"generator '{self.name}'", allow_extrapolation
        )
        n_showers = len(values["energy"])
        rng = np.random.default_rng(seed)
        made_by = {
            "command": "generate",
            "generator": self.name,
            **self.identity,
            "calogan_version": __version__,
            "seed": seed,
            "readout_threshold_MeV": self.readout_threshold,
        }
        units = {c.name: c.unit for c in self.conditions}
        for start in range(0, n_showers, ROWS):
            part = {c.name: values[c.name][start : start + ROWS] for c in self.conditions}
            kept = {name: value.astype(np.float32) for name, value in part.items()}
            made = Showers(
                self._make(part, rng),
                kept,
                self.geometry,
                provenance=made_by,
                units=units,
                labels=labels_of(self.conditions),
            )
            yield made.apply_threshold(self.readout_threshold)

    def _make(
        self, values: Mapping[str, NDArray[np.float64]], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Energies in MeV, (k, n_voxels), before the threshold, at conditions of shape (k,)."""
        inputs = network_input(self.conditions, values)
        latent = rng.standard_normal((len(inputs), self.latent_size), np.float32)
        incident = values["energy"].astype(np.float32)
        energies = self.network(latent, inputs) * (1000 * incident[:, None])
        if not np.isfinite(energies).all():
            bad = int(np.flatnonzero(~np.isfinite(energies).all(axis=1))[0])
            at = ", ".join(f"{name} {value[bad]:g}" for name, value in values.items())
            raise CaloganError(
                f"the generator gave energies that are not finite at {at}; it cannot be used there"
            )
        return energies


def weights_sha256(weights: Sequence[NDArray[np.float32]]) -> str:
    """Hash that identifies a generator: SHA-256 of its weights as little-endian float32."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()


def dead_named_by(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """By what the dead cells of a store were named when it was voxelized."""
    branch = provenance.get("input", {}).get("dead_branch")
    return {"cells": list(provenance.get("dead", [])), "branch": branch}


def _from_run(path: Path) -> Generator:
    from calogan.networks.generator import latent_sizes, voxel_fractions  # imports Keras

    run = Run(path)
    card = run.card()
    model = run.load_generator()
    geometry = card.build_geometry()
    made_from = run.training()["store_provenance"]

    def network(latent: NDArray[np.float32], inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return voxel_fractions(model, geometry, latent, inputs)

    return Generator(
        card.name,
        geometry,
        tuple(card.condition_list),
        sum(latent_sizes(card.generator, geometry).values()),
        card.data.readout_threshold,
        run.load_seen_events(),
        {
            "model": str(path),
            "weights_sha256": weights_sha256(model.get_weights()),
            "inputs_sha256": made_from.get("inputs_sha256", []),
            "dead_in_training": dead_named_by(made_from),
        },
        card.data.hold_out,
        network,
        card.model_dump(mode="json", include={"input", "frame", "conditions"}),
    )


def _from_json(path: Path) -> Generator:
    model = ModelFile.read(path)
    offsets = np.array([pair for c in model.conditions for pair in c.offsets_and_scales])
    provenance = model.block.get("provenance", {})
    try:
        card = dict(provenance.get("card", {}))
        bands = card.get("data", {}).get("hold_out", {}).items()
        hold_out = {str(name): (float(low), float(high)) for name, (low, high) in bands}
    except (AttributeError, TypeError, ValueError) as error:
        raise CaloganError(f"{path}: the 'calogan' block is damaged: {error!r}") from error

    def network(z: NDArray[np.float32], inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        # The graph normalises its variables itself, so hand it those.
        variables = inputs / offsets[:, 1] - offsets[:, 0]
        found = model.outputs(z, variables).astype(np.float32, copy=False)
        return found[:, model.voxel_columns]

    return Generator(
        model.name,
        model.geometry,
        model.conditions,
        model.latent_size,
        model.readout_threshold,
        None,
        {
            "model": str(path),
            "weights_sha256": str(model.block.get("weights_sha256", "")),
            "inputs_sha256": list(provenance.get("inputs_sha256", [])),
        },
        hold_out,
        network,
        card,
    )
