"""High-level shower features: one definition for the critic (Keras) and the metrics (NumPy)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.geometry import Geometry
from calogan.showers import Showers


def moment_weights(geometry: Geometry) -> NDArray[np.float32]:
    """1, x, y, r, x², y², r² of every voxel, (n_voxels, 7): what sums of moments are weighted by.

    Lengths in units of 100 mm so that float32 keeps its digits; r is the distance from the axis
    x = y = 0, of a ring its middle radius.
    """
    x, y, r = geometry.centres[:, 0] / 100, geometry.centres[:, 1] / 100, geometry.radii / 100
    return np.stack([np.ones_like(x), x, y, r, x * x, y * y, r * r], axis=1).astype(np.float32)


def layer_sums(values: Any, geometry: Geometry, xp: ModuleType) -> Any:
    """Sums of voxels (n, n_voxels) over each layer, (n, n_layers)."""
    n_layers = geometry.n_layers
    if geometry.equal_layers:
        return xp.sum(xp.reshape(values, (-1, n_layers, geometry.n_voxels // n_layers)), axis=2)
    to_layers = np.eye(n_layers, dtype=np.float32)[geometry.layer_index]
    return xp.matmul(values, to_layers)


def ring_sums(values: Any, geometry: Geometry, xp: ModuleType) -> Any:
    """Sums of voxels (n, n_voxels) over each of `Geometry.rings`, (n, n_rings)."""
    rings = geometry.rings
    if geometry.fastest == "last" and len({layer.shape for layer in geometry.layers}) == 1:
        return xp.sum(xp.reshape(values, (-1, int(rings[-1]) + 1, geometry.layers[0].shape[1])), 2)
    return xp.matmul(values, np.eye(int(rings[-1]) + 1, dtype=np.float32)[rings])


def weighted_layer_sums(
    values: Any, weights: NDArray[np.float32], geometry: Geometry, xp: ModuleType
) -> Any:
    """Sums over each layer of voxels (n, n_voxels) times weights (n_voxels, k); (n, k, n_layers).

    Layers of as many voxels each are multiplied one by one: a matrix that takes all voxels to all
    sums is zero but for a part in `n_layers`.
    """
    (n_voxels, k), n_layers = weights.shape, geometry.n_layers
    if geometry.equal_layers:
        each = n_voxels // n_layers
        by_layer = xp.transpose(xp.reshape(values, (-1, n_layers, each)), (1, 0, 2))
        sums = xp.matmul(by_layer, weights.reshape(n_layers, each, k))
        return xp.transpose(sums, (1, 2, 0))
    matrix = np.zeros((n_voxels, k, n_layers), np.float32)
    matrix[np.arange(n_voxels), :, geometry.layer_index] = weights
    return xp.reshape(xp.matmul(values, matrix.reshape(n_voxels, -1)), (-1, k, n_layers))


SHARPNESS = 5.0
"""Of a soft threshold, in the logarithm of the energy."""


def soft_step(log_energies: Any, level: float, xp: ModuleType) -> Any:
    """1 for energies well over a level, 0 well below, in their shape.

    E⁵ / (E⁵ + level⁵): a half at the level, 1/33 and 32/33 at half and at twice its energy.

    Parameters
    ----------
    log_energies : natural logarithms of MeV, as of `log_energy`
    level : MeV
    """
    return 0.5 + 0.5 * xp.tanh(0.5 * SHARPNESS * (log_energies - float(np.log(level))))


def log_energy(energies: Any, xp: ModuleType) -> Any:
    """Natural logarithm of energies in MeV, 1 eV at least; the same shape."""
    return xp.log(xp.maximum(energies, 1e-6))


def shape_features(
    energies: Any, geometry: Geometry, xp: ModuleType, floor: float = 0.0
) -> dict[str, Any]:
    """Layer energies, centres and widths of showers.

    Parameters
    ----------
    energies : (n, n_voxels), MeV
    geometry : of the showers
    xp : the array namespace, `numpy` or `keras.ops`
    floor : MeV, added to layer energies where they divide

    Returns
    -------
    dict of (n, n_layers): "layer_energy" in MeV; "centre_x", "centre_y", "centre_r",
    "width_x", "width_y", "width_r" in units of 100 mm. Centre: Σ x E / Σ E; width:
    sqrt(Σ x² E / Σ E - centre²) (CaloChallenge, arXiv:2410.21611), but 1e-3 (0.1 mm) at least.
    A layer without energy has centres 0 and widths 1e-3.
    """
    sums = weighted_layer_sums(energies, moment_weights(geometry), geometry, xp)
    layer_energy = sums[:, 0]
    # A layer without energy has all moments 0: dividing by a tiny number then gives 0.
    per_energy = 1.0 / xp.maximum(layer_energy + floor, 1e-6)
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


def condition_features(showers: Showers) -> dict[str, NDArray[np.float32]]:
    """Name to values (n,): log10 of the incident energy, other conditions as they are, of labels a
    column for each value, 1 where it is the shower's."""
    found = {}
    for name, values in showers.conditions.items():
        if name in showers.labels:
            label = showers.labels[name]
            columns = label.inputs(values).astype(np.float32).T
            found.update({f"{name}={n}": x for n, x in zip(label.names, columns, strict=True)})
        elif name == "energy":
            found["log10_energy"] = np.log10(values)
        else:
            found[name] = values
    return found


def high_level_features(showers: Showers) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The CaloChallenge's high-level features, (n, n_features), and their names.

    log10 of the incident energy, other conditions, log10 of the visible energy and of each layer's,
    centres and widths in x, y and r over 100 mm, and sparsity, per layer. Voxels count as they
    are: apply the readout threshold before.
    """
    geometry = showers.geometry
    found = shape_features(showers.energies, geometry, np)
    given = condition_features(showers)
    columns, names = [*given.values()], [*given]
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
    return np.column_stack([*condition_features(showers).values(), scaled]).astype(np.float32)


def log_voxel_features(showers: Showers) -> NDArray[np.float32]:
    """Conditions (log10 of the energy) and log10 of the voxels, no energy set to `ENERGY_FLOOR`."""
    logs = np.log10(np.maximum(showers.energies, np.float32(ENERGY_FLOOR)))
    return np.column_stack([*condition_features(showers).values(), logs]).astype(np.float32)
