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
    asked = name.lower()
    by_case = {k.lower(): k for k in known}
    begin = [low for low in by_case if low.startswith(asked) or asked.startswith(low)]
    close = difflib.get_close_matches(asked, by_case, n=limit, cutoff=0.4)
    found = list(dict.fromkeys([*begin, *close]))[:limit] or list(by_case)[:limit]
    return ", ".join(repr(by_case[low]) for low in found) if found else "none"
