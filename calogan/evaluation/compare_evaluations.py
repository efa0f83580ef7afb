"""Several evaluations side by side: GAN beside VAE, refined beside raw, held out beside trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calogan.errors import CaloganError
from calogan.evaluation.stored import Stored, StoredVerdict
from calogan.metrics.statistics import Value

SAMPLE = {
    "reference": "reference",
    "n_showers": "number of showers",
    "threshold_MeV": "readout threshold",
    "seed": "seed",
    "classifier": "classifiers",
}
"""Settings on which the floors depend, and by which evaluations can be compared, in words."""


@dataclass(frozen=True)
class SideBySide:
    """The numbers of several evaluations, row by row."""

    evaluations: tuple[Stored, ...]
    rows: tuple[tuple[str, tuple[Value | None, ...], Value | None], ...]
    """What was measured, its value in every evaluation, and what Geant4 gives against itself in
    the first; None where an evaluation does not have it."""
    differing: tuple[str, ...]
    """Settings of `SAMPLE` in which the evaluations differ: their floors may differ too."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(evaluation.name for evaluation in self.evaluations)

    @property
    def verdicts(self) -> list[tuple[str, list[StoredVerdict | None]]]:
        """Lines of the summaries by check, one for each evaluation or None."""
        columns = [
            {v.name if v.name != "Classifier AUC" else f"AUC, {v.where}": v for v in e.verdicts}
            for e in self.evaluations
        ]
        checks = dict.fromkeys(check for column in columns for check in column)
        return [(check, [column.get(check) for column in columns]) for check in checks]

    def markdown(self) -> str:
        """The table, and the notes below it."""
        lines = [
            f"| | {' | '.join(self.names)} | Geant4 itself |",
            "|---|" + "---|" * (len(self.names) + 1),
            *(
                f"| {label} | {' | '.join(_cell(v) for v in values)} | {_cell(floor)} |"
                for label, values, floor in self.rows
            ),
        ]
        for i, key in enumerate(self.differing):
            each = ", ".join(f"{e.name}: {e.settings.get(key)}" for e in self.evaluations)
            lines += [""] * (i == 0) + [f"- The evaluations differ in {key} ({each})."]
        return "\n".join(lines) + "\n"


def compare_evaluations(
    files: Sequence[str | Path], names: Sequence[str] | None = None
) -> SideBySide:
    """Read evaluations and put them side by side.

    Parameters
    ----------
    files : metrics.json of each, the folder it is in, or the run that was evaluated
    names : of the columns; None: the runs' or folders' names

    Raises
    ------
    CaloganError
        A file is missing, no evaluation, or of another version; names and files do not match.
    """
    paths = [_metrics_file(Path(f)) for f in files]
    if names is not None and len(names) != len(paths):
        raise CaloganError(
            f"found {len(names)} names {list(names)} for {len(paths)} evaluations; "
            "give one for each, in their order"
        )
    named = [_folder(Path(f)) for f in files] if names is None else names
    found = [Stored.read(path, name) for path, name in zip(paths, named, strict=True)]
    rows: dict[str, list[Value | None]] = {}
    floors: dict[str, Value | None] = {}
    for i, evaluation in enumerate(found):
        for label, value, floor in evaluation.numbers():
            rows.setdefault(label, [None] * len(found))[i] = value
            if i == 0:
                floors[label] = floor
    return SideBySide(
        tuple(found),
        tuple((label, tuple(values), floors.get(label)) for label, values in rows.items()),
        tuple(
            key
            for key in SAMPLE
            if any(e.settings.get(key) != found[0].settings.get(key) for e in found)
        ),
    )


def _metrics_file(path: Path) -> Path:
    """Of an evaluation's folder, of a run that was evaluated in place, or the file itself."""
    if not path.is_dir():
        return path
    for file in (path / "metrics.json", path / "evaluation" / "metrics.json"):
        if file.is_file():
            return file
    raise CaloganError(
        f"{path} has no metrics.json, nor has {path / 'evaluation'}; make one with "
        f"`calogan evaluate {path} --reference STORE.h5`"
    )


def _folder(path: Path) -> str:
    """Its name, or that of the folder of a file."""
    return (path if path.is_dir() else path.parent).resolve().name


def _cell(value: Value | None) -> str:
    return "–" if value is None else str(value)
