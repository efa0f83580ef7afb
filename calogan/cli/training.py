"""The command `train`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from calogan.cli.shared import app, err, import_tensorflow_quietly, out


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

    from calogan.card.keys import with_hold_out
    from calogan.card.loading import load_card
    from calogan.cli.shared import parse_bands
    from calogan.training.loop import Progress
    from calogan.training.loop import train as run_training
    from calogan.training.run import Run

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

    import_tensorflow_quietly()
    try:
        with bar:
            run_training(resolved, run.path, resume=resume, report=report)
    except KeyboardInterrupt:
        if not run.card_file.is_file():
            err.print("stopped before the first update")
            raise typer.Exit(130) from None
        options = [f" --hold-out {band}" for band in hold_out or []]
        options += [f" --set {shlex.quote(change)}" for change in changes or []]
        err.print(
            f"stopped at update {run.training()['updates']}; go on with: "
            f"calogan train {card} --out {run.path} --resume{''.join(options)}",
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
        "AUC of features": ("validation_auc", ".3f"),
        "of cells": ("validation_cells_auc", ".3f"),
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
