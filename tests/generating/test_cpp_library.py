"""The C++ runner's library: found, or what to do if not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from helpers.programs import GATED_MODEL as MODEL

from calogan import runner
from calogan.errors import CaloganError
from calogan.generating import cpp_library


def test_a_library_that_cannot_be_used_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CALOGAN_RUNNER_LIBRARY", raising=False)
    with monkeypatch.context() as patch, pytest.raises(CaloganError, match="`make cpp`"):
        patch.setattr(cpp_library, "NAMES", ("libnone.so",))
        runner.Generator.load(MODEL)
    text = tmp_path / "text.so"
    text.write_text("no library")
    for path, message in (
        (tmp_path / "none.so", r"CALOGAN_RUNNER_LIBRARY is .*none\.so, and no such file"),
        (text, r"cannot load the runner's library .*text\.so"),
        (h5py.h5.__file__, "is not the runner's library of calogan"),
    ):
        monkeypatch.setenv("CALOGAN_RUNNER_LIBRARY", str(path))
        with pytest.raises(CaloganError, match=message):
            runner.Generator.load(MODEL)
    monkeypatch.undo()
    with monkeypatch.context() as patch, pytest.raises(CaloganError, match="is of version"):
        patch.setattr(cpp_library, "__version__", "0.0.9")
        cpp_library.Library(cpp_library.load_library().path)


@pytest.mark.parametrize("in_checkout", [True, False])
def test_without_a_library_it_is_said_what_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_checkout: bool
) -> None:
    monkeypatch.delenv("CALOGAN_RUNNER_LIBRARY", raising=False)
    monkeypatch.setattr(cpp_library, "FOLDER", tmp_path / "calogan")
    message = (
        r"this calogan was installed without the C\+\+ runner.*install a wheel of calogan \d.*"
        r"or set CALOGAN_RUNNER_LIBRARY to the library's path; "
        r"calogan\.Generator, in NumPy, works without it"
    )
    rebuild = r"build it with `make cpp` in a checkout of calogan \d.*, or install that"
    if in_checkout:
        (tmp_path / "cpp_examples").mkdir()
        (tmp_path / "cpp_examples/CMakeLists.txt").touch()
        message = rf"is not built; `make cpp` in {tmp_path} builds it and puts it there"
        rebuild = "build it with `make cpp`$"
    with pytest.raises(CaloganError, match=message):
        runner.Generator.load(MODEL)
    (tmp_path / "text.so").write_text("no library")
    monkeypatch.setenv("CALOGAN_RUNNER_LIBRARY", str(tmp_path / "text.so"))
    with pytest.raises(CaloganError, match=rebuild):
        runner.Generator.load(MODEL)


def test_importing_it_loads_no_library() -> None:
    code = (
        "import sys, calogan.runner\n"
        "heavy = {'tensorflow', 'keras', 'uproot', 'awkward', 'h5py', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "CALOGAN_RUNNER_LIBRARY": "/none"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == "[]"
