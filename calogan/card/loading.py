"""From a TOML file to a checked card: `extends`, changes, and errors that name the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from calogan.card.conditions import ConditionCard, LabelCard
from calogan.card.keys import Card, CriticCard, GeneratorCard
from calogan.errors import CaloganError, nearest
from calogan.files import parse_toml, read_text
from calogan.geometry import Geometry

DEFAULT_CARD = "lar_photons"
SOURCES = ("branch", "value", "pattern", "particle")
"""Keys of a condition of which one is given."""
NO_GEOMETRY = (
    "give the cells in a card, which may begin with extends = ...: [geometry] with layers, or with "
    'file = "binning.xml"'
)


def load_card(
    path: str | Path | None = None,
    changes: Sequence[str] = (),
    tables: Sequence[Mapping[str, Any]] = (),
    preset: str = DEFAULT_CARD,
) -> Card:
    """Read a run card; None: the shipped card `preset`, by default that of the LAr photon sample.

    A card may begin with `extends = "OTHER.toml"` (relative to it, or the name of a shipped card):
    its own keys then replace those of the other, table by table. So do those of each of `tables`
    after that. `changes` replace keys last, each a line of TOML with the key's whole path:
    "training.r1 = 0.3".

    Raises CaloganError naming the key path, the value found, and what is allowed.
    """
    if path is None:
        fields, folder = _read_shipped(preset), Path()
    else:
        fields, folder = _read_extended(Path(path), ())
    for table in tables:
        fields = _merge(fields, dict(table))
    for change in changes:
        fields = _merge(fields, parse_toml(change, f"change {change!r}"))
    return _validate(fields, str(path or f"card {preset}"), folder)


def presets() -> list[str]:
    """Names of the cards that come with the package, one for each kind of input file."""
    names = (file.name for file in resources.files("calogan.card").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def shipped_card(name: str = DEFAULT_CARD) -> str:
    """The text of a card that comes with the package, a start for one's own."""
    if name not in presets():
        raise CaloganError(f"no shipped card '{name}'; there are {', '.join(presets())}")
    return (resources.files("calogan.card") / f"{name}.toml").read_text(encoding="utf-8")


def _read_shipped(name: str) -> dict[str, Any]:
    fields = parse_toml(shipped_card(name), f"card {name}")
    base = fields.pop("extends", None)
    return fields if base is None else _merge(_read_shipped(base.removesuffix(".toml")), fields)


def _read_extended(path: Path, seen: tuple[Path, ...]) -> tuple[dict[str, Any], Path]:
    if path.resolve() in seen:
        raise CaloganError(f"run card {path} extends itself, by way of {[str(p) for p in seen]}")
    fields = parse_toml(read_text(path, "run card"), f"run card {path}")
    base = fields.pop("extends", None)
    if base is None:
        return fields, path.parent
    shipped = str(base).removesuffix(".toml")
    beside = path.parent / str(base)
    if shipped in presets() and (not beside.exists() or beside.samefile(path)):
        return _merge(_read_shipped(shipped), fields), path.parent
    below, folder = _read_extended(path.parent / str(base), (*seen, path.resolve()))
    return _merge(below, fields), path.parent if "geometry" in fields else folder


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        # Each is one thing: half of one and half of another is never meant.
        whole = key in ("geometry", "frame")
        merged[key] = _merge(merged[key], value) if both and not whole else value
    for key, network in (("generator", GeneratorCard), ("critic", CriticCard)):
        if isinstance(below.get(key), dict) and isinstance(above.get(key), dict):
            network.drop_replaced(merged[key], above[key])
    _drop_replaced_sources(merged.get("conditions"), above.get("conditions"))
    return merged


def _drop_replaced_sources(merged: Any, above: Any) -> None:
    """Of each condition, drop the source of the card below where the one above gives another."""
    if not isinstance(merged, dict) or not isinstance(above, dict):
        return
    for name, keys in above.items():
        given = set(SOURCES).intersection(keys) if isinstance(keys, dict) else set()
        replaced = set(SOURCES).intersection(merged[name]) - given if given else set()
        for key in replaced:
            del merged[name][key]
        if replaced and "source_unit" not in keys:
            merged[name].pop("source_unit", None)


def _validate(fields: dict[str, Any], where: str, folder: Path) -> Card:
    geometry = fields.get("geometry")
    try:
        if isinstance(geometry, dict) and "file" in geometry:
            unknown = sorted(set(geometry) - {"file", "particle", "fastest"})
            if unknown:
                raise CaloganError(
                    f"[geometry] has a file, so its keys {unknown} have no use; "
                    "beside file it takes 'particle', for XML files with several, and 'fastest'"
                )
            loaded = Geometry.load(folder / str(geometry["file"]), geometry.get("particle"))
            given = {k: v for k, v in geometry.items() if k == "fastest"}
            fields = {**fields, "geometry": {**loaded.to_dict(), **given}}
        card = Card.model_validate(fields)
        _check_images(card)
    except ValidationError as error:
        raise CaloganError(explain(error, where, Card)) from error
    except CaloganError as error:
        raise CaloganError(f"{where}: {error}") from error
    return card


def _check_images(card: Card) -> None:
    geometry = card.build_geometry()
    try:
        card.critic.voxel_layers.images(geometry)
    except CaloganError as error:
        raise CaloganError(f"'critic.layout': {error}") from error


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """What is wrong with the keys of a card, which is a `model`, in words."""
    lines = []
    for item in error.errors():
        location, kind = item["loc"], None
        if location[:1] == ("conditions",) and location[2:3] in (("range",), ("label",)):
            # Which kind of condition it was taken for is no part of the key.
            location, kind = (*location[:2], *location[3:]), location[2]
        key = ".".join(str(part) for part in location) or "card"
        if item["type"] == "extra_forbidden":
            known = _known_keys(location, kind, model)
            hint = f"; nearest: {nearest(str(location[-1]), known)}" if known else ""
            lines.append(f"{where}: unknown key '{key}'{hint}")
        elif item["type"] == "missing":
            hint = f"; {NO_GEOMETRY}" if key == "geometry" else ""
            lines.append(f"{where}: key '{key}' is missing{hint}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            shown = isinstance(item["input"], dict) or "\n" in message
            found = "" if shown else f" is {item['input']!r}"
            lines.append(f"{where}: '{key}'{found}: {message}")
    return "\n".join(lines)


def _known_keys(
    location: tuple[int | str, ...], condition: int | str | None, model: type[BaseModel]
) -> list[str]:
    fields = model.model_fields
    for part in location[:-1]:
        kind: Any = LabelCard if condition == "label" else ConditionCard
        if part != "conditions":
            kind = fields[str(part)].annotation if part in fields else None
        for section in (kind, *get_args(kind)):  # of a section or None, the section
            if isinstance(section, type) and issubclass(section, BaseModel):
                fields = section.model_fields
    return sorted(fields)
