"""Bundles: exported generators in one folder, with an index by which the C++ runner chooses.

The index, bundle.json, in full:

    {
      "calogan_bundle": 1,                        its version
      "name": "endcap", "producer": "calogan 0.1.0",
      "conditions": [                             what showers are asked for by, in order
        {"name": "energy", "unit": "GeV", "scale": "log"},
        {"name": "particle", "unit": "", "scale": "linear"}
      ],
      "members": [
        {
          "name": "photon_low", "file": "photon_low.json",   in the same folder
          "weights_sha256": "...",                           as in that file
          "ranges": {                             low, full from, full to, high
            "energy": [1.0, 1.0, 8.0, 12.0], "particle": [22.0, 22.0, 22.0, 22.0]
          }
        }
      ]
    }

A member takes showers of which every condition is from its low to its high; a condition that it has
no range for may be anything. From full from to full to its weight in that condition is 1; outside
of that it falls to 0 at low and high, as t²(3 - 2t) on the condition's scale. Of several members
that take a shower one is drawn, with probabilities in proportion to the products of their weights.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from calogan.errors import CaloganError
from calogan.files import read_text, write_json
from calogan.generating.cpp_runner import compile_model
from calogan.generating.model_file import OLD_SCHEMA_VERSION, SCHEMA_VERSION
from calogan.version import __version__

INDEX = "bundle.json"
BUNDLE_VERSION = 1
ANYTHING = (-math.inf, math.inf)


@dataclass
class _Member:
    """A model, and for each condition its range and where it is full in it."""

    model: Path
    name: str
    weights_sha256: str
    units: Mapping[str, tuple[str, str]]
    """Unit and scale of each condition that the generator takes."""
    ranges: dict[str, tuple[float, float]]
    full: dict[str, tuple[float, float]] = field(default_factory=dict)

    def range(self, condition: str) -> tuple[float, float]:
        return self.ranges.get(condition, ANYTHING)


def write_bundle(
    models: Mapping[str, str | Path],
    output: str | Path,
    *,
    name: str | None = None,
    weights: str | None = None,
) -> Path:
    """Copy exported models into a folder with an index; returns the folder.

    A member's ranges are those of its generator's conditions and the tags of its run card
    (`[tags]`). A bundle that is at `output` is replaced.

    Parameters
    ----------
    models : name of each member, which becomes its file's, to the exported JSON
    name : of the bundle; None: the folder's
    weights : compile the members to "float32", "bfloat16" or "int8", as `runner.compile_model`
        does; None: they stay JSON, which any version and machine reads

    Raises
    ------
    CaloganError
        A file is no exported model; two cover the same, or one lies within another;
        their units differ; something else than a bundle is at `output`.
    """
    output = Path(output)
    if not models:
        raise CaloganError("no models to bundle; name exported JSON files, or a campaign's folder")
    for member in models:
        if "/" in member or member in (".", "..", Path(INDEX).stem):
            raise CaloganError(
                f"a member of a bundle cannot be named '{member}': its file is named so, and must "
                f"not be {INDEX}, nor in another folder; rename {models[member]}"
            )
    target = output.resolve()  # of a link, what it names is replaced
    _check_replaced(target)
    members = [_read(name, Path(model)) for name, model in models.items()]
    conditions = _conditions(members)
    _hand_over(members, [c["name"] for c in conditions])
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".", suffix=f".{target.name}", dir=target.parent))
    old = building.with_name(f"{building.name}.old")
    try:
        entries = [_add(member, building, weights) for member in members]
        index = {
            "calogan_bundle": BUNDLE_VERSION,
            "name": name or target.name,
            "producer": f"calogan {__version__}",
            "conditions": conditions,
            "members": entries,
        }
        write_json(building / INDEX, index)
        building.chmod(0o755)
        if target.exists():
            target.rename(old)
        building.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise CaloganError(f"cannot write {output}: {error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
        if old.exists() and not target.exists():
            old.rename(target)
    return output


def read_index(folder: str | Path) -> dict[str, Any]:
    """The index of a bundle, as above; raises CaloganError if it is none of this version."""
    path = Path(folder) / INDEX
    try:
        index: dict[str, Any] = json.loads(read_text(path, "index of a bundle"))
        version = index["calogan_bundle"]
        files = [member["file"] for member in index["members"]]
    except (ValueError, TypeError, KeyError) as error:
        raise CaloganError(
            f"{path} is no index of a bundle ({type(error).__name__} {error}); "
            "make the bundle again with `calogan bundle`"
        ) from error
    if version != BUNDLE_VERSION:
        raise CaloganError(
            f"{path} has version {version!r}, this calogan reads {BUNDLE_VERSION}; make it again"
        )
    if outside := [file for file in files if Path(str(file)).name != file]:
        raise CaloganError(
            f"{path} names {outside[0]!r}, expected the name of a file in the bundle's folder"
        )
    return index


def _check_replaced(output: Path) -> None:
    """Raise CaloganError unless there is nothing at `output`, or a bundle and nothing else."""
    if not output.exists():
        return
    if not (output / INDEX).is_file():
        raise CaloganError(f"{output} exists and is no bundle; name another folder")
    try:
        index = read_index(output)
    except CaloganError as error:
        raise CaloganError(f"{error}; remove {output} first") from error
    files = {INDEX, *(member["file"] for member in index["members"])}
    others = sorted({path.name for path in output.iterdir()} - files)
    if others:
        raise CaloganError(
            f"{output} holds more than a bundle, such as {others[0]}, which would be lost; move "
            "that, or name another folder"
        )


def _read(name: str, path: Path) -> _Member:
    """What an exported model takes; its networks are checked when the runner loads it."""
    try:
        block = json.loads(read_text(path, "model"))["calogan"]
        if block["schema_version"] not in (OLD_SCHEMA_VERSION, SCHEMA_VERSION):
            raise CaloganError(
                f"{path} has schema version {block['schema_version']!r}, this calogan bundles "
                f"{OLD_SCHEMA_VERSION} and {SCHEMA_VERSION}; export it again"
            )
        variables = block["conditions"]["variables"]
        labels = [str(c["name"]) for c in variables if "values" in c]
        if labels:
            raise CaloganError(
                f"{path} takes a label, {labels[0]}; a bundle tells its members apart by ranges "
                "and tags. Train a generator for each value, with [tags], or use this one alone"
            )
        units = {c["name"]: (str(c["unit"]), str(c["scale"])) for c in variables}
        ranges = {c["name"]: (float(c["low"]), float(c["high"])) for c in variables}
        tags = block.get("provenance", {}).get("card", {}).get("tags", {})
        for tag, value in tags.items():
            low, high = value if isinstance(value, list) else (value, value)
            if tag in units:
                raise ValueError(f"tags.{tag} is a condition too")
            ranges[tag] = float(low), float(high)
        for what, (low, high) in ranges.items():
            if not (math.isfinite(high - low) and low <= high):
                raise ValueError(f"{what} is {low} .. {high}, expected a range")
        return _Member(path, name, str(block.get("weights_sha256", "")), units, ranges)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CaloganError(
            f"{path} is no exported generator ({type(error).__name__} {error}); "
            "make one with `calogan export RUN -o MODEL.json`"
        ) from error


def _conditions(members: Sequence[_Member]) -> list[dict[str, str]]:
    """Those of all members, the generators' own before tags."""
    names = dict.fromkeys(n for m in members for n in (*m.units, *m.ranges))
    own = [n for n in names if any(n in m.units for m in members)]
    found = []
    for name in [*own, *(n for n in names if n not in own)]:
        takers = [m for m in members if name in m.units]
        for member in takers:
            if member.units[name][0] != takers[0].units[name][0]:
                raise CaloganError(
                    f"{takers[0].model} takes {name} in {takers[0].units[name][0]}, "
                    f"{member.model} in {member.units[name][0]}; expected one unit"
                )
        positive = all(m.range(name)[0] > 0 for m in members if name in m.ranges)
        log = takers and positive and all(m.units[name][1] == "log" for m in takers)
        unit = takers[0].units[name][0] if takers else ""
        found.append({"name": name, "unit": unit, "scale": "log" if log else "linear"})
    return found


def _hand_over(members: Sequence[_Member], conditions: Sequence[str]) -> None:
    """Set where each member is full: beside what it shares with a neighbour."""
    for member in members:
        member.full = dict(member.ranges)
    for one, two in combinations(members, 2):
        relations = {c: _relation(one.range(c), two.range(c)) for c in conditions}
        if "apart" in relations.values():
            continue
        shared = [c for c, relation in relations.items() if relation == "shared"]
        if not shared:
            within = [c for c, relation in relations.items() if relation == "within"]
            what = (
                f"the range of {within[0]} of the one lies within that of the other"
                if within
                else "they take the same"
            )
            raise CaloganError(
                f"{one.model} and {two.model} cannot be in one bundle: {what}; ranges may overlap "
                "at their ends only. Give the generators other ranges, or tags that tell them "
                "apart ([tags] of the run card)"
            )
        for c in shared:
            lower, upper = (one, two) if one.range(c)[0] < two.range(c)[0] else (two, one)
            (low, high), (low_two, high_two) = lower.full[c], upper.full[c]
            lower.full[c] = low, min(high, upper.range(c)[0])
            upper.full[c] = max(low_two, lower.range(c)[1]), high_two


def _relation(one: tuple[float, float], two: tuple[float, float]) -> str:
    """Of two ranges: "same", "apart", "within" (one in the other), or "shared" (neighbours)."""
    if one == two:
        return "same"
    (low, high), (low_two, high_two) = sorted((one, two))
    if high < low_two or (high == low_two and low < high and low_two < high_two):
        return "apart"
    if low == low_two or high >= high_two:
        return "within"
    return "shared"


def _add(member: _Member, folder: Path, weights: str | None) -> dict[str, Any]:
    """Put a model into the folder; returns its entry of the index."""
    if weights is None:
        file = f"{member.name}.json"
        shutil.copyfile(member.model, folder / file)
    else:
        file = f"{member.name}.calogan"
        compile_model(member.model, folder / file, weights)
    ranges = {c: [low, *member.full[c], high] for c, (low, high) in member.ranges.items()}
    return {
        "name": member.name,
        "file": file,
        "weights_sha256": member.weights_sha256,
        "ranges": ranges,
    }
