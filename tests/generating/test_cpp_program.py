"""The command `calogan-generate`: the C++ program, or what to do if there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.programs import PROGRAM, REFERENCE_MODEL

from calogan.generating import cpp_library, cpp_program

COMMAND = [sys.executable, "-c", "from calogan.generating.cpp_program import main; main()"]


@pytest.mark.parametrize(("energy", "status"), [("10", 0), ("120", 2)])
def test_it_is_the_program(tmp_path: Path, energy: str, status: int) -> None:
    arguments = [REFERENCE_MODEL, "--energy", energy, "--theta", "0.1", "-n", "20", "--seed", "1"]
    written = []
    for name, command in (("ours", COMMAND), ("theirs", [PROGRAM])):
        folder = tmp_path / name
        folder.mkdir()
        found = subprocess.run(
            [*command, *arguments, "-o", "a b.csv"], cwd=folder, capture_output=True, timeout=60
        )
        assert found.returncode == status, found.stderr
        written.append([(file.name, file.read_bytes()) for file in folder.iterdir()])
    assert written[0] == written[1]
    assert [name for name, _ in written[0]] == ["a b.csv"] * (status == 0)


@pytest.mark.parametrize("in_checkout", [True, False])
def test_without_the_program_it_is_said_what_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_checkout: bool
) -> None:
    monkeypatch.setattr(cpp_library, "FOLDER", tmp_path / "calogan")
    message = "this calogan was installed without the C\\+\\+ runner.*install a wheel of calogan"
    if in_checkout:
        (tmp_path / "cpp_examples").mkdir()
        (tmp_path / "cpp_examples/CMakeLists.txt").touch()
        message = f"is not built; `make cpp` in {tmp_path} builds it"
    with pytest.raises(SystemExit, match=f"^calogan-generate: .*{message}.*`calogan generate`"):
        cpp_program.main()
