"""A model, and its evaluation if there is one, to one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calogan.errors import CaloganError
from calogan.evaluation.stored import Stored
from calogan.exploring.bundle import render
from calogan.exploring.packing import pack
from calogan.exploring.reference import reference_of
from calogan.exporting.profiles import read_model
from calogan.files import atomic_path, writing
from calogan.generating.model_file import ModelFile


@dataclass(frozen=True)
class Explored:
    """The page that was written."""

    model: ModelFile
    report: Path | None
    """The metrics.json whose full simulation is shown."""
    remarks: tuple[str, ...]
    """What its reader should know."""


def explore(
    source: str | Path, output: str | Path, *, report: str | Path | None = None
) -> Explored:
    """Write the page of a generator.

    Parameters
    ----------
    source : run directory (needs TensorFlow) or exported JSON
    output : the page to write
    report : metrics.json of an evaluation, or its folder; None: one that lies where `evaluate` or
        its user puts it beside the source, if it is of the same calorimeter

    Raises
    ------
    CaloganError
        The source is no generator, or the report no evaluation in its calorimeter.
    """
    model = read_model(source)
    path, found, remarks = _report(Path(source), report, model)
    page = render(model.name, base64.b64encode(pack(model, found)).decode("ascii"))
    with writing(output), atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Explored(model, path, remarks)


def _report(
    source: Path, given: str | Path | None, model: ModelFile
) -> tuple[Path | None, dict[str, Any] | None, tuple[str, ...]]:
    """Where the report is, what the page takes from it, and what is to be said of it."""
    if given is not None:
        path = Path(given) / "metrics.json" if Path(given).is_dir() else Path(given)
        return path, reference_of(Stored.read(path, path.name).metrics, model, path), ()
    if source.is_dir():
        places = [source / "evaluation"]
    else:
        places = [source.parent / f"{source.stem}_evaluation", source.parent]
    for path in (folder / "metrics.json" for folder in places):
        if not path.is_file():
            continue
        try:
            return path, reference_of(Stored.read(path, path.name).metrics, model, path), ()
        except CaloganError as error:
            return None, None, (f"shown without full simulation: {error}",)
    none = "shown without full simulation: no report beside the model; give one with --report"
    return None, None, (none,)
