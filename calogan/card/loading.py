"""From a TOML file to a checked card: `extends`, changes, and errors that name the key."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from calogan.card.conditions import ConditionCard, LabelCard
from calogan.card.keys import Card, CriticCard, GeneratorCard
from calogan.errors import CaloganError, nearest
from calogan.files import parse_toml, read_text
from calogan.geometry import Geometry

DEFAULT_CARD = "lar_photons.toml"


def load_card(path: str | Path | None = None, changes: Sequence[str] = ()) -> Card:
    """Read a run card; None: the shipped card of the LAr photon sample.

    A card may begin with `extends = "OTHER.toml"` (relative to it, or the name of a shipped card):
    its own keys then replace those of the other, table by table. `changes` replace keys last, each
    a line of TOML with the key's whole path: "training.r1 = 0.3".

    Raises CaloganError naming the key path, the value found, and what is allowed.
    """
    if path is None:
        fields, folder = parse_toml(shipped_card(), DEFAULT_CARD), Path()
    else:
        fields, folder = _read_extended(Path(path), ())
    for change in changes:
        fields = _merge(fields, parse_toml(change, f"change {change!r}"))
    return _validate(fields, str(path or DEFAULT_CARD), folder)


def shipped_card() -> str:
    """The text of the card that comes with the package, a start for one's own."""
    return (resources.files("calogan.card") / DEFAULT_CARD).read_text(encoding="utf-8")


def _read_extended(path: Path, seen: tuple[Path, ...]) -> tuple[dict[str, Any], Path]:
    if path.resolve() in seen:
        raise CaloganError(f"run card {path} extends itself, by way of {[str(p) for p in seen]}")
    fields = parse_toml(read_text(path, "run card"), f"run card {path}")
    base = fields.pop("extends", None)
    if base is None:
        return fields, path.parent
    if base == DEFAULT_CARD and not (path.parent / base).exists():
        return _merge(parse_toml(shipped_card(), base), fields), path.parent
    below, folder = _read_extended(path.parent / str(base), (*seen, path.resolve()))
    return _merge(below, fields), path.parent if "geometry" in fields else folder


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        # A geometry is one thing: half of one and half of another is never meant.
        merged[key] = _merge(merged[key], value) if both and key != "geometry" else value
    for key, network in (("generator", GeneratorCard), ("critic", CriticCard)):
        if isinstance(below.get(key), dict) and isinstance(above.get(key), dict):
            network.drop_replaced(merged[key], above[key])
    return merged


def _validate(fields: dict[str, Any], where: str, folder: Path) -> Card:
    geometry = fields.get("geometry")
    try:
        if isinstance(geometry, dict) and "file" in geometry:
            unknown = sorted(set(geometry) - {"file", "particle"})
            if unknown:
                raise CaloganError(
                    f"[geometry] has a file, so its keys {unknown} have no use; "
                    "beside file it takes 'particle', for XML files with several"
                )
            loaded = Geometry.load(folder / str(geometry["file"]), geometry.get("particle"))
            fields = {**fields, "geometry": loaded.to_dict()}
        card = Card.model_validate(fields)
        _check_images(card)
    except ValidationError as error:
        raise CaloganError(_explain(error, where)) from error
    except CaloganError as error:
        raise CaloganError(f"{where}: {error}") from error
    return card


def _check_images(card: Card) -> None:
    geometry = card.build_geometry()
    try:
        card.critic.voxel_layers.images(geometry)
    except CaloganError as error:
        raise CaloganError(f"'critic.layout': {error}") from error


def _explain(error: ValidationError, where: str) -> str:
    lines = []
    for item in error.errors():
        location, kind = item["loc"], None
        if location[:1] == ("conditions",) and location[2:3] in (("range",), ("label",)):
            # Which kind of condition it was taken for is no part of the key.
            location, kind = (*location[:2], *location[3:]), location[2]
        key = ".".join(str(part) for part in location) or "card"
        if item["type"] == "extra_forbidden":
            known = _known_keys(location, kind)
            hint = f"; nearest: {nearest(str(location[-1]), known)}" if known else ""
            lines.append(f"{where}: unknown key '{key}'{hint}")
        elif item["type"] == "missing":
            lines.append(f"{where}: key '{key}' is missing")
        else:
            message = item["msg"].removeprefix("Value error, ")
            shown = isinstance(item["input"], dict) or "\n" in message
            found = "" if shown else f" is {item['input']!r}"
            lines.append(f"{where}: '{key}'{found}: {message}")
    return "\n".join(lines)


def _known_keys(location: tuple[int | str, ...], condition: int | str | None) -> list[str]:
    fields = Card.model_fields
    for part in location[:-1]:
        kind: Any = LabelCard if condition == "label" else ConditionCard
        if part != "conditions":
            kind = fields[str(part)].annotation if part in fields else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = kind.model_fields
    return sorted(fields)
