"""Distributions of single numbers of a shower, matched at all conditions.

A critic judges a shower as a whole. That the median of one cell among hundreds is a quarter too
high at some angle, or the response a tenth too wide, moves its score hardly; a few thousand showers
show it. So functions of each number (its value, its square, soft steps) are averaged over real and
over generated showers, as polynomials of the conditions, and the generator is moved to make the
averages equal: generative moment matching (Li, Swersky, Zemel, arXiv:1502.02761) with features of
single numbers, or a critic that is linear in these features and always at its optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from calogan.conditions import condition_basis
from calogan.features import soft_step

DEGREE = 4
"""Of the polynomials of the conditions."""
DECAY = 0.98
"""Of the running averages, for each update: of one batch they would be noise."""
CLIP = 5.0
"""Standardised numbers are cut here: the square of a rare one would outweigh all others."""
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Of standardised numbers."""
STEP_SHARPNESS = 4.0
CELL_STEPS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Of cell energies, in units of the readout threshold: lone particles leave these."""


class Marginals(tf.Module):  # type: ignore[misc]
    """Follows the gap between generated and real averages of functions, at all conditions."""

    def __init__(self, n_functions: int, n_conditions: int) -> None:
        super().__init__()
        n_basis = condition_basis(np.zeros((1, n_conditions)), np, DEGREE).shape[1]
        self.gap = tf.Variable(tf.zeros((n_basis, n_functions)), trainable=False)
        # Of the running average's weights, so far; they sum to 1 after many batches only.
        self.seen = tf.Variable(0.0, trainable=False)

    def mismatch(self, generated: Any, real: Any, inputs: Any) -> Any:
        """Squared gap, summed over functions and polynomials; scalar.

        One factor of the square is the running average, through which no gradient goes: that of a
        batch alone is mostly noise, and its square has a gradient even for a perfect generator.

        Parameters
        ----------
        generated, real : functions of showers at equal conditions, (n, n_functions) each
        inputs : their conditions as the network sees them, (n, n_conditions)
        """
        basis = ops.transpose(condition_basis(inputs, ops, DEGREE))
        gap = ops.matmul(basis, generated - real) / generated.shape[0]
        self.seen.assign(DECAY * self.seen + (1 - DECAY))
        self.gap.assign(DECAY * self.gap + (1 - DECAY) * tf.stop_gradient(gap))
        return ops.sum(gap * tf.stop_gradient(self.gap / self.seen))


def powers(standardised: Any) -> Any:
    """First and second power, (n, 2k), of standardised numbers (n, k)."""
    cut = ops.clip(standardised, -CLIP, CLIP)
    return ops.concatenate([cut, ops.square(cut)], axis=1)


def steps(numbers: Any, at: Sequence[float], sharpness: float) -> Any:
    """Soft steps from 0 to 1 of numbers (n, k); (n, k times the number of steps)."""
    found = [ops.sigmoid(sharpness * (numbers - float(position))) for position in at]
    return ops.concatenate(found, axis=1)


def distribution(standardised: Any) -> Any:
    """What tells the distribution of standardised numbers (n, k): powers and steps, (n, 9k)."""
    return ops.concatenate(
        [powers(standardised), steps(standardised, STEPS, STEP_SHARPNESS)], axis=1
    )


def cell_distribution(standardised: Any, energies: Any, lowest: float) -> Any:
    """The same of cells, (n, 7 n_voxels): powers, and steps where lone particles are.

    Parameters
    ----------
    standardised : voxels as the critic sees them, (n, n_voxels)
    energies : (n, n_voxels), MeV
    lowest : MeV; the readout threshold
    """
    lit = [soft_step(energies, lowest * step, ops) for step in CELL_STEPS]
    return ops.concatenate([powers(standardised), *lit], axis=1)
