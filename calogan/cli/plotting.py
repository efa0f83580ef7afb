"""The command `plot`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from calogan.cli.shared import app, err, import_tensorflow_quietly, out, parse_bands
from calogan.errors import CaloganError, nearest

if TYPE_CHECKING:
    from calogan.conditions import Label
    from calogan.generating.generator import Generator
    from calogan.geometry import Geometry
    from calogan.showers import Showers

Bands: TypeAlias = list[tuple[float, float]]
"""What is asked for of a condition: inside any of them."""
ROWS = 2000
"""Showers of a store that are read at a time."""


class Kind(str, Enum):
    """What is drawn."""

    event = "event"
    averages = "averages"
    spectra = "spectra"
    profiles = "profiles"


@app.command()
def plot(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="event: a single shower of each source; averages: mean energy per cell; spectra: "
            "histograms of observables; profiles: mean energy along and across the shower."
        ),
    ],
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Stores of showers, exported JSONs, runs; the others are held against the first."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Figure to write: .svg, .png or .pdf.")
    ],
    show: Annotated[
        list[str] | None,
        typer.Option(
            help="What to draw, repeatable: an observable (spectra), a profile, or a layer's name; "
            "a wrong one lists all."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Of a source in the legend, once for each; else its file's."),
    ] = None,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="Showers of each source, at most.")
    ] = 5000,
    event: Annotated[
        int, typer.Option("--event", min=0, help="Which shower, from 0; of those of --where.")
    ] = 0,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="NAME=LOW:HIGH",
            help="Only showers of these conditions; NAME=VALUE for one value, or a label's names, "
            "as particle=e-,gamma. Repeatable.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Readout threshold in MeV, of all sources; without it, the highest that a source "
            "knows.",
        ),
    ] = None,
    geometry: Annotated[
        Path | None,
        typer.Option(help="Of stores that do not hold one, as the CaloChallenge's: TOML or XML."),
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="Of mplhep: ATLAS, CMS, LHCb2, ...; without it, the house's.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same showers.")] = 1,
) -> None:
    """Draw showers: single ones, averages, spectra, profiles, real beside generated.

    A model or run generates: at the conditions of the first store among the
    sources, shower by shower; else at conditions drawn from its trained range,
    or from --where. In Python, calogan.plots draws the same into axes of yours.

    Examples:

      calogan plot spectra test.h5 generator.json --name Geant4 --name GAN -o a.pdf

      calogan plot spectra test.h5 --show 'width_x\\[front]' --where energy=20:50 -o b.svg

      calogan plot averages test.h5 generator.json --style CMS -o c.png

      calogan plot event generator.json --where energy=10 --where theta=0.1 -o d.svg
    """
    from calogan import plots
    from calogan.geometry import Geometry

    plots.check_ending(output)
    if name is not None and len(name) != len(sources):
        raise CaloganError(
            f"found {len(name)} names {name} for {len(sources)} sources; give one for each, "
            "in their order"
        )
    with plots.drawing(style):  # an unknown style is refused before anything is read
        samples, applied = _read(
            sources,
            where or [],
            max(number, event + 1) if kind is Kind.event else number,
            threshold,
            None if geometry is None else Geometry.load(geometry),
            seed,
        )
        names = name or _names(sources)
        named = dict(zip(names, samples, strict=True))
        if len(named) < len(samples):
            raise CaloganError(f"names {names} are not all different; give others with --name")
        if kind is Kind.spectra:
            chosen = show or ["response", "n_cells", "cell_energy"]
            figure = plots.spectra(named, chosen, threshold=applied)
        elif kind is Kind.profiles:
            figure = plots.profiles(named, show)
        elif kind is Kind.averages:
            figure = plots.averages(named, _positions(show, samples[0].geometry))
        else:
            figure = plots.event(named, event, _positions(show, samples[0].geometry))
        plots.save(figure, output)
    counts = ", ".join(f"{len(showers):,} of {which}" for which, showers in named.items())
    cut = f", cells over {applied:g} MeV" if applied else ""
    out.print(f"{output}: {counts}{cut}", markup=False, highlight=False, soft_wrap=True)


def _names(sources: Sequence[Path]) -> list[str]:
    """Of the legend: files' names without ending, or all of the path where two are the same."""
    stems = [path.resolve().stem for path in sources]
    return stems if len({*stems}) == len(stems) else [str(path) for path in sources]


def _read(
    sources: Sequence[Path],
    where: Sequence[str],
    number: int,
    threshold: float | None,
    geometry: Geometry | None,
    seed: int,
) -> tuple[list[Showers], float]:
    """Showers of every source over one threshold, and that threshold in MeV."""
    from rich.status import Status

    from calogan.conditions import labels_of
    from calogan.generating.generator import Generator
    from calogan.generating.reference import sample_like
    from calogan.reading import store
    from calogan.reading.hdf5 import SUFFIXES

    for path in sources:
        if path.suffix == ".csv":
            raise CaloganError(
                f"{path} is CSV, which says neither the geometry nor which showers are empty; "
                "write a store, as in `calogan generate ... -o showers.h5`"
            )
    if any(path.is_dir() for path in sources):
        import_tensorflow_quietly()
    models = {path: Generator.load(path) for path in sources if path.suffix not in SUFFIXES}
    if geometry is None and models:
        geometry = next(iter(models.values())).geometry
    labels = {k: v for model in models.values() for k, v in labels_of(model.conditions).items()}
    found: dict[Path, Showers] = {}
    with Status("reading", console=err) as status:
        for path in sources:
            if path not in models:
                known = {**labels, **store.info(path).labels}
                bands = _bands(where, known)
                found[path] = _select(store.iterate(path, ROWS, geometry), bands, number, path)
        like = next(iter(found.values()), None)
        for path, generator in models.items():
            status.update(f"generating with {path.name}")
            if like is None:
                bands = _bands(where, labels_of(generator.conditions))
                found[path] = _generate(generator, bands, number, seed)
            else:
                found[path] = sample_like(generator, like, seed)
    cuts = [generator.readout_threshold for generator in models.values()]
    cuts += [float(s.provenance.get("readout_threshold_MeV", 0.0)) for s in found.values()]
    applied = max(cuts) if threshold is None else threshold
    return [found[path].apply_threshold(applied) for path in sources], applied


def _bands(options: Sequence[str], labels: Mapping[str, Label]) -> dict[str, Bands]:
    """Read --where: the ranges that are asked for, and of labels a value for each name."""
    found: dict[str, Bands] = {}
    for option in options:
        name, _, text = (part.strip() for part in option.partition("="))
        if name in found:
            raise CaloganError(f"--where {option}: '{name}' is asked for already, expected once")
        if name in labels and ":" not in text:
            found[name] = [(v, v) for v in labels[name].to_values(text.split(",")).tolist()]
        else:
            found[name] = [*parse_bands([option], "--where", values=True).values()]
    return found


def _generate(generator: Generator, where: Mapping[str, Bands], number: int, seed: int) -> Showers:
    """Showers at conditions drawn from the trained range, or from `where`."""
    from calogan.cli.generating import drawn_conditions
    from calogan.conditions import Label

    _check_known(where, [c.name for c in generator.conditions], f"generator '{generator.name}'")
    asked = {}
    for c in generator.conditions:
        if isinstance(c, Label):
            bands = where.get(c.name, [(-math.inf, math.inf)])
            asked[c.name] = [float(v) for v in c.values if any(a <= v <= b for a, b in bands)]
        else:
            asked[c.name] = [*where.get(c.name, [(c.low, c.high)])[0]]
        if not asked[c.name]:
            raise CaloganError(f"--where {c.name}: the generator takes {c.span}")
    values = drawn_conditions(generator, asked, number, seed)
    return generator.sample(values, seed)


def _select(
    parts: Iterator[Showers], where: Mapping[str, Bands], number: int, path: Path
) -> Showers:
    """The first showers of a store whose conditions are asked for, at most so many."""
    import numpy as np

    from calogan.showers import Showers

    kept: list[Showers] = []
    missing = number
    for part in parts:
        _check_known(where, part.conditions, str(path))
        wanted = np.ones(len(part), np.bool_)
        for name, bands in where.items():
            inside = np.zeros(len(part), np.bool_)
            for low, high in bands:
                # Stores keep single precision: 0.1 is not among its numbers.
                slack = 1e-6 * max(abs(low), abs(high))
                values = part.conditions[name]
                inside |= (values >= low - slack) & (values <= high + slack)
            wanted &= inside
        kept.append(part.select(np.flatnonzero(wanted)[:missing]))
        missing -= len(kept[-1])
        if not missing:
            break
    if missing == number:
        asked = ", ".join(
            f"{name}={low:g}" if low == high else f"{name}={low:g}:{high:g}"
            for name, bands in where.items()
            for low, high in bands
        )
        raise CaloganError(f"no shower of {path} has {asked}; `calogan inspect` says its ranges")
    return Showers.concatenate(kept)


def _check_known(where: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in where:
        if name not in known:
            raise CaloganError(
                f"--where {name}: {what} has no such condition; nearest: {nearest(name, known)}"
            )


def _positions(names: Sequence[str] | None, geometry: Geometry) -> list[int] | None:
    """Of layers by name."""
    if names is None:
        return None
    known = [layer.name for layer in geometry.layers]
    for name in names:
        if name not in known:
            raise CaloganError(
                f"--show {name}: geometry '{geometry.name}' has no such layer; nearest: "
                f"{nearest(name, known)}"
            )
    return [known.index(name) for name in names]
