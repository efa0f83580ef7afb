"""The campaign card: one run card, and in what its members differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator

from calogan.card.keys import Card
from calogan.card.loading import explain, load_card, presets
from calogan.errors import CaloganError
from calogan.files import parse_toml, read_text

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""Of a member: it is a folder's, and a file's in a bundle."""


class CampaignCard(BaseModel, extra="forbid", frozen=True):
    """A campaign: members by a matrix, or by name."""

    name: str = "campaign"
    card: str
    """Run card that all members extend: relative to this file, or the name of a shipped card."""
    run: dict[str, Any] = {}
    """Keys of the run card, for all members."""
    test: list[str] = []
    """ROOT files, or one store, to evaluate every member on; none: members are not evaluated."""
    matrix: dict[str, list[Any]] = {}
    """One member for each combination of the values. A name without a dot is a tag (`[tags]` of
    the run card): its values are numbers, or intervals [low, high]. One with a dot is a key of the
    run card, such as "conditions.energy"; tables among its values change single keys."""
    members: dict[str, dict[str, Any]] = {}
    """In place of a matrix: name of each member to the keys of the run card that it replaces."""
    cluster: dict[str, Any] = {}
    """What dask-jobqueue is to ask a batch system for, as its SLURMCluster and HTCondorCluster take
    it: `queue`, `memory`, `walltime`, `job_cpu`, ...; for --cluster slurm and htcondor."""

    @model_validator(mode="after")
    def _members_once(self) -> CampaignCard:
        if bool(self.matrix) == bool(self.members):
            found = "both" if self.matrix else "neither"
            raise ValueError(f"expected either [matrix] or [members.NAME] tables, found {found}")
        empty = [name for name, values in self.matrix.items() if not values]
        if empty:
            raise ValueError(f"matrix.{empty[0]} has no values, expected one or more")
        return self


@dataclass(frozen=True)
class MemberPlan:
    """One generator of a campaign."""

    name: str
    card: Card
    """The run card. Its `input.files`, if there are any, are voxelized; else `data.train` is the
    store. Paths are absolute."""
    test: tuple[str, ...]
    """ROOT files, or one store; absolute. Empty: no evaluation."""


@dataclass(frozen=True)
class Campaign:
    """All that a campaign card says."""

    name: str
    members: tuple[MemberPlan, ...]
    cluster: Mapping[str, Any]


def load_campaign(path: str | Path) -> Campaign:
    """Read a campaign card and the run card of each member.

    In `input.files`, `data.train` and `test`, {NAME} stands for a tag of the member, {NAME[0]}
    and {NAME[1]} for the ends of an interval; a format may follow, as in {eta[0]:.2f}.

    Raises CaloganError naming the member and the key at fault.
    """
    path = Path(path)
    try:
        card = CampaignCard.model_validate(parse_toml(read_text(path, "campaign card"), str(path)))
    except ValidationError as error:
        raise CaloganError(explain(error, str(path), CampaignCard)) from error
    base = path.parent / card.card
    shipped = card.card.removesuffix(".toml")
    beside = base.exists() or shipped not in presets()
    load = partial(load_card, base) if beside else partial(load_card, preset=shipped)
    changes = card.members or _combinations(card.matrix, path)
    members = []
    for name, keys in changes.items():
        if not NAME.fullmatch(name):
            raise CaloganError(
                f"{path}: member '{name}' needs a name of letters, digits and . _ + - alone, "
                "since a folder is named so"
            )
        try:
            members.append(_member(name, load, [card.run, keys], card.test))
        except CaloganError as error:
            raise CaloganError(f"{path}: member '{name}': {error}") from error
    return Campaign(card.name, tuple(members), card.cluster)


def _member(
    name: str, load: Callable[..., Card], tables: list[dict[str, Any]], test: list[str]
) -> MemberPlan:
    card = load(tables=[_nested(table) for table in tables])
    tags = card.tags

    def placed(text: str) -> str:
        try:
            return str(Path(text.format_map(tags)).expanduser().absolute())
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CaloganError(
                f"'{text}' cannot be filled in ({type(error).__name__} {error}); "
                f"the member's tags are {tags}"
            ) from error

    data, files = card.data, card.input.files
    if not files and data.train is None:
        raise CaloganError("nothing to train on: set input.files, or data.train")
    train = None if files else placed(str(data.train))
    card = card.model_copy(
        update={
            "name": name,
            "input": card.input.model_copy(update={"files": [placed(f) for f in files]}),
            "data": data.model_copy(update={"train": train}),
        }
    )
    return MemberPlan(name, card, tuple(placed(t) for t in test))


def _combinations(matrix: Mapping[str, list[Any]], path: Path) -> dict[str, dict[str, Any]]:
    """Name of each member to its keys."""
    found: dict[str, dict[str, Any]] = {}
    for values in product(*matrix.values()):
        keys = {k if "." in k else f"tags.{k}": v for k, v in zip(matrix, values, strict=True)}
        name = "-".join(
            f"{axis.rpartition('.')[2]}_{_words(value)}"
            for axis, value in zip(matrix, values, strict=True)
        )
        if name in found:
            raise CaloganError(f"{path}: [matrix] names the member '{name}' twice")
        found[name] = keys
    return found


def _words(value: Any) -> str:
    """A value as part of a name."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        return "_".join(_words(v) for v in value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_") or "_"


def _nested(keys: Mapping[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} as {"a": {"b": 1}}."""
    found: dict[str, Any] = {}
    for key, value in keys.items():
        table = found
        *above, last = key.split(".")
        for part in above:
            table = table.setdefault(part, {})
        nested = _nested(value) if isinstance(value, dict) else value
        if isinstance(table.get(last), dict) and isinstance(nested, dict):
            table[last].update(nested)
        else:
            table[last] = nested
    return found
