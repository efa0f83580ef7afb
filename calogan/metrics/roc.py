"""What a classifier's scores tell: AUC, ROC curve, Jensen-Shannon divergence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from calogan.metrics.statistics import UNKNOWN, Floats, Value, combine, mean


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
