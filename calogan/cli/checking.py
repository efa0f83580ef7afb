"""The command `check`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from calogan.cli.shared import app, err, out

COLOURS = {"wrong": "red", "look": "yellow", "fine": "green"}


@app.command()
def check(
    stores: Annotated[
        list[Path], typer.Argument(help="Stores; of several, also what two have in common.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Page to write; without it, STORE-check.html."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Run card with the conditions' ranges; without it, that of voxelize.",
        ),
    ] = None,
    geometry: Annotated[
        Path | None,
        typer.Option(help="Cells, as TOML, JSON or XML, of CaloChallenge files as they stand."),
    ] = None,
) -> None:
    """Look for what is wrong with stores of showers, before anything is trained on them.

    Dead and hot cells, units (a visible fraction over 1), conditions out of range, empty and
    negative showers, duplicates; between two stores, such as one to train on and one to test by,
    showers and input files in both. A page shows it, with maps of occupancy. Ends with status 1 if
    something is wrong, for scripts; what should be looked at does not count.

    Examples:

      calogan check train.h5 test.h5

      calogan check train.h5 -o check.html --config my.toml

      calogan check dataset_1.hdf5 --geometry binning.xml || echo wrong
    """
    from calogan.card.loading import load_card
    from calogan.checking.findings import check as findings_of
    from calogan.checking.page import write_page
    from calogan.checking.scan import scan
    from calogan.geometry import Geometry

    conditions = None if config is None else load_card(config).condition_list
    cells = None if geometry is None else Geometry.load(geometry)
    scans = []
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        for path in stores:
            task = bar.add_task(f"reading {escape(path.name)}", total=1.0)
            scans.append(scan(path, cells, partial(_show, bar, task)))
    findings = findings_of(scans, conditions)
    page = output or stores[0].with_name(f"{stores[0].stem}-check.html")
    write_page(page, scans, findings)
    table = Table("question", "", "store", "answer")
    for found in findings:
        if found.level != "fine":
            level = f"[{COLOURS[found.level]}]{found.level}[/]"
            table.add_row(found.name, level, escape(found.where), escape(found.words))
    if table.row_count:
        out.print(table)
    wrong = sum(found.level == "wrong" for found in findings)
    out.print(
        f"{len(findings)} questions, {wrong} wrong; page: {page}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if wrong:
        raise typer.Exit(1)


def _show(bar: Progress, task: TaskID, done: float) -> None:
    bar.update(task, completed=done)
