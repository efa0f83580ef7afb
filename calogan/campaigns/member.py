"""One member of a campaign on a worker: data, training, evaluation, export.

Each step is skipped if what it makes is there, and a training goes on from its last checkpoint: a
member whose worker was killed is done again by the same call, on any machine that sees the folder.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calogan.campaigns.plan import MemberPlan
from calogan.card.keys import Card
from calogan.conditions import AnyCondition
from calogan.errors import CaloganError
from calogan.evaluation.evaluate import evaluate_run
from calogan.exporting.native import export_run
from calogan.files import locked, read_text, write_json
from calogan.reading import store
from calogan.reading.hdf5 import SUFFIXES
from calogan.reading.pipeline import voxelize_files
from calogan.reading.root_file import expand_files
from calogan.training.loop import Progress, train
from calogan.training.run import Run

Status = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class State:
    """How far a member is; kept in its folder."""

    status: Status = "waiting"
    step: str = ""
    """What is being done, or was when it failed."""
    attempts: int = 0
    reason: str = ""
    """Of a member that failed."""
    earlier: tuple[str, ...] = ()
    """Why earlier attempts ended."""
    host: str = ""
    pid: int = 0
    """Of the worker; 0 before the first attempt."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """That each step took, in the attempt that finished it."""


@dataclass(frozen=True)
class Member:
    """The folder of a member, and what is where in it."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def plan_file(self) -> Path:
        """Card and test files, as the campaign card made them."""
        return self.folder / "plan.json"

    @property
    def state_file(self) -> Path:
        return self.folder / "state.json"

    @property
    def log(self) -> Path:
        """All that its workers printed, attempt after attempt."""
        return self.folder / "log.txt"

    @property
    def run(self) -> Run:
        return Run(self.folder / "run")

    @property
    def metrics(self) -> Path:
        return self.folder / "evaluation" / "metrics.json"

    @property
    def report(self) -> Path:
        return self.folder / "evaluation" / "report.html"

    @property
    def model(self) -> Path:
        """The exported generator."""
        return self.folder / "generator.json"

    def state(self) -> State:
        if not self.state_file.is_file():
            return State()
        try:
            fields = json.loads(read_text(self.state_file, "state"))
            return State(**{**fields, "earlier": tuple(fields["earlier"])})
        except (ValueError, TypeError, KeyError) as error:
            raise CaloganError(
                f"{self.state_file} is damaged: {error}; remove it to begin the member again"
            ) from error

    def change(self, **fields: Any) -> State:
        """Write the state with some fields replaced."""
        state = replace(self.state(), **fields)
        write_json(self.state_file, asdict(state))
        return state

    def plan(self) -> MemberPlan:
        fields = self._planned()
        try:
            return MemberPlan(self.name, Card.model_validate(fields["card"]), tuple(fields["test"]))
        except (ValueError, TypeError, KeyError) as error:
            raise CaloganError(
                f"{self.plan_file} is damaged, or of another version of calogan: {error}; "
                f"remove {self.folder} to begin the member again"
            ) from error

    def _planned(self) -> Any:
        try:
            return json.loads(read_text(self.plan_file, "plan"))
        except ValueError as error:
            raise CaloganError(
                f"{self.plan_file} is damaged: {error}; remove {self.folder} to begin the member "
                "again"
            ) from error

    def begin(self, plan: MemberPlan) -> None:
        """Write the plan; raises CaloganError if the training was begun by another."""
        fields = {"card": plan.card.model_dump(mode="json"), "test": list(plan.test)}
        if self.plan_file.is_file():
            changed = [*_changes(self._planned(), fields)]
            if not changed:
                return
            if self.run.path.exists():
                raise CaloganError(
                    f"member '{self.name}' was begun with another card: {'; '.join(changed)}. "
                    f"Restore the card, remove {self.folder}, or name another --out"
                )
            for name in ("train.h5", "test.h5"):
                (self.folder / name).unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.plan_file, fields)
        self.change(status="waiting", reason="")


def _changes(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """Keys by which two plans differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old | new:
            yield from _changes(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    elif old != new:
        yield f"{key.removeprefix('card.')} {old!r} -> {new!r}"


def work(folder: str) -> None:
    """Do all steps that are left of a member, and note in its state how it ended.

    What is wrong with its input, a CaloganError, is noted as the reason and not raised: trying
    again would not help. Anything else is raised.
    """
    member = Member(Path(folder))
    # A worker that its scheduler has lost may still be at it.
    with locked(member.folder / "worker.lock", wait=True):
        if member.state().status != "done":
            _attempt(member)


def _attempt(member: Member) -> None:
    before = member.state()
    earlier = before.earlier
    if before.status == "running":
        earlier += (f"attempt {before.attempts}: its worker ended during '{before.step}'",)
    elif before.status == "failed":
        earlier += (f"attempt {before.attempts}: {before.reason}",)
    attempt = before.attempts + 1
    member.change(
        status="running",
        step="begin",
        attempts=attempt,
        reason="",
        earlier=earlier,
        host=socket.gethostname(),
        pid=os.getpid(),
    )
    with _printing_to(member.log):
        _say(f"attempt {attempt} on {socket.gethostname()}, process {os.getpid()}")
        try:
            for pattern in (".*.h5", "whole_*.h5"):  # a worker that was killed was writing these
                for path in member.folder.glob(pattern):
                    path.unlink()
            _steps(member)
        except CaloganError as error:
            _say(f"failed: {error}")
            member.change(status="failed", reason=str(error))
        except BaseException as error:
            traceback.print_exc()
            member.change(status="failed", reason=f"{type(error).__name__}: {error}")
            raise
        else:
            _say("done")
            member.change(status="done", step="")


def _steps(member: Member) -> None:
    plan = member.plan()
    card = plan.card
    conditions = card.condition_list
    train = member.folder / "train.h5"
    source = card.input.files or [str(card.data.train)]
    _step(member, "data", lambda: _prepare(source, train, card, conditions))
    if plan.test:
        test = member.folder / "test.h5"
        _step(member, "test data", lambda: _prepare(plan.test, test, card, conditions))
    mine = train if train.exists() else Path(str(card.data.train))
    data = card.data.model_copy(update={"train": str(mine)})
    _step(member, "train", lambda: _train(member, card.model_copy(update={"data": data})))
    if plan.test:
        _step(member, "evaluate", lambda: _evaluate(member, Path(plan.test[0])))
    _step(member, "export", lambda: _export(member))


def _step(member: Member, name: str, do: Callable[[], bool]) -> None:
    """Do a step; it says whether there was anything to do."""
    member.change(step=name)
    started = time.monotonic()
    if do():
        took = round(time.monotonic() - started, 1)
        member.change(seconds={**member.state().seconds, name: took})
        _say(f"{name}: {took} s")


def _prepare(
    files: Sequence[str], output: Path, card: Card, conditions: Sequence[AnyCondition]
) -> bool:
    """Bring showers within the member's ranges to a store of its own, if that is needed."""
    if output.exists() and _is_of(output, files):
        return False
    output.unlink(missing_ok=True)
    if store_of(files):
        return _select(Path(files[0]), output, conditions)
    whole = output.with_name(f"whole_{output.name}")
    summary = voxelize_files(files, whole, card)
    _say(f"{summary.events} events of {len(summary.files)} files")
    for warning in summary.warnings:
        _say(f"warning: {warning}")
    if _select(whole, output, conditions):
        whole.unlink()
    else:
        whole.replace(output)
    return True


def _is_of(output: Path, files: Sequence[str]) -> bool:
    """Whether a store was made of these files, as they are now, and of no others.

    Of files that are not there any more nothing better can be made.
    """
    try:
        sources, _ = expand_files(files)
    except CaloganError:
        return True
    made = output.stat().st_mtime_ns
    if any(source.stat().st_mtime_ns > made for source in sources):
        return False
    if store_of(files):
        return True
    read = store.info(output).provenance.get("files", [])
    return [file["path"] for file in read] == [str(path) for path in sources]


def store_of(files: Sequence[str]) -> bool:
    """Whether the input is a store, not ROOT files."""
    return len(files) == 1 and Path(files[0]).suffix in SUFFIXES


def _select(path: Path, output: Path, conditions: Sequence[AnyCondition]) -> bool:
    """Write the showers within the ranges of the conditions; False if all of them are."""
    about = store.info(path)
    found = store.load_conditions(path)
    inside = np.ones(about.n_showers, np.bool_)
    for condition in conditions:
        if condition.name in found:  # what is missing is for training to refuse
            inside &= condition.covers(found[condition.name])
    if inside.all():
        return False
    if not inside.any():
        ranges = ", ".join(f"{c.name} {c.span}" for c in conditions)
        raise CaloganError(f"{path} has no shower within the member's ranges: {ranges}")
    start = 0
    geometry = about.geometry
    if geometry is None:
        raise CaloganError(
            f"{path} does not hold its geometry, so its showers cannot be sorted out; voxelize "
            "with the card, or give each member a store of its own"
        )
    provenance = {**about.provenance, "selected": [c.to_dict() for c in conditions]}
    with store.StoreWriter(output, geometry, about.conditions, provenance, about.labels) as writer:
        for showers in store.iterate(path):
            kept = showers.select(inside[start : start + len(showers)])
            start += len(showers)
            writer.add(kept)
    _say(f"{inside.sum()} of {len(inside)} showers of {path} are within the member's ranges")
    return True


def _train(member: Member, card: Card) -> bool:
    run = member.run
    resume = run.training_file.is_file() and any(run.checkpoints.glob("ckpt-*.index"))
    if resume:
        done = run.training().get("updates", 0)
        if done >= card.training.updates:
            return False
        _say(f"training goes on from update {done}")
    elif run.path.exists():  # its worker was killed before the first checkpoint
        shutil.rmtree(run.path)
    # What an earlier generator left would pass for this one's.
    member.model.unlink(missing_ok=True)
    if member.metrics.parent.exists():
        shutil.rmtree(member.metrics.parent)
    printed: list[int] = []

    def report(progress: Progress) -> None:
        if progress.scored and progress.scored["update"] not in printed:
            printed.append(progress.scored["update"])
            score = progress.scored["validation_score"]
            _say(f"update {progress.update} of {progress.updates}: validation score {score:.3f}")

    try:
        train(card, run.path, resume=resume, report=report)
    finally:
        if "keras" in sys.modules:  # the process goes on with the next member
            sys.modules["keras"].backend.clear_session()
    return True


def _evaluate(member: Member, given: Path) -> bool:
    if member.report.is_file():
        return False
    mine = member.folder / "test.h5"
    evaluate_run(member.run.path, mine if mine.exists() else given, member.metrics.parent)
    return True


def _export(member: Member) -> bool:
    if member.model.is_file():
        return False
    export_run(member.run.path, member.model)
    return True


def _say(text: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """All that this process prints, its libraries included, goes to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(os.dup(number), number) for number in (1, 2)]
    old = sys.stdout, sys.stderr
    with log.open("a", encoding="utf-8", buffering=1) as file:
        try:
            for _, number in kept:
                os.dup2(file.fileno(), number)
            sys.stdout = sys.stderr = file
            yield
        finally:
            sys.stdout, sys.stderr = old
            for copy, number in kept:
                os.dup2(copy, number)
                os.close(copy)
