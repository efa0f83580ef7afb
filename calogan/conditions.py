"""What a generator is conditioned on: quantities with a range, labels with a few values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement, product
from types import ModuleType
from typing import Any, Literal, TypeAlias

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

    @property
    def variables(self) -> tuple[str, ...]:
        """The same for conditions of any kind."""
        return (self.variable,)

    @property
    def span(self) -> str:
        """The trained range in words."""
        return f"{self.low:g}..{self.high:g} {self.unit}".rstrip()

    def words(self, value: float) -> str:
        """A value in words."""
        return f"{value:.3g} {self.unit}".rstrip()

    def to_values(self, given: ArrayLike) -> NDArray[np.float64]:
        """Values in `unit`, of numbers; raises CaloganError for what is none."""
        try:
            return np.asarray(given, np.float64)
        except (TypeError, ValueError) as error:
            raise CaloganError(f"condition '{self.name}' is {given!r}, expected numbers") from error

    def to_variable(self, values: ArrayLike) -> NDArray[np.float64]:
        values = np.asarray(values, dtype=np.float64)
        return np.log(values) if self.scale == "log" else values

    def to_variables(self, values: ArrayLike) -> NDArray[np.float64]:
        """The network's input variables before offset and scale, (..., 1)."""
        return self.to_variable(values)[..., None]

    def from_variable(self, variable: ArrayLike) -> NDArray[np.float64]:
        variable = np.asarray(variable, dtype=np.float64)
        return np.exp(variable) if self.scale == "log" else variable

    @property
    def offset_and_scale(self) -> tuple[float, float]:
        """The offset and scale of lwtnn's input variable: network input = (v + offset) * scale."""
        low, high = self.to_variable([self.low, self.high])
        return float(-0.5 * (low + high)), float(2.0 / (high - low))

    @property
    def offsets_and_scales(self) -> tuple[tuple[float, float], ...]:
        """Of all `variables`."""
        return (self.offset_and_scale,)

    def inputs(self, values: ArrayLike) -> NDArray[np.float64]:
        """The network's inputs, (..., 1)."""
        return self.normalise(values)[..., None]

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

    def anywhere(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw n values from the trained range."""
        return self.draw(self.low, self.high, n, rng)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> Condition:
        try:
            return Condition(**fields)
        except TypeError as error:
            raise CaloganError(f"condition {dict(fields)}: {error}") from error


LARGEST_LABEL = 2**24
"""Whole numbers up to this are what they are in single precision, in which stores keep them."""


@dataclass(frozen=True, slots=True)
class Label:
    """A condition that takes one of a few values, such as a particle's PDG code.

    The network is fed a number for each value: 1 for the shower's own and 0 for all others. There
    is nothing between values and nothing beyond them: others than those trained are always refused.
    """

    name: str
    """As in the data: "particle", ..."""
    values: tuple[int, ...]
    """As in the data, 2 or more."""
    names: tuple[str, ...]
    """What users may call them, and see: "e-" for 11."""

    def __post_init__(self) -> None:
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise CaloganError(
                f"condition '{self.name}': values are {list(self.values)}, expected two or more, "
                "each once"
            )
        if len(self.names) != len(self.values) or len(set(self.names)) < len(self.names):
            raise CaloganError(
                f"condition '{self.name}': names are {list(self.names)}, expected a different one "
                f"for each of {list(self.values)}"
            )
        large = [v for v in self.values if abs(v) > LARGEST_LABEL]
        if large:
            raise CaloganError(
                f"condition '{self.name}': value {large[0]} is larger than {LARGEST_LABEL}, which "
                "single precision does not hold exactly; number the values anew"
            )

    @property
    def _array(self) -> NDArray[np.float64]:
        return np.array(self.values, np.float64)

    @property
    def unit(self) -> str:
        return ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the network's input variables."""
        return tuple(f"{self.name}_{value}" for value in self.values)

    @property
    def span(self) -> str:
        """All values in words."""
        return ", ".join(map(self.words, self.values))

    def words(self, value: float) -> str:
        """A value in words: "e- (11)"."""
        found = [n for v, n in zip(self.values, self.names, strict=True) if v == value]
        name = found[0] if found else f"{value:g}"
        return name if name == f"{value:g}" else f"{name} ({value:g})"

    def to_values(self, given: ArrayLike) -> NDArray[np.float64]:
        """Values, of values and names; raises CaloganError for what is neither."""
        array = np.asarray(given)
        codes = {n: float(v) for v, n in zip(self.values, self.names, strict=True)}
        try:
            found = [codes[x] if x in codes else float(x) for x in array.ravel().tolist()]
        except (TypeError, ValueError) as error:
            raise CaloganError(
                f"condition '{self.name}' is {given!r}, expected among {self.span}"
            ) from error
        return np.array(found, np.float64).reshape(array.shape)

    def to_variables(self, values: ArrayLike) -> NDArray[np.float64]:
        """The network's input variables, (..., n_values), 1 where the value is; 0 elsewhere."""
        found: NDArray[np.bool_] = np.asarray(values)[..., None] == self._array
        return found.astype(np.float64)

    @property
    def offsets_and_scales(self) -> tuple[tuple[float, float], ...]:
        """Of all `variables`, as lwtnn takes them."""
        return ((0.0, 1.0),) * len(self.values)

    def inputs(self, values: ArrayLike) -> NDArray[np.float64]:
        """The network's inputs, (..., n_values)."""
        return self.to_variables(values)

    def covers(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Whether each is one of the values."""
        return np.isin(np.asarray(values), self.values)

    def check(self, values: ArrayLike, allow_extrapolation: bool = False) -> None:
        """Raise CaloganError for any other value, extrapolation or not."""
        values = np.asarray(values)
        other = values[~self.covers(values)]
        if other.size:
            raise CaloganError(
                f"generator takes {self.name} {self.span}, was asked for {other.flat[0]:g}; there "
                "is nothing between or beyond the values that it was trained on"
            )

    def anywhere(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw n of the values, each as likely."""
        drawn: NDArray[np.float64] = self._array[rng.integers(len(self.values), size=n)]
        return drawn

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "values": [*self.values], "names": [*self.names]}


AnyCondition: TypeAlias = Condition | Label


def condition_from_dict(fields: Mapping[str, Any]) -> AnyCondition:
    """From what `to_dict` of either kind gives."""
    if "values" not in fields:
        return Condition.from_dict(fields)
    try:
        values, names = (tuple(fields[key]) for key in ("values", "names"))
        return Label(str(fields["name"]), tuple(int(v) for v in values), tuple(map(str, names)))
    except (KeyError, TypeError, ValueError) as error:
        raise CaloganError(f"condition {dict(fields)}: {error!r}") from error


def labels_of(conditions: Sequence[AnyCondition]) -> dict[str, Label]:
    """Those that are labels, by name."""
    return {c.name: c for c in conditions if isinstance(c, Label)}


def energy_of(conditions: Sequence[AnyCondition]) -> Condition:
    """The incident energy among them."""
    return next(c for c in conditions if isinstance(c, Condition) and c.name == "energy")


def input_columns(conditions: Sequence[AnyCondition]) -> tuple[int, ...]:
    """How many of the network's inputs each condition has."""
    return tuple(len(c.variables) for c in conditions)


def condition_columns(
    conditions: Sequence[AnyCondition],
    given: Mapping[str, ArrayLike],
    generator: str,
    allow_extrapolation: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """What a generator was asked for: name to values (n,), each of the `conditions` among them.

    `given` has values (n,) or one for all, of labels their names too; `generator` is what errors
    call it. Raises CaloganError if a condition is missing, unknown, not finite, or outside the
    trained range.
    """
    labels = labels_of(conditions)
    numbers = {n: labels[n].to_values(v) if n in labels else v for n, v in given.items()}
    columns = broadcast_columns([c.name for c in conditions], numbers, generator)
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
    conditions: Sequence[AnyCondition], values: Mapping[str, ArrayLike]
) -> NDArray[np.float32]:
    """The conditions as the network sees them, (n, n_inputs), in the order of `conditions`.

    Raises CaloganError if a condition is missing from `values`.
    """
    _check_complete([c.name for c in conditions], values)
    inputs = [c.inputs(values[c.name]) for c in conditions]
    return np.concatenate(inputs, axis=-1).astype(np.float32)


def _check_complete(names: Sequence[str], values: Mapping[str, ArrayLike]) -> None:
    missing = [name for name in names if name not in values]
    if missing:
        raise CaloganError(
            f"conditions {missing} are missing; found {sorted(values)}, "
            f"the generator needs {[*names]}"
        )


def condition_basis(
    conditions: Any, xp: ModuleType, degree: int = 3, columns: Sequence[int] | None = None
) -> Any:
    """Polynomials of the conditions up to a total degree, the constant first; (n, n_basis).

    Products of Legendre polynomials, orthonormal for conditions that are uniform in [-1, 1]. Where
    there are labels, the same for each of their values (each combination, of several labels) apart,
    orthonormal if these are equally frequent.

    Parameters
    ----------
    conditions : as the network sees them, (n, n_inputs)
    columns : how many of the inputs each condition has; None: one
    """
    if columns is not None and max(columns) > 1:
        ends = np.cumsum(columns).tolist()
        ranges = [i for i, (k, end) in enumerate(zip(columns, ends, strict=True)) if k == 1]
        plain = [conditions[:, ends[i] - 1 : ends[i]] for i in ranges]
        smooth = condition_basis(xp.concatenate(plain, axis=1), xp, degree)
        labels = [range(e - k, e) for k, e in zip(columns, ends, strict=True) if k > 1]
        found = []
        for chosen in product(*labels):
            inside = xp.ones_like(conditions[:, :1])
            for column in chosen:
                inside = inside * conditions[:, column : column + 1]
            found.append(inside * smooth * float(np.sqrt(np.prod([len(x) for x in labels]))))
        return xp.concatenate(found, axis=1)
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
