"""Commands for hits: `inspect`, `card`, `voxelize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from calogan.cli.shared import app, err, out, parse_settings
from calogan.errors import CaloganError

if TYPE_CHECKING:
    from calogan.reading.pipeline import VoxelizeSummary


@app.command()
def inspect(
    file: Annotated[
        Path,
        typer.Argument(help="ROOT or HDF5 file, generator or lwtnn JSON, or run directory."),
    ],
    card: Annotated[
        bool,
        typer.Option("--card", help="Print only the suggested run card, to redirect to a file."),
    ] = False,
) -> None:
    """Show what is in a file; for ROOT, suggest the run card that reads it.

    Examples:

      calogan inspect hits.root

      calogan inspect hits.root --card > my.toml

      calogan inspect showers.h5
    """
    from calogan.inspecting.inspect import inspect as inspect_file

    found = inspect_file(file)
    if card:
        if found.card is None:
            raise CaloganError(f"no run card to suggest for {file}, which is a {found.kind}")
        typer.echo(found.card)
    else:
        out.print(found, crop=False)


@app.command()
def card() -> None:
    """Print the shipped run card, that of the LAr photon sample, as a start for one's own.

    Example:

      calogan card > my.toml
    """
    from calogan.card.loading import shipped_card

    typer.echo(shipped_card(), nl=False)


@app.command()
def voxelize(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="HDF5 store to write; replaced if it exists.")
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(help="ROOT files; quoted globs such as 'data/*.root' work too."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="Run card (TOML); without it, that of the LAr photon sample."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Give a condition that the files do not hold, in the card's unit; repeatable.",
        ),
    ] = None,
) -> None:
    """Sort the hits of ROOT files into the cells of a geometry, and store the showers in HDF5.

    Examples:

      calogan voxelize data/lar_photons/train/*.root -o train.h5

      calogan voxelize e-_8GeV_theta60_1.root -o par04.h5 --config data/cards/par04.toml

      calogan voxelize run7.root -o run7.h5 --config my.toml --set theta=0.1
    """
    from calogan.card.loading import load_card
    from calogan.reading.pipeline import voxelize_files

    card = load_card(config)
    bar = Progress(
        TextColumn("voxelizing"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %  {task.fields[events]:,} events"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task("voxelizing", total=1.0, events=0)
        summary = voxelize_files(
            files or [],
            output,
            card,
            parse_settings(settings or []),
            lambda done, events: bar.update(task, completed=done, events=events),
        )
    _print_summary(summary, {c.name: c.unit for c in card.condition_list})


def _print_summary(summary: VoxelizeSummary, units: dict[str, str]) -> None:
    table = Table(title=escape(f"Showers in {summary.output}"), show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("files", f"{len(summary.files):,}")
    table.add_row("events", f"{summary.events:,}")
    table.add_row("hits", f"{summary.hits:,}")
    for name, (low, high) in summary.ranges.items():
        table.add_row(escape(name), f"{low:.4g} .. {high:.4g} {escape(units[name])}")
    table.add_row("mean energy in hits", f"{summary.energy / summary.events:.4g} MeV")
    table.add_row("energy in hits / incident energy", f"{summary.energy / summary.incident:.4g}")
    table.add_row(
        "hits outside the cells",
        f"{int(summary.hits_outside.sum()):,} with {summary.outside_fraction:.3%} of the energy",
    )
    places = [*(f"  beside layer {n}" for n in summary.layer_names), "  in no layer"]
    for place, hits, energy in zip(places, summary.hits_outside, summary.overflow, strict=True):
        if hits:
            part = energy / summary.energy if summary.energy else 0.0
            table.add_row(escape(place), f"{int(hits):,} with {part:.3%}")
    if summary.dead_events.size:
        part = summary.dead_events.sum() / (summary.events * summary.dead_events.size)
        energy = summary.dead_energy / summary.energy if summary.energy else 0.0
        table.add_row("dead cells", f"{part:.3%}, left out with {energy:.3%} of the energy")
    out.print(table)
    for warning in summary.warnings:
        err.print(f"[bold yellow]warning:[/bold yellow] {escape(warning)}", soft_wrap=True)
