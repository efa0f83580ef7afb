"""The command `calogan`: one thin command for each arrow of the data path."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand

from calogan import __version__
from calogan.errors import CaloganError

if TYPE_CHECKING:
    from calogan.evaluation import Verdict
    from calogan.pipeline import VoxelizeSummary
    from calogan.refine import Efficiency

# Each command imports what it needs when it runs: `calogan --help` answers at once.


class Classifier(str, Enum):
    """How much work the classifiers do."""

    quick = "quick"
    full = "full"


class FigureKind(str, Enum):
    """File format of a figure."""

    svg = "svg"
    png = "png"
    pdf = "pdf"


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


def _import_tensorflow_quietly() -> None:
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
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from calogan.config import load_card
    from calogan.pipeline import voxelize_files

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


def parse_settings(settings: list[str]) -> dict[str, float]:
    """Read NAME=VALUE options."""
    values: dict[str, float] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            values[name.strip()] = float(text)
        except ValueError as error:
            raise CaloganError(
                f"--set {setting}: expected NAME=VALUE with a number, such as --set theta=0.1"
            ) from error
        if not equals or not name.strip():
            raise CaloganError(f"--set {setting}: expected NAME=VALUE, such as --set theta=0.1")
    return values


def _print_summary(summary: VoxelizeSummary, units: dict[str, str]) -> None:
    from rich.table import Table

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
    out.print(table)
    for warning in summary.warnings:
        err.print(f"[bold yellow]warning:[/bold yellow] {escape(warning)}", soft_wrap=True)


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
    from calogan.inspect import inspect as inspect_file

    found = inspect_file(file)
    if card:
        if found.card is None:
            raise CaloganError(f"no run card to suggest for {file}, which is a {found.kind}")
        typer.echo(found.card)
    else:
        out.print(found)


@app.command()
def card() -> None:
    """Print the shipped run card, that of the LAr photon sample, as a start for one's own.

    Example:

      calogan card > my.toml
    """
    from calogan.config import shipped_card

    typer.echo(shipped_card(), nl=False)


@app.command()
def train(
    card: Annotated[Path, typer.Argument(help="Run card (TOML); [data] train names the store.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Run directory; without it, runs/NAME by the card's name."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's latest checkpoint.")
    ] = False,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            "--hold-out",
            metavar="NAME=LOW:HIGH",
            help="Train without this band of a condition, to measure inside it; repeatable, in "
            "place of the card's.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace a key of the card, as in TOML: training.r1=0.3; repeatable.",
        ),
    ] = None,
) -> None:
    """Train the networks of a run card, a GAN or a VAE; Ctrl-C stops at a checkpoint.

    Every so many updates ([selection] every) the generator is scored on showers set apart, and the
    best one is kept. The run directory then holds the resolved card, the weights of generator and
    (GAN) critic, a checkpoint, metrics.jsonl, curves in training.png, and TensorBoard's events.

    Examples:

      calogan train data/cards/demo.toml --out build/run

      calogan train data/cards/demo.toml --out build/run --resume

      calogan train data/cards/demo.toml --set training.updates=4000 --set training.loss='"hinge"'

      calogan train data/cards/demo.toml --out build/held-out --hold-out energy=8:12

      tensorboard --logdir build/run/tensorboard
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from calogan.config import load_card, with_hold_out
    from calogan.holdout import parse_bands
    from calogan.run import Progress, Run
    from calogan.run import train as run_training

    resolved = load_card(card, changes or ())
    if hold_out:
        resolved = with_hold_out(resolved, parse_bands(hold_out))
    run = Run(output or Path("runs") / resolved.name)
    bar = Bar(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
        console=err,
        disable=not err.is_terminal,
    )
    task = bar.add_task("", total=resolved.training.updates, state="compiling")
    printed: list[float] = []

    def report(progress: Progress) -> None:
        losses = (
            f"{name.removesuffix('_loss')} {value:.3f}"
            for name, value in progress.losses.items()
            if name.endswith("_loss")
        )
        state = "  ".join([f"{progress.rate:.1f}/s", *losses])
        if progress.scored:
            state += f"  {_scores_in_words(progress.scored)}, best at {progress.best['update']:,}"
        bar.update(task, completed=progress.update, state=state)
        if not progress.scored or progress.scored["update"] in printed:
            return
        printed.append(progress.scored["update"])
        if not err.is_terminal:  # a batch job's log
            done = f"{progress.update} of {progress.updates} updates"
            err.print(f"{done}  {state}", markup=False, highlight=False, soft_wrap=True)
        if "warning" in progress.scored:
            words = f"update {progress.update}: {progress.scored['warning']}"
            bar.console.print(
                f"[bold yellow]warning:[/bold yellow] {escape(words)}", soft_wrap=True
            )

    _import_tensorflow_quietly()
    try:
        with bar:
            run_training(resolved, run.path, resume=resume, report=report)
    except KeyboardInterrupt:
        if not run.card_file.is_file():
            err.print("stopped before the first update")
            raise typer.Exit(130) from None
        bands = "".join(f" --hold-out {band}" for band in hold_out or [])
        err.print(
            f"stopped at update {run.training()['updates']}; go on with: "
            f"calogan train {card} --out {run.path} --resume{bands}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    record = run.training()
    out.print(
        f"trained {record['updates']} updates into {run.path}; kept the generator of update "
        f"{record['best']['update']}, on validation showers: {_scores_in_words(record['best'])}; "
        f"curves: {run.curves}"
        if record.get("best")
        else f"trained {record['updates']} updates into {run.path}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _scores_in_words(line: Mapping[str, Any]) -> str:
    """Those of a line of metrics.jsonl; what too few showers could not tell is left out."""
    names = {
        "score": ("validation_score", ".2f"),
        "AUC": ("validation_auc", ".3f"),
        "response x": ("validation_response_ratio", ".4f"),
        "resolution x": ("validation_resolution_ratio", ".3f"),
        "recall": ("validation_recall", ".2f"),
        "diversity x": ("validation_diversity", ".2f"),
    }
    parts = [
        f"{words}{'' if words.endswith(' x') else ' '}{line[name]:{form}}"
        for words, (name, form) in names.items()
        if name in line
    ]
    return ", ".join(parts)


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
    from rich.table import Table

    from calogan.evaluate import evaluate_files, evaluate_run
    from calogan.holdout import parse_bands
    from calogan.report import save_figures
    from calogan.tables import bins_table, measures_table, study_table

    _import_tensorflow_quietly()
    options: dict[str, Any] = {"seed": seed, "classifier": classifier.value}
    with Status("evaluating", console=err) as status:
        options["progress"] = lambda stage: status.update(f"evaluating: {escape(stage)}")
        if run.suffix in (".h5", ".hdf5"):
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
    summary = Table(title=f"Summary of {found.settings['n_showers']} showers, worst of each kind")
    again = found.refinement
    for column in ("", "where", "found", "perfect", "", *(["refined", ""] if again else [])):
        summary.add_column(column)
    colours = {"equal": "green", "close": "yellow", "off": "red"}

    def judged(line: Verdict) -> tuple[str, str]:
        value = f"{line.found.value:.4f} ± {line.found.uncertainty:.4f}"
        return value, f"[{colours[line.level]}]{line.level}[/]"

    for i, line in enumerate(found.summary):
        value, level = judged(line)
        row = [line.name, escape(line.where), value, f"{line.expected.value:.4f}", level]
        summary.add_row(*row, *(judged(again.evaluation.summary[i]) if again else ()))
    out.print(summary)
    for study in found.held_out:
        out.print(study_table(study))
    if again:
        _print_cost(again.efficiency)
        out.print(
            f"showers per second of processor time: {again.rates[0]:,.0f} raw, "
            f"{again.rates[1]:,.0f} refined",
            highlight=False,
            soft_wrap=True,
        )
    err.print(found.settings["note"], markup=False, highlight=False, soft_wrap=True)
    out.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)


def _print_cost(cost: Efficiency) -> None:
    out.print(
        f"{cost.acceptance.value:.1%} of proposals accepted, effective sample size "
        f"{cost.effective:.1%} of the showers weighted, bound on the ratio {cost.bound:.3g}, "
        f"over which {cost.lost:.1%} of the weight is lost",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def refine(
    source: Annotated[Path, typer.Argument(help="Run directory or exported JSON.")],
    reference: Annotated[
        Path,
        typer.Option(
            "--reference",
            "-r",
            help="Store of full simulation: that of the training will do, that of the test never.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Refiner to write, HDF5; without it, by the source."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same refiner.")] = 1,
    clip: Annotated[
        float,
        typer.Option(help="Part of the showers whose weight is left as it is; lower is faster."),
    ] = 0.99,
) -> None:
    """Learn how much likelier each generated shower is in full simulation: a density ratio.

    A classifier is trained between the reference and what the generator makes at its conditions,
    and calibrated. The refiner then serves `generate --refiner`, which proposes showers until one
    is accepted, `weigh`, which gives showers event weights, and `evaluate --refiner`, which
    compares both with full simulation.

    Examples:

      calogan refine build/run --reference train.h5

      calogan generate build/run --refiner build/run/refiner.h5 --like test.h5 -o showers.h5
    """
    from rich.status import Status

    from calogan.refine import refine_run

    _import_tensorflow_quietly()
    with Status("refining", console=err) as status:
        refiner, path = refine_run(
            source,
            reference,
            output,
            seed=seed,
            clip=clip,
            progress=lambda stage: status.update(f"refining: {escape(stage)}"),
        )
    found = refiner.reliability
    out.print(
        f"{path}: trained on {len(refiner.seen_events):,} showers, which can judge no more; on "
        f"showers left out AUC {found.auc}, calibration off by {found.deviation:.1f} standard "
        "deviations rms",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    _print_cost(refiner.efficiency)


@app.command()
def weigh(
    showers: Annotated[Path, typer.Argument(help="Store of showers that the generator made.")],
    refiner: Annotated[Path, typer.Option("--refiner", help="Made by refine.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HDF5 store to write.")],
) -> None:
    """Give generated showers event weights: the density ratio of full simulation to the generator.

    The weights are a dataset of the store that is written, with mean 1 at all conditions.
    `evaluate` heeds them.

    Example:

      calogan weigh showers.h5 --refiner build/run/refiner.h5 -o weighted.h5
    """
    from calogan.refine import load_refiner, weigh_store

    cost = weigh_store(showers, load_refiner(refiner), output)
    out.print(f"weighted showers in {output}", markup=False, highlight=False, soft_wrap=True)
    _print_cost(cost)


@app.command()
def compare(
    evaluations: Annotated[
        list[Path], typer.Argument(help="metrics.json of each evaluation, or its folder.")
    ],
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of a column, once for each; without it, the folder's."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the table there, too.")
    ] = None,
) -> None:
    """Put evaluations side by side in a Markdown table: a GAN and a VAE, raw and refined.

    Example:

      calogan compare build/gan/evaluation build/vae/evaluation --name GAN --name VAE -o table.md
    """
    from calogan.files import atomic_path
    from calogan.side_by_side import side_by_side

    text = side_by_side(evaluations, name).markdown()
    typer.echo(text, nl=False)
    if output is not None:
        with atomic_path(output) as temporary:
            temporary.write_text(text, encoding="utf-8")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="lwtnn JSON to write.")],
) -> None:
    """Write the generator of a run as one lwtnn JSON, which the C++ runner and others load.

    Example:

      calogan export build/run -o generator.json
    """
    from calogan.export import export_run

    _import_tensorflow_quietly()
    block = export_run(run, output)
    ranges = ", ".join(
        f"{c['name']} {c['low']:g}..{c['high']:g} {c['unit']}"
        for c in block["conditions"]["variables"]
    )
    size = output.stat().st_size / 1e6
    n_latents = sum(node["size"] for node in block["latent"]["nodes"])
    out.print(
        f"{output}: {size:.1f} MB, {n_latents} latents, {ranges}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


class _ConditionsCommand(TyperCommand):
    """A command that takes options it does not know, in any order: the generator's conditions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {name for parameter in self.params for name in parameter.opts}
        mine: list[str] = []
        conditions: list[str] = []
        rest = iter(args)
        for argument in rest:
            if not argument.startswith("--") or argument.split("=")[0] in known | {"--help"}:
                mine.append(argument)
            else:
                conditions.append(argument)
                conditions += [next(rest, "")] if "=" not in argument else []
        return super().parse_args(ctx, [*mine, *conditions])


@app.command(
    cls=_ConditionsCommand,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def generate(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Run directory or exported JSON.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HDF5 store to write.")],
    like: Annotated[
        Path | None,
        typer.Option("--like", help="Store: one shower for each of its entries, same conditions."),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option("--number", "-n", min=1, help="Showers, if not --like; 1000 if not given."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same showers.")] = 1,
    allow_extrapolation: Annotated[
        bool, typer.Option("--allow-extrapolation", help="Go beyond the trained range.")
    ] = False,
    refiner: Annotated[
        Path | None,
        typer.Option("--refiner", help="Made by refine: keep only showers that it accepts."),
    ] = None,
) -> None:
    """Generate showers into a store like any other.

    Every condition of the generator is an option: --energy 10 for one value, --energy 1:50 to draw
    between two (evenly in the logarithm if the condition is on a log scale). Units are the
    card's: GeV, rad. The same seed gives the same showers again; calogan-generate, the C++ program,
    makes others from it.

    Examples:

      calogan generate generator.json --energy 1:50 --theta 0:0.35 -n 10000 -o showers.h5

      calogan generate build/run --like test.h5 -o showers.h5 --seed 7
    """
    import numpy as np
    from rich.progress import Progress as Bar

    from calogan.generator import Generator, generate_store
    from calogan.io import store

    if source.is_dir():  # a JSON needs no TensorFlow
        _import_tensorflow_quietly()
    generator = Generator.load(source)
    if refiner is not None:
        from calogan.refine import load_refiner, refined

        generator = refined(generator, load_refiner(refiner))
    asked = _condition_options(context.args, [c.name for c in generator.conditions])
    names = [c.name for c in generator.conditions]
    if like is not None:
        given = [f"--{name}" for name in sorted(asked)] + ["-n"] * (number is not None)
        if given:
            raise CaloganError(
                f"--like gives all conditions and the number, so leave out {', '.join(given)}"
            )
        conditions = store.load_conditions(like)
        missing = [name for name in names if name not in conditions]
        if missing:
            raise CaloganError(f"{like} has no conditions {missing}, it has {sorted(conditions)}")
        values: dict[str, Any] = {name: conditions[name] for name in names}
    else:
        missing = [name for name in names if name not in asked]
        if missing:
            options = " ".join(f"--{c.name} {c.low:g}:{c.high:g}" for c in generator.conditions)
            raise CaloganError(f"conditions {missing} are not given; as in: {options}")
        rng = np.random.default_rng([seed, 1])
        n = number or 1000
        values = {
            c.name: c.draw(*asked[c.name], n, rng)
            if asked[c.name][0] < asked[c.name][1]
            else np.full(n, asked[c.name][0])
            for c in generator.conditions
        }
    total = len(next(iter(values.values())))
    with Bar(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("generating", total=total)
        generate_store(
            generator,
            values,
            output,
            seed,
            like=like,
            allow_extrapolation=allow_extrapolation,
            progress=lambda done: bar.advance(task, done),
        )
    out.print(f"{total:,} showers in {output}", markup=False, highlight=False, soft_wrap=True)


def _condition_options(arguments: list[str], known: list[str]) -> dict[str, tuple[float, float]]:
    """Read --NAME VALUE and --NAME LOW:HIGH (also --NAME=...) for the generator's conditions."""
    from calogan.errors import nearest

    flat = [part for a in arguments for part in (a.split("=", 1) if a.startswith("--") else [a])]
    found: dict[str, tuple[float, float]] = {}
    for option, text in zip(flat[::2], [*flat[1::2], ""], strict=False):
        if not option.startswith("--") or option[2:] not in known:
            raise CaloganError(
                f"unknown option {option!r}; the generator's conditions are "
                f"{', '.join(f'--{name}' for name in known)}; nearest: {nearest(option[2:], known)}"
            )
        try:
            ends = [float(end) for end in text.split(":")]
        except ValueError:
            ends = []
        if len(ends) not in (1, 2) or ends[0] > ends[-1]:
            raise CaloganError(
                f"{option} {text}: expected a number as in {option} 10, "
                f"or a range as in {option} 1:50"
            )
        found[option[2:]] = (ends[0], ends[-1])
    return found


if __name__ == "__main__":
    main()
