"""The folder that FastCaloSim's slot for GANs loads: networks, binning.xml, rootFiles."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calogan.binning import RingLayer, document, layer_elements, parse_xml
from calogan.errors import CaloganError
from calogan.files import atomic_path
from calogan.geometry import Geometry

SLICE = 5
"""Width of a slot in eta, in hundredths."""
GAN_VERSION = 2


@dataclass(frozen=True, slots=True)
class Region:
    """The momenta that one network of a slot serves."""

    name: str
    """As in the file's name."""
    least: int
    greatest: int
    """Momentum, MeV."""


_MASSES = {22: 0.0, 11: 0.51099895, 211: 139.57039, 2212: 938.272088}  # MeV
_PHOTON_REGIONS = (Region("High12", 2**12, 2**22), Region("UltraLow12", 2**6, 2**12))
_REGIONS = {
    22: _PHOTON_REGIONS,
    11: _PHOTON_REGIONS,
    211: (Region("All", 2**8, 2**22),),
    2212: (Region("High10", 2**10, 2**22),),
}


@dataclass(frozen=True)
class Slot:
    """The place of a generator in FastCaloSim: a particle, and an interval of eta."""

    pid: int
    """22, 11, 211 or 2212; antiparticles share it."""
    eta: int
    """Lower end of |eta| in hundredths; the slot is 0.05 wide."""

    def __post_init__(self) -> None:
        if self.pid not in _REGIONS:
            raise CaloganError(
                f"FastCaloSim has no slot for the particle {self.pid}, expected one of "
                f"{[*_REGIONS]}"
            )
        if self.eta < 0 or self.eta % SLICE:
            raise CaloganError(
                f"FastCaloSim has no slot that begins at eta {self.eta}, expected hundredths in "
                f"steps of {SLICE}: 0, 5, 10, ..."
            )

    @property
    def regions(self) -> tuple[Region, ...]:
        return _REGIONS[self.pid]

    def kinetic_range(self, region: Region) -> tuple[float, float]:
        """Least and greatest kinetic energy of a region, MeV."""
        mass = _MASSES[self.pid]
        least, greatest = (
            float(np.hypot(momentum, mass) - mass) for momentum in (region.least, region.greatest)
        )
        return least, greatest

    def network(self, region: Region, suffix: str) -> str:
        """Name of a region's file."""
        return f"neural_net_{self._eta}_{region.name}{suffix}"

    @property
    def _eta(self) -> str:
        return f"{self.pid}_eta_{self.eta}_{self.eta + SLICE}"

    def write_root_files(self, folder: Path, geometry: Geometry, samplings: Sequence[int]) -> None:
        """Write what the slot reads beside the networks, unless it is there.

        Of each layer a radial profile, from which FastCaloSim takes how hits are spread in r within
        a cell, and the weight with which it extrapolates the particle's track between the layer's
        front and back. A generator knows neither: the profiles are empty, which spreads hits
        evenly, and the weights 0.5.
        """
        import uproot

        profiles = folder / f"pid{self.pid}_E1048576_eta_{self.eta}_{self.eta + SLICE}.root"
        weights = folder / f"pid{self.pid}_E65536_eta_{self.eta}_{self.eta + SLICE}_validation.root"
        if not profiles.exists():
            with atomic_path(profiles) as path, uproot.recreate(path) as file:
                for layer, sampling in zip(geometry.layers, samplings, strict=True):
                    edges = np.linspace(0, layer.first_edges[-1], 101)
                    file[f"r{sampling}w"] = np.zeros(100), edges
        if not weights.exists():
            with atomic_path(weights) as path, uproot.recreate(path) as file:
                branches = {f"extrapWeight_{i}": np.array([0.5], np.float32) for i in samplings}
                file["rootTree"] = branches

    def write_binning(
        self, path: Path, geometry: Geometry, samplings: Sequence[int], n_latents: int
    ) -> None:
        """Add the slot's cells to binning.xml, which all slots of a folder share.

        Raises CaloganError if the file has other cells, or another number of latents, there.
        """
        pid = str(self.pid if self.pid in (22, 11) else 211)  # as FastCaloSim looks for it
        root = parse_xml(path, "binning") if path.exists() else ElementTree.Element("Bins")
        shared = {"pid": pid, "symmetriseAlpha": "false", "latentDim": str(n_latents)}
        particle = root.find(f"Particle[@pid='{pid}']")
        if particle is None:
            particle = ElementTree.SubElement(root, "Particle", shared)
        if particle.attrib != shared:
            raise CaloganError(
                f"{path} has {particle.attrib} for the particle {pid}, this generator needs "
                f"{shared}, and FastCaloSim allows one for all eta; give another folder"
            )
        mine = ElementTree.Element(
            "Bin",
            etaMin=str(self.eta),
            etaMax=str(self.eta + SLICE),
            regionId="1",
            ganVersion=str(GAN_VERSION),
        )
        mine.extend(
            layer_elements(
                RingLayer(sampling, tuple(layer.first_edges.tolist()), layer.shape[1])
                for sampling, layer in sorted(zip(samplings, geometry.layers, strict=True))
            )
        )
        old = particle.find(f"Bin[@etaMin='{self.eta}']")
        if old is None:
            particle.append(mine)
        elif [e.attrib for e in old.iter()] != [e.attrib for e in mine.iter()]:
            raise CaloganError(
                f"{path} has other cells for the particle {pid} at eta {self.eta}; give another "
                "folder, or remove its Bin"
            )
        with atomic_path(path) as temporary:
            temporary.write_text(document(root), encoding="utf-8")


def samplings_of(geometry: Geometry, given: Sequence[int] | None) -> list[int]:
    """Of each layer its number in FastCaloSim: those given, or the numbers that end their names.

    Raises CaloganError unless there is one for each layer, all different.
    """
    if given is not None:
        found = list(given)
    else:
        found = [layer.number for layer in geometry.layers if layer.number is not None]
    distinct = len(set(found)) == len(found) and all(n >= 0 for n in found)
    if len(found) != geometry.n_layers or not distinct:
        names = [layer.name for layer in geometry.layers]
        raise CaloganError(
            f"the layers {names} have the samplings {found} in FastCaloSim, expected a number of "
            "its own for each; give them as in --samplings 0,1,2,3,12"
        )
    return found
