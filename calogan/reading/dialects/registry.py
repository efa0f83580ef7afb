"""All dialects, by name and by what is in a file."""

from __future__ import annotations

from calogan.errors import CaloganError, nearest
from calogan.reading.dialects import (
    branches,
    calochallenge,
    calogan_hdf5,
    calogan_root,
    edm4hep,
    fastcalogan,
    fastcalosim,
    getting_high,
    par04,
)
from calogan.reading.dialects.dialect import Contents, Dialect

DIALECTS: tuple[Dialect, ...] = (
    par04.DIALECT,
    calogan_root.DIALECT,
    calogan_hdf5.DIALECT,
    calochallenge.DIALECT,
    fastcalogan.DIALECT,
    fastcalosim.DIALECT,
    edm4hep.DIALECT,
    getting_high.DIALECT,
    branches.DIALECT,
)
"""In the order in which they are tried: the one that takes any hits comes last."""
BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


def recognise(contents: Contents, name: str | None = None) -> tuple[Dialect, str] | None:
    """The dialect of a file, and why it is that; None if it is of none that is known.

    Raises CaloganError for a `name` that is asked for and is none.
    """
    if name is not None:
        if name not in BY_NAME:
            raise CaloganError(
                f"no dialect '{name}'; nearest: {nearest(name, BY_NAME)}; there are "
                f"{', '.join(BY_NAME)}"
            )
        return BY_NAME[name], "not asked: --preset names it"
    for dialect in DIALECTS:
        why = dialect.recognise(contents)
        if why is not None:
            return dialect, why
    return None
