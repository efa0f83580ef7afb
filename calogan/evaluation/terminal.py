"""Tables of an evaluation for the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from calogan.evaluation.results import Evaluation, Study
from calogan.evaluation.verdicts import Verdict
from calogan.metrics.statistics import Value


def bins_table(found: Evaluation) -> Table:
    """Every bin of every condition: generated over Geant4, and below it Geant4 over itself."""
    table = Table(title="Generated over Geant4; below it, Geant4 over itself")
    for column in ("bin", "response", "resolution", "χ²/NDF"):
        table.add_column(column, justify="left" if column == "bin" else "right")
    for bins in found.conditions:
        columns = zip(
            zip(bins.response_ratio, bins.response_floor, strict=True),
            zip(bins.resolution_ratio, bins.resolution_floor, strict=True),
            zip(bins.chi2, bins.chi2_floor, strict=True),
            strict=True,
        )
        for span, pairs in zip(bins.spans, columns, strict=True):
            table.add_row(escape(f"{bins.name} {span}"), *(_beside(*pair) for pair in pairs))
    return table


def measures_table(found: Evaluation) -> Table:
    """Every measure of the whole sample and every classifier, each beside its floor."""
    table = Table(title="Distances and classifiers")
    for column in ("", "generated", "Geant4 itself"):
        table.add_column(column, justify="right" if column else "left")
    for measure in found.measures:
        table.add_row(escape(measure.label), str(measure.found), str(measure.floor))
    for result in found.classifiers:
        table.add_row(escape(f"AUC, {result.label}"), str(result.auc), str(result.floor))
        table.add_row(escape(f"JSD, {result.label}"), str(result.jsd), str(result.jsd_floor))
    return table


def summary_table(found: Evaluation) -> Table:
    """The verdicts, of the refined showers too where there are any."""
    again = found.refinement
    table = Table(title=f"Summary of {found.settings['n_showers']} showers, worst of each kind")
    for column in ("", "where", "found", "perfect", "", *(["refined", ""] if again else [])):
        table.add_column(column)
    for i, line in enumerate(found.summary):
        value, level = _judged(line)
        row = [line.name, escape(line.where), value, f"{line.expected.value:.4f}", level]
        table.add_row(*row, *(_judged(again.evaluation.summary[i]) if again else ()))
    return table


def _judged(line: Verdict) -> tuple[str, str]:
    colour = {"equal": "green", "close": "yellow", "off": "red"}[line.level]
    value = f"{line.found.value:.4f} ± {line.found.uncertainty:.4f}"
    return value, f"[{colour}]{line.level}[/]"


def study_table(study: Study) -> Table:
    """A held-out band beside what was trained; below each number, Geant4 against itself."""
    table = Table(title=escape(f"Held out: {study.words}; dim, Geant4 itself"))
    table.add_column("")
    for region in study.regions:
        n_showers = region.evaluation.settings["n_showers"]
        table.add_column(f"{region.name}, {n_showers} showers", justify="right")
    table.add_column("held out less trained", justify="right")
    for row in study.rows:
        cells = (_beside(*pair) for pair in zip(row.found, row.floors, strict=True))
        table.add_row(escape(row.name), *cells, str(row.difference))
    return table


def _beside(value: Value, floor: Value) -> str:
    return f"{value}\n[dim]{floor}[/dim]"
