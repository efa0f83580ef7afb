"""Fidelity metrics: arrays in, value and uncertainty out, each citing its source.

Nothing here knows of files, geometries or networks. An observable's histogram is kept as one row
of counts per shower, `shower_counts`, because showers and not entries are what is independent:
all uncertainties come from resampling whole showers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Half = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Positions of two halves of a sample, row by row alike in their conditions."""
Halves = Sequence[Half]


class Value(NamedTuple):
    """A number and its standard uncertainty; NaN where there is too little to tell."""

    value: float
    uncertainty: float

    def __str__(self) -> str:
        """As "0.9987 ± 0.0012": two digits of the uncertainty, and the value's to match."""
        if not np.isfinite(self.value):
            return "unknown"
        if not (np.isfinite(self.uncertainty) and self.uncertainty > 0):
            return f"{self.value:.4g}"
        decimals = max(0, 1 - int(np.floor(np.log10(self.uncertainty))))
        return f"{self.value:.{decimals}f} ± {self.uncertainty:.{decimals}f}"

    def to_dict(self) -> dict[str, float | None]:
        """`{"value", "uncertainty"}` for JSON, which has no NaN: None stands for it."""
        return {name: float(x) if np.isfinite(x) else None for name, x in self._asdict().items()}


UNKNOWN = Value(float("nan"), float("nan"))


# ---------------------------------------------------------------------- response and resolution


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


# ------------------------------------------------------------------------------------ histograms


def reference_edges(
    values: ArrayLike, n_bins: int = 40, spacing: float | None = None, log: bool = False
) -> Floats:
    """Even bins over the central 99.6 % of the reference; the rest goes to the flow bins.

    Parameters
    ----------
    values : reference, (n,); NaN is left out
    n_bins : number of bins, at most, if `spacing` is given
    spacing : distance between the possible values of a discrete observable; each bin then covers
        the same whole number of them
    log : bins even in the logarithm, over what lies above 0; 0 is then in the underflow
    """
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known) & ((known > 0) if log else True)]
    if log and known.size:
        return np.asarray(np.exp(reference_edges(np.log(known), n_bins)), np.float64)
    if known.size == 0:
        return np.linspace(0.0, 1.0, 2)
    low, high = np.quantile(known, [0.002, 0.998])
    if spacing is not None:
        first, last = np.round(low / spacing), np.round(high / spacing)
        step = max(1, int(np.ceil((last - first + 1) / n_bins)))
        n = max(1, int(np.ceil((last - first + 1) / step)))
        return np.asarray((first - 0.5 + step * np.arange(n + 1)) * spacing, np.float64)
    if not high > low:
        half = 0.5 * max(abs(low), 1.0) * 1e-3
        return np.array([low - half, low + half])
    # The last edge is exclusive, so a maximum that many showers share must not sit on it.
    margin = 0.5 * (high - low) / n_bins
    if low >= 0:
        return np.linspace(max(low - margin, 0.0), high + margin, n_bins + 1)
    return np.linspace(low - margin, high + margin, n_bins + 1)


def is_long_tailed(values: ArrayLike) -> bool:
    """Whether positive values spread so far that even bins would hold most of them in one."""
    known = np.asarray(values, np.float64)
    known = known[known > 0]
    if known.size == 0:
        return False
    middle, high = np.quantile(known, [0.5, 0.998])
    return bool(high > 10 * middle)


def shower_counts(values: ArrayLike, edges: ArrayLike) -> NDArray[np.float32]:
    """Histogram of each shower, (n, n_bins + 3), from one value (n,) per shower.

    Columns: underflow, the bins, overflow, and undefined (NaN: a centre without energy), so that
    every shower has exactly one entry.
    """
    values, edges = np.asarray(values, np.float64), np.asarray(edges, np.float64)
    column = np.searchsorted(edges, values, side="right")
    column[np.isnan(values)] = len(edges) + 1
    counts = np.zeros((len(values), len(edges) + 2), np.float32)
    counts[np.arange(len(values)), column] = 1
    return counts


def entry_counts(entries: ArrayLike, edges: ArrayLike) -> NDArray[np.float32]:
    """As `shower_counts` for many values per shower, (n, k), as cell energies; 0 is no entry."""
    entries, edges = np.asarray(entries), np.asarray(edges, np.float64)
    rows, cells = np.nonzero(entries)
    n, columns = len(entries), len(edges) + 2
    column = np.searchsorted(edges, entries[rows, cells], side="right")
    flat = np.bincount(rows * columns + column, minlength=n * columns)
    return flat.reshape(n, columns).astype(np.float32)


def separation_power(p: ArrayLike, q: ArrayLike) -> Any:
    """½ Σ (p - q)² / (p + q) of two histograms, each normalised first; 0 is equal, 1 is disjoint.

    Works on the last axis: (..., n_bins). An empty histogram has nothing in common with another:
    1. Source: ⟨S²⟩ of TMVA, arXiv:physics/0703039, 3.1.3; CaloChallenge, arXiv:2410.21611.
    """
    first, second = np.asarray(p, np.float64), np.asarray(q, np.float64)
    filled = (first.sum(-1) > 0) & (second.sum(-1) > 0)
    first, second = _shares(first), _shares(second)
    total = first + second
    power = 0.5 * ((first - second) ** 2 / np.where(total > 0, total, 1)).sum(-1)
    return np.where(filled, power, 1.0)


def _shares(counts: Any) -> Any:
    """Histograms (..., n_bins) normalised to 1; an empty one stays empty."""
    total = counts.sum(-1, keepdims=True)
    return counts / np.where(total > 0, total, 1)


def separation(
    reference: NDArray[np.float32],
    generated: NDArray[np.float32],
    rng: np.random.Generator,
    resamples: int = 100,
) -> Value:
    """Separation power of two samples of per-shower counts, both (n, n_bins), paired by row.

    The uncertainty comes from Poisson-bootstrap replicas, in which every pair of showers of equal
    conditions has one weight, drawn from Poisson(1) (Hanley and MacGibbon, Comput. Methods
    Programs Biomed. 83 (2006) 57). The value is as measured: for equal distributions it is not 0
    but about (filled bins - 1) / (2 n), see `separation_floor`.
    """
    p, q = (counts.sum(0, dtype=np.float64) for counts in (reference, generated))
    weights = rng.poisson(1.0, size=(resamples, len(reference))).astype(np.float32)
    p_new, q_new = weights @ reference, weights @ generated
    variance = np.var(separation_power(p_new, q_new), ddof=1)
    # A replica adds its noise to that of the sample it is drawn from. For a power, quadratic in
    # the difference, that makes 3 V of the part V of the variance that noise alone brings; V is
    # seen where the sample's own difference is taken away.
    total = _shares(p_new) + _shares(q_new)
    noise = _shares(p_new) - _shares(q_new) - (_shares(p) - _shares(q))
    alone = np.var(0.5 * (noise**2 / np.where(total > 0, total, 1)).sum(-1), ddof=1)
    return Value(float(separation_power(p, q)), float(np.sqrt(max(variance - 2 * alone, alone))))


def matched_halves(conditions: Sequence[ArrayLike], rng: np.random.Generator) -> Half:
    """Two disjoint halves of a sample, (n // 2,) positions each, paired by like conditions.

    Row i of one half is a neighbour in the conditions (each (n,)) of row i of the other, and
    chance says which of the two is in which half. So the halves differ as two samples made at
    the same conditions differ, and no more.
    """
    columns = [np.asarray(c, np.float64) for c in conditions]
    n = len(columns[0])
    # Sorted in the first condition, cut into slabs, sorted in the next within a slab, and so on.
    n_slabs = max(1, round((n / 2) ** (1 / len(columns))))
    slab = np.zeros(n, np.intp)
    order = np.arange(n)
    for column in columns:
        # Chance breaks ties, so that constant conditions are paired at random.
        order = np.lexsort((rng.random(n), column, slab))
        rank = np.empty(n, np.intp)
        rank[order] = np.arange(n)
        size = np.bincount(slab)
        start = np.concatenate([[0], np.cumsum(size)[:-1]])
        inside = rank - start[slab]
        slab = np.unique(slab * n_slabs + inside * n_slabs // size[slab], return_inverse=True)[
            1
        ].astype(np.intp)
    pairs = order[: n - n % 2].reshape(-1, 2)
    swap = rng.random(len(pairs)) < 0.5
    first = np.where(swap, pairs[:, 1], pairs[:, 0])
    second = np.where(swap, pairs[:, 0], pairs[:, 1])
    return first, second


def over_splits(found: Sequence[float]) -> Value:
    """Mean and standard deviation over splits of a sample; unknown where one split is."""
    if len(found) < 2:
        return UNKNOWN
    return Value(float(np.mean(found)), float(np.std(found, ddof=1)))


def separation_floor(
    reference: NDArray[np.float32],
    halves: Halves,
) -> Value:
    """Separation power to expect of a perfect generator: the reference against itself.

    Mean and standard deviation over splits of the reference, (n, n_bins), into matched halves.
    Counting noise adds (filled bins - 1) / 4 * (1/n1 + 1/n2) to a separation power; halves of
    n / 2 showers therefore give twice the value of two samples of n, and both mean and
    deviation are halved here.
    """
    return over_splits(
        [0.5 * float(separation_power(reference[a].sum(0), reference[b].sum(0))) for a, b in halves]
    )


def correlation_floor(reference: ArrayLike, halves: Halves) -> Value:
    """`correlation_distance` to expect of a perfect generator, from matched halves of (n, k).

    Noise falls as 1 / sqrt(n), so both mean and deviation of the halves are divided by sqrt(2).
    """
    x = np.asarray(reference, np.float64)
    found = [_rms_off_diagonal(correlation(x[a])[0] - correlation(x[b])[0]) for a, b in halves]
    return over_splits([float(f / np.sqrt(2)) for f in found])


def chi2(reference: ArrayLike, generated: ArrayLike) -> tuple[float, int]:
    """Σ (p - q)² / (p + q) of the entries of two equally large samples, and its degrees of freedom.

    Bins that are empty in both are left out; one degree goes to the common number of entries.
    For equal distributions the expectation is the degrees of freedom, however few the entries
    (N. Gagunashvili, arXiv:physics/0605123). Histograms (n_bins,) of entries, not weighted.
    """
    p, q = np.asarray(reference, np.float64), np.asarray(generated, np.float64)
    filled = p + q > 0
    return float(((p - q)[filled] ** 2 / (p + q)[filled]).sum()), int(filled.sum()) - 1


def reduced_chi2(found: float, ndf: int) -> Value:
    """χ² / NDF, with the error of a non-central χ²: sqrt(2 NDF + 4 max(χ² - NDF, 0)) / NDF."""
    if ndf < 1:
        return UNKNOWN
    return Value(found / ndf, float(np.sqrt(2 * ndf + 4 * max(found - ndf, 0.0)) / ndf))


# ------------------------------------------------------------------------------------ classifiers


def auc(scores_reference: ArrayLike, scores_generated: ArrayLike) -> Value:
    """Area under the ROC curve, P(score of reference > score of generated), ties counted half.

    Error by DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837, from mid-ranks as in
    Sun and Xu, IEEE Signal Process. Lett. 21 (2014) 1389. Scores (n,) and (m,).
    """
    x, y = np.asarray(scores_reference, np.float64), np.asarray(scores_generated, np.float64)
    m, n = len(x), len(y)
    if m < 2 or n < 2:
        return UNKNOWN
    ranks = _midranks(np.concatenate([x, y]))
    area = (ranks[:m].sum() - m * (m + 1) / 2) / (m * n)
    v_x = (ranks[:m] - _midranks(x)) / n
    v_y = 1 - (ranks[m:] - _midranks(y)) / m
    return Value(float(area), float(np.sqrt(v_x.var(ddof=1) / m + v_y.var(ddof=1) / n)))


def _midranks(x: Floats) -> Floats:
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)


def combine(parts: Sequence[Value]) -> Value:
    """Mean over trainings on disjoint test parts.

    The error adds, in quadrature, the test parts' own errors and the spread over trainings, both
    over the root of their number.
    """
    values = np.array([p.value for p in parts])
    k = len(parts)
    error = float(np.sqrt(np.mean([p.uncertainty**2 for p in parts]) / k))
    if k > 1:
        error = float(np.hypot(error, values.std(ddof=1) / np.sqrt(k)))
    return Value(float(values.mean()), error)


def combine_aucs(parts: Sequence[Value]) -> Value:
    """Mean AUC over trainings on disjoint test parts, in the convention 0.5 to 1.

    It is the mean that is reflected about 0.5, not the parts: reflecting those would lift an AUC
    of 0.5.
    """
    area, error = combine(parts)
    return Value(max(area, 1 - area), error)


def jensen_shannon(probabilities: ArrayLike, is_reference: ArrayLike) -> Value:
    """Jensen-Shannon divergence of the classes that a calibrated classifier sees, in bits.

    1 - H / ln 2 with H the mean cross entropy over test showers (n,): 0 for equal samples, 1 for
    disjoint ones, exact for the best classifier, and else too small; below 0 by chance or for one
    that is worse than none. Error: the mean's. Source: CaloChallenge, arXiv:2410.21611.
    """
    p = np.asarray(probabilities, np.float64)
    entropy = -np.log(np.where(np.asarray(is_reference) > 0.5, p, 1 - p)) / np.log(2)
    found = mean(entropy)
    return Value(1 - found.value, found.uncertainty)


def roc_curve(scores_reference: ArrayLike, scores_generated: ArrayLike) -> tuple[Floats, Floats]:
    """Fractions of generated and of reference showers above a falling cut, 201 points each."""
    x, y = np.sort(np.asarray(scores_reference)), np.sort(np.asarray(scores_generated))
    cuts = np.quantile(np.concatenate([x, y]), np.linspace(1, 0, 199))
    above_x = 1 - np.searchsorted(x, cuts, side="left") / len(x)
    above_y = 1 - np.searchsorted(y, cuts, side="left") / len(y)
    false_rate = np.concatenate([[0.0], above_y, [1.0]])
    true_rate = np.concatenate([[0.0], above_x, [1.0]])
    return false_rate, true_rate
