"""Commands that write showers: `generate`, `convert`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress as Bar
from typer.core import TyperCommand

from calogan.cli.shared import app, err, import_tensorflow_quietly, out, parse_settings
from calogan.errors import CaloganError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calogan.conditions import AnyCondition
    from calogan.generating.generator import Generator
    from calogan.writing.target import Names


FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="store, csv, root, calochallenge or par04; without it, what the ending says.",
    ),
]
ParticleOption = Annotated[
    str | None,
    typer.Option(
        "--xml-particle",  # --particle is a condition
        help="calochallenge: name in the binning XML, such as photon, electron, pion.",
    ),
]
NamesOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="root: run card with trees and branches; without it, the training's."
    ),
]


class _ConditionsCommand(TyperCommand):
    """A command that takes options it does not know, in any order: the generator's conditions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # They go last: before SOURCE, click would take the 10 of --energy 10 for it.
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
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="File to write: CSV if it ends in .csv, a store in .h5 or .hdf5, hits in .root.",
        ),
    ],
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
    form: FormatOption = None,
    xml_particle: ParticleOption = None,
    config: NamesOption = None,
) -> None:
    """Generate showers into a store like any other, or into files that other programs read.

    Every condition of the generator is an option: --energy 10 for one value, --energy 1:50 to draw
    between two (evenly in the logarithm if the condition is on a log scale), and of a label
    --particle e-, or --particle e-,gamma to draw one of them. Units are the card's: GeV, rad. The
    same seed gives the same showers again; calogan-generate, the C++ program, makes others from it.

    The output's ending says the format: .h5 and .hdf5 an HDF5 store, .csv a line for each cell with
    energy, as calogan-generate writes it, .root hits in trees and branches as the training sample
    had them. Any other is refused. --format names what shares an ending: calochallenge, par04.

    Examples:

      calogan generate generator.json --energy 1:50 --theta 0:0.35 -n 10000 -o showers.h5

      calogan generate build/run --like test.h5 -o showers.h5 --seed 7

      calogan generate generator.json --energy 10 --theta 0.1 -n 100 -o showers.csv

      calogan generate g.json --energy 1:16 -o x.h5 --format calochallenge --xml-particle electron
    """
    from calogan.generating.generator import Generator
    from calogan.generating.output import generate_file
    from calogan.writing.formats import format_of

    wanted = format_of(output, form)
    if source.is_dir():  # a JSON needs no TensorFlow
        import_tensorflow_quietly()
    generator = Generator.load(source)
    if refiner is not None:
        from calogan.reweighting.files import load_refiner
        from calogan.reweighting.refiner import refined

        generator = refined(generator, load_refiner(refiner))
    asked = _condition_options(context.args, generator.conditions)
    if like is not None:
        given = [f"--{name}" for name in sorted(asked)] + ["-n"] * (number is not None)
        if given:
            raise CaloganError(
                f"--like gives all conditions and the number, so leave out {', '.join(given)}"
            )
        values: dict[str, Any] = _conditions_of(like, generator)
    else:
        values = drawn_conditions(generator, asked, number or 1000, seed)
    total = len(next(iter(values.values())))
    with Bar(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("generating", total=total)
        generate_file(
            generator,
            values,
            output,
            seed,
            form=wanted,
            particle=xml_particle,
            names=_names(config),
            like=like,
            allow_extrapolation=allow_extrapolation,
            progress=lambda done: bar.advance(task, done),
        )
    out.print(f"{total:,} showers in {output}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Store, or what voxelize reads with a card.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; its ending says the format.")
    ],
    form: FormatOption = None,
    xml_particle: ParticleOption = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Run card: of a store, the names that .root gets; else how IN is read.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Shipped card in place of --config, by its name.")
    ] = None,
    geometry: Annotated[
        Path | None,
        typer.Option(help="TOML, JSON or XML of the same cells: write voxels in its order."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="As for voxelize."),
    ] = None,
) -> None:
    """Write showers in another format: CaloChallenge, ROOT trees of hits, Par04's, CSV, a store.

    IN is a store, by voxelize or generate. Any other file is voxelized on the way, as voxelize does
    with the same --config, --preset and --set. Showers are read and written some at a time, and the
    output appears when it is complete. What a format has no place for is said at the end.

    Examples:

      calogan convert showers.h5 -o hits.root

      calogan convert showers.h5 -o dataset_2.h5 --format calochallenge --xml-particle electron

      calogan convert dataset_2_1.hdf5 --preset calochallenge -o train.h5 --geometry mesh.toml

      calogan convert e-_8GeV_theta60_1.root --preset par04 -o electrons.csv
    """
    from calogan.cli.reading import card_of, print_summary
    from calogan.geometry import Geometry
    from calogan.writing.convert import convert_file
    from calogan.writing.formats import format_of

    wanted = format_of(output, form)
    card = None if config is None and preset is None else card_of(config, preset)
    with Bar(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("converting", total=1.0)
        found = convert_file(
            source,
            output,
            wanted,
            card=card,
            overrides=parse_settings(settings or []),
            geometry=None if geometry is None else Geometry.load(geometry, xml_particle),
            particle=xml_particle,
            progress=lambda done: bar.update(task, completed=done),
        )
    if found.voxelized is not None and card is not None:
        print_summary(found.voxelized, {c.name: c.unit for c in card.condition_list})
    out.print(
        f"{found.n_showers:,} showers in {output}", markup=False, highlight=False, soft_wrap=True
    )
    if found.left_out:
        err.print(
            f"left out, as {wanted.name} has no place for it: {', '.join(found.left_out)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _names(config: Path | None) -> Names | None:
    """Of trees and branches in a card; None without one."""
    from calogan.card.loading import load_card
    from calogan.writing.target import Names

    return None if config is None else Names.of_card(load_card(config))


def _conditions_of(path: Path, generator: Generator) -> dict[str, NDArray[np.float32]]:
    """Those of a store's showers."""
    from calogan.reading import store

    names = [c.name for c in generator.conditions]
    found = store.load_conditions(path)
    missing = [name for name in names if name not in found]
    if missing:
        raise CaloganError(f"{path} has no conditions {missing}, it has {sorted(found)}")
    return {name: found[name] for name in names}


def drawn_conditions(
    generator: Generator, asked: Mapping[str, list[float]], n: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Name to values (n,): drawn between the two ends, or of the labels, asked for."""
    import numpy as np

    from calogan.conditions import Label

    missing = [c.name for c in generator.conditions if c.name not in asked]
    if missing:
        options = " ".join(f"--{c.name} {_as_option(c)}" for c in generator.conditions)
        raise CaloganError(f"conditions {missing} are not given; as in: {options}")
    rng = np.random.default_rng([seed, 1])
    drawn = {}
    for c in generator.conditions:
        given = asked[c.name]
        if isinstance(c, Label):
            drawn[c.name] = np.array(given)[rng.integers(len(given), size=n)]
        else:
            low, high = given[0], given[-1]
            drawn[c.name] = c.draw(low, high, n, rng) if low < high else np.full(n, low)
    return drawn


def _as_option(condition: AnyCondition) -> str:
    from calogan.conditions import Label

    if isinstance(condition, Label):
        return ",".join(condition.names)
    return f"{condition.low:g}:{condition.high:g}"


def _condition_options(
    arguments: list[str], conditions: Sequence[AnyCondition]
) -> dict[str, list[float]]:
    """Read --NAME VALUE and --NAME LOW:HIGH (also --NAME=...) for the generator's conditions.

    Of a label --NAME VALUE,VALUE: what is drawn from. Else the ends of a range, or one value.
    """
    from calogan.conditions import Label

    by_name = {c.name: c for c in conditions}
    known = [*by_name]
    flat = [part for a in arguments for part in (a.split("=", 1) if a.startswith("--") else [a])]
    found: dict[str, list[float]] = {}
    for option, text in zip(flat[::2], [*flat[1::2], ""], strict=False):
        if not option.startswith("--") or option[2:] not in known:
            raise CaloganError(
                f"unknown option {option!r}; the generator's conditions are "
                f"{', '.join(f'--{name}' for name in known)}; nearest: {nearest(option[2:], known)}"
            )
        condition = by_name[option[2:]]
        if isinstance(condition, Label):
            values = condition.to_values(text.split(","))
            condition.check(values)
            found[option[2:]] = values.tolist()
            continue
        try:
            ends = [float(end) for end in text.split(":")]
        except ValueError:
            ends = []
        if len(ends) not in (1, 2) or ends[0] > ends[-1]:
            raise CaloganError(
                f"{option} {text}: expected a number as in {option} 10, "
                f"or a range as in {option} 1:50"
            )
        found[option[2:]] = ends
    return found
