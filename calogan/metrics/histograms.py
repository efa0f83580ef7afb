"""Histograms of showers, their separation power and χ².

A histogram is kept as one row of counts per shower (`shower_counts`), because showers and not
entries are independent: uncertainties come from resampling whole showers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.metrics.halves import Halves, over_splits
from calogan.metrics.statistics import UNKNOWN, Floats, Value


def reference_edges(
    values: ArrayLike, n_bins: int = 40, spacing: float | None = None, log: bool = False
) -> Floats:
    """Even bins over the central 99.6 % of the reference; the rest is under- or overflow.

    Parameters
    ----------
    values : reference, (n,); NaN is left out
    n_bins : number of bins; with `spacing`, the largest number
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
    # A replica's noise comes on top of that of the sample it is drawn from. Separation power is
    # quadratic in the difference, so the part V of its variance that is due to noise alone appears
    # as 3 V. V is that of the replicas with the sample's own difference taken away.
    total = _shares(p_new) + _shares(q_new)
    noise = _shares(p_new) - _shares(q_new) - (_shares(p) - _shares(q))
    alone = np.var(0.5 * (noise**2 / np.where(total > 0, total, 1)).sum(-1), ddof=1)
    return Value(float(separation_power(p, q)), float(np.sqrt(max(variance - 2 * alone, alone))))


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
