"""Distributions of single numbers of a shower, matched at all conditions.

A critic judges a shower as a whole. That the median of one cell among hundreds is a quarter too
high at some angle, or the response a tenth too wide, hardly moves its score, but shows in averages
over a few thousand showers. So functions of each number (its value, its square, soft steps) are
averaged over real and over generated showers, as polynomials of the conditions, and the generator
learns to make the averages equal. This is generative moment matching (Li, Swersky, Zemel,
arXiv:1502.02761) with features of single numbers; or a critic that is linear in these features and
always at its optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from calogan.conditions import condition_basis
from calogan.features import SHARPNESS, log_energy, ring_sums, soft_step
from calogan.geometry import Geometry

DEGREE = 4
"""Of the polynomials of the conditions."""
DECAY = 0.98
"""Of the running averages, per update: averages over one batch would be mostly noise."""
CLIP = 5.0
"""Standardised numbers are cut here: the square of a rare one would outweigh all others."""
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Where soft steps are, in standard deviations from the mean."""
STEP_SHARPNESS = 4.0
CELL_STEPS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""The same for cell energies, in units of the readout threshold: what lone particles leave."""


class Marginals(tf.Module):  # type: ignore[misc]
    """Follows the gap between generated and real averages of functions, at all conditions."""

    def __init__(
        self, n_functions: int, n_conditions: int, columns: Sequence[int] | None = None
    ) -> None:
        """`columns` as those of `condition_basis`, for `n_conditions` inputs."""
        super().__init__()
        self._columns = columns
        n_basis = condition_basis(np.zeros((1, n_conditions)), np, DEGREE, columns).shape[1]
        self.gap = tf.Variable(tf.zeros((n_basis, n_functions)), trainable=False)
        # Sum of the running average's weights so far; near 1 only after many batches.
        self.seen = tf.Variable(0.0, trainable=False)

    def mismatch(self, generated: Any, real: Any, inputs: Any) -> Any:
        """Squared gap, summed over functions and polynomials; scalar.

        One factor of the square is the running average, through which no gradient goes: the gap of
        a batch alone is mostly noise, and its square has a gradient even for a perfect generator.

        Parameters
        ----------
        generated, real : functions of showers at equal conditions, (n, n_functions) each
        inputs : their conditions as the network sees them, (n, n_conditions)
        """
        basis = ops.transpose(condition_basis(inputs, ops, DEGREE, self._columns))
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
    lowest : MeV; the readout threshold, or what stands for it where there is none
    """
    at = [float(np.log(lowest * step)) for step in CELL_STEPS]
    lit = steps(log_energy(energies, ops), at, SHARPNESS)
    return ops.concatenate([powers(standardised), lit], axis=1)


LEAST_RING_SPREAD = 0.01
"""Of the number of lit cells of a ring: one of ten thousand showers lights a cell."""


@dataclass(frozen=True, eq=False)
class RingDistribution:
    """What tells the distribution of each ring's energy and of how many of its cells are lit.

    Each function in units of its spread over the training showers: so a gap counts as many standard
    errors in a ring that is hardly ever lit as in the core.
    """

    geometry: Geometry
    lowest: float
    """MeV; the readout threshold."""
    mean: NDArray[np.float32]
    """(n_functions,)."""
    spread: NDArray[np.float32]

    @staticmethod
    def fit(energies: NDArray[np.float32], geometry: Geometry, lowest: float) -> RingDistribution:
        """Measure means and spreads on training showers, (n, n_voxels) in MeV."""
        n = 7 * (int(geometry.rings[-1]) + 1)
        blank = RingDistribution(geometry, lowest, np.zeros(n, np.float32), np.ones(n, np.float32))
        raw = blank._raw(energies, np)
        spread = np.maximum(raw.std(axis=0), LEAST_RING_SPREAD)
        return RingDistribution(geometry, lowest, raw.mean(axis=0), spread)

    def __call__(self, energies: Any, xp: ModuleType) -> Any:
        """The functions, (n, 7 n_rings), of showers (n, n_voxels) in MeV."""
        standardised = (self._raw(energies, xp) - self.mean) / self.spread
        return xp.clip(standardised, -CLIP, CLIP)

    def _raw(self, energies: Any, xp: ModuleType) -> Any:
        sums = xp.log1p(ring_sums(energies, self.geometry, xp) * (3 / self.lowest))
        logarithms = log_energy(energies, xp)
        counts = [
            ring_sums(soft_step(logarithms, self.lowest * step, xp), self.geometry, xp)
            for step in CELL_STEPS
        ]
        return xp.concatenate([sums, xp.square(sums), *counts], axis=1)
