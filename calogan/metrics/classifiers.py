"""Classifiers that try to tell generated showers from the reference.

The area under a classifier's ROC curve is the strictest single number for a generator: 0.5 if
the samples cannot be told apart (Krause and Shih, arXiv:2106.05285; CaloChallenge,
arXiv:2410.21611).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from calogan.features import high_level_features, log_voxel_features, voxel_features
from calogan.metrics import roc, statistics
from calogan.metrics.statistics import UNKNOWN, Value
from calogan.showers import Showers

if TYPE_CHECKING:
    import keras

N_PARTS = 5
"""Showers are cut into five parts: three train, one validates, one tests, in rotation."""
Rotation = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
Scores = NDArray[np.float64]
Train = Callable[
    [
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        int,
    ],
    tuple[Scores | None, Scores],
]


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Width, learning and stopping of the network; three hidden layers, LeakyReLU, Adam."""

    width: int
    learning_rate: float
    batch_size: int
    epochs: int
    patience: int
    """Epochs without a better validation accuracy after which training stops."""
    standardise: bool
    """Whether inputs are brought to mean 0 and deviation 1 first."""


FULL = NetworkSettings(2048, learning_rate=2e-4, batch_size=1000, epochs=50, patience=50,
                       standardise=False)  # fmt: skip
"""The CaloChallenge's (arXiv:2410.21611; `evaluate.py` of its repository, PyTorch's defaults)."""
QUICK = NetworkSettings(256, learning_rate=1e-3, batch_size=250, epochs=20, patience=5,
                        standardise=True)  # fmt: skip
"""Small, and sharper than FULL where there are only a few thousand showers to learn from."""


@dataclass(frozen=True, slots=True)
class ClassifierResult:
    """How well one classifier tells the samples apart."""

    name: str
    """trees_features, quick_features, quick_voxels; in full also features, voxels, trees_voxels."""
    label: str
    auc: Value
    """Mean over trainings; DeLong error of the test parts and spread over trainings combined."""
    trainings: tuple[Value, ...]
    """AUC of each training on its own test part, not reflected about 0.5, DeLong error."""
    roc: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Fraction of generated and of reference test showers above the cut; first training."""
    jsd: Value
    """Jensen-Shannon divergence in bits, from the calibrated scores; mean over trainings."""
    floor: Value | None = None
    """AUC of the same classifier between two halves of the reference."""
    jsd_floor: Value | None = None


def rotations(n: int, count: int, seed: int) -> list[Rotation]:
    """Train, validation and test positions (60, 20, 20 %) of n pairs for up to five trainings.

    The test parts of different trainings are disjoint. A generated shower goes where the reference
    shower of the same conditions goes: otherwise a network that learns conditions by
    heart would take a test shower for its partner's class, and the AUC of equal samples would
    fall below 0.5.
    """
    parts = np.array_split(np.random.default_rng(seed).permutation(n), N_PARTS)
    found = []
    for k in range(count):
        turned = [parts[(k + i) % N_PARTS] for i in range(N_PARTS)]
        found.append((np.concatenate(turned[2:]), turned[1], turned[0]))
    return found


def classify(
    name: str,
    label: str,
    reference: NDArray[np.float32],
    generated: NDArray[np.float32],
    train: Train,
    trainings: int,
    seed: int,
    floor: ClassifierResult | None = None,
) -> ClassifierResult:
    """Train a classifier `trainings` times and test each on showers it has not seen.

    Scores are calibrated before the AUC and the divergence are taken (see `calibrate`), as in the
    CaloChallenge. The AUC's error is taken from the scores before: calibrated ones have ties,
    or are even all equal, and no error can be told from those.

    Parameters
    ----------
    reference, generated : inputs (n, k), paired by row
    train : `train(x, y, x_validation, y_validation, x_test, seed)` gives the scores of validation
        and test showers; `train_network` or `train_trees`. One that learns from the validation
        showers too gives None for them: then nothing is calibrated, and no divergence known
    trainings : up to five, each with another fifth of the showers as test part
    floor : the same between two halves of the reference
    """
    areas, divergences, curves = [], [], []
    for k, parts in enumerate(rotations(len(reference), trainings, seed)):
        (x, y), (x_val, y_val), (x_test, y_test) = (
            (
                np.concatenate([reference[part], generated[part]]),
                np.repeat(np.array([1, 0], np.float32), len(part)),
            )
            for part in parts
        )
        validation, scores = train(x, y, x_val, y_val, x_test, seed + k)
        real = y_test == 1
        area = roc.auc(scores[real], scores[~real])
        if validation is not None:
            p = calibrate(validation, y_val, scores)
            area = Value(roc.auc(p[real], p[~real]).value, area.uncertainty)
            divergences.append(roc.jensen_shannon(p, y_test))
        areas.append(area)
        curves.append(roc.roc_curve(scores[real], scores[~real]))
    return ClassifierResult(
        name,
        label,
        auc=roc.combine_aucs(areas),
        trainings=tuple(areas),
        roc=curves[0],
        jsd=statistics.combine(divergences) if divergences else UNKNOWN,
        floor=None if floor is None else floor.auc,
        jsd_floor=None if floor is None else floor.jsd,
    )


def calibrate(scores: Scores, labels: NDArray[np.float32], new_scores: Scores) -> Scores:
    """Probabilities (m,) to be reference, 1e-6 from 0 and 1 at least, of new scores (m,).

    Isotonic regression of the labels (1 reference, 0 generated) of scores (n,) of showers that were
    not trained on (Zadrozny and Elkan, KDD 2002, 694), with the limits of the CaloChallenge.
    """
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(y_min=1e-6, y_max=1 - 1e-6, out_of_bounds="clip")
    return np.asarray(curve.fit(scores, labels).predict(new_scores), np.float64)


def compare_by_classifiers(
    reference: Showers,
    generated: Showers,
    halves: tuple[NDArray[np.intp], NDArray[np.intp]],
    mode: Literal["quick", "full"],
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[ClassifierResult, ...]:
    """AUC of networks and boosted trees, on features and on voxels, each with its floor.

    Parameters
    ----------
    reference, generated : n showers each, paired by row, threshold applied
    halves : positions of two matched halves of the reference; telling these apart is the floor
    mode : "quick", or "full" for the CaloChallenge's networks and trees on voxels as well
    progress : called with a few words before each classifier
    """
    quick = train_network(QUICK)

    def features(showers: Showers) -> NDArray[np.float32]:
        return high_level_features(showers)[0]

    Inputs = Callable[[Showers], NDArray[np.float32]]
    tasks: list[tuple[str, str, Train, Inputs]] = [
        ("trees_features", "boosted trees on features", train_trees, features),
        ("quick_features", "small network on features", quick, features),
        ("quick_voxels", "small network on voxels", quick, voxel_features),
    ]
    if mode == "full":
        full = train_network(FULL)
        tasks += [
            ("trees_voxels", "boosted trees on log voxels", train_trees, log_voxel_features),
            ("features", "CaloChallenge's, high-level", full, features),
            ("voxels", "CaloChallenge's, low-level", full, voxel_features),
        ]
    first, second = halves
    found = []
    for name, label, train, inputs in tasks:
        progress(f"classifier: {label}")
        x, y = inputs(reference), inputs(generated)
        floor = classify(name, label, x[first], x[second], train, 2, seed)
        found.append(classify(name, label, x, y, train, 2, seed, floor))
    return tuple(found)


def train_trees(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    x_validation: NDArray[np.float32],
    y_validation: NDArray[np.float32],
    x_test: NDArray[np.float32],
    seed: int,
) -> tuple[Scores, Scores]:
    """Scores of validation and test showers by gradient-boosted trees.

    Trees are added until the loss on a tenth of the training showers, set apart by scikit-learn, no
    longer falls; the validation showers serve the calibration only.
    """
    validation, scores = fit_trees(
        x,
        y,
        (x_validation, x_test),
        seed,
        max_iter=500,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=15,
    )
    return validation, scores


def fit_trees(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    judged: tuple[NDArray[np.float32], ...],
    seed: int,
    **settings: Any,
) -> tuple[Scores, ...]:
    """Scores of each set of showers in `judged`, by boosted trees of 15 leaves fitted to (x, y).

    `settings` are of scikit-learn's HistGradientBoostingClassifier.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        learning_rate=0.1, max_leaf_nodes=15, random_state=seed, **settings
    )
    # Threads that wait for each other on a busy machine cost ten times what they gain here.
    with threadpool_limits(limits=1):
        model.fit(x, y)
        return tuple(np.asarray(model.decision_function(part), np.float64) for part in judged)


def train_network(settings: NetworkSettings) -> Train:
    """A `Train` for the CaloChallenge's network: three hidden layers, LeakyReLU, Adam.

    The weights of the epoch with the best validation accuracy are kept. The same seed gives the
    same network on the same machine.
    """
    # Tracing and compiling takes longer than a small training, so it is done once for each number
    # of inputs; a training begins by setting all weights and the optimiser's state anew.
    compiled: dict[int, tuple[keras.Model, list[NDArray[Any]]]] = {}

    def train(
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        x_validation: NDArray[np.float32],
        y_validation: NDArray[np.float32],
        x_test: NDArray[np.float32],
        seed: int,
    ) -> tuple[Scores, Scores]:
        if settings.standardise:
            centre, spread = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
            spread = np.where(spread > 0, spread, 1.0)
            x, x_validation, x_test = (
                ((part - centre) / spread).astype(np.float32) for part in (x, x_validation, x_test)
            )
        n_inputs = x.shape[1]
        if n_inputs not in compiled:
            compiled[n_inputs] = _compile(settings, n_inputs)
        model, fresh_state = compiled[n_inputs]
        for variable, value in zip(model.optimizer.variables, fresh_state, strict=True):
            variable.assign(value)
        rng = np.random.default_rng(seed)
        model.set_weights(_initial([w.shape for w in model.get_weights()], rng))
        best, best_weights, waited = -1.0, model.get_weights(), 0
        for _ in range(settings.epochs):
            order = rng.permutation(len(x))
            for start in range(0, len(x), settings.batch_size):
                rows = order[start : start + settings.batch_size]
                model.train_on_batch(x[rows], y[rows, None])
            accuracy = float(((_scores(model, x_validation) > 0) == (y_validation > 0.5)).mean())
            if accuracy > best:
                best, best_weights, waited = accuracy, model.get_weights(), 0
            else:
                waited += 1
            if waited >= settings.patience or best == 1:
                break
        model.set_weights(best_weights)
        return _scores(model, x_validation), _scores(model, x_test)

    return train


def _compile(settings: NetworkSettings, n_inputs: int) -> tuple[keras.Model, list[NDArray[Any]]]:
    """The network, and its optimiser's state before the first step."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    layers: list[keras.layers.Layer] = [keras.Input((n_inputs,))]
    for _ in range(3):
        layers += [keras.layers.Dense(settings.width), keras.layers.LeakyReLU(negative_slope=0.01)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(
        # PyTorch's epsilon, which the CaloChallenge's code leaves as it is
        optimizer=keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    model.optimizer.build(model.trainable_variables)
    state = [np.array(keras.ops.convert_to_numpy(v)) for v in model.optimizer.variables]
    return model, state


def _initial(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Kernels and biases, in turn, uniform within 1 / sqrt(inputs): PyTorch's for linear layers."""
    found = []
    for kernel, bias in zip(shapes[::2], shapes[1::2], strict=True):
        limit = 1 / np.sqrt(kernel[0])
        found += [rng.uniform(-limit, limit, s).astype(np.float32) for s in (kernel, bias)]
    return found


def _scores(model: keras.Model, x: NDArray[np.float32]) -> Scores:
    """Logits (n,), evaluated in pieces that fit in memory."""
    pieces = [np.asarray(model(x[i : i + 4096])) for i in range(0, len(x), 4096)]
    return np.concatenate(pieces).astype(np.float64).ravel()
