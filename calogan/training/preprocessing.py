"""What the critic sees of a shower: voxels and features, standardised at its conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import condition_basis, spread_by_condition
from calogan.errors import CaloganError
from calogan.features import layer_sums, log_energy, shape_features, soft_step
from calogan.geometry import Geometry
from calogan.showers import Showers

LEAST_SPREAD = 1e-4
"""Of a feature; features are fractions, logarithms, numbers of cells, lengths in 100 mm."""
LEAST_VOXEL_SPREAD = 0.3
"""Of a voxel's logarithm at given conditions, over (nearly) the largest of any voxel: what is below
counts as this, so that cells that are hardly ever lit stay small."""
FIT_SHOWERS = 50_000
"""Showers enough to measure means and spreads."""
SPREAD_SHOWERS = 1000
"""Showers at whose conditions the largest spread of any voxel is looked for."""


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Maps voxel energies and network conditions to the critic's two inputs.

    `fit` measures, on the training showers, the mean and spread of every voxel and every feature
    as polynomials of the conditions. The critic then sees, say, the response in units of the
    resolution at that energy: an error of one standard deviation looks the same at 1 and at 50 GeV.
    """

    geometry: Geometry
    energy_floor: float
    """MeV; voxels enter as log(1 + E / floor)."""
    voxel_mean: NDArray[np.float32]
    """(n_basis, n_voxels): the means of these logarithms in the basis of the conditions."""
    voxel_variance: NDArray[np.float32]
    """(n_basis, n_voxels): their variances."""
    least_voxel_variance: float
    count_levels: NDArray[np.float32]
    """MeV, (n,): energies at which cells are counted, softly, per layer."""
    mean: NDArray[np.float32]
    """(n_basis, n_features): the features' means in the basis of the conditions."""
    log_spread: NDArray[np.float32]
    """(n_basis, n_features): the logarithm of their standard deviations."""
    shape_floor: float
    """MeV, as `[training] shape_floor`."""
    limit: float
    """Standard deviations beyond which features enter by their logarithm."""
    columns: Sequence[int] | None = None
    """As those of `condition_basis`."""

    @staticmethod
    def fit(
        showers: Showers,
        conditions: NDArray[np.float32],
        threshold: float,
        *,
        count_levels: int = 14,
        shape_floor: float = 0.0,
        limit: float | None = None,
        stand_ins: NDArray[np.intp] | None = None,
        columns: Sequence[int] | None = None,
    ) -> Preprocessing:
        """Measure the scales.

        Parameters
        ----------
        showers : the training showers
        conditions : (n, n_conditions), as the network sees them
        threshold : readout threshold in MeV, 0 for none
        count_levels : number of energies at which cells are counted
        shape_floor, limit : as `[training] shape_floor` and `feature_limit`
        stand_ins : as `TrainingData.stand_ins`; None: each voxel stands for itself
        columns : as those of `condition_basis`

        Raises
        ------
        CaloganError : no shower has any energy
        """
        rows = slice(None, None, 1 + len(showers) // FIT_SHOWERS)
        showers, conditions = showers.select(rows), conditions[rows]
        energies = showers.energies
        positive = energies[energies > 0]
        if not len(positive):
            raise CaloganError(
                "no training shower has any energy; look at the store with `calogan inspect`"
            )
        lowest = threshold or float(np.quantile(positive, 0.05))
        floor = lowest / 3
        levels = np.geomspace(lowest, np.quantile(positive, 0.99), count_levels)
        basis = condition_basis(conditions, np, columns=columns).astype(np.float64)
        voxel_mean, voxel_variance = (
            _variance_by_condition(np.log1p(energies / floor), basis)
            if showers.dead is None
            else _variance_of_living(np.log1p(energies / floor), basis, ~showers.dead)
        )
        if stand_ins is not None:
            voxel_mean, voxel_variance = voxel_mean[:, stand_ins], voxel_variance[:, stand_ins]
        variances = basis[:SPREAD_SHOWERS] @ voxel_variance
        blank = Preprocessing(
            showers.geometry,
            floor,
            voxel_mean,
            voxel_variance,
            max(LEAST_VOXEL_SPREAD**2 * float(np.quantile(variances, 0.99)), 1e-6),
            levels.astype(np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.float32),
            shape_floor,
            limit or np.inf,
            columns,
        )
        raw = blank._raw_features(energies, np.exp(_log_energy(showers)), np)
        mean, log_spread = spread_by_condition(raw, basis)
        return replace(
            blank, mean=mean.astype(np.float32), log_spread=log_spread.astype(np.float32)
        )

    @property
    def n_energy_features(self) -> int:
        """The features that come first: the response, and the energy of each layer."""
        return 1 + self.geometry.n_layers

    @property
    def n_features(self) -> int:
        return int(self.mean.shape[1])

    def voxels(self, energies: Any, conditions: Any, xp: ModuleType) -> Any:
        """Standardised voxels, (n, n_voxels); arguments as those of `features`."""
        basis = condition_basis(conditions, xp, columns=self.columns)
        scaled = xp.log1p(energies / self.energy_floor) - xp.matmul(basis, self.voxel_mean)
        variance = xp.matmul(basis, self.voxel_variance)
        return scaled / xp.sqrt(xp.maximum(variance, self.least_voxel_variance))

    def features(self, energies: Any, incident: Any, conditions: Any, xp: ModuleType) -> Any:
        """Standardised features, (n, n_features).

        Parameters
        ----------
        energies : (n, n_voxels), MeV
        incident : (n, 1), incident energy in MeV
        conditions : (n, n_conditions), as the network sees them
        xp : `numpy` or `keras.ops`
        """
        raw = self._raw_features(energies, incident, xp)
        return self.limited(self._standardised(raw, conditions, xp), xp)

    def limited(self, features: Any, xp: ModuleType) -> Any:
        """Standardised features, those beyond the limit by their logarithm; the same shape."""
        if np.isinf(self.limit):
            return features
        beyond = xp.maximum(xp.abs(features) / self.limit, 1.0)
        return features * (1.0 + xp.log(beyond)) / beyond

    def energy_features(
        self, layer_energies: Any, incident: Any, conditions: Any, xp: ModuleType
    ) -> Any:
        """The first `n_energy_features` of `features`, from layer energies (n, n_layers) in MeV.

        Without the limit.
        """
        raw = self._raw_energy_features(layer_energies, incident, xp)
        return self._standardised(raw, conditions, xp)

    def _standardised(self, raw: Any, conditions: Any, xp: ModuleType) -> Any:
        """Raw features, all or the first of them, in units of their spread about their mean."""
        basis = condition_basis(conditions, xp, columns=self.columns)
        first = slice(0, raw.shape[1])
        # What hardly varies is left small: divided by its spread it would be rounding noise.
        log_scale = xp.minimum(
            -xp.matmul(basis, self.log_spread[:, first]), -float(np.log(LEAST_SPREAD))
        )
        return (raw - xp.matmul(basis, self.mean[:, first])) * xp.exp(log_scale)

    def _raw_energy_features(self, layer_energies: Any, incident: Any, xp: ModuleType) -> Any:
        total = xp.sum(layer_energies, axis=1, keepdims=True)
        logs = xp.log(layer_energies + self.energy_floor) - xp.log(incident)
        return xp.concatenate([total / incident, logs], axis=1)

    def _raw_features(self, energies: Any, incident: Any, xp: ModuleType) -> Any:
        shapes = shape_features(energies, self.geometry, xp, self.shape_floor)
        layer_energies = shapes.pop("layer_energy")
        columns = [
            self._raw_energy_features(layer_energies, incident, xp),
            *shapes.values(),
        ]
        logarithms = log_energy(energies, xp)
        for level in self.count_levels:
            columns.append(layer_sums(soft_step(logarithms, level, xp), self.geometry, xp))
        return xp.concatenate(columns, axis=1)


def _log_energy(showers: Showers) -> NDArray[np.float32]:
    return np.log(1000 * showers.incident_energy[:, None])


def _variance_by_condition(
    values: NDArray[np.float32], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance of values, which are overwritten, as polynomials of the conditions.

    As `spread_by_condition`, but for voxels: they are often exactly 0, and the logarithm of their
    residuals says little. Returns the coefficients of both, (n_basis, k).
    """
    inverse = np.linalg.pinv(basis).astype(np.float32)
    mean = inverse @ values
    values -= basis.astype(np.float32) @ mean
    np.square(values, out=values)
    return mean, inverse @ values


def _variance_of_living(
    values: NDArray[np.float32], basis: NDArray[np.float64], alive: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same from the showers in which each voxel is alive, (n, k).

    A voxel that hardly ever is has a mean near 0: each is measured as if one more shower had it 0.
    """
    n_basis = basis.shape[1]
    products = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)

    def over_living(numbers: NDArray[Any] | None, factors: NDArray[np.float64]) -> Any:
        """Sums over showers, (k, n_factors), a few at a time to spare memory."""
        total = np.zeros((values.shape[1], factors.shape[1]))
        for start in range(0, len(factors), 1000):
            rows = slice(start, start + 1000)
            seen = alive[rows] if numbers is None else np.where(alive[rows], numbers[rows], 0)
            total += seen.T.astype(np.float64) @ factors[rows]
        return total

    squares = over_living(None, products).reshape(-1, n_basis, n_basis) + np.eye(n_basis)

    def fit() -> NDArray[np.float32]:
        """Of the values as they are now."""
        sums = over_living(values, basis)[:, :, None]
        found: NDArray[np.float32] = np.linalg.solve(squares, sums)[:, :, 0].T.astype(np.float32)
        return found

    mean = fit()
    values -= basis.astype(np.float32) @ mean
    np.square(values, out=values)
    return mean, fit()
