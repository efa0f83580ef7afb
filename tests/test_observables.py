"""Observables on showers whose numbers are known, in all kinds of geometry."""

from __future__ import annotations

import numpy as np
import pytest

from calogan.evaluation.results import GROUPS
from calogan.features import layer_fractions, response
from calogan.geometry import Geometry
from calogan.observables import observables, projections
from calogan.showers import Showers

CARTESIAN = {
    "name": "a",
    "system": "cartesian",
    "x_edges": [-10, 0, 10],
    "y_edges": [-30, -10, 10, 30],
    "z": [0, 1],
}
CYLINDRICAL = {
    "name": "b",
    "system": "cylindrical",
    "r_edges": [0, 5, 15],
    "alpha_edges": np.linspace(0, 2 * np.pi, 5).tolist(),
    "z": None,
}


def geometry(*layers: dict[str, object], fastest: str = "last") -> Geometry:
    return Geometry.from_dict({"name": "g", "fastest": fastest, "layers": list(layers)})


def one_shower(cells: dict[int, float], where: Geometry, energy: float = 1.0) -> Showers:
    energies = np.zeros((1, where.n_voxels), np.float32)
    for i, value in cells.items():
        energies[0, i] = value
    return Showers(energies, {"energy": np.array([energy], np.float32)}, where)


def named(showers: Showers) -> dict[str, float]:
    return {o.name: float(o.values[0]) for o in observables(showers) if not o.of_cells}


def test_a_shower_of_two_cells() -> None:
    # Cells 1 and 4 lie at x = -5 and 5, y = 0; the cylinder's cell 0 has a quarter of a turn.
    found = named(one_shower({1: 300.0, 4: 100.0, 6: 100.0}, geometry(CARTESIAN, CYLINDRICAL), 2.0))
    assert found["response"] == pytest.approx(0.25)
    assert found["energy_over_incident[a]"] == pytest.approx(0.2)
    assert found["energy_over_visible[a]"] == pytest.approx(0.8)
    assert found["centre_x[a]"] == pytest.approx(-2.5, abs=1e-4)
    assert found["centre_y[a]"] == pytest.approx(0, abs=1e-4)
    assert found["width_x[a]"] == pytest.approx(np.sqrt(25 - 6.25), rel=1e-4)
    assert found["centre_x[b]"] == pytest.approx(2.5 * np.cos(np.pi / 4), rel=1e-4)
    assert found["n_cells"] == 3
    assert found["sparsity"] == pytest.approx(1 - 3 / 14)
    assert found["sparsity[a]"] == pytest.approx(1 - 2 / 6)


def test_a_layer_without_energy_has_no_centre_but_a_sparsity() -> None:
    found = named(one_shower({1: 3.0}, geometry(CARTESIAN, CYLINDRICAL)))
    assert np.isnan(found["centre_x[b]"]) and np.isnan(found["width_r[b]"])
    assert found["sparsity[b]"] == 1 and found["energy_over_incident[b]"] == 0
    nothing = named(one_shower({}, geometry(CARTESIAN, CYLINDRICAL)))
    assert np.isnan(nothing["energy_over_visible[a]"]) and nothing["response"] == 0


def test_a_single_layer_has_every_group_and_no_fraction_of_itself() -> None:
    found = observables(one_shower({1: 3.0}, geometry(CYLINDRICAL)))
    assert {o.group for o in found} == set(GROUPS)
    assert "energy_over_visible[b]" not in {o.name for o in found}
    assert {o.layer for o in found} == {None, 0}


def test_fractions_add_up_to_the_response(showers: Showers) -> None:
    np.testing.assert_allclose(layer_fractions(showers).sum(axis=1), response(showers), rtol=1e-6)


@pytest.mark.parametrize("fastest", ["first", "last"])
@pytest.mark.parametrize("layer", [CARTESIAN, CYLINDRICAL])
def test_projections_know_the_order_of_voxels(layer: dict[str, object], fastest: str) -> None:
    where = geometry(layer, fastest=fastest)
    shape = where.layers[0].shape
    grid = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    flat = grid.T.ravel() if fastest == "first" else grid.ravel()
    np.testing.assert_array_equal(flat[where.grids[0]], grid)
    first, second = projections(where)
    np.testing.assert_array_equal(flat @ first.matrix, grid.sum(axis=1))
    np.testing.assert_array_equal(flat @ second.matrix, grid.sum(axis=0))
    assert (first.axis, second.axis) == (("x", "y") if layer is CARTESIAN else ("r", "alpha"))
    assert second.unit == ("mm" if layer is CARTESIAN else "rad")


def test_an_axis_of_one_cell_has_no_projection() -> None:
    ring = {**CYLINDRICAL, "alpha_edges": [0, 2 * np.pi]}
    assert [p.axis for p in projections(geometry(ring))] == ["r"]
