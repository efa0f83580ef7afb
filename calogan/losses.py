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
