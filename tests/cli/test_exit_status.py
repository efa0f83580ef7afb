"""What cannot be used ends in status 2, of the command as of the C++ program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.programs import PROGRAM, REFERENCE_MODEL

COMMANDS = {
    "calogan generate": [sys.executable, "-m", "calogan.cli", "generate"],
    "calogan-generate": [PROGRAM],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("energy", "output", "message"),
    [
        ("120", "a.h5", "energy 1..50 GeV, was asked for 120 GeV"),
        ("10", "a.foo", "cannot write a.foo: its ending is '.foo', expected ."),
    ],
)
def test_bad_input_is_status_2(
    tmp_path: Path, name: str, energy: str, output: str, message: str
) -> None:
    if name == "calogan-generate" and not PROGRAM.is_file():
        pytest.skip(f"no program {PROGRAM}: build it with `make cpp`, or set CALOGAN_GENERATE")
    options = ["--energy", energy, "--theta", "0.1", "-n", "1", "-o", output]
    found = subprocess.run(
        [*COMMANDS[name], REFERENCE_MODEL, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 2, found.stderr
    assert message in found.stderr
    assert not found.stdout
    assert not list(tmp_path.iterdir())
