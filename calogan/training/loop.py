"""The training loop: updates, scores, checkpoints, and resuming from them."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calogan.card.keys import Card
from calogan.conditions import network_input
from calogan.errors import CaloganError
from calogan.files import atomic_path, write_json
from calogan.showers import Showers
from calogan.training.data import Split, TrainingData, load_split
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

    Ctrl-C and SIGTERM let the running call of updates finish; then a checkpoint is written and
    KeyboardInterrupt raised. A resumed run passes through the same states as one that never
    stopped.

    Raises
    ------
    CaloganError
        No training data, or none that fits the card; `out` is not empty, or, to resume, has no
        checkpoint or was begun with another card or other showers; the training diverges.
    """
    run = Run(Path(out))
    if resume:
        _check_same_card(run, card)
    else:
        _check_free(run)
    conditions = card.condition_list
    parts = load_split(
        card.data, card.build_geometry(), conditions, card.training.batch_size, card.training.seed
    )
    if resume:
        _check_same_showers(run, card, parts)
    trainer = new_trainer(card, parts.training)
    yardstick = Yardstick.fit(
        trainer.sample,
        parts.validation.select(slice(card.selection.showers)),
        conditions,
        card.data.readout_threshold,
        card.training.seed,
    )
    inputs = network_input(conditions, yardstick.showers.conditions)
    loop = _Loop(run, trainer, yardstick, inputs, card.selection.every)
    if resume:
        loop.restore()
    else:
        _begin(run, card, parts)
        loop.save()
    del parts  # the trainer keeps its own copy
    loop.go(report)
    return run


def _check_free(run: Run) -> None:
    if run.path.is_file() or (run.path.exists() and any(run.path.iterdir())):
        raise CaloganError(
            f"{run.path} exists and is not empty; go on with it by --resume, "
            "or name another directory with --out"
        )


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


def _check_same_showers(run: Run, card: Card, parts: Split) -> None:
    if not np.array_equal(parts.fingerprints, run.load_seen_events()):
        raise CaloganError(
            f"{card.data.train} does not hold the showers that {run.path} was begun with; "
            "restore it, or start a new run with --out"
        )


def new_trainer(card: Card, showers: Showers) -> Trainer:
    """The trainer of the card's method, with the sections of the card that it needs."""
    from calogan.training.gan import GanTrainer
    from calogan.training.vae import VaeTrainer

    data = TrainingData.of(showers, card.condition_list, card.data)
    if card.training.method == "vae":
        return VaeTrainer(data, card.generator, card.training, card.vae)
    return GanTrainer(data, card.generator, card.training, card.critic)


def _begin(run: Run, card: Card, parts: Split) -> None:
    """Make the run directory, with what is known before the first update."""
    run.path.mkdir(parents=True, exist_ok=True)
    write_json(run.card_file, json.loads(card.model_dump_json()))
    record = {
        "calogan": __version__,
        "showers": parts.n_showers,
        "held_out": {"bands": card.data.hold_out, "showers": parts.n_held_out},
        "store": card.data.train,
        "store_provenance": dict(parts.provenance),
    }
    write_json(run.training_file, record)
    with atomic_path(run.seen_events) as temporary, temporary.open("wb") as file:
        np.save(file, parts.fingerprints)


class _Loop:
    """The updates of one trainer, with their scores and checkpoints, in its run directory."""

    def __init__(
        self, run: Run, trainer: Trainer, yardstick: Yardstick, inputs: Any, every: int
    ) -> None:
        """`inputs` are the yardstick's conditions as the network sees them, (n, n_conditions);
        every `every` updates the generator is scored."""
        import tensorflow as tf

        self._run, self._trainer = run, trainer
        self._yardstick, self._inputs, self._every = yardstick, inputs, every
        self._lines: list[dict[str, Any]] = []
        """Of metrics.jsonl."""
        self._manager = tf.train.CheckpointManager(
            trainer.checkpoint, str(run.checkpoints), max_to_keep=2
        )

    def restore(self) -> None:
        """Go back to the latest checkpoint; what was logged after it is removed."""
        run, latest = self._run, self._manager.latest_checkpoint
        if latest is None:
            raise CaloganError(f"nothing to resume: no checkpoint in {run.checkpoints}")
        self._trainer.checkpoint.restore(latest).assert_consumed()
        self._lines = [line for line in run.history() if line["update"] <= self._trainer.update]
        with atomic_path(run.metrics) as temporary:
            text = "".join(json.dumps(line) + "\n" for line in self._lines)
            temporary.write_text(text, encoding="utf-8")
        self._record()

    def save(self) -> None:
        """Write the checkpoint and the record; the generator too, as long as none was scored."""
        trainer, run = self._trainer, self._run
        self._check_finite({"largest averaged weight": trainer.largest_weight()})
        if best(self._lines) is None:
            with trainer.generating() as generator:
                _save_weights(generator, run.generator_weights)
        if trainer.critic is not None:
            _save_weights(trainer.critic, run.critic_weights)
        self._manager.save(checkpoint_number=trainer.update)
        self._record()

    def go(self, report: Callable[[Progress], None]) -> None:
        """Train to the last update; if interrupted, raise KeyboardInterrupt after a checkpoint."""
        import tensorflow as tf

        trainer, training = self._trainer, self._trainer.training
        seconds_between_checkpoints = 60 * training.checkpoint_minutes
        rate, saved = _Rate(), time.monotonic()
        writer = tf.summary.create_file_writer(str(self._run.path / "tensorboard"))
        with _interruptible() as interrupted, writer.as_default():
            while trainer.update < training.updates:
                before = trainer.update
                losses = self._advance(min(training.updates_per_call, training.updates - before))
                rate.count(trainer.update)
                done = trainer.update >= training.updates
                line: dict[str, Any] = {"update": trainer.update, **losses}
                # By update, not by the clock, so that a resumed run keeps the same generator.
                scoring = done or trainer.update // self._every > before // self._every
                if scoring:
                    line |= self._score()
                    line["updates_per_second"] = round(rate.value, 3)
                self._log(line)
                stopping = interrupted()
                if scoring or stopping or time.monotonic() - saved > seconds_between_checkpoints:
                    self.save()
                    saved = time.monotonic()
                report(self._progress(rate.value, losses))
                if done or stopping:
                    self._draw_curves()
                if stopping and not done:
                    raise KeyboardInterrupt

    def _advance(self, updates: int) -> dict[str, float]:
        losses = self._trainer.advance(updates)
        self._check_finite(losses)
        return losses

    def _check_finite(self, values: Mapping[str, float]) -> None:
        if np.isfinite(list(values.values())).all():
            return
        checkpoints = self._run.checkpoints
        kept = [int(path.stem.split("-")[-1]) for path in checkpoints.glob("ckpt-*.index")]
        raise CaloganError(
            f"training diverged: after update {self._trainer.update} found {dict(values)}. "
            f"The checkpoint of update {max(kept, default=0)} is kept in {checkpoints}; begin a "
            "new run with a lower training.learning_rate"
            + (", or higher training.r1 and r2" if self._trainer.critic is not None else "")
        )

    def _score(self) -> dict[str, Any]:
        """Score the generator, and keep its weights if it is the best; returns the scores."""
        started = time.monotonic()
        trainer, showers = self._trainer, self._yardstick.showers
        self._check_finite({"largest averaged weight": trainer.largest_weight()})
        with trainer.generating() as generator:
            first, second = (
                trainer.showers_like(generator, showers, self._inputs, sample) for sample in (0, 1)
            )
            mean = float(first.energies.mean() + second.energies.mean())
            self._check_finite({"mean generated energy": mean})
            scores = self._yardstick.score(first, second)
            found: dict[str, Any] = scores.to_dict()
            alarm = collapse(scores, self._lines)
            if alarm:
                found["warning"] = alarm
            # If the program ends between this and the checkpoint, the resumed run comes here again.
            if best([*self._lines, found]) is found:
                _save_weights(generator, self._run.generator_weights)
        return {**found, "scoring_seconds": round(time.monotonic() - started, 3)}

    def _log(self, line: dict[str, Any]) -> None:
        """To metrics.jsonl and to TensorBoard's writer in force."""
        import tensorflow as tf

        self._lines.append(line)
        with self._run.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")
        for name, value in line.items():
            if not isinstance(value, str):
                tf.summary.scalar(name, value, step=line["update"])

    def _record(self) -> None:
        """Bring training.json up to date."""
        warnings = [
            {"update": line["update"], "words": line["warning"]}
            for line in self._lines
            if "warning" in line
        ]
        found = {
            "updates": self._trainer.update,
            "best": best(self._lines),
            "warnings": warnings,
        }
        write_json(self._run.training_file, {**self._run.training(), **found})

    def _progress(self, rate: float, losses: dict[str, float]) -> Progress:
        scored = (line for line in reversed(self._lines) if "validation_score" in line)
        trainer = self._trainer
        return Progress(
            trainer.update,
            trainer.training.updates,
            rate,
            losses,
            next(scored, {}),
            best(self._lines) or {},
        )

    def _draw_curves(self) -> None:
        from calogan import style
        from calogan.training import curves

        kept = best(self._lines)
        with style.drawing(), atomic_path(self._run.curves) as temporary:
            figure = curves.training_curves(self._lines, None if kept is None else kept["update"])
            figure.savefig(temporary, format="png", dpi=120)


class _Rate:
    """Updates per second, counted from the second call: the first one compiles."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self.value = 0.0

    def count(self, update: int) -> None:
        """Say that this update is done now."""
        now = time.monotonic()
        if self._first is None:
            self._first = update, now
        update_then, then = self._first
        self.value = (update - update_then) / max(now - then, 1e-9)


def _save_weights(model: keras.Model, path: Path) -> None:
    with atomic_path(path) as temporary:
        model.save_weights(temporary, overwrite=True)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a flag, so that training can end at a whole update."""
    caught: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        old = {s: signal.signal(s, lambda number, frame: caught.append(number)) for s in signals}
    except ValueError:  # only the main thread may handle signals
        old = {}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
