from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwtnn_converter import dumps, save

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(floats, min_size=1, max_size=20))
def test_weights_read_back_as_the_same_float32(values: list[float]) -> None:
    text = dumps({"weights": values})
    array = np.array(values, dtype=np.float32)
    found = np.array(json.loads(text)["weights"], dtype=np.float32)
    assert found.tobytes() == array.tobytes()


@given(floats)
def test_no_shorter_decimal_does(value: float) -> None:
    single = np.float32(value)
    (text,) = dumps({"bias": [value]}).split("[")[1].split("]")[0].split(",")
    digits = len(text.split("e")[0].replace(".", "").strip("-0"))
    if digits > 1:
        assert np.float32(f"{single:.{digits - 2}e}") != single
    assert digits <= 9


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_other_numbers_keep_float64(value: float) -> None:
    assert json.loads(dumps({"offset": value}))["offset"] == value


def test_layout() -> None:
    data = {
        "layers": [{"weights": [0.1, 0.0, 1e-20], "bias": np.zeros(2, np.float32), "alpha": 0.1}],
        "nothing": [],
        "flag": True,
        "none": None,
        "object": {},
        "text": 'a "quoted" µ',
        "single": np.float32(0.1),
        "count": np.int64(3),
        "rows": [[1, 2], [3]],
    }
    text = dumps(data)
    assert '"weights": [0.1,0,1e-20],' in text
    assert '"bias": [0,0],' in text
    assert '"single": 0.1,' in text
    assert json.loads(text) == {**data, "layers": [json.loads(text)["layers"][0]], "single": 0.1}


@pytest.mark.parametrize(
    "data, message",
    [
        ({"layers": [{}, {"U": [0.0, np.nan]}]}, r"field layers\[1\]\.U\[1\] is nan"),
        ({"bias": [1e39]}, r"field bias\[0\] is 1e\+39; a weight must be a finite float32"),
        ({"inputs": [{"scale": np.inf}]}, r"field inputs\[0\]\.scale is inf"),
    ],
)
def test_numbers_that_json_cannot_hold(data: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dumps(data)


@pytest.mark.parametrize(
    "data, message",
    [
        ({"a": {"b": object()}}, r"field a\.b is a object; expected JSON data"),
        ({1: 2}, r"a key of model is 1; JSON keys are strings"),
        ({"weights": [[1.0], [2.0]]}, r"field weights has shape \(2, 1\)"),
        ({"weights": ["x"]}, r"field weights is not an array of numbers"),
    ],
)
def test_what_is_not_json(data: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        dumps(data)


def test_a_million_weights_take_seconds() -> None:
    values = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    start = time.perf_counter()
    text = dumps({"weights": values})
    assert time.perf_counter() - start < 20
    assert len(text) < 13_000_000


def test_save_and_permissions(tmp_path: Path) -> None:
    save({"a": 1}, tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": 1}
    (tmp_path / "plain").write_text("")
    assert os.stat(tmp_path / "m.json").st_mode == os.stat(tmp_path / "plain").st_mode


def test_save_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    save({"a": 1}, tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == {"a": 1}


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "m.json"
    target.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*m\.json: No space left"):
        save({"a": 1}, target)
    with pytest.raises(ValueError, match="field a is nan"):
        save({"a": float("nan")}, target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot write .*gone/m\.json: No such file"):
        save({}, tmp_path / "gone" / "m.json")
