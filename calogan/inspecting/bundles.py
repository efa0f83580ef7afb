"""Bundles: what their members take, and whether all of them are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calogan.errors import CaloganError
from calogan.exporting.bundle import INDEX, read_index
from calogan.inspecting.tables import Inspection, Table, few, in_digits, size_of


def is_bundle(folder: Path) -> bool:
    return (folder / INDEX).is_file()


def describe_bundle(folder: Path) -> Inspection:
    """What showers are asked for by, and for each member its file and its ranges.

    Models are not read: a member whose file is not there is named, one that is damaged is not.
    """
    index = read_index(folder)
    try:
        conditions = index["conditions"]
        members = index["members"]
        here = [(folder / m["file"]).is_file() for m in members]
        missing = [str(m["name"]) for m, found in zip(members, here, strict=True) if not found]
        rows = [
            (
                str(member["name"]),
                size_of(folder / member["file"]) if found else "missing",
                *(_taken(member["ranges"].get(c["name"])) for c in conditions),
            )
            for member, found in zip(members, here, strict=True)
        ]
        facts = [
            ("name", str(index["name"])),
            ("producer", str(index["producer"])),
            ("members", str(len(members))),
        ]
        if missing:
            facts.append(
                ("missing", f"{len(missing)}, such as {missing[0]}; make the bundle again")
            )
        asked = [
            (str(c["name"]), *_span(members, str(c["name"])), str(c["unit"]), str(c["scale"]))
            for c in conditions
        ]
        columns = ("member", "file", *(_titled(c["name"], c["unit"]) for c in conditions))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CaloganError(
            f"{folder / INDEX} is not complete: {type(error).__name__} {error}; "
            "make the bundle again with `calogan bundle`"
        ) from error
    tables = (
        Table("showers are asked for by", ("name", "low", "high", "unit", "scale"), tuple(asked)),
        Table("members", columns, few(rows)),
    )
    return Inspection(folder, "bundle of generators", tuple(facts), tables)


def _titled(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name


def _span(members: Sequence[dict[str, Any]], condition: str) -> tuple[str, str]:
    """The lowest and the highest value that any member takes."""
    ends = [m["ranges"][condition] for m in members if condition in m["ranges"]]
    if not ends:
        raise ValueError(f"no member has a range of {condition}")
    return in_digits(min(e[0] for e in ends)), in_digits(max(e[3] for e in ends))


def _taken(ends: Sequence[float] | None) -> str:
    """A member's range, and in which part of it no neighbour shares the showers."""
    if ends is None:
        return "any"
    low, full_low, full_high, high = map(in_digits, ends)
    if low == high:
        return low
    taken = f"{low} .. {high}"
    if (low, high) == (full_low, full_high):
        return taken
    return f"{taken}, alone {full_low} .. {full_high}" if ends[1] < ends[2] else f"{taken}, shared"
