"""High-level shower features: one definition for the critic (Keras) and the metrics (NumPy)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.geometry import Geometry


def moment_matrix(geometry: Geometry) -> NDArray[np.float32]:
    """Linear map from voxels to per-layer sums of E, xE, yE, rE, x²E, y²E, r²E.

    Shape (n_voxels, 7 * n_layers), lengths in units of 100 mm so that float32 keeps its digits;
    r is the distance from the axis x = y = 0, of a ring its middle radius.
    """
    x, y, r = geometry.centres[:, 0] / 100, geometry.centres[:, 1] / 100, geometry.radii / 100
    weights = np.stack([np.ones_like(x), x, y, r, x * x, y * y, r * r], axis=1)
    matrix = np.zeros((geometry.n_voxels, 7, geometry.n_layers))
    matrix[np.arange(geometry.n_voxels), :, geometry.layer_index] = weights
    return matrix.reshape(geometry.n_voxels, -1).astype(np.float32)


def layer_matrix(geometry: Geometry) -> NDArray[np.float32]:
    """Linear map from voxels to layer sums, (n_voxels, n_layers)."""
    return np.eye(geometry.n_layers, dtype=np.float32)[geometry.layer_index]


def shape_features(energies: Any, moments: Any, n_layers: int, xp: ModuleType) -> dict[str, Any]:
    """Layer energies, centres and widths of showers.

    Parameters
    ----------
    energies : (n, n_voxels), MeV
    moments : `moment_matrix(geometry)`, as an array or tensor of the energies' type
    n_layers : number of layers
    xp : the array namespace, `numpy` or `keras.ops`

    Returns
    -------
    dict of (n, n_layers): "layer_energy" in MeV; "centre_x", "centre_y", "centre_r",
    "width_x", "width_y", "width_r" in units of 100 mm. Centre: Σ x E / Σ E; width:
    sqrt(Σ x² E / Σ E - centre²) (CaloChallenge, arXiv:2410.21611), but 1e-3 (0.1 mm) at least.
    A layer without energy has centres 0 and widths 1e-3.
    """
    sums = xp.reshape(xp.matmul(energies, moments), (-1, 7, n_layers))
    layer_energy = sums[:, 0]
    # A layer without energy has all moments 0: dividing by a tiny number then gives 0.
    per_energy = 1.0 / xp.maximum(layer_energy, 1e-6)
    found = {"layer_energy": layer_energy}
    for i, axis in enumerate("xyr"):
        centre = sums[:, 1 + i] * per_energy
        variance = sums[:, 4 + i] * per_energy - centre * centre
        found[f"centre_{axis}"] = centre
        # The floor keeps the gradient of the root finite for a shower in a single cell.
        found[f"width_{axis}"] = xp.sqrt(xp.maximum(variance, 1e-6))
    return found
