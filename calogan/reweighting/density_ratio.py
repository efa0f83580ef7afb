"""The ratio of two densities from samples of both, by a calibrated classifier.

A classifier trained on equal numbers of both gives p / (p + q) for each point, so p / q follows
(Cranmer, Pavez and Louppe, arXiv:1506.02169; for simulations, DCTR: Andreassen and Nachman,
arXiv:1907.08209). Arrays in, arrays out; `refiner` knows of showers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calogan.errors import CaloganError
from calogan.metrics import roc, statistics
from calogan.metrics.statistics import Floats, Value

if TYPE_CHECKING:
    import keras

SLOPE = 0.01
"""Of the LeakyReLU below 0."""
PARTS = (0.70, 0.05, 0.15)
"""Shares of the points that train, stop the training, and calibrate; the rest checks."""
MIN_POINTS = 400
"""Fewer points of the reference leave too few to calibrate with."""
Layers = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]


@dataclass(frozen=True, slots=True)
class RatioSettings:
    """Classifier networks: dense layers with LeakyReLU and dropout, AdamW with cosine decay."""

    members: int = 3
    """Networks from different starting values, whose scores are averaged."""
    width: int = 256
    depth: int = 3
    dropout: float = 0.1
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 512
    epochs: int = 15


DEFAULT = RatioSettings()


@dataclass(frozen=True, slots=True, eq=False)
class DensityRatio:
    """p / q as a function of x: networks, evaluated in NumPy, and their calibration."""

    centre: NDArray[np.float32]
    """(k,): what is subtracted from the inputs."""
    spread: NDArray[np.float32]
    """(k,): what they are then divided by."""
    members: tuple[Layers, ...]
    """Of each network, kernel (n_in, n_out) and bias (n_out,) of every layer."""
    knots: tuple[Floats, Floats]
    """Calibration: increasing scores, and log(p / q) there; linear between, constant beyond."""

    def scores(self, x: NDArray[np.float32]) -> Floats:
        """Mean of the networks' logits, (n,), of points (n, k)."""
        scaled = (x - self.centre) / self.spread
        total = np.zeros(len(x))
        for layers in self.members:
            hidden = scaled
            for i, (kernel, bias) in enumerate(layers):
                hidden = hidden @ kernel + bias
                if i + 1 < len(layers):
                    hidden = np.maximum(hidden, SLOPE * hidden)
            total += hidden[:, 0]
        return total / len(self.members)

    def ratios(self, x: NDArray[np.float32]) -> Floats:
        """p / q, (n,), of points (n, k)."""
        return np.exp(np.interp(self.scores(x), *self.knots))


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Calibration on points that had no part in the fit, in bins of the prediction."""

    predicted: Floats
    """Mean predicted p / (p + q) of each bin."""
    observed: Floats
    """Fraction of the reference in each bin, both samples given the same weight."""
    uncertainty: Floats
    """Of `observed`; NaN for bins with points of one sample only."""
    auc: Value
    """How well the classifier tells the samples apart."""

    @property
    def deviation(self) -> float:
        """Root mean square of observed - predicted in standard errors, of bins with both."""
        pulls = (self.observed - self.predicted) / self.uncertainty
        pulls = pulls[np.isfinite(pulls)]
        return float(np.sqrt((pulls**2).mean())) if len(pulls) else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A density ratio, and what is known of it."""

    ratio: DensityRatio
    reliability: Reliability
    check: NDArray[np.intp]
    """Positions of the points that neither training nor calibration has seen."""
    entropies: tuple[Value, Value]
    """Binary cross-entropy in nats of the training part and of the checking part: a gap between
    them is what the networks know by heart."""


def fit_density_ratio(
    reference: NDArray[np.float32],
    generated: NDArray[np.float32],
    seed: int,
    settings: RatioSettings = DEFAULT,
    progress: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Learn p / q from points of both.

    Parameters
    ----------
    reference : (n, k), drawn from p
    generated : (copies, n, k), drawn from q; those at [:, i] belong to the reference point i (same
        conditions), and go into the same part of the data
    seed : of parts, starting values and batches
    progress : called with a few words before each network

    Raises
    ------
    CaloganError : for fewer than `MIN_POINTS` points, or ones that are not finite
    """
    n, n_inputs = reference.shape
    copies = len(generated)
    if n < MIN_POINTS:
        raise CaloganError(f"{n} reference points are too few, expected {MIN_POINTS} or more")
    if not (np.isfinite(reference).all() and np.isfinite(generated).all()):
        raise CaloganError("the classifier's inputs are not all finite; look at both samples")
    order = np.random.default_rng(seed).permutation(n)
    train, stop, calibrate, check = np.split(order, (np.cumsum(PARTS) * n).astype(int))

    def both(part: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        x = np.concatenate([reference[part], generated[:, part].reshape(-1, n_inputs)])
        return x, np.repeat(np.array([1, 0], np.float32), [len(part), copies * len(part)])

    x, y = both(train)
    centre = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = x.std(axis=0, dtype=np.float64).astype(np.float32)
    # What differs in its last digits only is constant, and its rounding errors are no input.
    spread = np.where(spread > 1e-5 * (np.abs(centre) + 1e-3), spread, np.float32(1))
    x_stop, y_stop = both(stop)
    members = []
    for i in range(settings.members):
        progress(f"network {i + 1} of {settings.members}")
        fitted = _fit_network(
            (x - centre) / spread, y, (x_stop - centre) / spread, y_stop, settings, [seed, i]
        )
        members.append(fitted)
    raw = DensityRatio(centre, spread, tuple(members), (np.array([-1.0, 1]), np.array([-1.0, 1])))
    x_calibrate, y_calibrate = both(calibrate)
    knots = _calibrate(raw.scores(x_calibrate), y_calibrate, copies)
    ratio = DensityRatio(centre, spread, raw.members, knots)
    x_check, y_check = both(check)
    found = (ratio.ratios(x), y), (ratio.ratios(x_check), y_check)
    return Fit(
        ratio,
        reliability(found[1][0], y_check, copies),
        check,
        (_cross_entropy(*found[0]), _cross_entropy(*found[1])),
    )


def _weights(y: NDArray[np.float32], copies: int) -> Floats:
    """Both samples weigh the same."""
    return np.where(y > 0.5, 1.0, 1.0 / copies)


def _calibrate(scores: Floats, y: NDArray[np.float32], copies: int) -> tuple[Floats, Floats]:
    """Isotonic regression (Zadrozny and Elkan, KDD 2002) of the class on the score.

    A block of points of one sample alone would have ratio 0 or infinity; such are held to what
    the number of points can tell.
    """
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression().fit(scores, y, _weights(y, copies))
    least = 1.0 / (y.sum() + 2.0)
    chance = np.clip(np.asarray(model.y_thresholds_, np.float64), least, 1 - least)
    return np.asarray(model.X_thresholds_, np.float64), np.log(chance / (1 - chance))


def reliability(
    ratios: Floats, y: NDArray[np.float32], copies: int, n_bins: int = 10
) -> Reliability:
    """Predicted against observed probability, in bins with equal numbers of points.

    Parameters
    ----------
    ratios : p / q as predicted, (n,)
    y : 1 for points of the reference, 0 for generated ones, (n,)
    copies : generated points for each of the reference
    """
    chance = ratios / (1 + ratios)
    edges = np.unique(np.quantile(chance, np.linspace(0, 1, n_bins + 1)[1:-1]))
    index = np.searchsorted(edges, chance, side="right")
    weights = _weights(y, copies)
    n = len(edges) + 1
    total = np.bincount(index, weights, n)
    filled = total > 0
    total = total[filled]
    observed = np.bincount(index, weights * y, n)[filled] / total
    with np.errstate(divide="ignore", invalid="ignore"):
        counts = [np.bincount(index[y == k], minlength=n)[filled] for k in (0, 1)]
        error = observed * (1 - observed) * np.sqrt(1 / counts[0] + 1 / counts[1])
    return Reliability(
        np.bincount(index, weights * chance, n)[filled] / total,
        observed,
        np.where(error > 0, error, np.nan),
        roc.auc(ratios[y == 1], ratios[y == 0]),
    )


def _cross_entropy(ratios: Floats, y: NDArray[np.float32]) -> Value:
    """Of both samples weighing the same."""
    parts = statistics.mean(np.log1p(1 / ratios[y == 1])), statistics.mean(np.log1p(ratios[y == 0]))
    return Value(
        0.5 * (parts[0].value + parts[1].value),
        0.5 * float(np.hypot(parts[0].uncertainty, parts[1].uncertainty)),
    )


def _fit_network(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    x_stop: NDArray[np.float32],
    y_stop: NDArray[np.float32],
    settings: RatioSettings,
    seed: list[int],
) -> Layers:
    """One network; the weights of the epoch with the least cross-entropy on `x_stop` are kept.

    The same seed gives the same network on the same machine.
    """
    rng = np.random.default_rng(seed)
    batch = min(settings.batch_size, len(x))
    steps = len(x) // batch
    model = _build(settings, x.shape[1], steps * settings.epochs, rng)
    copies = float((y == 0).sum() / (y == 1).sum())
    weights = _weights(y, 1) * np.where(y > 0.5, copies, 1.0)  # mean near 1, for the step's size
    weights = (weights / weights.mean()).astype(np.float32)
    least, best = np.inf, model.get_weights()
    for _ in range(settings.epochs):
        order = rng.permutation(len(x))
        for start in range(0, steps * batch, batch):
            rows = order[start : start + batch]
            model.train_on_batch(x[rows], y[rows, None], sample_weight=weights[rows])
        entropy = _cross_entropy(np.exp(np.asarray(model(x_stop))[:, 0], dtype=np.float64), y_stop)
        if entropy.value < least:
            least, best = entropy.value, model.get_weights()
    return tuple(zip(best[::2], best[1::2], strict=True))


def _build(
    settings: RatioSettings, n_inputs: int, steps: int, rng: np.random.Generator
) -> keras.Model:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    def seed() -> int:
        return int(rng.integers(2**31))

    layers: list[Any] = [keras.Input((n_inputs,))]
    for _ in range(settings.depth):
        start = keras.initializers.HeNormal(seed())
        layers += [
            keras.layers.Dense(settings.width, kernel_initializer=start),
            keras.layers.LeakyReLU(negative_slope=SLOPE),
            keras.layers.Dropout(settings.dropout, seed=seed()),
        ]
    last = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotNormal(seed()))
    model = keras.Sequential([*layers, last])
    decay = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, 0.01)
    model.compile(
        optimizer=keras.optimizers.AdamW(decay, weight_decay=settings.weight_decay),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return model
