"""The run directory: complete, resumable to the same state, and whole after every failure."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.samples import card_on, make_showers

from calogan.bands import in_band
from calogan.card.keys import with_hold_out
from calogan.errors import CaloganError
from calogan.exporting.native import export_run
from calogan.generating.generator import Generator
from calogan.metrics.statistics import Value
from calogan.reading import store
from calogan.showers import Showers
from calogan.training.loop import Progress, train
from calogan.training.run import Run
from calogan.training.selection import Scores, Yardstick


def _weights(path: Path) -> dict[str, np.ndarray]:
    found = {}

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def _arrays(run: Run) -> dict[str, np.ndarray]:
    return {
        f"{file.name}/{name}": values
        for file in (run.generator_weights, run.critic_weights)
        for name, values in _weights(file).items()
    }


def test_a_run_directory_is_complete(data: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run = train(card_on(data, every=7), tmp_path / "run", report=seen.append)
    assert [p.update for p in seen] == [4, 8, 12]
    assert [p.scored.get("update") for p in seen] == [None, 8, 12]
    scores = {"score", "auc", "response_ratio", "resolution_ratio", "recall", "diversity"}
    assert {f"validation_{name}" for name in scores} <= seen[-1].scored.keys()
    kept = run.training()["best"]
    assert kept == seen[-1].best == min(run.history()[1:], key=lambda x: x["validation_score"])
    assert run.curves.read_bytes()[:4] == b"\x89PNG"
    assert [line["update"] for line in run.history()] == [4, 8, 12]
    assert run.card() == card_on(data, every=7)
    assert len(np.load(run.seen_events)) == 600
    assert run.training()["showers"] == 600
    assert run.training()["updates"] == 12
    assert list((run.path / "tensorboard").glob("events*"))
    assert run.generator_weights.is_file() and run.critic_weights.is_file()


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {
            "loss": "non_saturating",
            "label_flipping": 0.2,
            "instance_noise": 0.5,
            "spectral_normalization": True,
        },
        {"loss": "wasserstein", "gradient_penalty": 10, "critic_steps": 2},
    ],
)
def test_resuming_passes_through_the_same_states(
    data: Path, tmp_path: Path, setting: dict[str, object]
) -> None:
    card = card_on(data, every=4, **setting)
    whole = train(card, tmp_path / "whole")

    def interrupt(progress: Progress) -> None:
        if progress.update == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(card, tmp_path / "halves", report=interrupt)
    halves = Run(tmp_path / "halves")
    assert [line["update"] for line in halves.history()] == [4, 8]
    assert halves.training()["updates"] == 8
    train(card, halves.path, resume=True)
    assert [line["update"] for line in halves.history()] == [4, 8, 12]
    records = [{**run.training()["best"]} for run in (whole, halves)]
    for record in records:
        del record["updates_per_second"], record["scoring_seconds"]
    assert records[0] == records[1]
    one, two = _arrays(whole), _arrays(halves)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_the_best_generator_is_kept_and_collapse_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is the best but collapsed; the third is worse than the first."""
    given = iter([(0.6, 1.0), (0.5, 0.3), (0.7, 1.0)])

    def score(yardstick: Yardstick, first: Showers, second: Showers) -> Scores:
        assert (first.energies != second.energies).any()
        auc, diversity = next(given)
        found = real_score(yardstick, first, second)
        return replace(
            found, classifier=Value(auc, 0), diversity=Value(diversity, 0), feature_recall=1
        )

    def keep(progress: Progress) -> None:
        if progress.update == 4:
            shutil.copy(run.generator_weights, tmp_path / "first.h5")

    real_score = Yardstick.score
    monkeypatch.setattr(Yardstick, "score", score)
    monkeypatch.setattr("calogan.training.selection.LEAST_FEATURE_DIVERSITY", 0.0)
    run = Run(tmp_path / "run")
    train(card_on(data, every=4), run.path, report=keep)
    record = run.training()
    assert (record["updates"], record["best"]["update"]) == (12, 4)
    (warning,) = record["warnings"]
    assert warning["update"] == 8 and warning["words"].startswith("mode collapse: ")
    assert ["warning" in line for line in run.history()] == [False, True, False]
    kept, first = (_weights(file) for file in (run.generator_weights, tmp_path / "first.h5"))
    for name in first:
        np.testing.assert_array_equal(kept[name], first[name])


def test_validation_showers_are_never_trained_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(training: Showers, validation: Showers, *_: object) -> Yardstick:
        parts = [s.fingerprints() for s in (training, validation)]
        assert [len(p) for p in parts] == [540, 60]
        seen = store.load(data).fingerprints()
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(seen))
        raise CaloganError("seen")

    monkeypatch.setattr(Yardstick, "fit", fit)
    with pytest.raises(CaloganError, match="seen"):
        train(card_on(data), tmp_path / "run")


def test_a_held_out_band_is_not_seen(data: Path, tmp_path: Path) -> None:
    """Neither trained nor validated on, so that it may be tested on; and allowed to ask for."""
    card = with_hold_out(card_on(data, updates=4), {"energy": (8.0, 12.0)})
    run = train(card, tmp_path / "run")
    showers = store.load(data)
    held = in_band((8.0, 12.0), showers.incident_energy)
    seen = np.isin(showers.fingerprints(), run.load_seen_events())
    np.testing.assert_array_equal(seen, ~held)
    assert run.training()["held_out"] == {
        "bands": {"energy": [8.0, 12.0]},
        "showers": int(held.sum()),
    }
    generator = Generator.load(run.path)
    assert generator.hold_out == {"energy": (8.0, 12.0)}
    assert len(generator.sample({"energy": [9.0, 11.0], "theta": 0.1}, seed=1)) == 2
    export_run(run.path, tmp_path / "model.json")
    assert Generator.load(tmp_path / "model.json").hold_out == generator.hold_out
    with pytest.raises(CaloganError, match=r"takes energy 1\.\.50 GeV, was asked for 60 GeV"):
        generator.sample({"energy": 60.0, "theta": 0.1}, seed=1)
    sample = generator.sample({"energy": 60.0, "theta": 0.1}, seed=1, allow_extrapolation=True)
    assert np.isfinite(sample.energies).all()
    with pytest.raises(CaloganError, match=r"card differs.*\n.*data:.*'hold_out'"):
        train(card_on(data, updates=4), run.path, resume=True)


def test_lines_after_the_checkpoint_are_dropped_on_resume(data: Path, tmp_path: Path) -> None:
    run = train(card_on(data), tmp_path / "run")
    with run.metrics.open("a") as file:
        file.write(json.dumps({"update": 16}) + "\n")
    train(card_on(data), run.path, resume=True)
    assert [line["update"] for line in run.history()] == [4, 8, 12]


def test_divergence_stops_with_the_last_checkpoint_kept(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match=r"training diverged.*checkpoint of update 0"):
        train(card_on(data, learning_rate=1e18, updates=400), tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.training()["updates"] == 0
    for name, values in _arrays(run).items():
        assert np.isfinite(values).all(), name


def test_weights_that_are_not_finite_are_never_saved(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calogan.training.gan import GanTrainer

    def ruin(trainer: GanTrainer, updates: int) -> dict[str, float]:
        losses = advance(trainer, updates)
        for average in trainer._average:
            average.assign(np.nan * average)
        return losses

    advance = GanTrainer.advance
    monkeypatch.setattr(GanTrainer, "advance", ruin)
    with pytest.raises(CaloganError, match=r"training diverged.*largest averaged weight"):
        train(card_on(data), tmp_path / "run")
    for name, values in _arrays(Run(tmp_path / "run")).items():
        assert np.isfinite(values).all(), name


def test_resume_refuses_other_showers(data: Path, tmp_path: Path) -> None:
    store.save(make_showers(600), tmp_path / "train.h5")
    run = train(card_on(tmp_path / "train.h5"), tmp_path / "run")
    store.save(make_showers(601), tmp_path / "train.h5")
    with pytest.raises(CaloganError, match=r"does not hold the showers that .* was begun with"):
        train(card_on(tmp_path / "train.h5"), run.path, resume=True)


def test_a_used_directory_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CaloganError, match="not empty; go on with it by --resume"):
        train(card_on(data), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_resume_refuses_another_card(data: Path, tmp_path: Path) -> None:
    run = train(card_on(data), tmp_path / "run")
    with pytest.raises(CaloganError, match=r"card differs.*\n.*training.*'updates': 12"):
        train(card_on(data, updates=40), run.path, resume=True)


def test_resume_needs_a_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match=r"not a run directory: no card\.json"):
        train(card_on(data), tmp_path / "nowhere", resume=True)


def test_showers_without_energy_are_refused(tmp_path: Path) -> None:
    real = make_showers(600)
    nothing = Showers(np.zeros_like(real.energies), real.conditions, real.geometry)
    store.save(nothing, tmp_path / "train.h5")
    with pytest.raises(CaloganError, match="no training shower has any energy"):
        train(card_on(tmp_path / "train.h5"), tmp_path / "run")
