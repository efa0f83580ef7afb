"""The command `calogan-generate`: the C++ program in the package's folder."""

from __future__ import annotations

import os
import sys

from calogan.generating import cpp_library

NAME = "calogan-generate"


def main() -> None:
    """Become the program; without it, say how to get it, with status 1."""
    program = cpp_library.FOLDER / NAME
    if not program.is_file():
        missing = cpp_library.what_is_missing(NAME)
        sys.exit(f"{NAME}: {missing}; `calogan generate`, in NumPy, works without it")
    os.execv(program, [NAME, *sys.argv[1:]])
