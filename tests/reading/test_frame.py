"""From the detector's frame to the shower's, and back by the C++ runner's Placement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calogan import runner
from calogan.card.frame import Frame
from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.reading.dialects.arrays import incident_particles
from calogan.reading.dialects.dialect import Particles
from calogan.reading.frame import Frames, find_frames, particle_values, to_shower
from calogan.reading.voxelize import Hits

N = 40
BARREL = {"barrel_radius": 1250.0}
CAN = {"barrel_radius": 1250.0, "endcap_z": 3000.0}
POLYGON = {"barrel_radius": 1250.0, "barrel_sides": 12, "barrel_phi": 0.1, "endcap_z": 3000.0}
PLANE = {"plane_point": (0, 0, 500), "plane_normal": (0.3, 0, 1)}


def particles(n: int = N, seed: int = 1, **changes: Any) -> Particles:
    """In all directions, from around the origin; the first three along z, -z and x."""
    rng = np.random.default_rng(seed)
    momentum = rng.normal(size=(n, 3)) * 20
    momentum[:3] = [[0, 0, 5], [0, 0, -5], [5, 0, 0]]
    energy = np.sqrt((momentum**2).sum(axis=1) + 0.5**2)
    values = {"energy": energy, "momentum": momentum, "vertex": rng.normal(size=(n, 3)) * 30}
    return Particles(np.ones(n, np.int64), **{**values, **changes})


def hits_of(positions: NDArray[np.float64], **more: Any) -> Hits:
    """As many hits an event: positions (n, k, 3)."""
    n, k, _ = positions.shape
    at = dict(zip("xyz", positions.reshape(-1, 3).T, strict=True))
    return Hits(np.arange(n + 1) * k, np.ones(n * k), "xyz", {**at, **more})


def moved(hits: Hits, frames: Frames, frame: Frame) -> NDArray[np.float64]:
    shower = to_shower(hits, frames, frame.entry_at)
    stacked = np.stack([shower.coordinates[role] for role in "xyz"], axis=1)
    return stacked.reshape(len(hits), -1, 3)


@pytest.mark.parametrize("axes", ["along", "facing"])
@pytest.mark.parametrize(
    "surface", [BARREL, CAN, POLYGON, PLANE], ids=["barrel", "can", "12", "plane"]
)
def test_hits_go_there_and_back_by_placement(axes: str, surface: dict[str, Any]) -> None:
    frame = Frame.model_validate({"axes": axes, **surface, "entry_at": (0, 0, -240)})
    truth = particles()
    detector = np.random.default_rng(2).normal(size=(N, 5, 3)) * 1000
    hits = hits_of(detector)
    frames = find_frames(frame, truth, hits)
    assert frames.found.sum() > N / 4
    assert frames.normal is not None
    shower = moved(hits, frames, frame)
    for i in np.flatnonzero(frames.found):
        p, point = truth.momentum[i], frames.point[i]
        if axes == "along":
            place = runner.Placement.along(point, p, frame.entry_at)
        else:
            place = runner.Placement.facing(point, frames.normal[i], p, frame.entry_at)
        np.testing.assert_allclose(place(shower[i]), detector[i], atol=1e-8)
        np.testing.assert_allclose(place(frame.entry_at), point, atol=1e-9)


@pytest.mark.parametrize(
    "surface", [BARREL, CAN, POLYGON, PLANE], ids=["barrel", "can", "12", "plane"]
)
def test_particles_enter_on_the_surface(surface: dict[str, Any]) -> None:
    frame = Frame.model_validate(surface)
    truth = particles(400)
    frames = find_frames(frame, truth, hits_of(np.zeros((400, 1, 3))))
    ok = frames.found
    point, p, vertex = frames.point[ok], truth.momentum[ok], truth.vertex[ok]
    assert frames.normal is not None
    normal = frames.normal[ok]
    assert np.allclose(np.linalg.norm(normal, axis=1), 1)
    assert ((normal * p).sum(axis=1) > 0).all()
    along = point - vertex  # on the line, ahead
    assert np.allclose(np.cross(along, p), 0, atol=1e-6 * np.abs(along).max())
    assert ((along * p).sum(axis=1) >= 0).all()
    if "plane_point" in surface:
        assert np.allclose(((point - [0, 0, 500]) * normal).sum(axis=1), 0, atol=1e-6)
        assert not ok[1]  # flies away from it
        return
    inside_z = np.abs(point[:, 2]) <= surface.get("endcap_z", np.inf) + 1e-6
    r = np.hypot(point[:, 0], point[:, 1])
    assert inside_z.all()
    on_endcap = np.isclose(np.abs(point[:, 2]), surface.get("endcap_z", -1))
    if "barrel_sides" in surface:
        phi = 0.1 + np.round((np.arctan2(point[:, 1], point[:, 0]) - 0.1) / (np.pi / 6)) * (
            np.pi / 6
        )
        r = point[:, 0] * np.cos(phi) + point[:, 1] * np.sin(phi)
    assert np.allclose(r[~on_endcap], 1250)
    assert (r[on_endcap] <= 1250 + 1e-6).all()
    assert np.allclose(np.abs(normal[on_endcap]), [0, 0, 1])
    # Without endcaps a particle along the axis never meets the barrel.
    assert ok[0] == ok[1] == ("endcap_z" in surface)
    assert ok[2:].all()


def test_a_vertex_behind_the_surface_has_no_entry() -> None:
    for surface, vertex in (
        (BARREL, [1300, 0, 0]),
        (POLYGON, [1300, 0, 0]),
        ({"endcap_z": 3000.0}, [0, 0, 3100]),
        (PLANE, [0, 0, 600]),
    ):
        truth = particles(vertex=np.full((N, 3), vertex, float))
        frames = find_frames(Frame.model_validate(surface), truth, hits_of(np.zeros((N, 1, 3))))
        up = truth.momentum @ [0.3, 0, 1] > 0 if surface is PLANE else slice(None)
        assert not frames.found[up].any()


def test_axes_point_to_growing_theta_and_phi() -> None:
    truth = particles()
    frame = Frame.model_validate(CAN)
    frames = find_frames(frame, truth, hits_of(np.zeros((N, 1, 3))))
    p = truth.momentum[3:]
    theta, phi = np.arctan2(np.hypot(p[:, 0], p[:, 1]), p[:, 2]), np.arctan2(p[:, 1], p[:, 0])
    x, y, z = (frames.axes[3:, k] for k in range(3))
    assert np.allclose(z, p / np.linalg.norm(p, axis=1, keepdims=True))
    growing_theta = [np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)]
    assert np.allclose(x, np.stack(growing_theta, axis=1))
    assert np.allclose(y, np.stack([-np.sin(phi), np.cos(phi), 0 * phi], axis=1))


def test_the_first_layer_tells_the_entry() -> None:
    rng = np.random.default_rng(5)
    truth = particles()
    unit = truth.momentum / np.linalg.norm(truth.momentum, axis=1, keepdims=True)
    depth = np.array([1300.0, 1300, 1310, 1320])
    at = truth.vertex[:, None] + depth[:, None] * unit[:, None]
    aside = np.array([1.0, -1, 0, 0])[:, None] * np.cross(unit, rng.normal(size=(N, 3)))[:, None]
    layer = np.tile([2, 2, 3, 4], N)
    hits = hits_of(at + aside, layer=layer)
    frame = Frame(entry="first_layer")
    frames = find_frames(frame, truth, hits)
    assert frames.found.all()
    assert np.allclose(frames.point, truth.vertex + 1300 * unit)
    # Without the particle: from the origin to the centre of the layer.
    frame = Frame(entry="first_layer", direction="entry", vertex=(1.0, 2.0, 3.0))
    frames = find_frames(frame, None, hits)
    line = frames.point - [1, 2, 3]
    assert np.allclose(frames.point, at[:, 0])
    assert np.allclose(frames.axes[:, 2], line / np.linalg.norm(line, axis=1, keepdims=True))
    nothing = Hits(hits.offsets, 0 * hits.energy, "xyz", hits.coordinates)
    assert not find_frames(frame, None, nothing).found.any()


def test_the_file_tells_the_entry() -> None:
    r, phi, z = np.full(N, 1200.0), np.linspace(-3, 3, N), np.linspace(-900, 900, N)
    r[0] = z[0] = 0  # an extrapolation that failed
    truth = particles()
    momentum = dict(zip(("px", "py", "pz"), truth.momentum.T, strict=True))
    others = {"entry_r": r, "entry_phi": phi, "entry_z": z}
    read = incident_particles(np.arange(N + 1), momentum, others, "here", 0)
    frames = find_frames(Frame(entry="file"), read, hits_of(np.zeros((N, 1, 3))))
    assert np.array_equal(frames.found, np.arange(N) > 0)
    expected = np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1)
    assert np.allclose(frames.point[1:], expected[1:])


def test_conditions_of_the_particle() -> None:
    truth = particles()
    frames = find_frames(Frame.model_validate(CAN), truth, hits_of(np.zeros((N, 1, 3))))
    p = truth.momentum
    magnitude = np.linalg.norm(p, axis=1)
    for source, expected in (
        ("energy", truth.energy),
        ("kinetic", truth.energy - 0.5),
        ("theta", np.arccos(p[:, 2] / magnitude)),
        ("phi", np.arctan2(p[:, 1], p[:, 0])),
    ):
        found = particle_values("a", source, truth, frames)  # type: ignore[arg-type]
        assert np.allclose(found, expected, atol=1e-6), source
    theta = np.arccos(p[:, 2] / magnitude)
    with np.errstate(divide="ignore"):
        eta = -np.log(np.tan(theta / 2))
    assert np.allclose(particle_values("a", "eta", truth, frames)[2:], eta[2:])
    assert frames.normal is not None
    cosine = (frames.normal * p).sum(axis=1) / magnitude
    incidence = particle_values("a", "incidence", truth, frames)
    assert np.allclose(np.cos(incidence), cosine)
    assert incidence[0] == pytest.approx(0)


def test_what_is_missing_is_said() -> None:
    cells = Hits(np.array([0, 1]), np.ones(1), "cells", {"voxel": np.zeros(1, int)})
    flat = Hits(np.array([0, 1]), np.ones(1), "xyz", {k: np.zeros(1) for k in ("x", "y", "layer")})
    hits = hits_of(np.zeros((1, 1, 3)))
    surface = Frame.model_validate(BARREL)
    for frame, truth, given, message in (
        (surface, particles(), cells, r"\[frame\] moves hits .* they come in layout 'cells'"),
        (surface, particles(), flat, r"layout 'xyz' without z; leave \[frame\] out"),
        (surface, None, hits, r"needs the incident particle.*name its branches in \[input\.part"),
        (Frame(entry="file"), particles(), hits, r"name entry_r, entry_phi and entry_z"),
        (Frame(entry="first_layer"), particles(), hits, r"do not say their layer.*'surface'"),
    ):
        with pytest.raises(CaloganError, match=message):
            find_frames(frame, truth, given)
    with pytest.raises(CaloganError, match=r"condition 'theta' is .*theta, but no particle was"):
        particle_values("theta", "theta", None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes = 'along'", r"entry is 'surface', but none is given; give barrel_radius"),
        ("barrel_radius = 1\nplane_point = [0, 0, 0]", r"a plane and a barrel or endcaps"),
        ("barrel_radius = 1\nbarrel_sides = 2", r"barrel_sides is 2, expected 0 or 3"),
        ("endcap_z = 1\nbarrel_sides = 4", r"no use without barrel_radius"),
        ("plane_point = [0, 0, 0]\nplane_normal = [0, 0, 0]", r"plane_normal is \[0, 0, 0\]"),
        ("barrel_radius = 1\ndirection = 'entry'", r"cannot be where the particle's line meets"),
        ("barrel_radius = 1\nentry = 'file'", r"entry is 'file', so a surface has no use"),
        ("entry = 'file'\naxes = 'facing'", r"axes is 'facing', which needs the normal"),
        ("entry = 'wall'", r"'frame\.entry' is 'wall': Input should be 'surface'"),
        ("barrel_radus = 1", r"unknown key 'frame\.barrel_radus'; nearest: 'barrel_radius'"),
    ],
)
def test_frames_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        load_card(preset="edm4hep", changes=[f"[frame]\n{text}"])


def test_incidence_needs_a_normal() -> None:
    change = "conditions.theta.particle = 'incidence'"
    assert load_card(preset="edm4hep", changes=[change])
    with pytest.raises(CaloganError, match=r"condition 'theta' is the particle's incidence"):
        load_card(preset="edm4hep", changes=[change, "frame = {entry = 'first_layer'}"])
