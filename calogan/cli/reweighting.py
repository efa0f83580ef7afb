"""Commands for density ratios: `refine`, `weigh`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.status import Status

from calogan.cli.shared import app, err, import_tensorflow_quietly, out, print_cost


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
    from calogan.reweighting.fit import refine_run

    import_tensorflow_quietly()
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
    print_cost(refiner.efficiency)


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
    from calogan.reweighting.files import load_refiner, weigh_store

    cost = weigh_store(showers, load_refiner(refiner), output)
    out.print(f"weighted showers in {output}", markup=False, highlight=False, soft_wrap=True)
    print_cost(cost)
