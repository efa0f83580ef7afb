"""What other programs feed a generator and read from it, whatever the format of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import AnyCondition, Label, energy_of
from calogan.errors import CaloganError
from calogan.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Reading:
    """How a program states a condition: a number v from which its value follows."""

    variable: int
    """Place of v among the variables of the program's node for conditions."""
    slope: float = 1.0
    offset: float = 0.0
    log: bool = False
    """The value is slope v + offset, or its exponential if `log`; in the condition's unit."""

    def variable_of(self, value: ArrayLike) -> NDArray[np.float64]:
        """v for values of the condition."""
        value = np.asarray(value, np.float64)
        return ((np.log(value) if self.log else value) - self.offset) / self.slope

    def value_of(self, variable: ArrayLike) -> NDArray[np.float64]:
        """Values of the condition for v."""
        value = self.slope * np.asarray(variable, np.float64) + self.offset
        return np.exp(value) if self.log else value


@dataclass(frozen=True)
class Consumer:
    """A program's side: the numbers it feeds, and the order in which it reads voxels.

    It reads voxel energies as fractions of the incident energy, voxels below the readout threshold
    being zero; conditions outside the trained range are taken at the range's nearer end.
    """

    name: str
    nodes: Mapping[str, int]
    """Its input nodes and how many numbers it feeds to each, in order."""
    latent_node: str
    """The node whose first numbers are the latents."""
    latent_mean: float
    latent_std: float
    """The latents are normally distributed, with these."""
    condition_node: str
    conditions: Mapping[str, Reading | float]
    """Of each of the generator's conditions how it is read; a number if it is fixed."""
    order: NDArray[np.intp]
    """The voxels as it reads them, (n_voxels,)."""
    settings: tuple[str, ...] = ()
    """What to say to the program, a line each."""

    @property
    def energy(self) -> Reading:
        """How the incident energy is read; no program has it fixed."""
        reading = self.conditions["energy"]
        assert isinstance(reading, Reading)
        return reading


def plain(
    geometry: Geometry,
    conditions: Sequence[AnyCondition],
    n_latents: int,
    fixed: Mapping[str, float | str],
) -> Consumer:
    """Any program: standard normal latents, conditions in their own units, voxels in our order."""
    free = [c.name for c in conditions if c.name not in fixed]
    offered = {name: Reading(i) for i, name in enumerate(free)}
    return Consumer(
        "any program",
        {"latents": n_latents, "conditions": len(free)},
        "latents",
        0.0,
        1.0,
        "conditions",
        _conditions(conditions, offered, fixed, "the network's inputs"),
        np.arange(geometry.n_voxels),
    )


def par04(
    geometry: Geometry,
    conditions: Sequence[AnyCondition],
    n_latents: int,
    fixed: Mapping[str, float | str],
    e_max: float,
) -> Consumer:
    """The Geant4 example Par04, as its class Par04InferenceSetup feeds a model of type VAE.

    One node `node_0`: latents ~ N(0, 1), E / e_max (GeV), theta / 90 degrees, 0, 1. Outputs run
    over rho, phi (from -pi) and z, z fastest. DDML's Par04ExampleVAE does the same.

    Raises CaloganError for a geometry that is no such mesh, and conditions it does not give.
    """
    if not (np.isfinite(e_max) and e_max > 0):
        raise CaloganError(f"E_max is {e_max:g} GeV, expected a number above 0")
    offered = {"energy": Reading(n_latents, slope=e_max)}
    for condition in conditions:
        if condition.name == "theta" and condition.unit in ("rad", "deg"):
            turn = np.pi / 2 if condition.unit == "rad" else 90.0
            offered["theta"] = Reading(n_latents + 1, slope=turn)
    shape, rho, z = _mesh(geometry)
    readings = _conditions(conditions, offered, fixed, "Par04")
    cells = np.stack([geometry.grid_from(k, -np.pi) for k in range(geometry.n_layers)], axis=-1)
    settings = [
        f"/Par04/inference/setSizeLatentVector {n_latents}",
        "/Par04/inference/setSizeConditionVector 4",
        f"/Par04/inference/setSizeOfRhoCells {rho:g} mm",
        *([f"/Par04/inference/setSizeOfZCells {z:g} mm"] if z is not None else []),
        *(
            f"/Par04/inference/setNbOf{axis}Cells {n}"
            for axis, n in zip(("Rho", "Phi", "Z"), shape, strict=True)
        ),
    ]
    return Consumer(
        "Par04",
        {"node_0": n_latents + 4},
        "node_0",
        0.0,
        1.0,
        "node_0",
        readings,
        cells.reshape(-1),
        tuple(settings),
    )


def fastcalosim(
    geometry: Geometry,
    conditions: Sequence[AnyCondition],
    n_latents: int,
    fixed: Mapping[str, float | str],
    samplings: Sequence[int],
    kinetic_range: tuple[float, float],
    nodes: tuple[str, str],
) -> Consumer:
    """FastCaloSim's slot for GANs, as its class TFCSGANEtaSlice feeds them (ganVersion 2).

    Outputs run over layers in the order of samplings, r and alpha (from -pi), alpha fastest.

    Parameters
    ----------
    samplings : of each layer its number there
    kinetic_range : the slot's least and greatest kinetic energy, MeV
    nodes : names of the nodes for latents ~ N(0.5, 0.5), and for ln(Ekin / least) /
        ln(greatest / least), followed by a zero

    Raises CaloganError for a geometry that it cannot hold, and conditions it does not give.
    """
    for layer in geometry.layers:
        n_r, n_alpha = layer.shape
        problem = None
        if layer.system != "cylindrical":
            problem = "is cartesian, but FastCaloSim has cells in r and alpha alone"
        elif n_r == 1:
            problem = "has one cell in r, which FastCaloSim takes for a layer that is not used"
        elif n_alpha == 32:
            problem = "has 32 cells in alpha, which FastCaloSim takes for fewer near the axis"
        if problem:
            raise CaloganError(f"layer '{layer.name}' {problem}; this generator cannot go there")
    least, greatest = (e / 1000 for e in kinetic_range)  # GeV, as conditions are
    slope, offset = float(np.log(greatest / least)), float(np.log(least))
    offered = {"energy": Reading(0, slope, offset, log=True)}
    order = np.argsort(samplings, kind="stable")
    return Consumer(
        "FastCaloSim",
        {nodes[0]: n_latents, nodes[1]: 2},
        nodes[0],
        0.5,
        0.5,
        nodes[1],
        _conditions(conditions, offered, fixed, "FastCaloSim"),
        np.concatenate([geometry.grid_from(int(k), -np.pi).reshape(-1) for k in order]),
    )


def _conditions(
    conditions: Sequence[AnyCondition],
    offered: Mapping[str, Reading],
    fixed: Mapping[str, float | str],
    consumer: str,
) -> dict[str, Reading | float]:
    """How each condition is read; raises CaloganError if it is neither offered nor fixed."""
    names = [c.name for c in conditions]
    unknown = sorted(set(fixed) - set(names))
    if unknown:
        raise CaloganError(f"the generator has no conditions {unknown} to fix; it has {names}")
    found: dict[str, Reading | float] = {}
    for condition in conditions:
        name = condition.name
        if name == "energy" and name in fixed:
            raise CaloganError("the energy cannot be fixed; every program gives it")
        if name in fixed:
            value = condition.to_values(fixed[name])
            condition.check(value)
            found[name] = float(value)
        elif isinstance(condition, Label):
            raise CaloganError(
                f"the generator makes showers of several values of '{name}' ({condition.span}), "
                f"and {consumer} cannot say which; export a file for each, with "
                f"--set {name}=VALUE"
            )
        elif name in offered:
            found[name] = offered[name]
        else:
            raise CaloganError(
                f"the generator needs the condition '{name}' [{condition.unit}], which {consumer} "
                f"does not give (only {', '.join(offered)}); fix it with --set {name}=VALUE"
            )
    energy = energy_of(conditions)
    if energy.low <= 0:
        raise CaloganError(
            f"the generator's energies begin at {energy.low:g} GeV, expected more than 0"
        )
    return found


def _mesh(geometry: Geometry) -> tuple[tuple[int, int, int], float, float | None]:
    """Par04's mesh: cells in rho, phi and z, size in rho and z, mm (None if depth is not known).

    Raises CaloganError for any other geometry.
    """

    def refuse(problem: str) -> CaloganError:
        return CaloganError(
            f"geometry '{geometry.name}' is no mesh of Par04: {problem}; expected layers of the "
            "same cylindrical cells, evenly spaced in r from 0, in alpha, and in z"
        )

    first = geometry.layers[0]
    for layer in geometry.layers:
        if layer.system != "cylindrical":
            raise refuse(f"layer '{layer.name}' is cartesian")
        same = layer.shape == first.shape and np.allclose(layer.first_edges, first.first_edges)
        if not same or not np.allclose(layer.second_edges, first.second_edges):
            raise refuse(f"layer '{layer.name}' has other cells than '{first.name}'")
    width = np.diff(first.first_edges)
    if first.first_edges[0] != 0 or not np.allclose(width, width[0]):
        raise refuse(f"r edges are {first.first_edges.tolist()}")
    depths = [layer.z for layer in geometry.layers]
    if all(z is None for z in depths):
        return (*first.shape, len(depths)), float(width[0]), None
    known = [z for z in depths if z is not None]
    ends = np.array([known[0][0], *(back for _, back in known)])
    fronts = np.array([front for front, _ in known])
    steps = np.diff(ends)
    even = np.allclose(steps, steps[0], rtol=1e-4) and np.allclose(fronts, ends[:-1], atol=1e-3)
    if len(known) < len(depths) or not even:
        raise refuse("its layers do not follow each other evenly in z")
    return (*first.shape, len(depths)), float(width[0]), float(steps.mean())
