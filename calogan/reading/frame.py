"""Hits in the detector's coordinates to those of the incident particle, event by event.

What the axes and the entry mean is said in `calogan.card.frame`; `Placement` of the C++ runner is
the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.frame import Frame, ParticleSource
from calogan.errors import CaloganError
from calogan.reading.dialects.dialect import Particles
from calogan.reading.voxelize import Hits

Floats = NDArray[np.float64]
Z_AXIS = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Frames:
    """Where the showers' frames stand in the detector, for n events."""

    point: Floats
    """Where particles enter, mm, (n, 3)."""
    axes: Floats
    """The shower's x, y and z axis, unit vectors by rows, (n, 3, 3)."""
    normal: Floats | None
    """Of the surface, into the calorimeter, (n, 3); None: no surface was asked for."""
    found: NDArray[np.bool_]
    """Whether there is an entry, (n,); where not, the rest is without meaning."""


MISSING = {
    "surface": "their particle does not meet the surface of [frame]",
    "first_layer": "no hit in the layers to enter by",
    "file": "no entry point in the file",
}
"""By [frame] entry, what is said of events without one."""


def find_frames(frame: Frame, particles: Particles | None, hits: Hits) -> Frames:
    """The frame of every event.

    Raises CaloganError if the file does not hold what the card's [frame] asks for.
    """
    _check(frame, particles, hits)
    normal: Floats | None = None
    with np.errstate(all="ignore"):  # of events without an entry
        if frame.entry == "first_layer":
            point = _first_layer_centre(hits)
        elif frame.entry == "file":
            point = _entry_in_file(particles)
        else:
            point = np.full((len(hits), 3), np.nan)
        if particles is None or frame.direction == "entry":
            direction = _unit(point - np.array(frame.vertex))
        else:
            direction = _unit(particles.momentum)
            if frame.entry == "surface":
                distance, normal = _to_surface(frame, particles.vertex, direction)
            elif frame.entry == "first_layer":
                distance = ((point - particles.vertex) * direction).sum(axis=1)
            if frame.entry != "file":
                point = particles.vertex + distance[:, None] * direction
        axes = _along(direction)
        if frame.axes == "facing" and normal is not None:  # the card sees to that
            axes = _facing(normal, direction)
        sums = point.sum(axis=1) + axes.sum(axis=(1, 2))
    return Frames(point, axes, normal, np.isfinite(sums))


def to_shower(hits: Hits, frames: Frames, entry_at: tuple[float, float, float]) -> Hits:
    """Hits by x, y, z in the shower's frame, where the entry point is `entry_at`."""
    counts = np.diff(hits.offsets)
    from_entry = [
        hits.coordinates[role] - np.repeat(frames.point[:, k], counts)
        for k, role in enumerate("xyz")
    ]
    moved = {
        role: sum(np.repeat(frames.axes[:, i, k], counts) * from_entry[k] for k in range(3))
        + entry_at[i]
        for i, role in enumerate("xyz")
    }
    return Hits(hits.offsets, hits.energy, hits.layout, {**hits.coordinates, **moved}, hits.n_cells)


def particle_values(
    name: str, source: ParticleSource, particles: Particles | None, frames: Frames | None
) -> Floats:
    """Values of condition `name`, (n,), in GeV or rad; not finite where the particle gives none."""
    if particles is None:
        raise CaloganError(
            f"condition '{name}' is the incident particle's {source}, but no particle was read; "
            f"name its branches in [input.particle], or give a constant with --set {name}=VALUE"
        )
    p, energy = particles.momentum, particles.energy
    transverse = np.hypot(p[:, 0], p[:, 1])
    with np.errstate(all="ignore"):
        if source == "incidence":
            if frames is None or frames.normal is None:
                raise CaloganError(f"condition '{name}' needs [frame] with entry = 'surface'")
            across = np.linalg.norm(np.cross(frames.normal, p), axis=1)
            angle: Floats = np.arctan2(across, (frames.normal * p).sum(axis=1))
            return angle
        values: dict[ParticleSource, Floats] = {
            "energy": energy,
            "kinetic": energy - np.sqrt(np.maximum(energy**2 - (p**2).sum(axis=1), 0)),
            "theta": np.arctan2(transverse, p[:, 2]),
            "phi": np.arctan2(p[:, 1], p[:, 0]),
            "eta": np.arcsinh(p[:, 2] / transverse),
        }
    return values[source]


def _check(frame: Frame, particles: Particles | None, hits: Hits) -> None:
    if hits.layout != "xyz" or "z" not in hits.coordinates:
        found = f"layout '{hits.layout}'" + ("" if hits.layout != "xyz" else " without z")
        raise CaloganError(
            f"[frame] moves hits by their x, y and z, but they come in {found}; leave [frame] out, "
            "or read positions ([input] layout = 'xyz', and z in [input.branches])"
        )
    if particles is None and (frame.direction == "particle" or frame.entry != "first_layer"):
        raise CaloganError(
            "[frame] needs the incident particle, which was not read; name its branches in "
            "[input.particle], or set entry = 'first_layer' and direction = 'entry'"
        )
    if frame.entry == "first_layer" and "layer" not in hits.coordinates:
        raise CaloganError(
            "[frame] entry is 'first_layer', but hits do not say their layer; name its branch in "
            "[input.branches] layer, or set entry = 'surface'"
        )


def _entry_in_file(particles: Particles | None) -> Floats:
    if particles is None or particles.entry is None:
        raise CaloganError(
            "[frame] entry is 'file', but no branches of it were read; name entry_r, entry_phi and "
            "entry_z in [input.particle]"
        )
    # Extrapolations that failed are at the origin.
    somewhere = np.abs(particles.entry).sum(axis=1, keepdims=True) > 0
    return np.where(somewhere, particles.entry, np.nan)


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _to_surface(frame: Frame, vertex: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Distance along the line to the surface, NaN if it is not met, and its normal there."""
    if frame.plane_point is not None:
        normal = np.broadcast_to(_unit(np.array([frame.plane_normal], float)), vertex.shape)
        return _to_plane(vertex - np.array(frame.plane_point), direction, normal, 0.0), normal
    outside = np.zeros(len(vertex), bool)
    candidates: list[tuple[Floats, Floats]] = []
    if frame.endcap_z is not None:
        outside |= np.abs(vertex[:, 2]) > frame.endcap_z
        normal = np.sign(direction[:, 2:]) * Z_AXIS
        candidates.append((_to_plane(vertex, direction, normal, frame.endcap_z), normal))
    if frame.barrel_radius is not None and not frame.barrel_sides:
        outside |= np.hypot(vertex[:, 0], vertex[:, 1]) > frame.barrel_radius
        candidates.append(_to_cylinder(vertex, direction, frame.barrel_radius))
    elif frame.barrel_radius is not None:
        for side in range(frame.barrel_sides):
            phi = frame.barrel_phi + 2 * np.pi * side / frame.barrel_sides
            normal = np.broadcast_to([np.cos(phi), np.sin(phi), 0.0], vertex.shape)
            outside |= (vertex * normal).sum(axis=1) > frame.barrel_radius
            to_side = _to_plane(vertex, direction, normal, frame.barrel_radius)
            candidates.append((to_side, normal))
    # The surface encloses the vertex, and the line leaves it by what it meets first.
    distances = np.stack([np.where(d >= 0, d, np.inf) for d, _ in candidates])
    first = distances.argmin(axis=0)
    rows = np.arange(len(vertex))
    distance = np.where(outside, np.inf, distances[first, rows])
    normals = np.stack([normal for _, normal in candidates])
    return np.where(np.isfinite(distance), distance, np.nan), normals[first, rows]


def _to_plane(start: Floats, direction: Floats, normal: Floats, offset: float) -> Floats:
    """Distance to a plane that is crossed the way its normal points; NaN if it is not."""
    speed = (direction * normal).sum(axis=1)
    distance = (offset - (start * normal).sum(axis=1)) / speed
    crossed: Floats = np.where((speed > 0) & (distance >= 0), distance, np.nan)
    return crossed


def _to_cylinder(start: Floats, direction: Floats, radius: float) -> tuple[Floats, Floats]:
    """Distance to where the line leaves a cylinder around the z axis, and the normal there."""
    x, d = start[:, :2], direction[:, :2]
    a, b = (d**2).sum(axis=1), (x * d).sum(axis=1)
    distance = (np.sqrt(b**2 + a * (radius**2 - (x**2).sum(axis=1))) - b) / a
    at = (x + distance[:, None] * d) / radius
    return distance, np.concatenate([at, np.zeros((len(at), 1))], axis=1)


def _first_layer_centre(hits: Hits) -> Floats:
    """Centre of energy of the hits in the first layer of each event that has any; NaN without."""
    n = len(hits)
    event = np.repeat(np.arange(n), np.diff(hits.offsets))
    layer = hits.coordinates["layer"].astype(np.int64)
    lit = (layer >= 0) & (hits.energy > 0)
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, event[lit], layer[lit])
    chosen = lit & (layer == first[event])
    weight = hits.energy[chosen].astype(np.float64)

    def total(values: NDArray[Any]) -> Floats:
        return np.bincount(event[chosen], values, minlength=n).astype(np.float64)

    sums = [total(weight * hits.coordinates[role][chosen]) for role in "xyz"]
    return np.stack(sums, axis=1) / total(weight)[:, None]


def _along(z: Floats) -> Floats:
    """As `Placement::along`: x to growing theta, y to growing phi, +y on the z axis."""
    y = _growing_phi(z)
    return np.stack([np.cross(y, z), y, z], axis=1)


def _facing(z: Floats, lean: Floats) -> Floats:
    """As `Placement::facing`: y to the side of `lean`; to growing phi if that is parallel to z."""
    y = lean - (lean * z).sum(axis=1, keepdims=True) * z
    parallel = (y**2).sum(axis=1) < 1e-24
    y = _unit(y)
    y = _unit(y - (y * z).sum(axis=1, keepdims=True) * z)
    y[parallel] = _growing_phi(z)[parallel]
    return np.stack([np.cross(y, z), y, z], axis=1)


def _growing_phi(direction: Floats) -> Floats:
    transverse = np.hypot(direction[:, 0], direction[:, 1])
    on_axis = transverse == 0
    safe = np.where(on_axis, 1.0, transverse)
    zero = np.zeros_like(safe)
    y = np.stack([-direction[:, 1] / safe, direction[:, 0] / safe, zero], axis=1)
    y[on_axis] = [0.0, 1.0, 0.0]
    return y
