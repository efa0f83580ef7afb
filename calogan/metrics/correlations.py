"""Correlations between features of showers, and how far two samples differ in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from calogan.metrics.halves import Halves, over_splits
from calogan.metrics.statistics import Floats, Value


def correlation(x: ArrayLike) -> tuple[Floats, Floats]:
    """Pearson correlation of the columns of (n, k) values and its standard error.

    Error (1 - ρ²) / sqrt(n - 1), the Gaussian one (H. Cramér 1946, 27.8). Both (k, k); a column
    that does not vary has correlation 0 with others.
    """
    x = np.asarray(x, np.float64)
    centred = x - x.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(norm > 0, norm, 1.0)
    rho = unit.T @ unit
    np.fill_diagonal(rho, 1.0)
    return rho, (1 - rho**2) / np.sqrt(max(len(x) - 1, 1))


def correlation_distance(
    reference: ArrayLike, generated: ArrayLike, rng: np.random.Generator, resamples: int = 100
) -> Value:
    """Root mean square difference of the correlations of all pairs of columns of (n, k) values.

    The error is the spread of Poisson-bootstrap replicas of the rows, which both samples share.
    Noise alone lifts the value above 0, as it does a separation power.
    """
    x, y = np.asarray(reference, np.float64), np.asarray(generated, np.float64)
    found = _rms_off_diagonal(correlation(x)[0] - correlation(y)[0])
    weights = rng.poisson(1.0, size=(resamples, len(x))).astype(np.float64)
    replicas = _rms_off_diagonal(
        _weighted_correlation(x, weights) - _weighted_correlation(y, weights)
    )
    return Value(float(found), float(np.std(replicas, ddof=1)))


def _weighted_correlation(x: Floats, weights: Floats) -> Floats:
    """Correlations of the columns of (n, k) values for each row of weights (m, n): (m, k, k)."""
    x = x - x.mean(axis=0)
    n, k = x.shape
    share = weights / weights.sum(axis=1, keepdims=True)
    means = share @ x
    products = (share @ (x[:, :, None] * x[:, None, :]).reshape(n, -1)).reshape(-1, k, k)
    covariance = products - means[:, :, None] * means[:, None, :]
    deviation = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0))
    scale = deviation[:, :, None] * deviation[:, None, :]
    return np.asarray(np.where(scale > 0, covariance / np.where(scale > 0, scale, 1), 0.0))


def _rms_off_diagonal(matrices: Floats) -> Floats:
    """Root mean square over i < j of matrices (..., k, k)."""
    rows, columns = np.triu_indices(matrices.shape[-1], 1)
    return np.asarray(np.sqrt((matrices[..., rows, columns] ** 2).mean(axis=-1)))


def correlation_floor(reference: ArrayLike, halves: Halves) -> Value:
    """`correlation_distance` to expect of a perfect generator, from matched halves of (n, k).

    Noise falls as 1 / sqrt(n), so both mean and deviation of the halves are divided by sqrt(2).
    """
    x = np.asarray(reference, np.float64)
    found = [_rms_off_diagonal(correlation(x[a])[0] - correlation(x[b])[0]) for a, b in halves]
    return over_splits([float(f / np.sqrt(2)) for f in found])
