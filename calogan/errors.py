"""The one exception type that calogan raises for bad input, and help in wording it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CaloganError(Exception):
    """Bad input: says what was found, what was expected, where, and what to do.

    The command line prints its message without a traceback and ends with exit status 2.
    """


def nearest(name: str, known: Iterable[str], limit: int = 5) -> str:
    """The known names most like `name`, as ``'hit_energy', 'hit_x'`` for an error message."""
    known = list(known)
    found = difflib.get_close_matches(name, known, n=limit, cutoff=0.4) or known[:limit]
    return ", ".join(repr(k) for k in found) if found else "none"
