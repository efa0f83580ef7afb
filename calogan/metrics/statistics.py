"""Means, resolutions, ratios: arrays in, value and uncertainty out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Value(NamedTuple):
    """A number and its standard uncertainty; NaN where there is too little to tell."""

    value: float
    uncertainty: float

    def __str__(self) -> str:
        """As "0.9987 ± 0.0012": two digits of the uncertainty, and the value's to match."""
        if not np.isfinite(self.value):
            return "unknown"
        # Less than the rounding of double precision is no uncertainty.
        if not (np.isfinite(self.uncertainty) and self.uncertainty > 1e-15 * abs(self.value)):
            return f"{self.value:.4g}"
        decimals = max(0, 1 - int(np.floor(np.log10(self.uncertainty))))
        return f"{self.value:.{decimals}f} ± {self.uncertainty:.{decimals}f}"

    def to_dict(self) -> dict[str, float | None]:
        """`{"value", "uncertainty"}` for JSON, which has no NaN: None stands for it."""
        return {name: float(x) if np.isfinite(x) else None for name, x in self._asdict().items()}


UNKNOWN = Value(float("nan"), float("nan"))


def mean(x: ArrayLike) -> Value:
    """Mean of (n,) values and its standard error; unknown for fewer than two values."""
    x = np.asarray(x, np.float64)
    if x.size < 2:
        return UNKNOWN
    return Value(float(x.mean()), float(x.std(ddof=1) / np.sqrt(x.size)))


def resolution(x: ArrayLike) -> Value:
    """Relative resolution, standard deviation over mean, of (n,) values.

    The uncertainty is the large-sample one of a ratio of moments,
    var(s/m) = (s/m)² / n * [(μ4/s⁴ - 1) / 4 - (μ3/s³) (s/m) + (s/m)²],
    which holds for any distribution with a fourth moment (H. Cramér, Mathematical Methods of
    Statistics, 1946, 27.7); for a narrow Gaussian it is (s/m) / sqrt(2n). Unknown for fewer than
    five values or a mean that is not above 0.
    """
    x = np.asarray(x, np.float64)
    if x.size < 5 or not x.mean() > 0:
        return UNKNOWN
    centred = x - x.mean()
    s = x.std(ddof=1)
    if s == 0:
        return Value(0.0, 0.0)
    ratio = s / x.mean()
    skewness, kurtosis = (centred**3).mean() / s**3, (centred**4).mean() / s**4
    bracket = (kurtosis - 1) / 4 - skewness * ratio + ratio**2
    return Value(float(ratio), float(ratio * np.sqrt(max(bracket, 0.0) / x.size)))


def ratio(numerator: Value, denominator: Value) -> Value:
    """Quotient of two independent values, errors propagated to first order."""
    if not (np.isfinite([*numerator, *denominator]).all() and denominator.value != 0):
        return UNKNOWN
    quotient = numerator.value / denominator.value
    error = np.hypot(numerator.uncertainty, quotient * denominator.uncertainty)
    return Value(float(quotient), float(error / abs(denominator.value)))


def ratio_of_means(generated: ArrayLike, reference: ArrayLike) -> Value:
    """mean(generated) / mean(reference) of samples (n,) that are paired entry by entry.

    The error is that of the mean of generated - R reference, so what both samples owe to their
    common conditions cancels (ratio estimator, W. Cochran, Sampling Techniques, 1977, 2.11).
    """
    g, r = np.asarray(generated, np.float64), np.asarray(reference, np.float64)
    if g.size < 2 or r.mean() == 0:
        return UNKNOWN
    quotient = g.mean() / r.mean()
    return Value(float(quotient), mean(g - quotient * r).uncertainty / abs(float(r.mean())))


def difference_of_means(generated: ArrayLike, reference: ArrayLike) -> Value:
    """mean(generated - reference) of samples (n,) that are paired entry by entry."""
    return mean(np.asarray(generated, np.float64) - np.asarray(reference, np.float64))


def combine(parts: Sequence[Value]) -> Value:
    """Mean over disjoint parts of a sample, such as the test parts of several trainings.

    The error adds, in quadrature, the parts' own errors and the spread over them, both over the
    root of their number.
    """
    values = np.array([p.value for p in parts])
    k = len(parts)
    error = float(np.sqrt(np.mean([p.uncertainty**2 for p in parts]) / k))
    if k > 1:
        error = float(np.hypot(error, values.std(ddof=1) / np.sqrt(k)))
    return Value(float(values.mean()), error)
