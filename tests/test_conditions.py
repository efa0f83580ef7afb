from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calogan.conditions import (
    Condition,
    Label,
    condition_basis,
    condition_columns,
    condition_from_dict,
    input_columns,
    network_input,
    spread_by_condition,
)
from calogan.errors import CaloganError

ENERGY = Condition("energy", "GeV", 1.0, 50.0, "log")
THETA = Condition("theta", "rad", 0.0, 0.35)


def test_network_sees_minus_one_to_one() -> None:
    assert ENERGY.normalise([1, np.sqrt(50), 50]) == pytest.approx([-1, 0, 1])
    assert THETA.normalise([0, 0.175, 0.35]) == pytest.approx([-1, 0, 1])
    assert (ENERGY.variable, THETA.variable) == ("log_energy", "theta")


@given(st.floats(1.0, 50.0))
def test_offset_and_scale_are_lwtnns(value: float) -> None:
    """lwtnn feeds (variable + offset) * scale."""
    offset, scale = ENERGY.offset_and_scale
    assert (np.log(value) + offset) * scale == pytest.approx(float(ENERGY.normalise(value)))
    assert ENERGY.from_variable(ENERGY.to_variable(value)) == pytest.approx(value)
    assert abs(ENERGY.normalise(value)) <= 1 + 1e-9


def test_input_columns_follow_the_conditions() -> None:
    found = network_input([ENERGY, THETA], {"theta": [0, 0.35], "other": [1, 2], "energy": [50, 1]})
    assert found.tolist() == [[1, -1], [-1, 1]]
    assert found.dtype == np.float32
    with pytest.raises(
        CaloganError, match=r"conditions \['theta'\] are missing; found \['energy'\]"
    ):
        network_input([ENERGY, THETA], {"energy": [1.0]})


def test_check() -> None:
    ENERGY.check([1, 50, np.float32(1.0) * 0.99999])
    THETA.check(np.zeros(0))
    with pytest.raises(
        CaloganError, match=r"generator takes energy 1\.\.50 GeV, was asked for 120 GeV; pass allow"
    ):
        ENERGY.check([10, 120])
    with pytest.raises(CaloganError, match=r"was asked for 0\.1\.\.120 GeV"):
        ENERGY.check([0.1, 120])
    with pytest.raises(CaloganError, match=r"was asked for 120 GeV"):
        ENERGY.check([120, 10, 120])
    ENERGY.check([120], allow_extrapolation=True)
    with pytest.raises(
        CaloganError, match=r"is 0\.0 for 1 of 2 showers, expected finite values above 0"
    ):
        ENERGY.check([0, 2], allow_extrapolation=True)
    with pytest.raises(CaloganError, match="'theta' is nan for 1 of 2"):
        THETA.check([0, np.nan])


def test_draw() -> None:
    rng = np.random.default_rng(1)
    values = ENERGY.draw(1, 50, 2000, rng)
    assert values.min() >= 1 and values.max() <= 50
    assert np.median(values) == pytest.approx(np.sqrt(50), rel=0.1)
    assert THETA.draw(0.1, 0.2, 2000, rng).mean() == pytest.approx(0.15, rel=0.02)


def test_dict_round_trip() -> None:
    assert Condition.from_dict(json.loads(json.dumps(ENERGY.to_dict()))) == ENERGY
    with pytest.raises(CaloganError, match="unexpected keyword argument 'colour'"):
        Condition.from_dict({**ENERGY.to_dict(), "colour": 1})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"low": 3.0, "high": 3.0}, r"range is 3\.\.3 GeV, expected low < high"),
        ({"low": float("nan")}, "expected low < high"),
        ({"low": 0.0}, "a log scale needs more than 0"),
        ({"scale": "cubic"}, "scale is 'cubic', expected 'log' or 'linear'"),
    ],
)
def test_impossible_conditions(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        Condition(**{**ENERGY.to_dict(), **fields})


@pytest.mark.parametrize(("n_conditions", "degree", "n_basis"), [(1, 4, 5), (2, 3, 10), (3, 2, 10)])
def test_the_basis_is_orthonormal(n_conditions: int, degree: int, n_basis: int) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(6)
    grid = np.stack(np.meshgrid(*[nodes] * n_conditions), axis=-1).reshape(-1, n_conditions)
    measure = np.ones(1)
    for _ in range(n_conditions):
        measure = np.outer(measure, weights / 2).ravel()
    basis = condition_basis(grid, np, degree)
    assert basis.shape[1] == n_basis
    np.testing.assert_array_equal(basis[:, 0], 1)
    np.testing.assert_allclose(basis.T * measure @ basis, np.eye(n_basis), atol=1e-12)


def test_spreads_that_are_known_at_every_condition_are_found() -> None:
    """Of any shape: the second column is uniform, whose logarithms are spread otherwise."""
    rng = np.random.default_rng(1)
    n, grid = 50_000, np.linspace(-0.9, 0.9, 7)
    conditions = rng.uniform(-1, 1, (n, 2))
    shapes = np.stack(
        [rng.standard_normal(n), np.sqrt(3) * rng.uniform(-1, 1, n), np.zeros(n)], axis=1
    )

    def mean(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, 0] + x[:, 1] ** 2, -3 * x[:, 1], np.ones(len(x))], axis=1)

    def spread(x: np.ndarray) -> np.ndarray:
        slopes = [0.5 * x[:, 0], -x[:, 1], np.zeros(len(x))]
        return np.array([0.2, 5.0, 1.0]) * np.exp(np.stack(slopes, axis=1))

    values = mean(conditions) + spread(conditions) * shapes
    found = spread_by_condition(values, condition_basis(conditions, np))
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    means, logarithms = (condition_basis(points, np) @ coefficients for coefficients in found)
    assert np.abs((means - mean(points)) / spread(points)).max() < 0.05
    spreads = np.exp(logarithms)
    np.testing.assert_allclose(spreads[:, :2], spread(points)[:, :2], rtol=0.1)
    # A column that does not vary has next to no spread, but a finite logarithm of it.
    assert np.isfinite(logarithms).all() and spreads[:, 2].max() < 1e-6


PARTICLE = Label("particle", (11, -11, 22), ("e-", "e+", "gamma"))


def test_a_label_is_a_number_for_each_value() -> None:
    values = {"energy": [1, 50], "particle": [22, 11], "theta": [0, 0.35]}
    conditions = [ENERGY, PARTICLE, THETA]
    found = network_input(conditions, values)
    assert found.tolist() == [[-1, 0, 0, 1, -1], [1, 1, 0, 0, 1]]
    assert input_columns(conditions) == (1, 3, 1)
    assert PARTICLE.variables == ("particle_11", "particle_-11", "particle_22")
    assert PARTICLE.offsets_and_scales == ((0, 1),) * 3
    assert PARTICLE.span == "e- (11), e+ (-11), gamma (22)"


def test_values_of_labels_may_be_names() -> None:
    asked = {"energy": 10, "particle": ["e+", "gamma", "e-"]}
    found = condition_columns([ENERGY, PARTICLE], asked, "generator")
    assert found["particle"].tolist() == [-11, 22, 11]
    assert found["energy"].tolist() == [10, 10, 10]
    assert PARTICLE.to_values(["11", 22]).tolist() == [11, 22]
    with pytest.raises(CaloganError, match=r"'particle' is \['mu-'\], expected among e- \(11\), e"):
        PARTICLE.to_values(["mu-"])


@pytest.mark.parametrize("value", [13, 16.5, 0, np.nan])
@pytest.mark.parametrize("allowed", [False, True])
def test_there_is_nothing_between_labels(value: float, allowed: bool) -> None:
    PARTICLE.check([11, 22, -11], allowed)
    with pytest.raises(CaloganError, match=r"takes particle e- .* nothing between or beyond"):
        PARTICLE.check([11, value], allowed)


def test_labels_are_drawn_from_all_values() -> None:
    drawn = PARTICLE.anywhere(3000, np.random.default_rng(1))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [-11, 11, 22]
    assert counts.min() > 850


def test_labels_make_a_round_trip() -> None:
    fields = json.loads(json.dumps(PARTICLE.to_dict()))
    assert condition_from_dict(fields) == PARTICLE
    assert condition_from_dict(ENERGY.to_dict()) == ENERGY
    with pytest.raises(CaloganError, match="KeyError"):
        condition_from_dict({"name": "a", "values": [1, 2]})


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        ((11,), ("e-",), r"values are \[11\], expected two or more"),
        ((11, 11), ("e-", "e+"), "two or more, each once"),
        ((11, 22), ("e-", "e-"), "expected a different one for each"),
        ((11, 22), ("e-",), "expected a different one for each"),
        ((11, 1000020040), ("e-", "alpha"), "1000020040 is larger than 16777216"),
    ],
)
def test_impossible_labels(values: Any, names: Any, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        Label("particle", values, names)


def test_the_basis_is_one_for_each_label() -> None:
    """What is fitted for one value does not depend on showers of another."""
    rng = np.random.default_rng(3)
    conditions = [ENERGY, PARTICLE, THETA]
    values = {
        "energy": ENERGY.anywhere(6000, rng),
        "particle": PARTICLE.anywhere(6000, rng),
        "theta": THETA.anywhere(6000, rng),
    }
    inputs = network_input(conditions, values).astype(np.float64)
    columns = input_columns(conditions)
    basis = condition_basis(inputs, np, columns=columns)
    assert basis.shape == (6000, 3 * 10)
    np.testing.assert_allclose(basis.T @ basis / 6000, np.eye(30), atol=0.15)
    slope = np.select([values["particle"] == v for v in (11, -11)], [1.0, -2.0], 0.5)
    wanted = slope * inputs[:, 0] ** 3 + inputs[:, -1]
    found = basis @ np.linalg.lstsq(basis, wanted, rcond=None)[0]
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    plain = inputs[:, [0, 4]]
    np.testing.assert_array_equal(
        condition_basis(plain, np, columns=(1, 1)), condition_basis(plain, np)
    )
