"""High-level shower features: one definition for the critic (Keras) and the metrics (NumPy)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.geometry import Geometry
from calogan.showers import Showers


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


def response(showers: Showers) -> NDArray[np.float64]:
    """Visible over incident energy, (n,)."""
    visible: NDArray[np.float64] = showers.energies.sum(axis=1, dtype=np.float64)
    return visible / (1000.0 * showers.incident_energy.astype(np.float64))


def _by_layer(showers: Showers) -> list[NDArray[np.float32]]:
    return [showers.energies[:, part] for part in showers.geometry.slices]


def layer_fractions(showers: Showers) -> NDArray[np.float64]:
    """Energy of each layer over the incident energy, (n, n_layers)."""
    sums = [s.sum(axis=1, dtype=np.float64) for s in _by_layer(showers)]
    layers = np.stack(sums, axis=1)
    return layers / (1000.0 * showers.incident_energy.astype(np.float64)[:, None])


ENERGY_FLOOR = 1e-3
"""MeV; stands for no energy where a logarithm is taken."""
DARK_CELL = 0.1
"""MeV; the same for `log_cells` of showers without a readout threshold."""


def _condition_columns(showers: Showers) -> list[NDArray[np.float32]]:
    """log10 of the incident energy, and the other conditions as they are."""
    return [
        np.log10(values) if name == "energy" else values
        for name, values in showers.conditions.items()
    ]


def high_level_features(showers: Showers) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The CaloChallenge's high-level features, (n, n_features), and their names.

    log10 of the incident energy, other conditions, log10 of the visible energy and of each layer's,
    centres and widths in x, y and r over 100 mm, and sparsity, per layer. Voxels count as they
    are: apply the readout threshold before.
    """
    geometry = showers.geometry
    found = shape_features(showers.energies, moment_matrix(geometry), geometry.n_layers, np)
    columns = _condition_columns(showers)
    names = [f"log10_{n}" if n == "energy" else n for n in showers.conditions]
    total = showers.energies.sum(axis=1)
    columns.append(np.log10(np.maximum(total, ENERGY_FLOOR)))
    names.append("log10_visible_energy")
    for key in ("layer_energy", *(f"{a}_{b}" for a in ("centre", "width") for b in "xyr")):
        values = found[key]
        if key == "layer_energy":
            values, key = np.log10(np.maximum(values, ENERGY_FLOOR)), "log10_layer_energy"
        columns.extend(values.T)
        names.extend(f"{key}[{layer.name}]" for layer in geometry.layers)
    for part, layer in zip(geometry.slices, geometry.layers, strict=True):
        columns.append(1 - (showers.energies[:, part] > 0).mean(axis=1))
        names.append(f"sparsity[{layer.name}]")
    return np.stack(columns, axis=1).astype(np.float32), tuple(names)


def log_cells(showers: Showers, threshold: float) -> NDArray[np.float32]:
    """log10 of the cells in MeV, (n, n_voxels): what recall and precision of cells are counted in.

    A dark cell has no logarithm: it counts as a third of the readout threshold, or as `DARK_CELL`
    where there is none.
    """
    dark = np.float32(threshold / 3 if threshold > 0 else DARK_CELL)
    return np.log10(np.where(showers.energies > 0, showers.energies, dark))


def voxel_features(showers: Showers) -> NDArray[np.float32]:
    """Conditions (log10 of the energy) and voxels in percent of the incident energy.

    As in the CaloChallenge.
    """
    scaled = showers.energies / (10 * showers.incident_energy[:, None])
    return np.column_stack([*_condition_columns(showers), scaled]).astype(np.float32)


def log_voxel_features(showers: Showers) -> NDArray[np.float32]:
    """Conditions (log10 of the energy) and log10 of the voxels, no energy set to `ENERGY_FLOOR`."""
    logs = np.log10(np.maximum(showers.energies, np.float32(ENERGY_FLOOR)))
    return np.column_stack([*_condition_columns(showers), logs]).astype(np.float32)
