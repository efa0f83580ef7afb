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
    from calogan.card.keys import Card
    from calogan.reading.pipeline import VoxelizeSummary


@app.command()
def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            help="ROOT, HDF5 or CSV file, generator or lwtnn JSON, run directory or bundle."
        ),
    ],
    card: Annotated[
        bool,
        typer.Option("--card", help="Print only the suggested run card, to redirect to a file."),
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(help="Suggest a card for this dialect, whatever the file is recognised as."),
    ] = None,
) -> None:
    """Show what is in a file, and of which dialect it is; suggest the run card that reads it.

    Examples:

      calogan inspect hits.root

      calogan inspect hits.root --card > my.toml

      calogan inspect showers.h5
    """
    from calogan.inspecting.inspect import inspect as inspect_file

    found = inspect_file(file, preset)
    if card:
        if found.card is None:
            raise CaloganError(f"no run card to suggest for {file}, which is a {found.kind}")
        typer.echo(found.card)
    else:
        out.print(found, crop=False)


PRESET_HELP = (
    "Shipped card in place of --config, by the name of the files' dialect: "
    "`calogan card --list` names them, `calogan inspect FILE` finds it."
)


@app.command()
def card(
    preset: Annotated[
        str, typer.Option(help="Which: lar_photons, or the name of a dialect.")
    ] = "lar_photons",
    list_: Annotated[bool, typer.Option("--list", help="Print the names instead.")] = False,
) -> None:
    """Print a shipped run card, as a start for one's own.

    Examples:

      calogan card > my.toml

      calogan card --preset edm4hep > my.toml
    """
    from calogan.card.loading import presets, shipped_card

    text = "".join(f"{name}\n" for name in presets()) if list_ else shipped_card(preset)
    typer.echo(text, nl=False)


@app.command()
def voxelize(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="HDF5 store to write; replaced if it exists.")
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Input files; quoted globs such as 'data/*.root' work too."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="Run card (TOML); without it, that of the LAr photon sample."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help=PRESET_HELP)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Give a condition that the files do not hold, in the card's unit; repeatable.",
        ),
    ] = None,
) -> None:
    """Sort the hits of files into the cells of a geometry, and store the showers in HDF5.

    Examples:

      calogan voxelize data/lar_photons/train/*.root -o train.h5

      calogan voxelize e-_8GeV_theta60_1.root -o par04.h5 --preset par04

      calogan voxelize run7.root -o run7.h5 --config my.toml --set theta=0.1
    """
    from calogan.reading.pipeline import voxelize_files

    card = card_of(config, preset)
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
    print_summary(summary, {c.name: c.unit for c in card.condition_list})


def card_of(config: Path | None, preset: str | None) -> Card:
    """The card that --config or --preset names."""
    from calogan.card.loading import DEFAULT_CARD, load_card

    if config is not None and preset is not None:
        raise CaloganError(
            f"--config {config} and --preset {preset} both name a card; give one, and let your "
            f'card begin with: extends = "{preset}.toml"'
        )
    return load_card(config, preset=preset or DEFAULT_CARD)


def print_summary(summary: VoxelizeSummary, units: dict[str, str]) -> None:
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
    table.add_row("events with over 5 % outside the cells", f"{summary.leaving:,}")
    if summary.several:
        table.add_row("events with several primary particles", f"{summary.several:,}")
    if summary.left_out:
        table.add_row("events left out", f"{sum(summary.left_out.values()):,}")
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
