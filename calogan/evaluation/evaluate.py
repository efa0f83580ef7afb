"""Evaluate a generator: read and generate, compare, write metrics.json and report.html.

`compare_samples` does the comparing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calogan.bands import Bands
from calogan.errors import CaloganError
from calogan.evaluation.compare_samples import MIN_SHOWERS, Progress, compare_samples
from calogan.evaluation.hold_out import bands_to_study, study
from calogan.evaluation.results import Evaluation, Refinement
from calogan.files import atomic_path
from calogan.generating.generator import Generator, dead_named_by
from calogan.generating.reference import load_reference, sample_like
from calogan.reading import store
from calogan.reweighting.files import load_refiner
from calogan.reweighting.refiner import Efficiency, RefinedGenerator, kept_by_weight, refined
from calogan.showers import Showers


def evaluate_run(
    run: str | Path,
    reference: str | Path,
    output: str | Path | None = None,
    *,
    seed: int = 1,
    classifier: Literal["quick", "full"] = "quick",
    hold_out: Bands | None = None,
    beside: str | Path | None = None,
    refiner: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Evaluation, Path]:
    """Generate one shower for each reference shower that the run has not seen, and compare.

    Parameters
    ----------
    run : run directory or exported JSON
    reference : store of reference showers
    output : folder for metrics.json and report.html; None: `evaluation` in the run directory, or
        NAME_evaluation beside a JSON
    hold_out : bands that the training held out, to compare inside of and beside; None: all of them
    beside : run or JSON that was trained with everything, put beside inside those bands
    refiner : file made by `calogan refine`: its showers are compared besides, and what it was
        trained on is left out of the reference too

    Returns
    -------
    The evaluation and the path of the report.

    Raises
    ------
    CaloganError : if fewer than `MIN_SHOWERS` showers remain, or files do not fit together
    """

    run, reference = Path(run), Path(reference)
    report = progress or (lambda _: None)
    report("reading")
    generator = Generator.load(run)
    bands = bands_to_study(hold_out or {}, generator, run)
    other = _load_beside(beside, bands, reference)
    better = None if refiner is None else refined(generator, load_refiner(refiner))
    showers, n_dropped = _unseen(generator, better, reference, run)
    note = _independence(generator, better, showers, n_dropped, reference)

    report(f"generating {len(showers)} showers")
    # The reference may know conditions that the generator does not; it is judged against those too.
    generated, rate = _timed_sample(generator, showers, seed)
    compare = partial(
        compare_samples, threshold=generator.readout_threshold, seed=seed, classifier=classifier
    )
    result = compare(showers, generated, progress=progress)
    if better is not None:
        refinement = _refinement(
            better, str(refiner), showers, generated, rate, seed, compare, report
        )
        result = replace(result, refinement=refinement)
    studies = tuple(
        study(
            name,
            bands,
            generator,
            (showers, generated),
            other,
            seed=seed,
            compare=compare,
            progress=report,
        )
        for name in bands
    )

    if output is None:
        output = run / "evaluation" if run.is_dir() else run.parent / f"{run.stem}_evaluation"
    options = [f"--hold-out {name}={low:g}:{high:g}" for name, (low, high) in bands.items()]
    options += [] if beside is None else [f"--beside {beside}"]
    options += [] if refiner is None else [f"--refiner {refiner}"]
    settings = {
        "command": " ".join(
            [
                f"calogan evaluate {run} --reference {reference} --output {output}",
                f"--classifier {classifier} --seed {seed}",
                *options,
            ]
        ),
        "generator": str(run),
        "weights_sha256": generator.identity.get("weights_sha256", ""),
        "reference": str(reference),
        "n_dropped": n_dropped,
        "training_events_known": generator.seen_events is not None,
        "note": note,
    }
    return _write(replace(result, held_out=studies), Path(output), settings, report)


def _unseen(
    generator: Generator, better: RefinedGenerator | None, reference: Path, run: Path
) -> tuple[Showers, int]:
    """The reference showers that neither generator nor refiner has seen, and how many were left
    out."""
    showers = load_reference(generator, reference, run)
    known = np.zeros(len(showers), np.bool_)
    for fingerprints in (
        generator.seen_events,
        None if better is None else better.refiner.seen_events,
    ):
        known |= showers.among(fingerprints)
    n_all, n_dropped = len(showers), int(known.sum())
    if n_all - n_dropped < MIN_SHOWERS:
        raise CaloganError(
            f"{n_all - n_dropped} of {n_all} showers in {reference} can be compared ({n_dropped} "
            f"were used in training {run}), expected {MIN_SHOWERS} or more; give showers of other "
            "events"
        )
    return (showers.select(~known) if n_dropped else showers), n_dropped


def _independence(
    generator: Generator,
    better: RefinedGenerator | None,
    showers: Showers,
    n_dropped: int,
    reference: Path,
) -> str:
    """What is known of the reference being independent of the training, for the report."""
    n_all = len(showers) + n_dropped
    left_out = (
        f"{n_dropped} of {n_all} reference showers were left out: the generator"
        f"{'' if better is None else ' or its refiner'} was trained or validated on them."
    )
    if generator.seen_events is None:
        trained_on = generator.identity["inputs_sha256"]
        note = check_independent(trained_on, showers.provenance, reference)
        return f"{note} {left_out}" if n_dropped else note
    _check_recognised(generator, showers.provenance, reference)
    if n_dropped:
        return left_out
    return f"None of the {n_all} reference showers was used in training or validation."


def _check_recognised(
    generator: Generator, made_by: Mapping[str, Any], reference: str | Path
) -> None:
    """Refuse showers that the generator may have seen with other cells dead: their content differs.

    Raises CaloganError if they are of its files, by other dead cells.
    """
    trained = generator.identity
    shared = {*trained["inputs_sha256"]} & {*made_by.get("inputs_sha256", [])}
    if shared and trained["dead_in_training"] != dead_named_by(made_by):
        raise CaloganError(
            f"{reference} is of {len(shared)} files that the generator was trained on, but other "
            "cells are dead in it, so showers of the training are not recognised; voxelize other "
            "files, or these with the dead cells of the training"
        )


def _timed_sample(generator: Generator, showers: Showers, seed: int) -> tuple[Showers, float]:
    """Showers like these, and how many a second of processor time makes, busy machine or not."""
    sample_like(generator, showers.select(slice(1)), seed)  # TensorFlow wakes up
    started = time.process_time()
    made = sample_like(generator, showers, seed)
    return made, len(made) / (time.process_time() - started)


def _refinement(
    better: RefinedGenerator,
    path: str,
    showers: Showers,
    raw: Showers,
    rate: float,
    seed: int,
    compare: Callable[..., Evaluation],
    report: Progress,
) -> Refinement:
    """Compare the refined generator with the reference as the raw one was.

    Parameters
    ----------
    showers : the reference
    raw, rate : what the raw generator made at its conditions, and how many showers a second
    compare : `compare_samples` but for the samples and `progress`
    """
    refiner = better.refiner
    report(f"generating {len(showers)} refined showers")
    generated, refined_rate = _timed_sample(better, showers, seed)
    return Refinement(
        path=path,
        evaluation=compare(showers, generated, progress=lambda stage: report(f"refined: {stage}")),
        efficiency=Efficiency.of(refiner.ratios(raw), refiner.bound),
        rates=(rate, refined_rate),
        reliability=refiner.reliability,
    )


def _load_beside(
    beside: str | Path | None, bands: Bands, reference: str | Path
) -> Generator | None:
    if beside is None:
        return None
    if not bands:
        raise CaloganError(
            f"nothing was held out, so there is nothing to put {beside} beside: leave out "
            "--beside, or evaluate a run of `calogan train CARD --hold-out NAME=LOW:HIGH`"
        )
    other = Generator.load(beside)
    made_by = store.info(reference).provenance
    if other.seen_events is None:
        check_independent(other.identity["inputs_sha256"], made_by, reference)
    else:
        _check_recognised(other, made_by, reference)
    return other


def check_independent(
    trained_on: Sequence[str], reference: Mapping[str, Any], path: str | Path
) -> str:
    """Make sure that a reference is not from the files that a generator was trained on.

    Parameters
    ----------
    trained_on : SHA-256 of the generator's ROOT files; empty if not known
    reference : provenance of the reference store, whose `inputs_sha256` is compared

    Returns
    -------
    What was found out, for the report. Raises CaloganError if files are shared.
    """
    made_from = reference.get("inputs_sha256", [])
    shared = set(trained_on) & set(made_from)
    if shared:
        raise CaloganError(
            f"{len(shared)} of the {len(set(made_from))} ROOT files that {path} was made from were "
            "used in training the generator; voxelize other files, or evaluate the run directory, "
            "which knows its single events"
        )
    if trained_on and made_from:
        return "The generator was trained on other files than the reference was made from."
    return (
        "It is not known which events the generator was trained on, so it was not checked that "
        "the reference is independent of them."
    )


def evaluate_files(
    reference: str | Path,
    generated: str | Path,
    output: str | Path,
    *,
    threshold: float | None = None,
    seed: int = 1,
    classifier: Literal["quick", "full"] = "quick",
    progress: Progress | None = None,
) -> tuple[Evaluation, Path]:
    """Compare two stores of showers with the same conditions in the same order.

    Parameters and return as `evaluate_run`; `threshold` is the readout threshold in MeV, None: that
    with which `generated` was made. Of showers with event weights, those that rejection by the
    weights keeps are compared, each with its partner.
    """
    report = progress or (lambda _: None)
    report("reading")
    showers, made = store.load(reference), store.load(generated)
    if threshold is None:
        threshold = made.provenance.get("readout_threshold_MeV")
    if threshold is None:
        raise CaloganError(
            f"{generated} does not say its readout threshold, and a comparison needs one; "
            "give it in MeV (--threshold)"
        )
    note = check_independent(
        made.provenance.get("inputs_sha256", []), showers.provenance, reference
    )
    if made.weights is not None and len(made) == len(showers):
        kept = kept_by_weight(made.weights, seed)
        note += f" By their weights, {kept.sum()} of {len(made)} generated showers were kept."
        showers, made = showers.select(kept), made.select(kept)
    result = compare_samples(
        showers,
        made,
        threshold=threshold,
        seed=seed,
        classifier=classifier,
        progress=progress,
    )
    return _write(
        result,
        Path(output),
        {
            "command": f"calogan evaluate {generated} --reference {reference} "
            f"--output {output} --threshold {threshold:g} --classifier {classifier} --seed {seed}",
            "generator": str(generated),
            "reference": str(reference),
            "n_dropped": 0,
            "training_events_known": False,
            "note": note,
        },
        report,
    )


def _write(
    result: Evaluation, output: Path, settings: Mapping[str, Any], report: Progress
) -> tuple[Evaluation, Path]:
    from calogan.evaluation.report import render

    if "dead_cells" in result.settings:
        part = f"{result.settings['dead_cells']:.2%}"
        note = (
            f"{settings['note']} {part} of the cells are dead, and count as dark in both samples."
        )
        settings = {**settings, "note": note}
    result = replace(result, settings={**settings, **result.settings})
    report("report")
    page = render(result)
    with atomic_path(output / "metrics.json") as path:
        path.write_text(
            json.dumps(result.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
    with atomic_path(output / "report.html") as path:
        path.write_text(page, encoding="utf-8")
    return result, output / "report.html"
