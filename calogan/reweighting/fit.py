"""A refiner, learned from full simulation and what a generator makes at its conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.bands import in_any
from calogan.conditions import AnyCondition, condition_basis, input_columns, network_input
from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.generating.reference import load_reference
from calogan.metrics import statistics
from calogan.metrics.bins import bins_of
from calogan.reweighting.density_ratio import DEFAULT, RatioSettings, fit_density_ratio
from calogan.reweighting.files import save_refiner
from calogan.reweighting.refiner import Efficiency, RefinedGenerator, Refiner, refiner_features
from calogan.showers import Showers
from calogan.version import __version__

COPIES = 3
"""Generated showers for each of the reference: they cost next to nothing."""
CLIP = 0.99
"""Part of the generated showers whose ratio is left as it is."""


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
    _check(generator, reference, clip)
    # What the generator was not to see, its refiner does not see either.
    reference = reference.select(~in_any(generator.hold_out, reference.conditions))
    conditions = {c.name: reference.conditions[c.name] for c in generator.conditions}
    threshold = generator.readout_threshold
    real, names = refiner_features(reference, generator.conditions, threshold)
    made = np.empty((COPIES, *real.shape), np.float32)
    for i in range(COPIES):
        progress(f"generating showers, {i + 1} of {COPIES} times {len(real)}")
        made[i] = _generated_features(generator, conditions, seed, i)
    fit = fit_density_ratio(real, made, seed, settings, progress)

    # Networks may know showers that they were trained on by heart: bound and means are measured on
    # fresh ones.
    progress("normalisation")
    ratios = fit.ratio.ratios(_generated_features(generator, conditions, seed, COPIES))
    bound = float(np.quantile(ratios, clip))
    refiner = Refiner(
        generator_sha256=str(generator.identity["weights_sha256"]),
        geometry=generator.geometry,
        conditions=generator.conditions,
        threshold=threshold,
        features=names,
        ratio=fit.ratio,
        bound=bound,
        normalisation=_mean_of(np.minimum(ratios, bound), generator.conditions, conditions),
        seen_events=np.sort(reference.fingerprints()),
        inputs_sha256=tuple(reference.provenance.get("inputs_sha256", ())),
        reliability=fit.reliability,
        efficiency=Efficiency.of(ratios, bound),
    )
    seen = generator.seen_events
    record = {
        "generator": generator.name,
        "calogan_version": __version__,
        "seed": seed,
        "clip": clip,
        "n_reference": len(reference),
        "n_reference_seen_by_generator": (
            None if seen is None else int(reference.among(seen).sum())
        ),
        "auc": fit.reliability.auc.to_dict(),
        "cross_entropy_trained": fit.entropies[0].to_dict(),
        "cross_entropy_unseen": fit.entropies[1].to_dict(),
        "calibration_deviation": fit.reliability.deviation,
        "mean_ratio": statistics.mean(ratios).to_dict(),
        "mean_weight": _mean_weights(refiner, generator, conditions, seed),
    }
    return replace(refiner, record=record)


def _check(generator: Generator, reference: Showers, clip: float) -> None:
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
    if reference.dead is not None and reference.dead.any():
        raise CaloganError(
            f"{int(reference.dead.any(axis=1).sum())} of {len(reference)} reference showers have "
            "dead cells, and weights are for whole showers; give a reference without"
        )
    missing = [c.name for c in generator.conditions if c.name not in reference.conditions]
    if missing:
        raise CaloganError(
            f"the reference has no conditions {missing}, it has {sorted(reference.conditions)}"
        )


def _generated_features(
    generator: Generator, conditions: Mapping[str, Any], seed: int, i: int
) -> NDArray[np.float32]:
    """Features (n, d) of fresh showers at these conditions, the `i`-th sample of this training."""
    sample = generator.sample(conditions, seed=_sample_seed(seed, i))
    return refiner_features(sample, generator.conditions, generator.readout_threshold)[0]


def _mean_of(
    ratios: NDArray[Any], known: Sequence[AnyCondition], conditions: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Coefficients of the mean ratio, a polynomial of the conditions."""
    basis = condition_basis(
        network_input(known, conditions), np, columns=input_columns(known)
    ).astype(np.float64)
    found: NDArray[np.float64] = np.linalg.lstsq(basis, ratios, rcond=None)[0]
    return found


def _sample_seed(seed: int, i: int) -> int:
    """Seeds of the samples for one training, which no user's seed repeats by chance."""
    return int(np.random.SeedSequence([0x5EF1, seed, i]).generate_state(1, np.uint64)[0])


def _mean_weights(
    refiner: Refiner, generator: Generator, conditions: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Mean weight of fresh showers in bins of each condition: 1 if it is normalised."""
    sample = generator.sample(conditions, seed=_sample_seed(seed, COPIES + 1))
    weights = refiner.weights(sample.conditions, refiner.ratios(sample))
    found = {}
    for condition in generator.conditions:
        label = sample.labels.get(condition.name)
        edges, members = bins_of(condition.name, sample.conditions[condition.name], label)
        found[condition.name] = {
            "unit": condition.unit,
            "edges": edges.tolist(),
            "mean": [statistics.mean(weights[inside]).to_dict() for inside in members],
        }
    return found


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
