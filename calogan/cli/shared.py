"""What every command shares: the application, its two consoles, its errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from calogan import __version__
from calogan.errors import CaloganError

app = typer.Typer(
    name="calogan",
    help="Conditional GANs and VAEs for calorimeter showers: from ROOT hits to a generator in C++.",
    epilog="Start with: [bold]calogan inspect FILE.root[/bold], then "
    "[bold]calogan voxelize FILE.root -o showers.h5[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console()
err = Console(stderr=True)


def main() -> None:
    """Run the command line; bad input ends in one red line and exit status 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except CaloganError as error:
        err.print(f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)


def import_tensorflow_quietly() -> None:
    """Import it without its opening lines about absent GPUs, which no setting of it silences."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"calogan {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass
