"""Adversarial losses and regularisers, on TensorFlow tensors; each names its source.

A loss takes the critic's scores of real and of generated showers, (n, k) with one column per
critic head, and returns the critic's and the generator's loss, scalars: the mean over showers of
the sum over heads. Scores are logits, without bounds. Losses that train the critic as a classifier
take the labels it is to give as well: numbers, or (n, 1) if they differ from shower to shower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops


def minimax(
    real_scores: Any, fake_scores: Any, real_labels: Any = 1.0, fake_labels: Any = 0.0
) -> tuple[Any, Any]:
    """The original game, whose stake is the critic's cross entropy.

    With D = sigmoid(score) the critic maximises log D(real) + log(1 - D(fake)), the generator
    minimises log(1 - D(fake)), which hardly moves while the critic is sure.
    Goodfellow et al., arXiv:1406.2661, equation 1.
    """
    critic = _cross_entropy(real_scores, real_labels) + _cross_entropy(fake_scores, fake_labels)
    return critic, _mean(-ops.softplus(fake_scores))


def non_saturating(
    real_scores: Any, fake_scores: Any, real_labels: Any = 1.0, fake_labels: Any = 0.0
) -> tuple[Any, Any]:
    """As `minimax`, but the generator maximises log D(fake), which moves it from the start.

    Goodfellow et al., arXiv:1406.2661, section 3.
    """
    critic, _ = minimax(real_scores, fake_scores, real_labels, fake_labels)
    return critic, _mean(ops.softplus(-fake_scores))


def least_squares(
    real_scores: Any, fake_scores: Any, real_labels: Any = 1.0, fake_labels: Any = 0.0
) -> tuple[Any, Any]:
    """Squared distance of the scores to their labels; the generator wants the score 1.

    Mao et al., arXiv:1611.04076, equation 9.
    """
    critic = _mean(ops.square(real_scores - real_labels)) + _mean(
        ops.square(fake_scores - fake_labels)
    )
    return 0.5 * critic, 0.5 * _mean(ops.square(fake_scores - 1.0))


def hinge(real_scores: Any, fake_scores: Any) -> tuple[Any, Any]:
    """The critic is content with scores over 1 of real and under -1 of generated showers.

    Lim and Ye, arXiv:1705.02894; Miyato et al., arXiv:1802.05957, equations 16 and 17.
    """
    critic = _mean(ops.relu(1.0 - real_scores)) + _mean(ops.relu(1.0 + fake_scores))
    return critic, _mean(-fake_scores)


def wasserstein(real_scores: Any, fake_scores: Any) -> tuple[Any, Any]:
    """Difference of mean scores: the earth mover's distance, if the critic's slope is bounded.

    Arjovsky, Chintala, Bottou, arXiv:1701.07875; the bound is `one_centred_penalty`'s to set.
    """
    return _mean(fake_scores) - _mean(real_scores), _mean(-fake_scores)


def relativistic_pairing(real_scores: Any, fake_scores: Any) -> tuple[Any, Any]:
    """Each real shower against the generated one at the same place in the batch.

    The critic minimises softplus(fake - real), the generator softplus(real - fake).
    Jolicoeur-Martineau, arXiv:1807.00734; Huang et al. (R3GAN), arXiv:2501.05441.
    """
    gap = real_scores - fake_scores
    return _mean(ops.softplus(-gap)), _mean(ops.softplus(gap))


LOSSES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "relativistic": relativistic_pairing,
    "minimax": minimax,
    "non_saturating": non_saturating,
    "least_squares": least_squares,
    "hinge": hinge,
    "wasserstein": wasserstein,
}
"""By the card's `[training] loss`."""


def noisy_labels(smoothing: float, flipping: float, uniform: Any) -> tuple[Any, Any]:
    """Labels of real and of generated showers for the critic, (n, 1) each.

    Smoothing is one-sided: the label of real showers is 1 - smoothing, that of generated ones
    stays 0 (Salimans et al., arXiv:1606.03498, section 3.4). Flipping gives a shower the other
    label with the given probability, as if the sample were mislabelled, so that the critic can
    never be sure (Chintala, Denton, Arjovsky, Mathieu, "How to train a GAN?", NIPS 2016, tip 6).

    Parameters
    ----------
    uniform : (2, n, 1), random numbers in [0, 1): of the real and of the generated showers
    """
    real, fake = 1.0 - smoothing, 0.0
    return (
        ops.where(uniform[0] < flipping, fake, real),
        ops.where(uniform[1] < flipping, real, fake),
    )


def instance_noise(views: Sequence[Any], spread: Any, normal: Sequence[Any]) -> list[Any]:
    """What the critic sees, blurred: real and generated showers then overlap from the start.

    The caller lets the spread fall to zero over the training. Sønderby et al., arXiv:1610.04490,
    section 2.4; Arjovsky and Bottou, arXiv:1701.04862, section 3.

    Parameters
    ----------
    views : inputs of the critic, (n, ...) each
    spread : standard deviation of the noise
    normal : standard normal numbers in the shapes of the views
    """
    return [view + spread * noise for view, noise in zip(views, normal, strict=True)]


def zero_centred_penalty(gradients: Sequence[Any]) -> Any:
    """Mean squared norm of the critic's gradient in its inputs: R1 on real, R2 on generated.

    Mescheder et al., arXiv:1801.04406 (they halve it, as the caller does).

    Parameters
    ----------
    gradients : for each input of the critic its gradient, (n, ...)
    """
    return _mean(_squared_norm(gradients))


def one_centred_penalty(gradients: Sequence[Any]) -> Any:
    """Mean squared distance to 1 of the norm of the critic's gradient: for `wasserstein`.

    Taken between real and generated showers (`between`). The heads' scores are summed before, for
    it is their sum whose slope the earth mover's distance bounds by 1.
    Gulrajani et al., arXiv:1704.00028, equation 3.

    Parameters
    ----------
    gradients : for each input of the critic its gradient, (n, ...)
    """
    # The root has no finite gradient at zero.
    norm = ops.sqrt(_squared_norm(gradients) + 1e-12)
    return _mean(ops.square(norm - 1.0))


def between(real: Sequence[Any], fake: Sequence[Any], uniform: Any) -> list[Any]:
    """Points on the lines from generated to real showers, for `one_centred_penalty`.

    Gulrajani et al., arXiv:1704.00028, algorithm 1.

    Parameters
    ----------
    real, fake : inputs of the critic, (n, k) each
    uniform : (n, 1), where on the line, 0 for generated, 1 for real
    """
    return [f + uniform * (r - f) for r, f in zip(real, fake, strict=True)]


def spectral_normalization(kernel: Any, direction: Any) -> tuple[Any, Any]:
    """A kernel divided by its largest singular value, so that its layer stretches no vector.

    The singular value is followed by one step of power iteration a call; the gradient goes
    through it. Miyato et al., arXiv:1802.05957, algorithm 1 and equation 8.

    Parameters
    ----------
    kernel : (..., n_out); of convolutions all but the last axis are joined, as in the paper
    direction : (n_out,), the last call's singular vector; at first any random one

    Returns
    -------
    The normalised kernel, and the direction to go on with.
    """
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    fixed = ops.stop_gradient(matrix)
    left = _unit(ops.matmul(fixed, direction))
    right = _unit(ops.matmul(left, fixed))
    largest = ops.sum(left * ops.matmul(matrix, right))
    return kernel / ops.maximum(largest, 1e-12), right


def _cross_entropy(scores: Any, labels: Any) -> Any:
    """Of logits: softplus(s) is -log(1 - sigmoid(s)), and softplus(s) - s is -log sigmoid(s)."""
    return _mean(ops.softplus(scores) - labels * scores)


def _mean(values: Any) -> Any:
    """The mean over showers (n, k) of the sum over heads."""
    return ops.sum(values) / ops.cast(ops.shape(values)[0], values.dtype)


def _squared_norm(gradients: Sequence[Any]) -> Any:
    """Of each shower's gradient in all inputs together, (n, 1)."""
    total: Any = 0.0
    for gradient in gradients:
        n = ops.shape(gradient)[0]
        squares = ops.square(ops.reshape(gradient, (n, -1)))
        total = total + ops.sum(squares, axis=1, keepdims=True)
    return total


def _unit(vector: Any) -> Any:
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), 1e-12)
