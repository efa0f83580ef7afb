"""What the critic sees of a shower: scaled voxels, and features standardised by condition."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.dataset import Showers
from calogan.errors import CaloganError
from calogan.features import layer_matrix, moment_matrix, shape_features
from calogan.geometry import Geometry

LEAST_SPREAD = 1e-4
"""Of a feature; features are fractions, logarithms, numbers of cells, lengths in 100 mm."""
FIT_SHOWERS = 50_000
"""Showers enough to measure means and spreads."""
N_COUNT_LEVELS = 14
COUNT_SHARPNESS = 5.0
"""Width of a soft threshold: cells count half at it, 1 - 1/(1 + 2⁵) at twice its energy."""


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Maps voxel energies and network conditions to the critic's two inputs.

    `fit` measures, on the training showers, the mean and spread of every feature as polynomials
    of the conditions. The critic then sees, say, the response in units of the resolution at that
    energy: an error of one standard deviation looks the same at 1 and at 50 GeV.
    """

    geometry: Geometry
    energy_floor: float
    """MeV; voxels enter as log(1 + E / floor)."""
    voxel_scale: NDArray[np.float32]
    """(n_voxels,): divides the scaled voxels."""
    count_levels: NDArray[np.float32]
    """MeV, (N_COUNT_LEVELS,): energies at which cells are counted, softly, per layer."""
    mean: NDArray[np.float32]
    """(n_basis, n_features): the features' means in the basis of the conditions."""
    log_spread: NDArray[np.float32]
    """(n_basis, n_features): the logarithm of their standard deviations."""

    @staticmethod
    def fit(showers: Showers, conditions: NDArray[np.float32], threshold: float) -> Preprocessing:
        """Measure the scales.

        Parameters
        ----------
        showers : the training showers
        conditions : (n, n_conditions), as the network sees them
        threshold : readout threshold in MeV, 0 for none
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
        levels = np.geomspace(lowest, np.quantile(positive, 0.99), N_COUNT_LEVELS)
        scaled = np.log1p(energies / floor)
        spread = scaled.std(axis=0)
        blank = Preprocessing(
            showers.geometry,
            floor,
            np.maximum(spread, 0.3 * spread.max()).astype(np.float32),
            levels.astype(np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.float32),
        )
        raw = blank._raw_features(energies, np.exp(_log_energy(showers)), np)
        basis = condition_basis(conditions, np).astype(np.float64)
        mean, log_spread = spread_by_condition(raw, basis)
        return Preprocessing(
            blank.geometry,
            blank.energy_floor,
            blank.voxel_scale,
            blank.count_levels,
            mean.astype(np.float32),
            log_spread.astype(np.float32),
        )

    @property
    def n_energy_features(self) -> int:
        """The features that come first: the response, and the energy of each layer."""
        return 1 + self.geometry.n_layers

    @property
    def n_features(self) -> int:
        return int(self.mean.shape[1])

    def voxels(self, energies: Any, xp: ModuleType) -> Any:
        """Scaled voxels, (n, n_voxels), from energies in MeV."""
        return xp.log1p(energies / self.energy_floor) / self.voxel_scale

    def features(self, energies: Any, incident: Any, conditions: Any, xp: ModuleType) -> Any:
        """Standardised features, (n, n_features).

        Parameters
        ----------
        energies : (n, n_voxels), MeV
        incident : (n, 1), incident energy in MeV
        conditions : (n, n_conditions), as the network sees them
        xp : `numpy` or `keras.ops`
        """
        return self._standardised(self._raw_features(energies, incident, xp), conditions, xp)

    def energy_features(
        self, layer_energies: Any, incident: Any, conditions: Any, xp: ModuleType
    ) -> Any:
        """The first `n_energy_features` of `features`, from layer energies (n, n_layers) in MeV."""
        raw = self._raw_energy_features(layer_energies, incident, xp)
        return self._standardised(raw, conditions, xp)

    def _standardised(self, raw: Any, conditions: Any, xp: ModuleType) -> Any:
        """Raw features, all or the first of them, in units of their spread about their mean."""
        basis = condition_basis(conditions, xp)
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
        n_layers = self.geometry.n_layers
        shapes = shape_features(energies, moment_matrix(self.geometry), n_layers, xp)
        layer_energies = shapes.pop("layer_energy")
        log_energy = xp.log(xp.maximum(energies, 1e-6))
        columns = [
            self._raw_energy_features(layer_energies, incident, xp),
            *shapes.values(),
        ]
        to_layers = layer_matrix(self.geometry)
        for level in self.count_levels:
            steps = xp.tanh(0.5 * COUNT_SHARPNESS * (log_energy - float(np.log(level))))
            columns.append(xp.matmul(0.5 + 0.5 * steps, to_layers))
        return xp.concatenate(columns, axis=1)


def _log_energy(showers: Showers) -> NDArray[np.float32]:
    return np.log(1000 * showers.incident_energy[:, None])


def condition_basis(conditions: Any, xp: ModuleType) -> Any:
    """Polynomials of the conditions: 1, cᵢ, cᵢcⱼ, cᵢ³; (n, n_basis)."""
    columns = [conditions[:, i : i + 1] for i in range(conditions.shape[1])]
    products = [a * b for i, a in enumerate(columns) for b in columns[i:]]
    cubes = [c * c * c for c in columns]
    return xp.concatenate([xp.ones_like(columns[0]), *columns, *products, *cubes], axis=1)


def spread_by_condition(
    values: NDArray[Any], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean, and logarithm of the standard deviation, of values as polynomials of the conditions.

    Parameters
    ----------
    values : (n, k)
    basis : `condition_basis` at each entry's conditions, (n, n_basis)

    Returns
    -------
    Coefficients of both, (n_basis, k).
    """
    mean = np.linalg.lstsq(basis, values, rcond=None)[0]
    residual = values - basis @ mean
    size = np.maximum(np.abs(residual), 1e-4 * np.abs(residual).max(axis=0) + 1e-6)
    log_spread = np.linalg.lstsq(basis, np.log(size), rcond=None)[0]
    unit = (residual / np.exp(basis @ log_spread)).std(axis=0)
    log_spread[0] += np.log(np.maximum(unit, 1e-6))
    return mean, log_spread
