"""What is in a file: ROOT (with a run card that would read it), HDF5, JSON model; run, bundle."""

from __future__ import annotations

from pathlib import Path

from calogan.errors import CaloganError
from calogan.files import refuse_remote
from calogan.inspecting.bundles import describe_bundle, is_bundle
from calogan.inspecting.data_files import describe_csv, describe_hdf5, describe_root
from calogan.inspecting.models import describe_json, describe_run
from calogan.inspecting.tables import Inspection


def inspect(path: str | Path, preset: str | None = None) -> Inspection:
    """Describe a ROOT, HDF5 or CSV file, JSON model, run directory or bundle, by its content.

    Parameters
    ----------
    preset : dialect for whose files the run card is to be; None: that which is recognised

    Raises CaloganError for anything else.
    """
    refuse_remote(path)
    path = Path(path).expanduser()
    if path.is_dir():
        return describe_bundle(path) if is_bundle(path) else describe_run(path)
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise CaloganError(f"no file or folder {path}") from error
    except OSError as error:
        raise CaloganError(f"cannot read {path}: {error}") from error
    if head.startswith(b"root"):
        return describe_root(path, preset)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return describe_hdf5(path, preset)
    if head.lstrip()[:1] == b"{":
        return describe_json(path)
    if _is_table(head):
        return describe_csv(path, preset)
    found = "it is empty" if not head else f"it begins with {head[:8]!r}"
    raise CaloganError(
        f"{path} is not a ROOT, HDF5 or CSV file, JSON model, run directory or bundle: {found}"
    )


def _is_table(head: bytes) -> bool:
    """Whether a file begins with numbers and commas, but for the last, which may be cut."""
    cells = head.split(b"\n", 1)[0].split(b",")[:-1]
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return False
    return bool(numbers)
