"""Programs that read exported generators, as their sources have it."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uproot
from lwtnn_converter import Graph
from numpy.typing import NDArray

Array = NDArray[Any]


class Par04:
    """What Par04 (Geant4 11.4) does with a model of type VAE: Par04InferenceSetup's GetEnergies
    and GetPositions, with Par04LwtnnInference's or Par04OnnxInference's RunInference."""

    def __init__(self, settings: tuple[str, ...]) -> None:
        given = dict(line.removeprefix("/Par04/inference/").split(" ", 1) for line in settings)
        self.size_latent = int(given["setSizeLatentVector"])
        self.size_condition = int(given["setSizeConditionVector"])
        self.mesh = [int(given[f"setNbOf{axis}Cells"]) for axis in ("Rho", "Phi", "Z")]
        self.sizes = [float(given[f"setSizeOf{a}Cells"].removesuffix(" mm")) for a in ("Rho", "Z")]
        path = given["setModelPathName"]
        self.run: Callable[[Array], Callable[[int], float]]
        if given["setInferenceLibrary"] == "LWTNN":
            graph = Graph(path)
            # LightweightGraph's compute without a name needs that there is one output.
            ((output, labels),) = graph.outputs.items()

            def by_lwtnn(gen: Array) -> Callable[[int], float]:
                inputs = {"node_0": {f"variable_{i}": float(v) for i, v in enumerate(gen)}}
                values = dict(zip(labels, graph.compute(inputs, output=output)[0], strict=True))
                return lambda i: float(values[f"out_{i}"])

            self.run = by_lwtnn
        else:
            session = onnxruntime.InferenceSession(path)

            def by_onnx(gen: Array) -> Callable[[int], float]:
                name = session.get_inputs()[-1].name  # it keeps the last name alone
                first = session.run(None, {name: gen.reshape(1, -1)})[0].reshape(-1)
                return lambda i: float(first[i])

            self.run = by_onnx

    def energies(self, latents: Array, energy: float, theta: float) -> Array:
        """In MeV, for an energy in MeV and an angle in rad."""
        gen = np.zeros(self.size_latent + self.size_condition, np.float32)
        gen[: self.size_latent] = latents
        gen[self.size_latent] = energy / 1024000.0
        gen[self.size_latent + 1] = math.degrees(theta) / 90
        gen[self.size_latent + 2] = 0
        gen[self.size_latent + 3] = 1
        out = self.run(gen)
        return np.array([out(i) * energy for i in range(math.prod(self.mesh))])

    def places(self) -> list[tuple[float, float, float]]:
        """Of each cell the distance from the axis, angle, and depth."""
        rho, phi, z = self.mesh
        return [
            (
                (i + 0.5) * self.sizes[0],
                (j + 0.5) * 2 * np.pi / phi - np.pi,
                (k + 0.5) * self.sizes[1],
            )
            for i in range(rho)
            for j in range(phi)
            for k in range(z)
        ]


class FastCaloSim:
    """What FastCaloSim does with the folder: TFCSGANXMLParameters, TFCSGANEtaSlice,
    TFCSNetworkFactory and its two handlers, TFCSEnergyAndHitGANV2's fillEnergy."""

    def __init__(self, folder: Path, pid: int, eta_min: int) -> None:
        self.pid = pid
        eta_max = eta_min + 5
        self._read_binning(folder / "binning.xml", pid if pid in (11, 22) else 211, eta_min + 2)
        root_files = folder / "rootFiles"
        with uproot.open(root_files / f"pid{pid}_E1048576_eta_{eta_min}_{eta_max}.root") as file:
            self.integrals = [file[f"r{layer}w"].values().sum() for layer in self.relevant]
        name = f"pid{pid}_E65536_eta_{eta_min}_{eta_max}_validation.root"
        with uproot.open(root_files / name) as file:
            tree = file["rootTree"]
            self.weights = [tree[f"extrapWeight_{i}"].array().to_list() for i in self.relevant]
        stem = f"neural_net_{pid}_eta_{eta_min}_{eta_max}"
        regions = {211: ["All"], 2212: ["High10"]}.get(pid, ["High12", "UltraLow12"])
        self.networks = {region: self._load(folder / f"{stem}_{region}") for region in regions}

    def _read_binning(self, path: Path, pid: int, eta_mid: int) -> None:
        self.binning: dict[int, tuple[list[float], int]] = {}
        self.relevant: list[int] = []
        for particle in ElementTree.parse(path).getroot().iter("Particle"):
            if int(particle.attrib["pid"]) != pid:
                continue
            for each in particle.iter("Bin"):
                int(each.attrib["regionId"])
                if int(each.attrib["etaMin"]) < eta_mid < int(each.attrib["etaMax"]):
                    self.symmetrised = particle.attrib["symmetriseAlpha"] == "true"
                    self.gan_version = int(each.attrib["ganVersion"])
                    self.latent_dim = int(particle.attrib["latentDim"])
                    for layer in each.iter("Layer"):
                        edges = [float(e) for e in layer.attrib["r_edges"].split(",")]
                        number = int(layer.attrib["id"])
                        if len(edges) > 1:
                            self.relevant.append(number)
                        self.binning[number] = edges, int(layer.attrib["n_bin_alpha"])

    def _load(self, stem: Path) -> Callable[[Mapping[str, Mapping[str, float]]], dict[str, float]]:
        by_onnx, by_lwtnn = stem.with_name(stem.name + ".onnx"), stem.with_name(stem.name + ".json")
        if by_onnx.exists():
            session = onnxruntime.InferenceSession(str(by_onnx))

            def onnx(inputs: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
                fed = {}
                for node in session.get_inputs():
                    shape = [n if isinstance(n, int) and n > 0 else 1 for n in node.shape]
                    values = np.zeros(math.prod(shape), np.float32)
                    for key, value in inputs[node.name].items():
                        values[int(re.search(r"\d+", key).group())] = value  # type: ignore[union-attr]
                    fed[node.name] = values.reshape(shape)
                outputs = {}
                for node, array in zip(session.get_outputs(), session.run(None, fed), strict=True):
                    size = math.prod(n for n in node.shape if isinstance(n, int))
                    flat = array.reshape(-1)
                    outputs |= {f"{node.name}_{i}": float(flat[i]) for i in range(size)}
                return _without_prefix(outputs)

            return onnx
        graph = Graph(by_lwtnn)
        ((output, labels),) = graph.outputs.items()

        def lwtnn(inputs: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
            renamed = {"node_0": inputs["Noise"], "node_1": inputs["mycond"]}
            # lwtnn leaves alone what no node asks for.
            asked = {
                node: {v: renamed[node][v] for v in variables}
                for node, variables in graph.inputs.items()
            }
            values = graph.compute(asked, output=output)[0]
            return _without_prefix(dict(zip(labels, map(float, values), strict=True)))

        return lwtnn

    def simulate(
        self, noise: Array, kinetic: float, mass: float
    ) -> list[tuple[int, float, float, float]]:
        """Layer, r, alpha and MeV of each cell with energy, for a kinetic energy in MeV."""
        momentum = math.sqrt(kinetic**2 + 2 * kinetic * mass)
        if self.pid in (22, 11):
            high = momentum > 4096
            low_exp, high_exp = (12, 22) if high else (6, 12)
            network = self.networks["High12" if high else "UltraLow12"]
        else:
            low_exp, high_exp = (8 if self.pid == 211 else 10), 22
            (network,) = self.networks.values()
        least, most = (math.sqrt(2.0 ** (2 * e) + mass**2) - mass for e in (low_exp, high_exp))
        condition = math.log(kinetic / least) / math.log(most / least)
        assert self.gan_version >= 2
        inputs = {
            "Noise": {f"variable_{i}": float(noise[i]) for i in range(self.latent_dim)},
            "mycond": {"variable_0": condition, "variable_1": 0.0},
        }
        outputs = network(inputs)
        assert sum(outputs.values()) >= 0
        cells = []
        vox = 0
        for layer in sorted(self.binning):
            edges, n_alpha = self.binning[layer]
            if len(edges) - 1 == 1:
                continue
            assert n_alpha != 32
            first = 0.0 if self.symmetrised and n_alpha > 1 else -math.pi
            for ix in range(len(edges) - 1):
                for iy in range(n_alpha):
                    fraction = outputs[str(vox)]
                    vox += 1
                    if fraction > 0:
                        alpha = first + (iy + 0.5) * (math.pi - first) / n_alpha
                        r = 0.5 * (edges[ix] + edges[ix + 1])
                        cells.append((layer, r, alpha, fraction * kinetic))
        return cells


def _without_prefix(outputs: dict[str, float]) -> dict[str, float]:
    """VNetworkBase::removePrefixes."""
    names = list(outputs)
    length = len(names[0])
    for name in names:
        while name[:length] != names[0][:length]:
            length -= 1
    return {name[length:]: value for name, value in outputs.items()}
