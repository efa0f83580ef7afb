"""The command `calogan-generate` of an installed package: the C++ program in its folder."""

from __future__ import annotations

import os
import sys

from calogan.generating.cpp_library import FOLDER, what_is_missing

NAME = "calogan-generate"


def main() -> None:
    """Become the program; without it, say how to get it, with status 1."""
    program = FOLDER / NAME
    if not program.is_file():
        sys.exit(f"{NAME}: {what_is_missing(NAME)}; `calogan generate`, in NumPy, works without it")
    os.execv(program, [NAME, *sys.argv[1:]])
