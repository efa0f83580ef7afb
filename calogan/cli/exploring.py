"""The command `explore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calogan.cli.shared import app, err, import_tensorflow_quietly, out


@app.command()
def explore(
    source: Annotated[Path, typer.Argument(help="Exported JSON or run directory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="metrics.json of an evaluation, or its folder, for full simulation beside; "
            "without it, one beside SOURCE.",
        ),
    ] = None,
) -> None:
    """Make a web page in which the generator runs: opened from disk, without server or network.

    Sliders for every condition; showers in space, layer by layer, and as profiles; the response of
    many, beside that of full simulation. The page's address holds seed and conditions, so a link
    shows the same shower.

    Examples:

      calogan explore generator.json -o page.html

      calogan explore build/run -o page.html --report build/run/evaluation
    """
    from calogan.exploring.explore import explore as write_page

    if source.is_dir():  # a JSON needs no TensorFlow
        import_tensorflow_quietly()
    made = write_page(source, output, report=report)
    for remark in made.remarks:
        err.print(remark, markup=False, highlight=False, soft_wrap=True)
    beside = "" if made.report is None else f", beside full simulation of {made.report}"
    size = f"{output.stat().st_size / 1e6:.1f} MB"
    out.print(f"{output}: {size}{beside}", markup=False, highlight=False, soft_wrap=True)
