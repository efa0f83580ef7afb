"""Adversarial losses and regularisers, on TensorFlow tensors; each names its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops


def relativistic_pairing(real_scores: Any, fake_scores: Any) -> tuple[Any, Any]:
    """Critic and generator loss of relativistic pairing GANs, scalars.

    Each real shower is compared with the generated one at the same place in the batch: the
    critic minimises softplus(fake - real), the generator softplus(real - fake).
    Jolicoeur-Martineau, arXiv:1807.00734; Huang et al. (R3GAN), arXiv:2501.05441.

    Parameters
    ----------
    real_scores, fake_scores : (n, k), one column per critic head; the heads' losses are summed
    """
    gap = real_scores - fake_scores
    n = ops.cast(ops.shape(gap)[0], gap.dtype)
    return ops.sum(ops.softplus(-gap)) / n, ops.sum(ops.softplus(gap)) / n


def gradient_penalty(gradients: Sequence[Any]) -> Any:
    """Mean squared norm of the critic's gradient in its inputs: R1 on real, R2 on generated.

    Mescheder et al., arXiv:1801.04406 (they halve it; so does the caller's factor).

    Parameters
    ----------
    gradients : for each input of the critic its gradient, (n, ...)
    """
    total: Any = 0.0
    for gradient in gradients:
        total = total + ops.sum(ops.square(gradient)) / ops.cast(ops.shape(gradient)[0], "float32")
    return total


def moment_mismatch(real: Any, fake: Any, basis: Any) -> Any:
    """How far means and mean squares of features differ, as functions of the conditions; scalar.

    An adversary hardly sees that a distribution is a tenth too wide; its second moment does. The
    differences of both moments are projected on functions of the conditions, and each projection
    is squared as the product of two independent halves of the batch, so that the expected value is
    that of infinite batches. Moment matching as in Li, Swersky, Zemel, arXiv:1502.02761.

    Parameters
    ----------
    real, fake : (n, k), standardised features of real and generated showers at equal conditions
    basis : (n, m), functions of the conditions
    """
    real, fake = ops.clip(real, -5.0, 5.0), ops.clip(fake, -5.0, 5.0)
    gap = ops.concatenate([fake - real, fake * fake - real * real], axis=1)
    half = gap.shape[0] // 2
    first, second = (
        ops.matmul(ops.transpose(basis[rows]), gap[rows]) / half
        for rows in (slice(0, half), slice(half, 2 * half))
    )
    return ops.sum(first * second)
