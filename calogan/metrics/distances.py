"""Distances between two samples of showers in many dimensions: FPD, KPD, precision and recall.

Arrays in, `Value`s out. The rows of both arrays may be paired by equal conditions, as those of an
evaluation are, or be independent; random batches take the same rows of both, so that what both owe
to common conditions is not taken for noise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from calogan.errors import CaloganError
from calogan.metrics.halves import Half
from calogan.metrics.statistics import Floats, Value, combine

FPD_LARGEST = 50_000
"""Showers in the largest batches; with fewer showers, all of them."""
FPD_SMALLEST_SHARE = 0.4
"""Of the largest batch in the smallest: 20 000 of 50 000."""
FPD_SIZES, FPD_BATCHES = 10, 20
KPD_LARGEST, KPD_BATCHES = 5_000, 10


class Neighbourhoods(NamedTuple):
    """How much of one sample lies in the other's neighbourhood; all 0 for disjoint samples."""

    precision: Value
    """Share of generated showers within the k-neighbour ball of some reference shower."""
    recall: Value
    """Share of reference showers within the ball of some generated one; low for lost modes."""
    density: Value
    """Mean number of reference balls that hold a generated shower, over k: a precision that is not
    lifted by outliers of the reference."""
    coverage: Value
    """Share of reference showers with a generated one in their ball."""


def scaled_to_reference(reference: ArrayLike, generated: ArrayLike) -> tuple[Floats, Floats]:
    """Both samples (n, d) over the largest |value| of each feature in the reference.

    A feature that is 0 throughout the reference is left as it is.
    """
    x, y = _pair(reference, generated)
    largest = np.abs(x).max(axis=0)
    largest[largest == 0] = 1
    return x / largest, y / largest


def standardised_by_reference(reference: ArrayLike, generated: ArrayLike) -> tuple[Floats, Floats]:
    """Both samples (n, d) minus the mean of the reference, over its standard deviation.

    A feature that does not vary in the reference is only shifted.
    """
    x, y = _pair(reference, generated)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1
    return (x - centre) / spread, (y - centre) / spread


def frechet_distance(reference: ArrayLike, generated: ArrayLike) -> float:
    """‖μ1 - μ2‖² + Tr(C1 + C2 - 2 (C1 C2)^½) of the means and covariances of samples (n, d).

    The squared 2-Wasserstein distance of two Gaussians (Dowson and Landau, J. Multivar. Anal. 12
    (1982) 450). The trace of the root is taken from the eigenvalues of C1^½ C2 C1^½, which are
    real also for features that depend on each other.
    """
    x, y = _pair(reference, generated)
    shift = x.mean(axis=0) - y.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(sample, rowvar=False)) for sample in (x, y))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ second @ root)
    # What is 0 comes out as rounding noise, and the root of that noise is no noise any more.
    product[product < len(product) * np.finfo(np.float64).eps * product.max()] = 0
    trace = np.trace(first) + np.trace(second) - 2 * np.sqrt(product).sum()
    return float(shift @ shift + trace)


def frechet_physics_distance(
    reference: ArrayLike, generated: ArrayLike, rng: np.random.Generator
) -> Value:
    """Fréchet distance of scaled features, extrapolated to infinite samples (FPD).

    As in Kansal et al., arXiv:2211.10295 (package jetnet): the distance of finite samples is too
    large by about c / N, so it is averaged over 20 batches of each of ten sizes N, evenly spaced in
    1 / N between 20 000 and 50 000, and a line in 1 / N gives the intercept. Here:

    - with n < 50 000 showers, sizes run from 0.4 n to n;
    - a batch holds no shower twice, for a batch drawn with replacement extrapolates to the distance
      of the two finite samples, not of what they are drawn from;
    - the intercept is not kept from falling below 0, which it does by chance for equal samples.

    Parameters
    ----------
    reference, generated : features, (n, d), n at least 10
    rng : draws the batches

    Returns
    -------
    Intercept; its uncertainty combines the fit's with the samples' own. The latter is the spread of
    batches of N of the n showers, divided by sqrt(n / N - 1) (delete-d jackknife, Shao and Wu, Ann.
    Statist. 17 (1989) 1176).
    """
    x, y = scaled_to_reference(reference, generated)
    n = len(x)
    largest = min(FPD_LARGEST, n)
    smallest = max(FPD_SMALLEST_SHARE * largest, 2)
    sizes = np.round(1 / np.linspace(1 / smallest, 1 / largest, FPD_SIZES)).astype(int)
    found = np.empty((FPD_SIZES, FPD_BATCHES))
    for i, size in enumerate(sizes):
        for k in range(FPD_BATCHES):
            rows = rng.choice(n, size, replace=False)
            found[i, k] = frechet_distance(x[rows], y[rows])
    intercept, fit_error = intercept_of_line(1 / sizes, found.mean(axis=1))
    parts = sizes < n
    own = found[parts].var(axis=1, ddof=1) / (n / sizes[parts] - 1)
    return Value(intercept, float(np.hypot(fit_error, np.sqrt(own.mean()))))


def intercept_of_line(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Intercept of the least-squares line through (n,) points, and its standard error."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    centred = x - x.mean()
    spread = (centred**2).sum()
    slope = (centred * y).sum() / spread
    intercept = y.mean() - slope * x.mean()
    variance = ((y - intercept - slope * x) ** 2).sum() / (len(x) - 2)
    return float(intercept), float(np.sqrt(variance * (1 / len(x) + x.mean() ** 2 / spread)))


def kernel_distance(reference: ArrayLike, generated: ArrayLike) -> float:
    """Squared maximum mean discrepancy of samples (n, d) for the kernel (x·y / d + 1)⁴, unbiased.

    The U-statistic of Gretton et al., J. Mach. Learn. Res. 13 (2012) 723, lemma 6: rows i ≠ j in
    all three terms, so that a pair of equal conditions is not compared with itself. It may be
    below 0.
    """
    x, y = _pair(reference, generated)
    n, d = x.shape

    def mean(first: Floats, second: Floats) -> float:
        kernel = first @ second.T / d
        kernel += 1
        kernel *= kernel
        kernel *= kernel
        return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def kernel_physics_distance(
    reference: ArrayLike, generated: ArrayLike, rng: np.random.Generator
) -> Value:
    """Kernel distance of scaled features (KPD): median over ten batches.

    As in Kansal et al., arXiv:2211.10295 (package jetnet), with batches of 5000 showers, or of
    n / 2 if n < 10 000, without repetition. The uncertainty is half the 16-84 % range of the
    batches: halves spread as much as the whole sample does (delete-d jackknife). In repeated
    samples it came out a third too small where reference and generated differ.

    Parameters
    ----------
    reference, generated : features, (n, d), n at least 10
    rng : draws the batches
    """
    x, y = scaled_to_reference(reference, generated)
    size = min(KPD_LARGEST, len(x) // 2)
    rows = [rng.choice(len(x), size, replace=False) for _ in range(KPD_BATCHES)]
    found = [kernel_distance(x[r], y[r]) for r in rows]
    low, middle, high = np.percentile(found, [16.275, 50, 83.725])
    return Value(float(middle), float((high - low) / 2))


def neighbourhoods(reference: ArrayLike, generated: ArrayLike, k: int = 5) -> Neighbourhoods:
    """Precision, recall, density and coverage of samples (n, d) by their k nearest neighbours.

    Each shower's ball reaches to its k-th neighbour in its own sample. Precision and recall:
    Kynkäänniemi et al., arXiv:1904.06991; density and coverage: Naeem et al., arXiv:2002.09797.
    Distances are Euclidean in the features as they are: scale them before. All four depend a
    little on n, so compare values of equal n only.

    Returns
    -------
    Means over showers with their standard errors; the density's allows for generated showers that
    share balls.

    Raises
    ------
    CaloganError : k showers or fewer
    """
    from sklearn.metrics import pairwise_distances
    from sklearn.neighbors import NearestNeighbors

    x, y = _pair(reference, generated)
    n = len(x)
    if n <= k:
        raise CaloganError(f"{n} showers have no {k} neighbours each, expected {k + 1} or more")
    # Threads that wait for each other on a busy machine cost ten times what they gain here.
    with threadpool_limits(limits=1):
        radius_x, radius_y = (
            NearestNeighbors(n_neighbors=k).fit(s).kneighbors()[0][:, -1] for s in (x, y)
        )
        balls_with = np.zeros(n)  # reference balls that hold each generated shower
        inside = np.zeros(n)  # generated showers in each reference ball
        recalled = np.zeros(n, np.bool_)
        step = max(1, 10_000_000 // n)
        for start in range(0, n, step):
            part = slice(start, start + step)
            distance = pairwise_distances(x[part], y)
            within = distance < radius_x[part, None]
            balls_with += within.sum(axis=0)
            inside[part] = within.sum(axis=1)
            recalled[part] = (distance < radius_y).any(axis=1)
    density = _share(balls_with / k)
    return Neighbourhoods(
        precision=_share(balls_with > 0),
        recall=_share(recalled),
        density=Value(
            density.value, float(np.hypot(density.uncertainty, _share(inside / k).uncertainty))
        ),
        coverage=_share(inside > 0),
    )


def neighbourhoods_between_halves(
    reference: ArrayLike, generated: ArrayLike, half: Half, k: int = 5
) -> Neighbourhoods:
    """`neighbourhoods` of each half of the reference with the generated showers of the other.

    Rows of both samples (n, d) are paired by equal conditions. The four depend on the number of
    showers, and the reference can be compared with itself only in halves; so generated showers are
    too, and the floor is what this gives for the reference in their place.

    Returns
    -------
    Means over the two directions.
    """
    x, y = np.asarray(reference), np.asarray(generated)
    a, b = half
    both = neighbourhoods(x[a], y[b], k), neighbourhoods(x[b], y[a], k)
    return Neighbourhoods(*(combine(pair) for pair in zip(*both, strict=True)))


def _share(values: NDArray[Any]) -> Value:
    return Value(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def _pair(reference: ArrayLike, generated: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(reference, np.float64), np.asarray(generated, np.float64)
    if x.ndim != 2 or x.shape != y.shape or len(x) < 2:
        raise CaloganError(
            f"reference has shape {x.shape}, generated {y.shape}, expected (n, d) of both, n of 2 "
            "or more"
        )
    return x, y
