"""The first arrow, whole: ROOT files to a store. Reading, voxelizing and writing meet only here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Card
from calogan.conditions import Label, labels_of
from calogan.errors import CaloganError
from calogan.files import sha256
from calogan.geometry import Geometry
from calogan.reading.doubts import doubt_entries, doubt_units
from calogan.reading.hits import SEVERAL_PRIMARIES, HitChunk, numbers_of_layers, read_hits
from calogan.reading.root_file import expand_files
from calogan.reading.store import StoreWriter, geometry_of, info, is_store
from calogan.reading.voxelize import Hits, Voxels, voxelize
from calogan.version import __version__

OUTSIDE_WARNING = 0.05
"""Part of the energy outside the cells above which a shower leaves them, or, of all showers, units
or geometry are likely wrong."""
BLOCK_BYTES = 64 << 20
"""Memory for the voxels of one block of events."""
Progress = Callable[[float, int], None]
"""Called with the part of the input done, 0 to 1, and the events so far."""


@dataclass
class VoxelizeSummary:
    """What went into a store."""

    output: Path
    layer_names: tuple[str, ...]
    files: list[str] = field(default_factory=list)
    empty_files: list[str] = field(default_factory=list)
    """Those of `files` without entries."""
    events: int = 0
    hits: int = 0
    hits_outside: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Hits outside the cells: per layer, and last in no layer."""
    energy: float = 0.0
    """Sum of all hits, MeV."""
    overflow: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Energy outside the cells, MeV: per layer, and last in no layer."""
    incident: float = 0.0
    """Sum of the incident energies, MeV."""
    dead_events: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Events in which each voxel is dead, (n_voxels,); empty where nothing names dead cells."""
    dead_energy: float = 0.0
    """Sum of the hits in dead cells, which are left out, MeV."""
    leaving: int = 0
    """Events with over 5 % of their energy outside the cells."""
    several: int = 0
    """Events with several primary particles."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Why events were left out, to how many."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value of each condition, in its unit."""
    warnings: list[str] = field(default_factory=list)

    @property
    def outside_fraction(self) -> float:
        """Part of the energy outside the cells."""
        return float(self.overflow.sum()) / self.energy if self.energy > 0 else 0.0


def voxelize_files(
    files: Sequence[str | Path],
    output: str | Path,
    card: Card,
    overrides: Mapping[str, float | str] | None = None,
    progress: Progress | None = None,
) -> VoxelizeSummary:
    """Read ROOT files, voxelize, and write a store; an old file at `output` is replaced at the end.

    Parameters
    ----------
    files : paths and globs; none: the card's
    overrides : conditions that take a constant value, in the card's units
    """
    paths, named_again = expand_files(files or card.input.files)
    geometry = card.build_geometry()
    numbers_of_layers(card.input, geometry)  # raises
    conditions = [(c.name, c.unit) for c in card.condition_list]
    summary = VoxelizeSummary(Path(output), tuple(layer.name for layer in geometry.layers))
    summary.overflow = np.zeros(geometry.n_layers + 1)
    summary.hits_outside = np.zeros(geometry.n_layers + 1, np.int64)
    masked = bool(card.data.dead) or card.input.dead_branch is not None
    summary.dead_events = np.zeros(geometry.n_voxels if masked else 0, np.int64)
    if any(path.exists() and path.samefile(output) for path in paths if Path(output).exists()):
        raise CaloganError(f"{output} is one of the input files; name another output")
    sizes = [max(1, path.stat().st_size) for path in paths]
    rows = max(1, BLOCK_BYTES // (4 * geometry.n_voxels))
    sources = []
    doubts: list[str] = []
    responses: dict[Path, float] = {}
    two_trees = card.input.condition_tree not in (None, card.input.tree)
    trees = f" of trees '{card.input.tree}' and '{card.input.condition_tree}'" if two_trees else ""
    labels = labels_of(card.condition_list)
    with StoreWriter(output, geometry, conditions, {}, labels) as writer:
        for i, path in enumerate(paths):
            entries = 0
            if card.input.dialect == "calochallenge" and is_store(path):
                _check_order(path, geometry)
            dead_here = _dead_in_file(card, path, geometry)
            sums = [np.zeros((2, 0))]  # energy in hits and incident energy, MeV, by event
            for chunk in read_hits([path], card.input, card.conditions, overrides, card.frame):
                entries = chunk.entries
                for part, hits in chunk.hits.blocks(rows):
                    voxels = _voxelize(hits, geometry, path)
                    values = {name: column[part] for name, column in chunk.conditions.items()}
                    dead = None
                    if masked:
                        branch = card.input.dead_branch
                        dead = _dead_in_events(chunk, part, dead_here, geometry, branch)
                        summary.dead_energy += float(voxels.energies[dead].sum(dtype=np.float64))
                        summary.dead_events += dead.sum(axis=0)
                        voxels.energies[dead] = 0
                    writer.append(voxels.energies, values, voxels.overflow, dead=dead)
                    visible = _count_voxels(summary, voxels)
                    sums.append(np.stack([visible, 1000.0 * values["energy"]]))
                _count(summary, chunk)
                if progress is not None:
                    done = (sum(sizes[:i]) + sizes[i] * chunk.stop / chunk.entries) / sum(sizes)
                    progress(done, summary.events)
            visible, incident = np.concatenate(sums, axis=1)
            doubts += doubt_entries(visible, incident, path, trees)
            responses[path] = float(visible.sum() / max(incident.sum(), 1e-300))
            sources.append({"path": str(path), "sha256": sha256(path), "entries": entries})
        summary.files = [str(path) for path in paths]
        summary.empty_files = [str(s["path"]) for s in sources if not s["entries"]]
        if not summary.events:
            raise CaloganError(_nothing(summary, paths))
        summary.warnings = [
            *_file_warnings(summary.empty_files, named_again),
            *_warnings(summary, card),
            *doubts,
            *doubt_units(responses),
        ]
        writer.provenance.update(
            {
                "command": "voxelize",
                "calogan_version": __version__,
                "files": sources,
                # An empty file gives no shower, so it says nothing of which showers are here.
                "inputs_sha256": sorted({str(s["sha256"]) for s in sources if s["entries"]}),
                "input": card.input.model_dump(mode="json"),
                "frame": None if card.frame is None else card.frame.model_dump(mode="json"),
                "conditions": {
                    name: c.model_dump(mode="json") for name, c in card.conditions.items()
                },
                "overrides": dict(overrides or {}),
                "dead": [dead.model_dump(mode="json") for dead in card.data.dead],
                "dead_energy_MeV": summary.dead_energy,
                "hits": summary.hits,
                "hits_outside": summary.hits_outside.tolist(),
                "energy_MeV": summary.energy,
                "overflow_MeV": summary.overflow.tolist(),
                "events_leaving": summary.leaving,
                "events_of_several_primaries": summary.several,
                "events_left_out": summary.left_out,
                "warnings": summary.warnings,
            }
        )
    return summary


def _voxelize(hits: Hits, geometry: Geometry, path: Path) -> Voxels:
    try:
        return voxelize(hits, geometry)
    except CaloganError as error:
        raise CaloganError(f"{path}: {error}") from error


def _check_order(path: Path, geometry: Geometry) -> None:
    """Raise CaloganError for a store whose voxels have other numbers than the card's geometry."""
    own = geometry_of(info(path), path)
    try:
        order = own.voxels_of(geometry)
    except CaloganError as error:
        raise CaloganError(f"{path}: {error}") from error
    if not np.array_equal(order, np.arange(own.n_voxels)):
        raise CaloganError(
            f"{path} is a store, whose voxels do not run as those of the card's geometry "
            f"'{geometry.name}'; use it as it is, or reorder it with `calogan convert`, by "
            "--geometry or --format calochallenge"
        )


def _dead_in_file(card: Card, path: Path, geometry: Geometry) -> NDArray[np.bool_]:
    """Which voxels the card calls dead in all events of a file, (n_voxels,)."""
    found = np.zeros(geometry.n_voxels, np.bool_)
    for dead in card.data.dead:
        _check_voxels(np.array(dead.cells), geometry, "[data] dead names")
        if dead.pattern is None or re.search(dead.pattern, path.name):
            found[dead.cells] = True
    return found


def _dead_in_events(
    chunk: HitChunk, part: slice, in_file: NDArray[np.bool_], geometry: Geometry, branch: str | None
) -> NDArray[np.bool_]:
    """Which voxels are dead in the chunk's events of a part, (n, n_voxels)."""
    found = np.tile(in_file, (part.stop - part.start, 1))
    if chunk.dead is not None:
        event, voxel = chunk.dead.event, chunk.dead.voxel
        here = (event >= part.start) & (event < part.stop)
        _check_voxels(voxel[here], geometry, f"{chunk.path}: branch '{branch}' has")
        found[event[here] - part.start, voxel[here]] = True
    return found


def _check_voxels(voxels: NDArray[Any], geometry: Geometry, what: str) -> None:
    bad = voxels[(voxels < 0) | (voxels >= geometry.n_voxels)]
    if bad.size:
        raise CaloganError(
            f"{what} voxel {bad[0]} as dead, but geometry '{geometry.name}' has voxels 0 to "
            f"{geometry.n_voxels - 1}"
        )


def _count_voxels(summary: VoxelizeSummary, voxels: Voxels) -> NDArray[np.float64]:
    """Count what is outside the cells; returns all energy of each event, MeV, (n,)."""
    summary.overflow += voxels.overflow.sum(axis=0, dtype=np.float64)
    summary.hits_outside += voxels.hits_outside
    outside: NDArray[np.float64] = voxels.overflow.sum(axis=1, dtype=np.float64)
    visible: NDArray[np.float64] = outside + voxels.energies.sum(axis=1, dtype=np.float64)
    summary.leaving += int((outside > OUTSIDE_WARNING * visible).sum())
    return visible


def _nothing(summary: VoxelizeSummary, paths: Sequence[Path]) -> str:
    """Why there is no event to write."""
    others = f", nor in the other {len(paths) - 1} files" if paths[1:] else ""
    if not summary.left_out:
        return f"no events in {paths[0]}{others}; did its job fail, or is [input] tree another?"
    why = "; ".join(f"{n}: {reason}" for reason, n in summary.left_out.items())
    hint = ""
    if SEVERAL_PRIMARIES in summary.left_out:
        hint = ' ([input] primaries = "hardest" takes the one of most energy)'
    return f"every event was left out, of {paths[0]}{others}: {why}{hint}"


def _file_warnings(empty: list[str], named_again: list[Path]) -> list[str]:
    found = []
    if empty:
        found.append(f"{_few(empty)} without entries; did its job fail, or lose its events?")
    if named_again:
        found.append(f"{_few([str(p) for p in named_again])} named twice, and read once")
    return found


def _few(names: list[str]) -> str:
    return f"{len(names)} {'file' if len(names) == 1 else 'files'} ({', '.join(names[:3])}" + (
        ", ...)" if names[3:] else ")"
    )


def _count(summary: VoxelizeSummary, chunk: HitChunk) -> None:
    summary.events += len(chunk.hits)
    summary.hits += chunk.hits.energy.size
    summary.energy += float(chunk.hits.energy.sum(dtype=np.float64))
    summary.incident += 1000.0 * float(chunk.conditions["energy"].sum(dtype=np.float64))
    summary.several += chunk.several
    for why, n in chunk.left_out.items():
        summary.left_out[why] = summary.left_out.get(why, 0) + n
    if not len(chunk.hits):
        return
    for name, values in chunk.conditions.items():
        low, high = summary.ranges.get(name, (np.inf, -np.inf))
        summary.ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))


def _warnings(summary: VoxelizeSummary, card: Card) -> list[str]:
    """What a physicist would want to look at before training on this."""
    found = []
    entries = summary.events + sum(summary.left_out.values())
    for why, n in summary.left_out.items():
        found.append(f"{n:,} of {entries:,} events left out: {why}")
    if summary.several and SEVERAL_PRIMARIES not in summary.left_out:
        found.append(
            f"{summary.several:,} events have several primary particles; the one of most energy "
            "was taken for the incident one"
        )
    if summary.energy == 0:
        found.append("no event has any energy; is [input.branches] energy the right branch?")
    if summary.outside_fraction > OUTSIDE_WARNING:
        name = [*(f"beside layer '{n}'" for n in summary.layer_names), "in no layer"]
        found.append(
            f"{summary.outside_fraction:.1%} of the energy is outside the cells, most of it "
            f"{name[int(summary.overflow.argmax())]}; check [input] length_unit and angle_unit, "
            "the hit branches and the geometry"
        )
    never = np.flatnonzero(summary.dead_events == summary.events)
    if len(never):
        cells = "cell is" if len(never) == 1 else "cells are"
        found.append(
            f"{len(never)} {cells} dead in every event (voxels {_numbers(never)}); a training on "
            "this alone learns of them only from their images under [data] mirror or turn"
        )
    if summary.energy > 1.05 * summary.incident:
        found.append(
            f"the hits sum to {summary.energy / summary.incident:.3g} times the incident energy; "
            "check [input] energy_unit and [conditions.energy] source_unit"
        )
    for condition in card.condition_list:
        if isinstance(condition, Label):
            continue  # other values than the card's are refused
        low, high = summary.ranges[condition.name]
        slack = 1e-4 * (condition.high - condition.low)
        if low < condition.low - slack or high > condition.high + slack:
            found.append(
                f"condition '{condition.name}' is {low:g}..{high:g} {condition.unit} in the files, "
                f"beyond the card's {condition.low:g}..{condition.high:g}; check its source_unit, "
                f"or set low and high in [conditions.{condition.name}]"
            )
    return found


def _numbers(voxels: NDArray[np.intp]) -> str:
    return ", ".join(map(str, voxels[:5])) + (", ..." if len(voxels) > 5 else "")
