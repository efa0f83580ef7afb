"""The run directory: what is damaged in it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.samples import card_on

from calogan.errors import CaloganError
from calogan.training.loop import train


def test_a_torn_line_of_metrics_is_left_out(data: Path, tmp_path: Path) -> None:
    run = train(card_on(data), tmp_path / "run")
    with run.metrics.open("a") as file:
        file.write('{"update": 16, "crit')
    assert [line["update"] for line in run.history()] == [4, 8, 12]


def test_a_damaged_run_is_one_error(data: Path, tmp_path: Path) -> None:
    run = train(card_on(data), tmp_path / "run")
    run.seen_events.write_bytes(b"no")
    with pytest.raises(CaloganError, match=r"cannot read .*seen_events\.npy"):
        run.load_seen_events()
    run.card_file.write_text("{}")
    with pytest.raises(CaloganError, match="damaged or from another version"):
        run.card()
    run.generator_weights.unlink()
    (tmp_path / "file").write_text("")
    with pytest.raises(CaloganError, match="exists and is not empty"):
        train(card_on(data), tmp_path / "file")
