"""What a writer is told of the file to write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from calogan.card.conditions import AnyConditionCard
from calogan.card.keys import Card, Input
from calogan.conditions import Label
from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading.dialects.registry import BY_NAME
from calogan.showers import REORDERED


@dataclass(frozen=True)
class Names:
    """Trees, branches and units of a ROOT file of hits, as a run card gives them."""

    input: Input
    conditions: Mapping[str, AnyConditionCard]
    """By name; of one that is not read from a branch, the branch has the name of the condition."""
    geometry: Geometry | None = None
    """The cells as the file numbers them; None: as the showers do."""

    @staticmethod
    def of_card(card: Card) -> Names:
        """Those of a card. Raises CaloganError if it reads files that are not written here."""
        if not BY_NAME[card.input.dialect].by_branches:
            raise CaloganError(
                f"card '{card.name}' reads files of dialect {card.input.dialect}, which are not "
                "written; give one that names trees and branches"
            )
        if card.frame is not None or card.input.particle:
            raise CaloganError(
                f"card '{card.name}' reads hits in the detector's frame, but showers are in that "
                "of their particle; give a card without [frame] and [input.particle]"
            )
        geometry = card.build_geometry() if _by_number(card.input) else None
        return Names(card.input, card.conditions, geometry)

    @staticmethod
    def of_provenance(provenance: Mapping[str, Any], geometry: Geometry) -> Names | None:
        """Those that showers were once read by; None if that is not known, or not written here."""
        # To return to their numbers, those would have to be known.
        turned = provenance.get(REORDERED, False)
        if "input" not in provenance or "conditions" not in provenance or provenance.get("frame"):
            return None
        try:
            names = Names(
                Input.model_validate(provenance["input"]),
                TypeAdapter(dict[str, AnyConditionCard]).validate_python(provenance["conditions"]),
                geometry,
            )
        except ValidationError:  # of another version: names that nobody asked for stop nothing
            return None
        in_trees = BY_NAME[names.input.dialect].by_branches and not names.input.particle
        flat = "z" in names.input.branches and any(layer.z is None for layer in geometry.layers)
        lost = turned and _by_number(names.input)
        return names if in_trees and not flat and not lost else None


def _by_number(input: Input) -> bool:
    """Whether a file says by number, in the geometry's order, which cells it means."""
    return input.layout in ("cells", "indices") or input.dead_branch is not None


@dataclass(frozen=True)
class Target:
    """A file to write, and what all its showers share."""

    path: Path
    geometry: Geometry
    conditions: tuple[tuple[str, str], ...]
    """Name and unit of each, `energy` in GeV first."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Of what was done, beside that of the showers."""
    particle: str | None = None
    """One of `binning.PARTICLES`, for formats that name it."""
    labels: Mapping[str, Label] = field(default_factory=dict)
    """Those of `conditions` that are labels."""
    names: Names | None = None
    """For ROOT; None: the defaults of `[input]`, conditions as gen_<name>."""
