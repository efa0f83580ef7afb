"""Guess a run card from the names, types and first values of a ROOT file's branches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.reading.root_file import BranchInfo, TreeInfo

ROLE_WORDS = {
    "energy": ("energy", "edep", "e", "ene", "en"),
    "x": ("x",),
    "y": ("y",),
    "z": ("z",),
    "r": ("r", "rho", "radius"),
    "phi": ("phi", "alpha"),
    "layer": ("layer", "sampling", "plane"),
    "first": ("first", "row", "ix", "ieta"),
    "second": ("second", "column", "col", "slice", "iy", "iphi"),
}
"""Words in a branch name, and what they say of a hit; the word nearest the end counts."""
GENERIC_WORDS = {"hit", "hits", "cell", "cells", "position", "pos"}
TRUTH_WORDS = {"gen", "true", "truth", "mc", "incident", "primary", "beam", "total", "particle"}
COUNT_OF_CELLS = 10
"""So many branches `name_0`, `name_1`, ... are taken for cells."""
LEAST_ENERGY = 100.0
"""Mean incident energy in MeV below which a simulation is unlikely: the unit is then GeV."""
CALOGAN_CELLS = 3 * 96 + 12 * 12 + 12 * 6
PAR04_MESHES = ((9, 16, 45, 4.65, 3.4), (18, 50, 45, 2.325, 3.4))
"""Numbers of cells in rho, phi, z, and sizes in rho and z (mm), of Par04's two usual meshes."""


@dataclass
class Plan:
    """Which branches a card would read; `wanted` are those whose values settle the rest."""

    tree: str
    layout: str
    roles: dict[str, str] = field(default_factory=dict)
    cells: str = ""
    n_cells: int = 0
    overflow_cells: list[str] = field(default_factory=list)
    condition_tree: str | None = None
    conditions: dict[str, str] = field(default_factory=dict)
    """Condition to branch."""

    @property
    def wanted(self) -> list[str]:
        """Branches of `tree` to read a sample of."""
        if self.layout != "cells":
            return list(self.roles.values())
        return [self.cells.format(i) for i in range(self.n_cells)]


def words(name: str) -> list[str]:
    """The words of a branch name: `EnergyCell` and `energy_cell` both are energy, cell."""
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", name)
    return [w.lower() for w in re.split(r"[^A-Za-z0-9]+", spaced) if w]


def plan_card(trees: Sequence[TreeInfo]) -> Plan | None:
    """Find the tree and branches that hold hits; None if none look like hits."""
    candidates = [
        (size, plan)
        for tree in trees
        if tree.entries
        for size, plan in (*_jagged_plans(tree), *_cell_plans(tree))
    ]
    if not candidates:
        return None
    # Par04 writes two readouts; the mesh is the one meant for machine learning.
    plan = max(candidates, key=lambda c: ("physical" not in c[1].tree.lower(), c[0]))[1]
    own = next(tree for tree in trees if tree.name == plan.tree)
    for tree in [own, *(t for t in trees if t is not own and t.entries == own.entries)]:
        found = _condition_branches(tree, plan)
        if "energy" in found:
            plan.conditions = found
            plan.condition_tree = None if tree is own else tree.name
            break
    return plan


def _jagged_plans(tree: TreeInfo) -> list[tuple[int, Plan]]:
    """One plan for every family of vector branches that has an energy and a place."""
    families: dict[frozenset[str], dict[str, BranchInfo]] = {}
    for branch in tree.branches:
        if branch.shape != "vector":
            continue
        parts = words(branch.name)
        role = next(
            (r for part in reversed(parts) for r, names in ROLE_WORDS.items() if part in names),
            None,
        )
        if role is None:
            continue
        family = frozenset(p for p in parts if p not in GENERIC_WORDS | set(ROLE_WORDS[role]))
        families.setdefault(family, {}).setdefault(role, branch)
    plans = []
    for found in families.values():
        layout, roles = _layout(found)
        if layout and "energy" in found:
            chosen = {role: found[key].name for role, key in roles.items()}
            size = found["energy"].size
            plans.append(
                (size, Plan(tree.name, layout, {"energy": found["energy"].name, **chosen}))
            )
    return plans


def _layout(found: Mapping[str, BranchInfo]) -> tuple[str, dict[str, str]]:
    """The layout that a family of branches allows, and role to the key in `found`."""
    for layout, first, second in (("xyz", "x", "y"), ("rphiz", "r", "phi")):
        if first in found and second in found and ("z" in found or "layer" in found):
            depth = "layer" if "layer" in found and found["layer"].is_integer else "z"
            if all(found[key].is_integer for key in (first, second, depth) if key in found):
                return "indices", {"layer": depth, "first": first, "second": second}
            if depth in found:
                return layout, {first: first, second: second, depth: depth}
    if all(key in found and found[key].is_integer for key in ("layer", "first", "second")):
        return "indices", {key: key for key in ("layer", "first", "second")}
    return "", {}


def _cell_plans(tree: TreeInfo) -> list[tuple[int, Plan]]:
    families: dict[str, list[int]] = {}
    for branch in tree.branches:
        match = re.fullmatch(r"(.*?)(\d+)", branch.name)
        if match and branch.shape == "scalar":
            families.setdefault(match.group(1), []).append(int(match.group(2)))
    plans = []
    for prefix, numbers in families.items():
        n = len(numbers)
        if n < COUNT_OF_CELLS or sorted(numbers) != list(range(n)):
            continue
        plan = Plan(tree.name, "cells", cells=prefix + "{}", n_cells=n)
        if n == CALOGAN_CELLS + 3:
            plan.n_cells = CALOGAN_CELLS
            plan.overflow_cells = [f"{prefix}{i}" for i in range(CALOGAN_CELLS, n)]
        plans.append((n, plan))
    return plans


def _condition_branches(tree: TreeInfo, plan: Plan) -> dict[str, str]:
    """Scalar branches that look like incident energy and angles, most likely ones."""
    best: dict[str, tuple[int, str]] = {}
    counters = {f"n{branch.name}" for branch in tree.branches if branch.shape == "vector"}
    for branch in tree.branches:
        if (
            branch.shape != "scalar"
            or branch.name in counters
            or (plan.cells and branch.name.startswith(plan.cells.removesuffix("{}")))
        ):
            continue
        parts = words(branch.name)
        score = len(TRUTH_WORDS.intersection(parts))
        for name, names in (
            ("energy", (*ROLE_WORDS["energy"], "ekin")),
            ("theta", ("theta",)),
            ("phi", ("phi",)),
            ("eta", ("eta",)),
        ):
            if any(part in names for part in parts) and score > best.get(name, (-1, ""))[0]:
                best[name] = (score, branch.name)
    return {
        name: branch for name, (_, branch) in sorted(best.items(), key=lambda b: b[0] != "energy")
    }


def write_card(
    plan: Plan,
    hits: Mapping[str, NDArray[Any]],
    conditions: Mapping[str, NDArray[Any]],
    n_events: int,
    file_name: str,
) -> str:
    """The card as TOML, with a comment where a guess should be looked at.

    Parameters
    ----------
    hits : branch to flat values of the hits of the first events
    conditions : branch to values of the first events
    n_events : number of events that `hits` come from
    """
    name = _name(file_name)
    lines = [
        f"# Guessed from {json.dumps(file_name)[1:-1]}; look at every unit and range.",
        f"name = {_text(name)}",
        "",
        "[input]",
        f"tree = {_text(plan.tree)}",
    ]
    if plan.condition_tree is not None:
        lines.append(f"condition_tree = {_text(plan.condition_tree)}")
    lines.append(f"layout = {_text(plan.layout)}")
    if plan.layout == "cells":
        lines.append(f"cells = {_text(plan.cells)}")
        if plan.overflow_cells:
            lines.append(f"overflow_cells = [{', '.join(map(_text, plan.overflow_cells))}]")
    total = (
        sum(float(np.sum(hits[b])) for b in plan.wanted)
        if plan.layout == "cells"
        else (float(np.sum(hits[plan.roles["energy"]])))
    )
    hit_unit, truth_unit, same = _energy_units(plan, conditions, total / max(1, n_events))
    guess = "; a guess: hits and truth have one unit, and nothing says which" if same else ""
    lines.append(f"energy_unit = {_text(hit_unit)} # of the hits{guess}")
    if plan.layout in ("xyz", "rphiz"):
        lines.append('length_unit = "mm"')
    if plan.roles:
        lines += ["", "[input.branches]"]
        lines += [f"{role} = {_text(branch)}" for role, branch in plan.roles.items()]
    lines += _condition_lines(plan, conditions, truth_unit, file_name)
    lines += ["", "[geometry]", f"name = {_text(name)}", *_geometry_lines(plan, hits)]
    return "\n".join(lines) + "\n"


def write_extending_card(preset: str, file_name: str, more: str = "") -> str:
    """A card that extends the shipped one of a dialect; `more` are its other lines."""
    return (
        f"# For {json.dumps(file_name)[1:-1]}; look at every range, and at the geometry.\n"
        f"extends = {_text(preset + '.toml')}\nname = {_text(_name(file_name))}\n{more}"
    )


def _name(file_name: str) -> str:
    return re.sub(r"\W+", "-", file_name.rsplit(".", 1)[0]).strip("-").lower() or "calogan"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _energy_units(
    plan: Plan, conditions: Mapping[str, NDArray[Any]], mean_deposit: float
) -> tuple[str, str, bool]:
    """Units of the hits and of the incident energy, and whether they are the same one."""
    if "energy" not in plan.conditions:
        return "MeV", "GeV", False
    mean = float(np.mean(conditions[plan.conditions["energy"]], dtype=np.float64))
    # A calorimeter shows between 0.2 % and all of the energy; that tells one unit from two.
    if not 0.002 < mean_deposit / max(mean, 1e-300) < 1.1:
        return "MeV", "GeV", False
    unit = "MeV" if mean >= LEAST_ENERGY else "GeV"
    return unit, unit, True


def _condition_lines(
    plan: Plan, conditions: Mapping[str, NDArray[Any]], energy_unit: str, file_name: str
) -> list[str]:
    lines: list[str] = []
    for name, branch in plan.conditions.items():
        values = np.asarray(conditions[branch], np.float64)
        low, high = float(values.min()), float(values.max())
        if name != "energy" and low == high:
            lines += ["", f"# {branch} is always {low:.6g}: not a condition"]
            continue
        lines += ["", f"[conditions.{name}]"]
        if name == "energy":
            source = energy_unit
            factor = 1e-3 if source == "MeV" else 1.0
            lines += _range(low * factor, high * factor, "GeV", log=True)
        else:
            source = "deg" if name != "eta" and max(abs(low), abs(high)) > 2.01 * np.pi else "rad"
            factor = np.pi / 180 if source == "deg" else 1.0
            unit = "" if name == "eta" else "rad"
            source = unit and source
            lines += _range(low * factor, high * factor, unit)
        lines.append(f"branch = {_text(branch)}")
        lines.append(f"source_unit = {_text(source)}")
    if "energy" not in plan.conditions:
        match = re.search(r"([0-9]+(?:\.[0-9]+)?)(MeV|GeV|TeV)", file_name)
        lines += ["", "[conditions.energy]", *_range(1.0, 100.0, "GeV", log=True, seen=False)]
        if match:
            lines.append(f"pattern = '([0-9]+(?:\\.[0-9]+)?){match.group(2)}'")
            lines.append(f"source_unit = {_text(match.group(2))}")
        else:
            lines.append("# no branch looks like the incident energy: set branch = ..., or use")
            lines.append("# --set energy=GEV")
    match = re.search(r"theta_?([0-9]+(?:\.[0-9]+)?)", file_name)
    if "theta" not in plan.conditions and match:
        value = float(match.group(1))
        source = "deg" if value > np.pi else "rad"
        angle = value * (np.pi / 180 if source == "deg" else 1.0)
        lines += ["", "[conditions.theta]", *_range(angle, angle, "rad")]
        lines += [r"pattern = 'theta_?([0-9]+(?:\.[0-9]+)?)'", f"source_unit = {_text(source)}"]
    return lines


def _range(low: float, high: float, unit: str, log: bool = False, seen: bool = True) -> list[str]:
    comment = "" if seen else " # a guess"
    if low == high:
        comment = f" # only {low:.4g} seen: give the range of all your files"
        low, high = (low / 2, high * 2) if low > 0 else (low - 1, high + 1)
    # Two digits outward: of each end on a log scale, of the span on a linear one.
    log = log and low > 0
    low, high = (_outward(v, s, abs(v) if log else high - low) for v, s in ((low, -1), (high, 1)))
    lines = [f"unit = {_text(unit)}", f"low = {low!r}{comment}", f"high = {high!r}"]
    return [*lines, 'scale = "log"'] if log else lines


def _outward(value: float, direction: int, scale: float) -> float:
    """Round away from the range, to two digits of `scale`."""
    if not (scale > 0 and np.isfinite([value, scale]).all()):
        return 0.0
    digits = 1 - int(np.floor(np.log10(scale)))
    step = 10.0**-digits
    steps = np.floor(value / step + 1e-4) if direction < 0 else np.ceil(value / step - 1e-4)
    return round(float(steps * step), max(0, digits))


def _geometry_lines(plan: Plan, hits: Mapping[str, NDArray[Any]]) -> list[str]:
    if plan.layout == "cells":
        return _cell_layers(plan)
    if plan.layout == "indices":
        return _index_layers(plan, hits)
    return _position_layers(plan, hits)


def _rows(rows: Sequence[str]) -> list[str]:
    return ["layers = [", *(f"  {{ {row} }}," for row in rows), "]"]


def _axis(name: str, low: float, high: float, n: int) -> str:
    return f"{name} = {{ low = {low!r}, high = {high!r}, n = {n} }}"


TURN = _axis("alpha", -float(np.pi), float(np.pi), 16)


def _cell_layers(plan: Plan) -> list[str]:
    if plan.n_cells == CALOGAN_CELLS:
        shapes, depths = [(3, 96), (12, 12), (12, 6)], [(-240, -150), (-150, 197), (197, 240)]
        rows = [
            f"{_axis('x', -240.0, 240.0, i)}, {_axis('y', -240.0, 240.0, j)}, z = [{a}, {b}]"
            for (i, j), (a, b) in zip(shapes, depths, strict=True)
        ]
        return ["# CaloGAN's three layers", *_rows(rows)]
    row = f"{_axis('x', 0.0, float(plan.n_cells), plan.n_cells)}, {_axis('y', 0.0, 1.0, 1)}"
    return [
        "# The branches do not tell the shape: give layers that hold all the cells.",
        *_rows([row]),
    ]


def _index_layers(plan: Plan, hits: Mapping[str, NDArray[Any]]) -> list[str]:
    n = [
        int(values.max()) + 1 if len(values) else 1
        for values in (hits[plan.roles[role]] for role in ("first", "second", "layer"))
    ]
    round_ = words(plan.roles["first"])[0] in ROLE_WORDS["r"]
    sizes, comment = (1.0, 1.0), "# As many cells as seen, 1 mm each: give their true edges."
    if round_:
        for *mesh, rho, z in PAR04_MESHES:
            if all(seen <= cells for seen, cells in zip(n, mesh, strict=True)):
                n, sizes = [int(cells) for cells in mesh], (rho, z)
                comment = "# The smallest of Par04's usual meshes that holds these cells."
                break
    if round_:
        first = _axis("r", 0.0, float(f"{n[0] * sizes[0]:.10g}"), n[0])
        second = _axis("alpha", -float(np.pi), float(np.pi), n[1])
    else:
        first, second = (_axis(a, 0.0, k * sizes[0], k) for a, k in zip("xy", n, strict=False))
    system = "cylindrical" if round_ else "cartesian"
    depth = _axis("z", 0.0, float(f"{n[2] * sizes[1]:.10g}"), n[2])
    return [comment, *_rows([f"system = {_text(system)}, {first}, {second}, {depth}"])]


def _position_layers(plan: Plan, hits: Mapping[str, NDArray[Any]]) -> list[str]:
    """Cells from the grid that the positions lie on, layer by layer, if they lie on one."""
    keys = ("x", "y") if plan.layout == "xyz" else ("r", "phi")
    first, second = (np.asarray(hits[plan.roles[key]], np.float64) for key in keys)
    if not len(first):
        row = f"{_grid('x', first)}, {_grid('y', second)}, z = [0.0, 1.0]"
        return ["# The first events have no hits: give the layers.", *_rows([row])]
    if "layer" in plan.roles:
        layer = np.asarray(hits[plan.roles["layer"]], np.int64)
        depths: list[tuple[float, float]] | None = None
    else:
        z = np.asarray(hits[plan.roles["z"]], np.float64)
        edges = _depth_edges(z)
        layer = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, len(edges) - 2)
        depths = list(pairwise(edges.tolist()))
    rows = []
    for k in range(int(layer.max()) + 1):
        members = layer == k
        if plan.layout == "xyz":
            row = f"{_grid('x', first[members])}, {_grid('y', second[members])}"
        else:
            radius = float(f"{first[members].max(initial=1.0):.3g}")
            row = f'system = "cylindrical", {_axis("r", 0.0, radius, 10)}, {TURN}'
        rows.append(row if depths is None else f"{row}, z = [{depths[k][0]!r}, {depths[k][1]!r}]")
    comment = "# Cells guessed from the positions of the first hits."
    if depths is None:
        comment += " Add z = [front, back] (mm) where you know it."
    return [comment, *_rows(rows)]


def _depth_edges(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of layers: halfway between depths if hits have few, else ten even ones."""
    centres = np.unique(np.round(z, 4))
    if 1 < len(centres) <= 200:
        middle = 0.5 * (centres[1:] + centres[:-1])
        ends = (centres[0] - (middle[0] - centres[0]), centres[-1] + (centres[-1] - middle[-1]))
        return np.array([float(f"{e:.8g}") for e in (ends[0], *middle, ends[1])])
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    span = float(np.ptp(z))
    return np.linspace(_outward(z.min(), -1, span), _outward(z.max(), 1, span), 11)


def _grid(name: str, values: NDArray[np.float64]) -> str:
    centres = np.unique(np.round(values, 3))
    if 1 < len(centres) <= min(1000, len(values) / 2):
        pitch = float(np.diff(centres).min())
        n = round(float(np.ptp(centres)) / pitch) + 1
        on_grid = np.abs((centres - centres[0]) / pitch - np.round((centres - centres[0]) / pitch))
        if n <= 1000 and on_grid.max() < 0.05:
            low, high = centres[0] - pitch / 2, centres[-1] + pitch / 2
            return _axis(name, float(f"{low:.6g}"), float(f"{high:.6g}"), n)
    furthest = float(np.abs(values).max(initial=1.0))
    reach = _outward(furthest, 1, furthest)
    return _axis(name, -reach, reach, 12)
