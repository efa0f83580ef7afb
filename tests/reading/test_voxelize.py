from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calogan.errors import CaloganError
from calogan.geometry import Geometry, Layer
from calogan.reading import voxelize as module
from calogan.reading.voxelize import Hits, voxelize

FRONT = {"name": "front", "x_edges": [-3, -1, 1, 3], "y_edges": [0, 1, 4], "z": [0, 10]}
BACK = {"name": "back", "x": {"low": -2, "high": 2, "n": 4}, "y_edges": [-1, 1], "z": [10, 20]}
FAR = {
    "name": "far",
    "system": "cylindrical",
    "r_edges": [0, 1, 5],
    "alpha": {"low": -math.pi, "high": math.pi, "n": 4},
    "z": [30, 40],
}
GEOMETRY = Geometry.from_dict({"name": "three", "layers": [FRONT, BACK, FAR]})


def at(points: list[tuple[float, float, float]], **more: Any) -> Hits:
    """One event, hits of 1 MeV, 2 MeV, 4 MeV, ... so that sums tell which are in them."""
    x, y, z = (np.array(column, float) for column in zip(*points, strict=True))
    return Hits(
        np.array([0, len(points)]),
        2.0 ** np.arange(len(points)),
        "xyz",
        {"x": x, "y": y, "z": z, **more},
    )


def columns(hits: Hits, geometry: Geometry = GEOMETRY) -> list[int]:
    """The voxel of each hit, or n_voxels + k for the overflow of layer k."""
    energies, overflow, _ = voxelize(hits, geometry)
    sums = np.concatenate([energies[0], overflow[0]]).astype(int)
    return [int(np.flatnonzero(sums & (1 << i))[0]) for i in range(len(hits.energy))]


def reference(x: float, y: float, z: float, geometry: Geometry = GEOMETRY) -> int:
    """Where a hit belongs, by the rules and one hit at a time."""

    def cell(value: float, edges: np.ndarray) -> int | None:
        for i in range(len(edges) - 1):
            last = i == len(edges) - 2
            if edges[i] <= value < edges[i + 1] or (last and value == edges[i + 1]):
                return i
        return None

    fronts = [layer.z[0] for layer in geometry.layers if layer.z]
    for k, layer in enumerate(geometry.layers):
        front, back = layer.z or (0.0, 0.0)
        if not (front <= z < back or (z == back and back not in fronts)):
            continue
        first, second = x, y
        if layer.system == "cylindrical":
            first = math.hypot(x, y)
            second = layer.second_edges[0] + (math.atan2(y, x) - layer.second_edges[0]) % (
                2 * math.pi
            )
        i, j = cell(first, layer.first_edges), cell(second, layer.second_edges)
        if i is None or j is None:
            return geometry.n_voxels + k
        n_first, n_second = layer.shape
        inner = i * n_second + j if geometry.fastest == "last" else j * n_first + i
        return geometry.slices[k].start + inner
    return geometry.n_voxels + geometry.n_layers


def test_edges() -> None:
    """Lower edge in, upper edge out, but the last one in."""
    n = GEOMETRY.n_voxels
    assert GEOMETRY.n_voxels == 6 + 4 + 8
    points = {
        (-3.0, 0.0, 0.0): 0,
        (-1.0, 0.0, 0.0): 2,
        (-1.0, 1.0, 0.0): 3,
        (3.0, 4.0, 9.999): 5,
        (np.nextafter(3, 4), 4.0, 0.0): n,
        (3.0, 0.0, 10.0): n + 1,  # the edge of two layers belongs to the one behind
        (2.0, 1.0, 20.0): 9,  # nothing behind: the edge is in
        (0.0, 0.0, np.nextafter(20, 21)): n + 3,
        (0.0, 0.0, 29.9): n + 3,
        (0.0, 0.0, 30.0): 12,
        (5.0, 0.0, 40.0): 16,
        (0.0, 5.001, 35.0): n + 2,
        (0.0, 0.0, 41.0): n + 3,
        (0.0, 0.0, -0.001): n + 3,
    }
    assert columns(at(list(points))) == list(points.values())
    assert [reference(*p) for p in points] == list(points.values())


coordinate = st.one_of(
    st.floats(-6, 45),
    st.sampled_from([-3.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 30.0, 40.0]),
)


@settings(deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=1, max_size=20))
def test_agrees_with_one_hit_at_a_time(points: list[tuple[float, float, float]]) -> None:
    assert columns(at(points)) == [reference(*p) for p in points]


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    layers = []
    z = draw(st.floats(-100, 100))
    for k in range(draw(st.integers(1, 4))):
        front = z + draw(st.sampled_from([0.0, 0.0, 7.5]))
        z = front + draw(st.floats(0.5, 50))
        cylindrical = draw(st.booleans())
        steps = draw(st.lists(st.floats(0.1, 30), min_size=1, max_size=6))
        if draw(st.booleans()):
            steps = [steps[0]] * len(steps)
        first = np.cumsum([0.0 if cylindrical else -40.0, *steps])
        n = draw(st.integers(1, 5))
        second = np.linspace(*((-1.0, 2 * np.pi - 1.0) if cylindrical else (-20.0, 20.0)), n + 1)
        system = "cylindrical" if cylindrical else "cartesian"
        layers.append(Layer(f"l{k}", system, first, second, (front, z)))
    return Geometry("any", tuple(layers), draw(st.sampled_from(["first", "last"])))


@settings(deadline=None, max_examples=60)
@given(
    geometries(),
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 64, 1 << 20]),
)
def test_no_energy_is_lost(geometry: Geometry, counts: list[int], seed: int, block: int) -> None:
    """Voxels and overflow sum to the hits of each event, whatever the geometry and blocks."""
    rng = np.random.default_rng(seed)
    n = sum(counts)
    hits = Hits(
        np.concatenate([[0], np.cumsum(counts)]),
        rng.exponential(3.0, n).astype(np.float32),
        "xyz",
        {axis: rng.uniform(-120, 300 if axis == "z" else 120, n) for axis in "xyz"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_CELLS", block)
        energies, overflow, outside = voxelize(hits, geometry)
    sums = energies.sum(axis=1, dtype=float) + overflow.sum(axis=1, dtype=float)
    event = np.repeat(np.arange(len(counts)), counts)
    expected = np.bincount(event, weights=hits.energy, minlength=len(counts))
    assert np.allclose(sums, expected, rtol=1e-6, atol=0)
    assert energies.dtype == overflow.dtype == np.float32
    assert energies.shape == (len(counts), geometry.n_voxels)
    assert (overflow.sum() > 0) == (outside.sum() > 0)
    for x, y, z in np.stack([hits.coordinates[a] for a in "xyz"], axis=1)[:20].tolist():
        assert columns(at([(x, y, z)]), geometry) == [reference(x, y, z, geometry)]


def test_sums_are_accumulated_in_double_precision() -> None:
    n = 300_000
    hits = Hits(np.array([0, n]), np.full(n, 0.1, np.float32), "cells", {"voxel": np.zeros(n, int)})
    energies, _, _ = voxelize(hits, GEOMETRY)
    assert energies[0, 0] == pytest.approx(n * np.float64(np.float32(0.1)), rel=1e-7)


def test_angle_is_taken_modulo_a_turn() -> None:
    ring = {"system": "cylindrical", "r_edges": [0, 1], "z": [0, 1]}
    layer = {**ring, "alpha": {"low": 0, "high": 2 * math.pi, "n": 4}}
    geometry = Geometry.from_dict({"layers": [layer]})
    phi = np.array([0.1, 0.1 + 2 * np.pi, 0.1 - 4 * np.pi, -0.1, 2 * np.pi, -1e-18])
    at_phi = {"r": np.full(6, 0.5), "phi": phi, "z": np.full(6, 0.5)}
    hits = Hits(np.array([0, 6]), 2.0 ** np.arange(6), "rphiz", at_phi)
    assert columns(hits, geometry) == [0, 0, 0, 3, 0, 3]
    half = Geometry.from_dict({"layers": [{**ring, "alpha_edges": [-1, 0, 1]}]})
    assert columns(hits, half) == [1, 1, 1, 0, 1, 1]


def test_rphiz_into_cartesian_cells() -> None:
    hits = Hits(
        np.array([0, 1]),
        np.ones(1),
        "rphiz",
        {"r": np.array([2.0]), "phi": np.array([np.pi / 2]), "z": np.array([1.0])},
    )
    assert columns(hits) == columns(at([(0.0, 2.0, 1.0)]))


def test_layer_number_takes_the_place_of_z() -> None:
    layers = [{k: v for k, v in layer.items() if k != "z"} for layer in (FRONT, BACK)]
    geometry = Geometry.from_dict({"layers": layers})
    points = [(0.0, 0.0, 999.0)] * 4
    hits = at(points, layer=np.array([0, 1, 2, -1], np.int32))
    assert columns(hits, geometry) == [2, 8, 12, 12]
    with pytest.raises(CaloganError, match=r"layer 'front' .* gives no z; .*\] layer = "):
        voxelize(at(points), geometry)


def test_indices_in_both_orders() -> None:
    def hits(layer: int, first: int, second: int) -> Hits:
        place = {"layer": layer, "first": first, "second": second}
        return Hits(
            np.array([0, 1]), np.ones(1), "indices", {k: np.array([v]) for k, v in place.items()}
        )

    other = Geometry(GEOMETRY.name, GEOMETRY.layers, "first")
    n = GEOMETRY.n_voxels
    assert columns(hits(0, 1, 1)) == [3]
    assert columns(hits(0, 1, 1), other) == [4]
    assert columns(hits(1, 3, 0)) == [9]
    assert columns(hits(0, 0, 2)) == [n]
    assert columns(hits(1, -1, 0)) == [n + 1]
    assert columns(hits(3, 0, 0)) == [n + 3]


def test_cells_and_their_overflow() -> None:
    hits = Hits(
        np.array([0, 3]), np.array([1.0, 2.0, 4.0]), "cells", {"voxel": np.array([17, -1, -3])}
    )
    energies, overflow, outside = voxelize(hits, GEOMETRY)
    assert energies[0, 17] == 1
    assert overflow.tolist() == [[2, 0, 4, 0]]
    assert outside.tolist() == [1, 0, 1, 0]
    for bad in (18, -4):
        hits = Hits(np.array([0, 1]), np.ones(1), "cells", {"voxel": np.array([bad])})
        with pytest.raises(CaloganError, match="has 18 voxels and 3 layers"):
            voxelize(hits, GEOMETRY)


def test_cells_must_be_those_of_the_geometry() -> None:
    """Cells that are missing or too many are no error of one event: they may all be zero."""

    def hits(cells: int, overflow_cells: int) -> Hits:
        nothing = np.zeros(0)
        counts = (cells, overflow_cells)
        return Hits(np.zeros(3, int), nothing, "cells", {"voxel": nothing.astype(int)}, counts)

    assert voxelize(hits(18, 0), GEOMETRY).energies.shape == (2, 18)
    assert voxelize(hits(18, 3), GEOMETRY).overflow.shape == (2, 4)
    for n in (17, 19):
        message = f"an event has {n} cells, but geometry 'three' has 18 voxels"
        with pytest.raises(CaloganError, match=message):
            voxelize(hits(n, 0), GEOMETRY)
    for n in (1, 4):
        message = rf"\[input\] overflow_cells names {n} branches, but .* has 3 layers"
        with pytest.raises(CaloganError, match=message):
            voxelize(hits(18, n), GEOMETRY)


def test_a_coordinate_that_is_not_finite() -> None:
    with pytest.raises(CaloganError, match="coordinate x that is not finite"):
        voxelize(at([(np.nan, 0.0, 1.0)]), GEOMETRY)


def test_events_without_hits() -> None:
    nothing = np.zeros(0)
    hits = Hits(np.zeros(4, int), nothing, "xyz", {axis: nothing for axis in "xyz"})
    energies, overflow, outside = voxelize(hits, GEOMETRY)
    assert energies.shape == (3, 18)
    assert not energies.any()
    assert not overflow.any()
    assert not outside.any()


def test_many_equal_layers() -> None:
    layer = {"x_edges": [0, 1, 2], "y_edges": [0, 1], "z": {"low": 0, "high": 90, "n": 90}}
    geometry = Geometry.from_dict({"layers": [layer]})
    z = np.arange(91.0)
    hits = Hits(
        np.array([0, 91]), np.ones(91), "xyz", {"x": np.ones(91), "y": np.zeros(91), "z": z}
    )
    energies, overflow, _ = voxelize(hits, geometry)
    assert energies[0, 1:-1:2].tolist() == [1.0] * 89
    assert energies[0, -1] == 2  # the last layer's back edge is in
    assert not overflow.any()
