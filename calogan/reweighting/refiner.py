"""A generator made better by a density ratio: event weights, and rejection by them.

A classifier that tells generated showers from Geant4's knows their density ratio. Showers weighted
by it (DCTRGAN, Diefenbacher et al., arXiv:2009.03796), or proposed until one is accepted with a
probability in proportion to it (Azadi et al., arXiv:1810.06758), follow Geant4 wherever the
classifier has seen a difference. The ratio is clipped, so that acceptance stays finite; the part of
the weight that clipping takes away is reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import (
    AnyCondition,
    condition_basis,
    input_columns,
    labels_of,
    network_input,
)
from calogan.errors import CaloganError
from calogan.features import high_level_features
from calogan.generating.generator import ROWS, Generator
from calogan.geometry import Geometry
from calogan.metrics import statistics
from calogan.metrics.statistics import Floats, Value
from calogan.reweighting.density_ratio import DensityRatio, Reliability
from calogan.showers import Showers

LEAST_MEAN = 0.1
"""Of the mean ratio of all showers: less than this is no mean at any condition, but a polynomial
gone astray."""
PATIENCE = 300
"""A condition is given up after this many times as many proposals as are needed on average."""


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What refining costs, for a sample of generated showers."""

    acceptance: Value
    """Accepted part of the proposals."""
    effective: float
    """Effective sample size (Σ w)² / Σ w² over the number of showers, of the clipped weights."""
    lost: float
    """Part of the sum of ratios that lies over the bound."""
    bound: float

    @staticmethod
    def of(ratios: Floats, bound: float) -> Efficiency:
        """Of generated showers with these ratios, (n,)."""
        clipped = np.minimum(ratios, bound)
        return Efficiency(
            statistics.mean(clipped / bound),
            float(clipped.sum() ** 2 / (clipped**2).sum() / len(clipped)),
            float(1 - clipped.sum() / ratios.sum()),
            bound,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "acceptance": self.acceptance.to_dict(),
            "effective_sample_size": self.effective,
            "weight_lost_by_clipping": self.lost,
            "bound": self.bound,
        }


@dataclass(frozen=True, eq=False)
class Refiner:
    """The density ratio of Geant4's showers to those of one generator."""

    generator_sha256: str
    """Of the weights of the generator that it belongs to."""
    geometry: Geometry
    conditions: tuple[AnyCondition, ...]
    threshold: float
    """Readout threshold in MeV with which it was trained."""
    features: tuple[str, ...]
    """Names of the inputs."""
    ratio: DensityRatio
    bound: float
    """Ratios above it are set to it."""
    normalisation: Floats
    """(n_basis,): mean clipped ratio of generated showers as a polynomial of the conditions."""
    seen_events: NDArray[np.uint64]
    """Sorted fingerprints of the reference showers that it was trained on."""
    inputs_sha256: tuple[str, ...]
    """Hashes of the ROOT files that these are from, as far as they are known."""
    reliability: Reliability
    efficiency: Efficiency
    """Of fresh showers at the conditions of the reference that it was trained on."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What was found at training, for people to read; see `train_refiner`."""

    @property
    def sha256(self) -> str:
        """Identifies it in the provenance of what is made with it."""
        digest = hashlib.sha256()
        for layers in self.ratio.members:
            for array in (a for layer in layers for a in layer):
                digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        digest.update(np.concatenate([*self.ratio.knots, [self.bound]]).astype("<f8").tobytes())
        return digest.hexdigest()

    def ratios(self, showers: Showers) -> Floats:
        """p_Geant4 / p_model of showers, (n,), neither clipped nor normalised."""
        found, _ = refiner_features(showers, self.conditions, self.threshold)
        return self.ratio.ratios(found)

    def acceptances(self, showers: Showers) -> Floats:
        """Probabilities, (n,), with which rejection keeps showers."""
        return np.minimum(self.ratios(showers) / self.bound, 1.0)

    def weights(self, conditions: Mapping[str, NDArray[np.float32]], ratios: Floats) -> Floats:
        """Event weights, (n,): the showers' ratios, clipped, with mean 1 at all conditions."""
        basis = condition_basis(
            network_input(self.conditions, conditions),
            np,
            columns=input_columns(self.conditions),
        )
        mean = basis.astype(np.float64) @ self.normalisation
        least = LEAST_MEAN * self.bound * self.efficiency.acceptance.value
        found: Floats = np.minimum(ratios, self.bound) / np.maximum(mean, least)
        return found

    def check_fits(self, sha256: str, what: str) -> None:
        """Raise CaloganError unless `sha256` is that of the generator that it was trained for."""
        if sha256 != self.generator_sha256:
            raise CaloganError(
                f"the refiner was trained for a generator with weights {self.generator_sha256[:12]}"
                f", {what} has {sha256[:12] or 'none that are known'}; train one for it with "
                "`calogan refine`"
            )


def refiner_features(
    showers: Showers, conditions: Sequence[AnyCondition], threshold: float
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What the classifier sees, (n, k), and its names: nothing the generator does not know.

    The high-level features, their energies over the incident one: a response that is a hundredth
    off is hard to see in two logarithms of energies that span decades.
    """
    known = {c.name: showers.conditions[c.name] for c in conditions}
    seen = Showers(
        showers.energies, known, showers.geometry, labels=labels_of(conditions)
    ).apply_threshold(threshold)
    found, names = high_level_features(seen)
    absolute = [name.startswith(("log10_visible", "log10_layer")) for name in names]
    found[:, absolute] -= np.log10(1000 * seen.incident_energy)[:, None]
    return found, tuple(
        f"{n}_over_incident" if a else n for n, a in zip(names, absolute, strict=True)
    )


@dataclass(frozen=True)
class RefinedGenerator(Generator):
    """A generator whose showers are proposed until the refiner accepts one, for each asked for."""

    refiner: Refiner = field(kw_only=True, repr=False)

    def _make(
        self, values: Mapping[str, NDArray[np.float64]], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        n = len(values["energy"])
        energies = np.empty((n, self.geometry.n_voxels), np.float32)
        pending, tried, proposed, accepted = np.arange(n), 0, 0, 0
        while len(pending):
            # Once few are left, each gets several proposals at a time, of which the first counts.
            wanted = int(np.ceil((proposed + 1) / (accepted + 1)))
            copies = max(1, min(ROWS // len(pending), wanted))
            asked = {name: np.repeat(v[pending], copies) for name, v in values.items()}
            made = super()._make(asked, rng)
            kept = {name: v.astype(np.float32) for name, v in asked.items()}
            chance = self.refiner.acceptances(Showers(made, kept, self.geometry))
            hits = (rng.random(len(made)) < chance).reshape(-1, copies)
            done = hits.any(axis=1)
            rows = np.flatnonzero(done) * copies + hits[done].argmax(axis=1)
            energies[pending[done]] = made[rows]
            proposed, accepted = proposed + len(made), accepted + int(hits.sum())
            tried += copies
            pending = pending[~done]
            if len(pending) and tried > PATIENCE / self.refiner.efficiency.acceptance.value:
                at = ", ".join(f"{name} {v[pending[0]]:g}" for name, v in values.items())
                raise CaloganError(
                    f"none of {tried} showers proposed at {at} was accepted: the generator makes "
                    "(almost) none like Geant4's there; train it for longer, or refine with a "
                    "lower --clip"
                )
        return energies


def refined(generator: Generator, refiner: Refiner) -> RefinedGenerator:
    """The generator with rejection; raises CaloganError if the refiner is another one's."""
    refiner.check_fits(str(generator.identity["weights_sha256"]), f"generator '{generator.name}'")
    copied = {f.name: getattr(generator, f.name) for f in fields(Generator)}
    if generator.seen_events is not None:
        copied["seen_events"] = np.union1d(generator.seen_events, refiner.seen_events)
    copied["identity"] = {
        **generator.identity,
        "inputs_sha256": all_inputs_sha256(generator.identity, refiner),
        "refiner_sha256": refiner.sha256,
        "refiner_bound": refiner.bound,
    }
    return RefinedGenerator(**copied, refiner=refiner)


def all_inputs_sha256(identity: Mapping[str, Any], refiner: Refiner) -> list[str]:
    """Hashes of the ROOT files that generator or refiner were trained on."""
    return sorted({*identity.get("inputs_sha256", ()), *refiner.inputs_sha256})


def kept_by_weight(weights: NDArray[np.float32], seed: int) -> NDArray[np.bool_]:
    """Which showers rejection by their event weights keeps, (n,): these count one each."""
    rng = np.random.default_rng([0x5EF1, seed])
    kept: NDArray[np.bool_] = rng.random(len(weights)) * weights.max() < weights
    return kept
