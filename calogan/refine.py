"""A generator made better by a density ratio: event weights, and rejection by them.

A classifier that tells generated showers from Geant4's knows their density ratio. Showers weighted
by it (DCTRGAN, Diefenbacher et al., arXiv:2009.03796), or proposed until one is accepted with a
probability in proportion to it (Azadi et al., arXiv:1810.06758), follow Geant4 wherever the
classifier has seen a difference. The ratio is clipped, so that acceptance stays finite; the part of
the weight that clipping takes away is reported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from calogan import __version__, metrics
from calogan.classifier import high_level_features
from calogan.conditions import Condition, network_input
from calogan.dataset import Showers
from calogan.density_ratio import (
    DEFAULT,
    DensityRatio,
    Layers,
    RatioSettings,
    Reliability,
    fit_density_ratio,
)
from calogan.errors import CaloganError
from calogan.files import atomic_path
from calogan.generator import ROWS, Generator, load_reference
from calogan.geometry import Geometry
from calogan.holdout import in_any
from calogan.io import store
from calogan.metrics import Floats, Value
from calogan.preprocessing import condition_basis

REFINER_FORMAT = 2
COPIES = 3
"""Generated showers for each of the reference: they cost next to nothing."""
CLIP = 0.99
"""Part of the generated showers whose ratio is left as it is."""
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
            metrics.mean(clipped / bound),
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
    conditions: tuple[Condition, ...]
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
        found, _ = _features(showers, self.conditions, self.threshold)
        return self.ratio.ratios(found)

    def acceptances(self, showers: Showers) -> Floats:
        """Probabilities, (n,), with which rejection keeps showers."""
        return np.minimum(self.ratios(showers) / self.bound, 1.0)

    def weights(self, conditions: Mapping[str, NDArray[np.float32]], ratios: Floats) -> Floats:
        """Event weights, (n,): the showers' ratios, clipped, with mean 1 at all conditions."""
        basis = condition_basis(network_input(self.conditions, conditions), np)
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


def _features(
    showers: Showers, conditions: Sequence[Condition], threshold: float
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What the classifier sees, (n, k), and its names: nothing the generator does not know.

    The high-level features, their energies over the incident one: a response that is a hundredth
    off is hard to see in two logarithms of energies that span decades.
    """
    known = {c.name: showers.conditions[c.name] for c in conditions}
    seen = Showers(showers.energies, known, showers.geometry).apply_threshold(threshold)
    found, names = high_level_features(seen)
    absolute = [name.startswith(("log10_visible", "log10_layer")) for name in names]
    found[:, absolute] -= np.log10(1000 * seen.incident_energy)[:, None]
    return found, tuple(
        f"{n}_over_incident" if a else n for n, a in zip(names, absolute, strict=True)
    )


# -------------------------------------------------------------------------------------- training


def train_refiner(
    generator: Generator,
    reference: Showers,
    seed: int,
    *,
    clip: float = CLIP,
    settings: RatioSettings = DEFAULT,
    progress: Callable[[str], None] = lambda _: None,
) -> Refiner:
    """Learn the density ratio of the reference to what a generator makes at its conditions.

    Parameters
    ----------
    generator : must not be refined already
    reference : showers of full simulation; those that the generator was trained on may be among
        them, since it hardly knows them by heart, but never those that are to judge the result.
        Those in bands that it held out are left out here too
    seed : of generation, of the parts of the data, and of the networks
    clip : quantile of the ratios of generated showers that becomes the bound

    Raises
    ------
    CaloganError : for another geometry, conditions missing or beyond the generator's, too few
        showers, a clip outside of (0.5, 1]
    """
    if not 0.5 < clip <= 1:
        raise CaloganError(f"clip is {clip:g}, expected a quantile above 0.5, up to 1")
    if isinstance(generator, RefinedGenerator):
        raise CaloganError("the generator is refined already; train on the raw one")
    if reference.geometry != generator.geometry:
        raise CaloganError(
            f"the reference has geometry '{reference.geometry.name}' with "
            f"{reference.geometry.n_voxels} voxels, the generator makes "
            f"'{generator.geometry.name}' with {generator.geometry.n_voxels}"
        )
    missing = [c.name for c in generator.conditions if c.name not in reference.conditions]
    if missing:
        raise CaloganError(
            f"the reference has no conditions {missing}, it has {sorted(reference.conditions)}"
        )
    # What the generator was not to see, its refiner does not see either.
    reference = reference.select(~in_any(generator.hold_out, reference.conditions))
    conditions = {c.name: reference.conditions[c.name] for c in generator.conditions}
    threshold = generator.readout_threshold
    real, names = _features(reference, generator.conditions, threshold)
    made = np.empty((COPIES, *real.shape), np.float32)
    for i in range(COPIES):
        progress(f"generating showers, {i + 1} of {COPIES} times {len(real)}")
        sample = generator.sample(conditions, seed=_sample_seed(seed, i))
        made[i], _ = _features(sample, generator.conditions, threshold)
    fit = fit_density_ratio(real, made, seed, settings, progress)

    # Networks may know showers that they were trained on by heart: bound and means are measured on
    # fresh ones.
    progress("normalisation")
    fresh = generator.sample(conditions, seed=_sample_seed(seed, COPIES))
    ratios = fit.ratio.ratios(_features(fresh, generator.conditions, threshold)[0])
    bound = float(np.quantile(ratios, clip))
    basis = condition_basis(network_input(generator.conditions, conditions), np).astype(np.float64)
    normalisation = np.linalg.lstsq(basis, np.minimum(ratios, bound), rcond=None)[0]
    refiner = Refiner(
        generator_sha256=str(generator.identity["weights_sha256"]),
        geometry=generator.geometry,
        conditions=generator.conditions,
        threshold=threshold,
        features=names,
        ratio=fit.ratio,
        bound=bound,
        normalisation=normalisation,
        seen_events=np.sort(reference.fingerprints()),
        inputs_sha256=tuple(reference.provenance.get("inputs_sha256", ())),
        reliability=fit.reliability,
        efficiency=Efficiency.of(ratios, bound),
    )
    seen = generator.seen_events
    known = np.isin(reference.fingerprints(), seen) if seen is not None else None
    record = {
        "generator": generator.name,
        "calogan_version": __version__,
        "seed": seed,
        "clip": clip,
        "n_reference": len(reference),
        "n_reference_seen_by_generator": None if known is None else int(known.sum()),
        "auc": fit.reliability.auc.to_dict(),
        "cross_entropy_trained": fit.entropies[0].to_dict(),
        "cross_entropy_unseen": fit.entropies[1].to_dict(),
        "calibration_deviation": fit.reliability.deviation,
        "mean_ratio": metrics.mean(ratios).to_dict(),
        "mean_weight": _mean_weights(refiner, generator, conditions, seed),
    }
    return replace(refiner, record=record)


def _sample_seed(seed: int, i: int) -> int:
    """Seeds of the samples for one training, which no user's seed repeats by chance."""
    return int(np.random.SeedSequence([0x5EF1, seed, i]).generate_state(1, np.uint64)[0])


def _mean_weights(
    refiner: Refiner, generator: Generator, conditions: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Mean weight of fresh showers in five bins of each condition: 1 if it is normalised."""
    sample = generator.sample(conditions, seed=_sample_seed(seed, COPIES + 1))
    weights = refiner.weights(sample.conditions, refiner.ratios(sample))
    found = {}
    for condition in generator.conditions:
        values = condition.to_variable(sample.conditions[condition.name])
        edges = np.quantile(values, np.linspace(0, 1, 6))
        index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, 4)
        found[condition.name] = {
            "unit": condition.unit,
            "edges": condition.from_variable(edges).tolist(),
            "mean": [metrics.mean(weights[index == i]).to_dict() for i in range(5)],
        }
    return found


# --------------------------------------------------------------------------------------- rejection


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
        "inputs_sha256": _all_inputs(generator.identity, refiner),
        "refiner_sha256": refiner.sha256,
        "refiner_bound": refiner.bound,
    }
    return RefinedGenerator(**copied, refiner=refiner)


def _all_inputs(identity: Mapping[str, Any], refiner: Refiner) -> list[str]:
    """Hashes of the ROOT files that generator or refiner were trained on."""
    return sorted({*identity.get("inputs_sha256", ()), *refiner.inputs_sha256})


def kept_by_weight(weights: NDArray[np.float32], seed: int) -> NDArray[np.bool_]:
    """Which showers rejection by their event weights keeps, (n,): these count one each."""
    rng = np.random.default_rng([0x5EF1, seed])
    kept: NDArray[np.bool_] = rng.random(len(weights)) * weights.max() < weights
    return kept


# ------------------------------------------------------------------------------------------ files


def refine_run(
    run: str | Path,
    reference: str | Path,
    output: str | Path | None = None,
    *,
    seed: int = 1,
    clip: float = CLIP,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Refiner, Path]:
    """Train a refiner for a generator and save it; parameters as those of `train_refiner`.

    Parameters
    ----------
    run : run directory or exported JSON
    reference : store of full simulation, such as the one that the generator was trained on; its
        showers cannot judge the refined generator any more
    output : file to write; None: `refiner.h5` in the run directory, NAME_refiner.h5 beside a JSON

    Returns
    -------
    The refiner and its path.
    """
    run = Path(run)
    generator = Generator.load(run)
    showers = load_reference(generator, reference, run)
    refiner = train_refiner(generator, showers, seed, clip=clip, progress=progress)
    refiner = replace(
        refiner, record={**refiner.record, "model": str(run), "reference": str(reference)}
    )
    if output is None:
        output = run / "refiner.h5" if run.is_dir() else run.with_name(f"{run.stem}_refiner.h5")
    save_refiner(refiner, output)
    return refiner, Path(output)


def save_refiner(refiner: Refiner, path: str | Path) -> None:
    """Write a refiner as one HDF5 file of arrays and JSON, which is safe to load."""
    about = {
        "generator_sha256": refiner.generator_sha256,
        "geometry": refiner.geometry.to_dict(),
        "conditions": [c.to_dict() for c in refiner.conditions],
        "threshold": refiner.threshold,
        "features": list(refiner.features),
        "bound": refiner.bound,
        "inputs_sha256": list(refiner.inputs_sha256),
        "auc": list(refiner.reliability.auc),
        "efficiency": asdict(refiner.efficiency),
        "record": dict(refiner.record),
    }
    arrays = {
        "centre": refiner.ratio.centre,
        "spread": refiner.ratio.spread,
        "knots": np.stack(refiner.ratio.knots),
        "normalisation": refiner.normalisation,
        "seen_events": refiner.seen_events,
        "reliability": np.stack(
            [
                refiner.reliability.predicted,
                refiner.reliability.observed,
                refiner.reliability.uncertainty,
            ]
        ),
    }
    for i, layers in enumerate(refiner.ratio.members):
        for k, (kernel, bias) in enumerate(layers):
            arrays[f"members/{i}/{k}/kernel"] = kernel
            arrays[f"members/{i}/{k}/bias"] = bias
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["calogan_refiner"] = REFINER_FORMAT
        file.attrs["about"] = json.dumps(about)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def load_refiner(path: str | Path) -> Refiner:
    """Read a refiner; raises CaloganError for files that are none, or of another version."""
    with store.open_hdf5(path) as file, store.reading(path):
        version = file.attrs.get("calogan_refiner")
        text = file.attrs.get("about", "null")
        names: list[str] = []
        file.visit(names.append)
        arrays = {n: file[n][()] for n in names if isinstance(file[n], h5py.Dataset)}
    if version is None:
        raise CaloganError(
            f"{path} is no refiner; make one with `calogan refine RUN --reference STORE`"
        )
    if version != REFINER_FORMAT:
        raise CaloganError(
            f"{path} is a refiner of version {version}, this program reads {REFINER_FORMAT}; "
            "train it again with `calogan refine`"
        )
    try:
        about = json.loads(text)
        members = sorted({int(n.split("/")[1]) for n in arrays if n.startswith("members/")})
        refiner = Refiner(
            generator_sha256=str(about["generator_sha256"]),
            geometry=Geometry.from_dict(about["geometry"], f"{path}: geometry"),
            conditions=tuple(Condition.from_dict(c) for c in about["conditions"]),
            threshold=float(about["threshold"]),
            features=tuple(about["features"]),
            ratio=DensityRatio(
                arrays["centre"],
                arrays["spread"],
                tuple(_layers(arrays, f"members/{i}") for i in members),
                (arrays["knots"][0], arrays["knots"][1]),
            ),
            bound=float(about["bound"]),
            normalisation=arrays["normalisation"],
            seen_events=arrays["seen_events"],
            inputs_sha256=tuple(about["inputs_sha256"]),
            reliability=Reliability(
                predicted=arrays["reliability"][0],
                observed=arrays["reliability"][1],
                uncertainty=arrays["reliability"][2],
                auc=Value(*about["auc"]),
            ),
            efficiency=Efficiency(
                **{**about["efficiency"], "acceptance": Value(*about["efficiency"]["acceptance"])}
            ),
            record=about["record"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CaloganError(f"{path} is a damaged refiner: {error!r}; train it again") from error
    blank = Showers(
        np.zeros((1, refiner.geometry.n_voxels), np.float32),
        {c.name: np.full(1, c.low, np.float32) for c in refiner.conditions},
        refiner.geometry,
    )
    _, known = _features(blank, refiner.conditions, refiner.threshold)
    if known != refiner.features:
        differ = sorted(set(known) ^ set(refiner.features))
        raise CaloganError(
            f"{path} was made by a calogan with other features ({differ}); train it again"
        )
    return refiner


def _layers(arrays: Mapping[str, Any], where: str) -> Layers:
    count = sum(name.startswith(f"{where}/") for name in arrays) // 2
    return tuple((arrays[f"{where}/{k}/kernel"], arrays[f"{where}/{k}/bias"]) for k in range(count))


def weigh_store(
    path: str | Path,
    refiner: Refiner,
    output: str | Path,
    progress: Callable[[int], None] = lambda done: None,
) -> Efficiency:
    """Copy a store of generated showers, with their event weights beside them.

    Raises CaloganError for showers of another generator, or refined ones: a weight is for what
    the raw generator made.
    """
    about = store.info(path)
    made_by = about.provenance
    if "refiner_sha256" in made_by:
        raise CaloganError(f"the showers in {path} are refined already: each has weight 1")
    refiner.check_fits(str(made_by.get("weights_sha256", "")), str(path))
    origin = {
        **made_by,
        "inputs_sha256": _all_inputs(made_by, refiner),
        "weights_by_refiner_sha256": refiner.sha256,
        "weights_of": str(path),
    }
    ratios = []
    with store.StoreWriter(output, refiner.geometry, about.conditions, origin) as writer:
        for part in store.iterate(path, geometry=refiner.geometry):
            ratios.append(refiner.ratios(part))
            weights = refiner.weights(part.conditions, ratios[-1])
            writer.append(part.energies, part.conditions, part.overflow, weights)
            progress(len(part))
    return Efficiency.of(np.concatenate(ratios), refiner.bound)
