"""Commands that compare: `evaluate`, `report`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from calogan.cli.shared import app, err, import_tensorflow_quietly, out, print_cost
from calogan.errors import CaloganError


class Classifier(str, Enum):
    """How much work the classifiers do."""

    quick = "quick"
    full = "full"


class FigureKind(str, Enum):
    """File format of a figure."""

    svg = "svg"
    png = "png"
    pdf = "pdf"


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run directory or exported JSON; or, a store.")],
    reference: Annotated[
        Path, typer.Option("--reference", "-r", help="Store of full simulation, made by voxelize.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for report.html and metrics.json."),
    ] = None,
    classifier: Annotated[
        Classifier,
        typer.Option(help="full: the CaloChallenge's networks too, a quarter of an hour."),
    ] = Classifier.quick,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same numbers.")] = 1,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            "--hold-out",
            metavar="NAME=LOW:HIGH",
            help="Band that the training held out, or a part of it; without it, all that were.",
        ),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(help="Run or JSON trained with everything, to put beside inside the band."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Readout threshold in MeV, where RUN is a store that does not say its own.",
        ),
    ] = None,
    refiner: Annotated[
        Path | None,
        typer.Option("--refiner", help="Made by refine: compare its showers besides."),
    ] = None,
    figures: Annotated[
        FigureKind | None,
        typer.Option(help="Write the report's figures to files too, in OUTPUT/figures."),
    ] = None,
) -> None:
    """Compare generated showers with full simulation: numbers with errors, and an HTML report.

    One shower is generated for each reference shower. Showers that the run was trained or validated
    on are recognised and left out. If the training held out bands (calogan train --hold-out), the
    report compares inside them too, beside what was trained. In place of a run, a store of showers
    made elsewhere can be judged: same conditions in the same order as the reference.

    Examples:

      calogan evaluate build/run --reference test.h5

      calogan evaluate showers.h5 --reference test.h5 --output report

      calogan evaluate build/held-out --reference test.h5 --beside build/run

      calogan evaluate build/run --reference test.h5 --refiner build/run/refiner.h5
    """
    from rich.status import Status

    from calogan.cli.shared import parse_bands
    from calogan.evaluation.evaluate import evaluate_files, evaluate_run
    from calogan.evaluation.report import save_figures
    from calogan.evaluation.terminal import (
        bins_table,
        measures_table,
        study_table,
        summary_table,
    )
    from calogan.reading.hdf5 import SUFFIXES

    import_tensorflow_quietly()
    options: dict[str, Any] = {"seed": seed, "classifier": classifier.value}
    with Status("evaluating", console=err) as status:
        options["progress"] = lambda stage: status.update(f"evaluating: {escape(stage)}")
        if run.suffix in SUFFIXES:
            if hold_out or beside is not None:
                raise CaloganError(
                    f"{run} is a store, of which it is not known what its generator was trained "
                    "on: leave out --hold-out and --beside, or give a run or a JSON"
                )
            if refiner is not None:
                raise CaloganError(
                    f"{run} is a store, which takes no --refiner; give its showers weights with "
                    "`calogan weigh`, and evaluate those"
                )
            folder = output or run.with_name(f"{run.stem}_evaluation")
            found, report = evaluate_files(reference, run, folder, threshold=threshold, **options)
        else:
            if threshold is not None:
                raise CaloganError(f"{run} has its own readout threshold: leave out --threshold")
            found, report = evaluate_run(
                run,
                reference,
                output,
                hold_out=parse_bands(hold_out or []),
                beside=beside,
                refiner=refiner,
                **options,
            )

    if figures is not None:
        save_figures(found, report.parent / "figures", figures.value)
    out.print(bins_table(found))
    out.print(measures_table(found))
    out.print(summary_table(found))
    for study in found.held_out:
        out.print(study_table(study))
    if found.refinement:
        print_cost(found.refinement.efficiency)
        raw, refined = found.refinement.rates
        out.print(
            f"showers per second of processor time: {raw:,.0f} raw, {refined:,.0f} refined",
            highlight=False,
            soft_wrap=True,
        )
    err.print(found.settings["note"], markup=False, highlight=False, soft_wrap=True)
    out.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)


@app.command("compare", hidden=True, help="As `report`, of which it is the old name.")
@app.command()
def report(
    evaluations: Annotated[
        list[Path],
        typer.Argument(help="Evaluated runs, folders of evaluations, or their metrics.json."),
    ],
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of each evaluation, once for each; else its run's."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Page (.html), or the table (any other ending)."),
    ] = None,
) -> None:
    """Put evaluations beside each other: a GAN and a VAE, raw and refined.

    Prints a Markdown table of every number. A page has it too, after response, resolution,
    distributions and AUCs of all on one screen, beside what the field published.

    Examples:

      calogan report build/gan build/vae -o report.html

      calogan report build/gan/evaluation build/refined --name raw --name refined -o table.md
    """
    from calogan.evaluation.compare_evaluations import compare_evaluations as side_by_side
    from calogan.files import atomic_path

    found = side_by_side(evaluations, name)
    text = found.markdown()
    typer.echo(text, nl=False)
    if output is None:
        return
    if output.suffix.lower() in (".html", ".htm"):
        from calogan.evaluation.report import render_comparison

        text = render_comparison(found)
    with atomic_path(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
