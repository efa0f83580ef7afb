"""Commands for many generators: `campaign`, `bundle`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from calogan.cli.shared import app, err, out
from calogan.errors import CaloganError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calogan.campaigns.member import Member, State


class WeightsFormat(str, Enum):
    """How the weights of a compiled model are kept."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    int8 = "int8"


@app.command()
def campaign(
    card: Annotated[Path, typer.Argument(help="Campaign card (TOML): a run card and a matrix.")],
    output: Annotated[Path, typer.Option("--out", "-o", help="Folder; an old campaign goes on.")],
    workers: Annotated[
        int,
        typer.Option("--workers", "-n", min=1, help="Generators at a time: processes, or jobs."),
    ] = 1,
    cluster: Annotated[
        str,
        typer.Option(
            "--cluster",
            help="local; slurm or htcondor, by dask-jobqueue; or a dask scheduler's address.",
        ),
    ] = "local",
    retries: Annotated[
        int,
        typer.Option(
            "--retries", min=0, help="How often to try again a generator whose worker died."
        ),
    ] = 2,
    summary: Annotated[
        bool, typer.Option("--summary", help="Only sum up how far it is; nothing is run.")
    ] = False,
) -> None:
    """Train, evaluate and export many generators by one card; run it again to go on.

    What is done is kept, begun trainings resume from their checkpoints, failed generators are tried
    again. OUT/campaign.html has all of them, the worst first; OUT/members/NAME has the run, the
    report, generator.json, and log.txt. The exit status is 1 unless all generators are done.

    The card names a run card, and in what the generators differ:

      name = "endcap"

      card = "photons.toml"

      test = ["test/pid{particle}_eta{eta[0]}.root"]

      matrix.particle = [22, 11]

      matrix.eta = [[0.20, 0.25], [0.25, 0.30]]

      run.input.files = ["train/pid{particle}_eta{eta[0]}.root"]

    Examples:

      calogan campaign endcap.toml --out build/endcap --workers 4

      calogan campaign endcap.toml --out /scratch/endcap --cluster slurm --workers 100

      calogan campaign endcap.toml --out /scratch/endcap --cluster tcp://head:8786
    """
    from calogan.campaigns.plan import load_campaign
    from calogan.campaigns.run import members_of, run_campaign

    plan = load_campaign(card)
    if summary:
        members = [m for m in members_of(output) if m.name in {p.name for p in plan.members}]
        raise typer.Exit(_sum_up(members, plan.name, output))
    total = len(plan.members)
    words = {"done": "done", "failed": "failed", "again": "failed, and is tried again"}

    def report(member: Member, state: State, event: str) -> None:
        why = "" if event == "done" else f": {state.reason}"
        err.print(f"{member.name}: {words[event]}{why}", markup=False, soft_wrap=True)

    err.print(f"{total} generators in {output}, {workers} at a time", highlight=False)
    try:
        members = run_campaign(
            plan, output, cluster=cluster, workers=workers, retries=retries, report=report
        )
    except KeyboardInterrupt:
        err.print("stopped; the same command goes on", highlight=False)
        raise typer.Exit(130) from None
    raise typer.Exit(_sum_up(members, plan.name, output))


def _sum_up(members: Sequence[Member], name: str, folder: Path) -> int:
    """Print and write the table; returns the exit status."""
    from calogan.campaigns.summary import summarise, terminal_table, write_page

    rows = summarise(members)
    page = write_page(rows, name, folder)
    out.print(terminal_table(rows, f"Campaign {name}, the worst first; checks: off/close/equal"))
    failed = [row for row in rows if row.state.status == "failed"]
    for row in failed:
        err.print(
            f"[bold red]failed:[/bold red] {escape(row.member.name)} {escape(row.remark)}\n"
            f"  log: {escape(str(row.member.log))}",
            soft_wrap=True,
            highlight=False,
        )
    out.print(f"table: {page}", markup=False, highlight=False, soft_wrap=True)
    return 0 if all(row.state.status == "done" for row in rows) else 1


@app.command()
def bundle(
    sources: Annotated[
        list[Path], typer.Argument(help="A campaign's folder, or exported JSON files.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Of the bundle; the folder's if not given.")
    ] = None,
    weights: Annotated[
        WeightsFormat | None,
        typer.Option(
            "--compile",
            help="Compile the generators, which then load in milliseconds, in this format.",
        ),
    ] = None,
) -> None:
    """Put many generators into one folder, from which the C++ runner takes the right one.

    Each takes the ranges of its conditions, and the tags of its run card, such as a particle's
    number or a slice in eta. Ranges may overlap at their ends: there, showers go over from one
    generator to the other smoothly. Of a campaign's folder all members are taken. The runner reads
    bundle.json alone at first, and a generator when it is needed.

    Examples:

      calogan bundle build/endcap -o endcap

      calogan bundle photons_low.json photons_high.json -o photons --compile float32

      calogan-generate endcap --energy 1:50 --eta 0.22 --particle 22 -o showers.h5
    """
    from calogan.exporting.bundle import write_bundle

    models: dict[str, Path] = {}
    for source in sources:
        for member, model in _models(source).items():
            if member in models:
                raise CaloganError(
                    f"{models[member]} and {model} would have one name in the bundle, "
                    f"'{member}'; rename one of the files"
                )
            models[member] = model
    made = write_bundle(models, output, name=name, weights=weights.value if weights else None)
    out.print(f"{len(models)} generators in {made}", markup=False, highlight=False, soft_wrap=True)


def _models(source: Path) -> dict[str, Path]:
    """Name to exported file: of a campaign, all its members."""
    if not source.is_dir():
        return {source.stem: source}
    from calogan.campaigns.run import members_of

    members = members_of(source)
    missing = [m.name for m in members if m.state().status != "done" or not m.model.is_file()]
    if missing:
        raise CaloganError(
            f"{source}: {len(missing)} of {len(members)} members have no generator yet, such as "
            f"{missing[0]}; go on with `calogan campaign`"
        )
    return {m.name: m.model for m in members}
