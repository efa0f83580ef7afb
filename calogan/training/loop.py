"""The training loop: updates, scores, checkpoints, and resuming from them."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Card
from calogan.conditions import network_input
from calogan.errors import CaloganError
from calogan.files import atomic_path
from calogan.showers import Showers
from calogan.training.data import split, split_off, training_data
from calogan.training.run import Run
from calogan.training.selection import Yardstick, best, collapse
from calogan.version import __version__

if TYPE_CHECKING:
    import keras

    from calogan.training.trainer import Trainer

SECTIONS = ("geometry", "conditions", "data", "generator", "critic", "vae", "training", "selection")
"""Of the card: those that decide what a run learns and keeps."""


@dataclass(frozen=True)
class Progress:
    """State of a training, reported after every compiled call."""

    update: int
    updates: int
    rate: float
    """Updates per second, compiling left out."""
    losses: dict[str, float]
    scored: Mapping[str, Any]
    """Line of `Run.metrics` of the latest scores on showers never trained on; empty before."""
    best: Mapping[str, Any]
    """That of the generator that is kept; empty before the first score."""


def train(
    card: Card,
    out: str | Path,
    *,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Train as the card says, into the run directory `out`.

    Ctrl-C finishes the running call, writes a checkpoint and raises KeyboardInterrupt. A resumed
    run passes through the same states as one that never stopped.

    Raises
    ------
    CaloganError
        No training data; `out` holds another run; the loss is not finite.
    """
    run = Run(Path(out))
    if resume:
        _check_same_card(run, card)
    elif run.path.is_file() or (run.path.exists() and any(run.path.iterdir())):
        raise CaloganError(
            f"{run.path} exists and is not empty; go on with it by --resume, "
            "or name another directory with --out"
        )
    showers, n_held_out = split_off(card.data.hold_out, training_data(card), str(card.data.train))
    seen, n_showers, provenance = np.sort(showers.fingerprints()), len(showers), showers.provenance
    if resume and not np.array_equal(seen, run.load_seen_events()):
        raise CaloganError(
            f"{card.data.train} does not hold the showers that {run.path} was begun with; "
            "restore it, or start a new run with --out"
        )
    kept, validation = split(showers, card)
    del showers  # the trainer keeps its own copy

    import tensorflow as tf

    trainer = trainer_class(card)(card, kept)
    yardstick = Yardstick.fit(
        trainer.sample,
        validation.select(slice(card.selection.showers)),
        trainer.conditions,
        card.data.readout_threshold,
        card.training.seed,
    )
    del kept, validation
    manager = tf.train.CheckpointManager(trainer.checkpoint, str(run.checkpoints), max_to_keep=2)
    if resume:
        _restore(trainer, manager, run)
    else:
        _begin(run, card, seen, n_showers, n_held_out, provenance)
        _save(trainer, manager, run, [])
    lines = run.history()
    scored: Mapping[str, Any] = next((x for x in reversed(lines) if "validation_score" in x), {})
    writer = tf.summary.create_file_writer(str(run.path / "tensorboard"))
    started = saved = time.monotonic()
    counted_from = None
    with _interruptible() as interrupted, writer.as_default():
        while trainer.update < card.training.updates:
            before = trainer.update
            step = min(card.training.updates_per_call, card.training.updates - before)
            losses = trainer.advance(step)
            _check_finite(losses, trainer, run)
            done = trainer.update >= card.training.updates
            if counted_from is None:  # the first call compiles, which would spoil the rate
                started, counted_from = time.monotonic(), trainer.update
            rate = (trainer.update - counted_from) / max(time.monotonic() - started, 1e-9)
            line: dict[str, Any] = {"update": trainer.update, **losses}
            # By the update's number, not by the clock, so that a resumed run keeps the same one.
            every = card.selection.every
            scoring = done or trainer.update // every > before // every
            if scoring:
                line |= _score(trainer, yardstick, run, lines)
                line["updates_per_second"] = round(rate, 3)
                scored = line
            lines.append(line)
            with run.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
            stopping = interrupted()
            due = time.monotonic() - saved > 60 * card.training.checkpoint_minutes
            if scoring or due or stopping:
                _save(trainer, manager, run, lines)
                saved = time.monotonic()
            for name, value in line.items():
                if not isinstance(value, str):
                    tf.summary.scalar(name, value, step=trainer.update)
            kept_line = best(lines) or {}
            report(Progress(trainer.update, card.training.updates, rate, losses, scored, kept_line))
            if done or stopping:
                _draw_curves(run, lines)
            if stopping and not done:
                raise KeyboardInterrupt
    return run


def _check_finite(values: dict[str, float], trainer: Trainer, run: Run) -> None:
    if not np.isfinite(list(values.values())).all():
        raise CaloganError(
            f"training diverged: after update {trainer.update} found {values}. "
            f"The checkpoint of update {_saved_update(run)} is kept in {run.checkpoints}; begin a "
            "new run with a lower training.learning_rate"
            + (", or higher training.r1 and r2" if trainer.critic is not None else "")
        )


def _begin(
    run: Run,
    card: Card,
    seen: NDArray[np.uint64],
    n_showers: int,
    n_held_out: int,
    provenance: Mapping[str, Any],
) -> None:
    run.path.mkdir(parents=True, exist_ok=True)
    _write_json(run.card_file, json.loads(card.model_dump_json()))
    record = {
        "calogan": __version__,
        "showers": n_showers,
        "held_out": {"bands": card.data.hold_out, "showers": n_held_out},
        "store": card.data.train,
        "store_provenance": dict(provenance),
    }
    _write_json(run.training_file, record)
    with atomic_path(run.seen_events) as temporary, temporary.open("wb") as file:
        np.save(file, seen)


def _check_same_card(run: Run, card: Card) -> None:
    old, new = run.card().model_dump(), card.model_dump()
    for fields in (old, new):
        del fields["training"]["checkpoint_minutes"]  # does not change what is learned
    changed = [
        f"{section}: {old[section]!r} -> {new[section]!r}"
        for section in SECTIONS
        if old[section] != new[section]
    ]
    if changed:
        raise CaloganError(
            f"the card differs from the one {run.path} was begun with, so it cannot be resumed:\n"
            + "\n".join(changed)
            + "\nrestore the card, or start a new run with --out"
        )


def _restore(trainer: Trainer, manager: Any, run: Run) -> None:
    if manager.latest_checkpoint is None:
        raise CaloganError(f"nothing to resume: no checkpoint in {run.checkpoints}")
    trainer.checkpoint.restore(manager.latest_checkpoint).assert_consumed()
    lines = [line for line in run.history() if line["update"] <= trainer.update]
    with atomic_path(run.metrics) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    _record(run, trainer.update, lines)


def _save(trainer: Trainer, manager: Any, run: Run, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write the checkpoint and the record; the generator too, as long as none was scored."""
    _check_finite({"largest averaged weight": trainer.largest_weight()}, trainer, run)
    if best(lines) is None:
        with trainer.generating() as generator:
            _save_generator(generator, run)
    if trainer.critic is not None:
        with atomic_path(run.critic_weights) as temporary:
            trainer.critic.save_weights(temporary, overwrite=True)
    manager.save(checkpoint_number=trainer.update)
    _record(run, trainer.update, lines)


def _save_generator(generator: keras.Model, run: Run) -> None:
    with atomic_path(run.generator_weights) as temporary:
        generator.save_weights(temporary, overwrite=True)


def _record(run: Run, update: int, lines: Sequence[Mapping[str, Any]]) -> None:
    warnings = [
        {"update": line["update"], "words": line["warning"]} for line in lines if "warning" in line
    ]
    found = {"updates": update, "best": best(lines), "warnings": warnings}
    _write_json(run.training_file, {**run.training(), **found})


def _saved_update(run: Run) -> int:
    saved = [int(path.stem.split("-")[-1]) for path in run.checkpoints.glob("ckpt-*.index")]
    return max(saved, default=0)


def _score(
    trainer: Trainer, yardstick: Yardstick, run: Run, lines: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Score the generator, and keep its weights if it is the best; returns the scores."""
    started = time.monotonic()
    _check_finite({"largest averaged weight": trainer.largest_weight()}, trainer, run)
    with trainer.generating() as generator:
        first, second = (_generate(trainer, generator, yardstick.showers, k) for k in range(2))
        drawn = {"mean generated energy": float(first.energies.mean() + second.energies.mean())}
        _check_finite(drawn, trainer, run)
        scores = yardstick.score(first, second)
        found: dict[str, Any] = scores.to_dict()
        alarm = collapse(scores, lines)
        if alarm:
            found["warning"] = alarm
        # Should the program end between this and the checkpoint, the resumed run comes here again.
        if best([*lines, found]) is found:
            _save_generator(generator, run)
    return {**found, "scoring_seconds": round(time.monotonic() - started, 3)}


def _draw_curves(run: Run, lines: Sequence[Mapping[str, Any]]) -> None:
    from calogan import style
    from calogan.training import curves

    kept = best(lines)
    with style.drawing(), atomic_path(run.curves) as temporary:
        figure = curves.training_curves(lines, None if kept is None else kept["update"])
        figure.savefig(temporary, format="png", dpi=120)


def _generate(trainer: Trainer, generator: keras.Model, showers: Showers, sample: int) -> Showers:
    """Showers at the conditions of others; the same latents whenever `sample` is the same."""
    from calogan.networks.generator import voxel_fractions

    inputs = network_input(trainer.conditions, showers.conditions)
    incident = 1000 * showers.incident_energy
    rng = np.random.default_rng([trainer.card.training.seed, sample])
    latent = rng.standard_normal((len(showers), sum(trainer.latent_sizes)), np.float32)
    pieces = 1 + len(showers) // 1000
    energies = [
        voxel_fractions(generator, showers.geometry, z, c) * e[:, None]
        for z, c, e in zip(
            *(np.array_split(x, pieces) for x in (latent, inputs, incident)), strict=True
        )
    ]
    return Showers(np.concatenate(energies), showers.conditions, showers.geometry)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a flag, so that training can end at a whole update."""
    caught: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        old = {s: signal.signal(s, lambda number, frame: caught.append(number)) for s in signals}
    except ValueError:  # not the main thread: signals are its business
        old = {}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _write_json(path: Path, value: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def trainer_class(card: Card) -> type[Trainer]:
    """The trainer of the card's method."""
    from calogan.training.gan import GanTrainer
    from calogan.training.vae import VaeTrainer

    return {"gan": GanTrainer, "vae": VaeTrainer}[card.training.method]
