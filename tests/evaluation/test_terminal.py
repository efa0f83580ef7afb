"""Tables for the terminal: every number has its floor beside it."""

from __future__ import annotations

from helpers.evaluations import quick
from rich.console import Console

from calogan.evaluation.terminal import bins_table, measures_table


def test_every_number_has_its_floor() -> None:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(bins_table(quick()), measures_table(quick()))
    text = captured.get()
    for bins in quick().conditions:
        for span in bins.spans:
            assert f"{bins.name} {span}" in text
        for values in (bins.response_ratio, bins.response_floor, bins.chi2, bins.chi2_floor):
            assert all(str(v) in text for v in values)
    for measure in quick().measures:
        row = next(line for line in text.splitlines() if measure.label in line)
        assert str(measure.found) in row and str(measure.floor) in row
    for result in quick().classifiers:
        row = next(line for line in text.splitlines() if f"AUC, {result.label}" in line)
        assert str(result.auc) in row and str(result.floor) in row
