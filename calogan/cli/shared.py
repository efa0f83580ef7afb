"""What every command shares: the application, its two consoles, its errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from calogan.errors import CaloganError
from calogan.version import __version__

if TYPE_CHECKING:
    from calogan.reweighting.refiner import Efficiency

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


def print_cost(cost: Efficiency) -> None:
    out.print(
        f"{cost.acceptance.value:.1%} of proposals accepted, effective sample size "
        f"{cost.effective:.1%} of the showers weighted, bound on the ratio {cost.bound:.3g}, "
        f"over which {cost.lost:.1%} of the weight is lost",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def parse_settings(settings: list[str]) -> dict[str, float | str]:
    """Read NAME=VALUE options; values that are no numbers are names, of which labels know some."""
    values: dict[str, float | str] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not (equals and name and text):
            raise CaloganError(f"--set {setting}: expected NAME=VALUE, such as --set theta=0.1")
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = text
    return values


def parse_bands(
    options: Sequence[str], flag: str = "--hold-out", values: bool = False
) -> dict[str, tuple[float, float]]:
    """Read NAME=LOW:HIGH options; with `values` NAME=VALUE too, a band of no width."""
    bands: dict[str, tuple[float, float]] = {}
    for option in options:
        name, _, text = option.partition("=")
        try:
            ends = [float(end) for end in text.split(":")]
            low, high = ends * 2 if values and len(ends) == 1 else ends
        except ValueError as error:
            expected = "NAME=LOW:HIGH or NAME=VALUE" if values else "NAME=LOW:HIGH"
            raise CaloganError(
                f"{flag} {option}: expected {expected}, such as {flag} energy=8:12"
            ) from error
        if values and not low <= high:
            raise CaloganError(f"{flag} {option}: found {low:g} before {high:g}, expected LOW:HIGH")
        if name in bands:
            raise CaloganError(f"{flag} {option}: '{name}' has a band already, expected one")
        bands[name] = (low, high)
    return bands
