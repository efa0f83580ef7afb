"""The run directory: what is damaged in it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.samples import make_card, make_showers

from calogan.card.keys import Card
from calogan.errors import CaloganError
from calogan.reading import store
from calogan.training.loop import train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.h5"
    store.save(make_showers(600), path)
    return path


def _card(data: Path, every: int = 1000, **training: object) -> Card:
    return make_card(data={"train": str(data)}, training=training, selection={"every": every})


def test_a_torn_line_of_metrics_is_left_out(data: Path, tmp_path: Path) -> None:
    run = train(_card(data), tmp_path / "run")
    with run.metrics.open("a") as file:
        file.write('{"update": 16, "crit')
    assert [line["update"] for line in run.history()] == [4, 8, 12]


def test_a_damaged_run_is_one_error(data: Path, tmp_path: Path) -> None:
    run = train(_card(data), tmp_path / "run")
    run.seen_events.write_bytes(b"no")
    with pytest.raises(CaloganError, match=r"cannot read .*seen_events\.npy"):
        run.load_seen_events()
    run.card_file.write_text("{}")
    with pytest.raises(CaloganError, match="damaged or from another version"):
        run.card()
    run.generator_weights.unlink()
    (tmp_path / "file").write_text("")
    with pytest.raises(CaloganError, match="exists and is not empty"):
        train(_card(data), tmp_path / "file")
