"""The incident particle in the card, and [frame]: from the detector's coordinates to its own."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

Point = tuple[float, float, float]
ParticleRole = Literal[
    "energy",
    "mass",
    "px",
    "py",
    "pz",
    "x",
    "y",
    "z",
    "entry_r",
    "entry_phi",
    "entry_z",
]
ParticleSource = Literal["energy", "kinetic", "theta", "phi", "eta", "incidence"]
SOURCE_UNITS: dict[ParticleSource, str] = {
    "energy": "GeV",
    "kinetic": "GeV",
    "theta": "rad",
    "phi": "rad",
    "eta": "",
    "incidence": "rad",
}
"""Units in which the conditions come that are taken from the particle."""


class Frame(BaseModel, extra="forbid", frozen=True):
    """Where the shower's frame stands in the detector, event by event; all lengths in mm.

    `calogan::Placement` of the C++ runner is the way back. Without this section hits stay in the
    coordinates of the file. A card that extends another replaces it whole.
    """

    axes: Literal["along", "facing"] = "along"
    """along: the z axis points along the particle, x to growing theta, y to growing phi: the angle
    alpha of cylindrical cells counts from growing theta towards growing phi. facing: z points along
    the normal of the surface, into the calorimeter, y to the side where the particle leans (growing
    phi of the normal if it does not). As `Placement::along` and `Placement::facing`."""
    entry: Literal["surface", "first_layer", "file"] = "surface"
    """Where the particle enters: where its straight line meets the surface below; its point beside
    the centre of energy of the first layer with hits, which fluctuates along the line; or the point
    in the file ([input.particle] entry_r, entry_phi, entry_z)."""
    direction: Literal["particle", "entry"] = "particle"
    """That of the particle's momentum; or, for files that do not hold the particle, from `vertex`
    to the entry, which then is the centre of energy of the first layer, or the file's point."""
    vertex: Point = (0.0, 0.0, 0.0)
    """Where particles start, with direction = "entry"."""
    barrel_radius: float | None = Field(None, gt=0)
    """Surface: a barrel around the z axis, with the vertex inside; of a polygon, the distance of
    its sides."""
    barrel_sides: int = Field(0, ge=0)
    """Sides of that polygon; 0: a cylinder."""
    barrel_phi: float = 0.0
    """Angle phi of the middle of a side, rad."""
    endcap_z: float | None = Field(None, gt=0)
    """Surface: planes at z and -z. With a barrel too, the one that the particle meets first."""
    plane_point: Point | None = None
    """Surface: in place of those, one plane through this point ..."""
    plane_normal: Point = (0.0, 0.0, 1.0)
    """... with this normal, into the calorimeter."""
    entry_at: Point = (0.0, 0.0, 0.0)
    """The entry point in the shower's frame, as `entry` of a Placement."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Frame:
        surface = self.barrel_radius is not None or self.endcap_z is not None
        if surface and self.plane_point is not None:
            raise ValueError("a plane and a barrel or endcaps are given; leave one of them out")
        if self.barrel_sides in (1, 2):
            raise ValueError(f"barrel_sides is {self.barrel_sides}, expected 0 or 3 and more")
        if self.barrel_sides and self.barrel_radius is None:
            raise ValueError("barrel_sides has no use without barrel_radius")
        if not any(self.plane_normal):
            raise ValueError("plane_normal is [0, 0, 0], expected a length above 0")
        if self.entry == "surface":
            if not surface and self.plane_point is None:
                raise ValueError(
                    "entry is 'surface', but none is given; give barrel_radius, endcap_z, both, or "
                    "plane_point, or set entry = 'first_layer'"
                )
            if self.direction == "entry":
                raise ValueError(
                    "direction is 'entry', so the entry cannot be where the particle's line meets "
                    "a surface; set entry = 'first_layer' or 'file'"
                )
        elif surface or self.plane_point is not None:
            raise ValueError(f"entry is '{self.entry}', so a surface has no use; leave it out")
        elif self.axes == "facing":
            raise ValueError("axes is 'facing', which needs the normal of entry = 'surface'")
        return self
