"""What a generator is conditioned on: each quantity's unit, trained range and scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.errors import CaloganError


@dataclass(frozen=True, slots=True)
class Condition:
    """One conditioning quantity, and how a network sees it.

    The network is fed `(variable + offset) * scale`, which maps [low, high] to [-1, 1]; the
    variable is the natural logarithm of the value if `scale` is "log", else the value.
    """

    name: str
    """As in the data: "energy", "theta", ..."""
    unit: str
    """GeV for the incident energy, rad for angles."""
    low: float
    """Lower end of the trained range, in `unit`."""
    high: float
    """Upper end of the trained range, in `unit`."""
    scale: Literal["log", "linear"] = "linear"

    def __post_init__(self) -> None:
        if self.scale not in ("log", "linear"):
            raise CaloganError(
                f"condition '{self.name}': scale is {self.scale!r}, expected 'log' or 'linear'"
            )
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise CaloganError(
                f"condition '{self.name}': range is {self.low:g}..{self.high:g} {self.unit}, "
                "expected low < high"
            )
        if self.scale == "log" and self.low <= 0:
            raise CaloganError(
                f"condition '{self.name}': low is {self.low:g}, but a log scale needs more than 0"
            )

    @property
    def variable(self) -> str:
        """Name of the network's input variable."""
        return f"log_{self.name}" if self.scale == "log" else self.name

    def to_variable(self, values: ArrayLike) -> NDArray[np.float64]:
        values = np.asarray(values, dtype=np.float64)
        return np.log(values) if self.scale == "log" else values

    def from_variable(self, variable: ArrayLike) -> NDArray[np.float64]:
        variable = np.asarray(variable, dtype=np.float64)
        return np.exp(variable) if self.scale == "log" else variable

    @property
    def offset_and_scale(self) -> tuple[float, float]:
        """The offset and scale of lwtnn's input variable: network input = (v + offset) * scale."""
        low, high = self.to_variable([self.low, self.high])
        return float(-0.5 * (low + high)), float(2.0 / (high - low))

    def normalise(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values in `unit` to the network's input, [-1, 1] inside the trained range."""
        offset, scale = self.offset_and_scale
        return (self.to_variable(values) + offset) * scale

    def covers(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Whether each value is finite and in the trained range.

        A part in 10⁴ of slack is left for values that were rounded to float32.
        """
        values = np.asarray(values, dtype=np.float64)
        sound = np.isfinite(values) & ((values > 0) if self.scale == "log" else True)
        inside = np.zeros(values.shape, np.bool_)
        inside[sound] = np.abs(self.normalise(values[sound])) <= 1 + 1e-4
        return inside

    def check(self, values: ArrayLike, allow_extrapolation: bool = False) -> None:
        """Raise CaloganError for values that are not finite or outside the trained range."""
        values = np.asarray(values, dtype=np.float64)
        bad = ~np.isfinite(values) | ((values <= 0) if self.scale == "log" else False)
        if bad.any():
            raise CaloganError(
                f"condition '{self.name}' is {values[bad].flat[0]} for {int(bad.sum())} of "
                f"{values.size} showers, expected finite values"
                + (" above 0" if self.scale == "log" else "")
            )
        if allow_extrapolation:
            return
        outside = ~self.covers(values)
        if outside.any():
            ends = (f"{values[outside].min():g}", f"{values[outside].max():g}")
            span = ends[0] if ends[0] == ends[1] else "..".join(ends)
            raise CaloganError(
                f"generator takes {self.name} {self.low:g}..{self.high:g} {self.unit}, was asked "
                f"for {span} {self.unit}; pass allow_extrapolation=True "
                "(--allow-extrapolation) to try"
            )

    def draw(
        self, low: float, high: float, n: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw n values between low and high, evenly on the condition's scale."""
        first, last = self.to_variable([low, high])
        return self.from_variable(rng.uniform(first, last, size=n))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> Condition:
        try:
            return Condition(**fields)
        except TypeError as error:
            raise CaloganError(f"condition {dict(fields)}: {error}") from error


def condition_columns(
    conditions: Sequence[Condition],
    given: Mapping[str, ArrayLike],
    generator: str,
    allow_extrapolation: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """What a generator was asked for: name to values (n,), each of the `conditions` among them.

    `given` has values (n,) or one for all; `generator` is what errors call it. Raises CaloganError
    if a condition is missing, unknown, not finite, or outside the trained range.
    """
    columns = broadcast_columns([c.name for c in conditions], given, generator)
    for condition in conditions:
        condition.check(columns[condition.name], allow_extrapolation)
    return columns


def broadcast_columns(
    names: Sequence[str], given: Mapping[str, ArrayLike], generator: str
) -> dict[str, NDArray[np.float64]]:
    """The same without a look at the ranges of the conditions `names`."""
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise CaloganError(f"{generator} knows no conditions {unknown}; it takes {[*names]}")
    _check_complete(names, given)
    values = {}
    for name, value in given.items():
        try:
            values[name] = np.atleast_1d(np.asarray(value, np.float64))
        except (TypeError, ValueError) as error:
            raise CaloganError(f"condition '{name}' is {value!r}, expected numbers") from error
    try:
        shape = np.broadcast_shapes(*(v.shape for v in values.values()))
    except ValueError:
        shape = (0, 0)
    if len(shape) != 1:
        raise CaloganError(
            f"conditions have lengths { {k: v.shape for k, v in values.items()} }, "
            "expected one length"
        )
    if shape == (0,):
        raise CaloganError("the conditions are empty: no shower was asked for")
    return {name: np.broadcast_to(v, shape) for name, v in values.items()}


def network_input(
    conditions: Sequence[Condition], values: Mapping[str, ArrayLike]
) -> NDArray[np.float32]:
    """Normalised condition columns, (n, n_conditions), in the order of `conditions`.

    Raises CaloganError if a condition is missing from `values`.
    """
    _check_complete([c.name for c in conditions], values)
    return np.stack([c.normalise(values[c.name]) for c in conditions], axis=-1).astype(np.float32)


def _check_complete(names: Sequence[str], values: Mapping[str, ArrayLike]) -> None:
    missing = [name for name in names if name not in values]
    if missing:
        raise CaloganError(
            f"conditions {missing} are missing; found {sorted(values)}, "
            f"the generator needs {[*names]}"
        )


def condition_basis(conditions: Any, xp: ModuleType, degree: int = 3) -> Any:
    """Polynomials of the conditions up to a total degree, the constant first; (n, n_basis).

    Products of Legendre polynomials, orthonormal for conditions that are uniform in [-1, 1].
    """
    n = conditions.shape[1]
    powers = [_legendre(conditions[:, i : i + 1], degree, xp) for i in range(n)]
    columns = []
    # Each column takes `degree` factors from the conditions and the number 1.
    for factors in reversed([*combinations_with_replacement(range(n + 1), degree)]):
        column = xp.ones_like(powers[0][0])
        for i in set(factors) - {n}:
            column = column * powers[i][factors.count(i)]
        columns.append(column)
    return xp.concatenate(columns, axis=1)


def _legendre(x: Any, degree: int, xp: ModuleType) -> list[Any]:
    """Of degree 0 to `degree`, with variance 1 on [-1, 1]; in the shape of x."""
    found = [xp.ones_like(x), x]
    for k in range(1, degree):
        found.append(((2 * k + 1) * x * found[k] - k * found[k - 1]) / (k + 1))
    return [float(np.sqrt(2 * k + 1)) * p for k, p in enumerate(found[: degree + 1])]


def spread_by_condition(
    values: NDArray[Any], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean, and logarithm of the standard deviation, of values as polynomials of the conditions.

    Parameters
    ----------
    values : (n, k)
    basis : `condition_basis` at each entry's conditions, (n, n_basis)

    Returns
    -------
    Coefficients of both, (n_basis, k).
    """
    mean = np.linalg.lstsq(basis, values, rcond=None)[0]
    residual = values - basis @ mean
    size = np.maximum(np.abs(residual), 1e-4 * np.abs(residual).max(axis=0) + 1e-6)
    log_spread = np.linalg.lstsq(basis, np.log(size), rcond=None)[0]
    unit = (residual / np.exp(basis @ log_spread)).std(axis=0)
    log_spread[0] += np.log(np.maximum(unit, 1e-6))
    return mean, log_spread
