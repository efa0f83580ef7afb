"""What `calogan inspect` prints."""

from __future__ import annotations

import io

from rich.console import Console

from calogan.inspecting.tables import Inspection


def printed(found: Inspection, width: int = 200) -> str:
    """On a console of `width` columns."""
    file = io.StringIO()
    Console(width=width, file=file).print(found, crop=False)
    return file.getvalue()
