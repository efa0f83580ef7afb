"""Binning XML: layers of rings and sectors, as the CaloChallenge and FastCaloSim write them.

The CaloChallenge (https://calochallenge.github.io/homepage/) has Bins/Bin[pid,name]/Layer,
FastCaloSim Bins/Particle/Bin/Layer; a Layer[id,r_edges,n_bin_alpha] is the same in both. Alpha is
divided evenly over a full turn and begins at -pi; depth is not given.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calogan.errors import CaloganError
from calogan.files import read_text

FIRST_ALPHA = -np.pi
"""Where alpha begins, rad."""
PARTICLES = {"photon": 22, "electron": 11, "positron": -11, "pion": 211, "proton": 2212}
"""PDG codes of the names that a Bin has."""


@dataclass(frozen=True)
class RingLayer:
    """One Layer element."""

    id: int
    r_edges: tuple[float, ...]
    """mm; a layer with a single one has no voxel."""
    n_alpha: int


def parse_xml(path: str | Path, what: str) -> ElementTree.Element:
    """The root element of an XML file; `what` names it in errors."""
    try:
        return ElementTree.fromstring(read_text(path, what))
    except ElementTree.ParseError as error:
        raise CaloganError(f"{what} {path} is not valid XML: {error}") from error


def read_bin(
    root: ElementTree.Element, path: str | Path, particle: str | None = None
) -> list[RingLayer]:
    """The layers of the Bin that is named `particle`, or of the only one.

    Raises CaloganError for elements that are missing, and values that are no numbers.
    """
    bins = root.findall("Bin")
    names = [b.get("name", b.get("pid", "")) for b in bins]
    if not bins:
        raise CaloganError(f"{path}: no Bin element below '{root.tag}', expected Bins/Bin/Layer")
    if particle is None and len(bins) == 1:
        chosen = bins[0]
    elif particle in names:
        chosen = bins[names.index(particle)]
    else:
        raise CaloganError(f"{path}: no Bin named {particle!r}, it has {names}; name one of them")
    layers = [_layer(element, path) for element in chosen.findall("Layer")]
    ids = [layer.id for layer in layers]
    if len(set(ids)) < len(ids):
        raise CaloganError(f"{path}: the layers have the ids {ids}, expected one of its own each")
    return layers


def _layer(element: ElementTree.Element, path: str | Path) -> RingLayer:
    where = f"{path}: Layer id={element.get('id')}"
    try:
        number = int(element.get("id", ""))
        edges = tuple(float(e) for e in element.get("r_edges", "").split(","))
        n_alpha = int(element.get("n_bin_alpha", ""))
    except ValueError as error:
        raise CaloganError(
            f"{where}: r_edges={element.get('r_edges')!r}, "
            f"n_bin_alpha={element.get('n_bin_alpha')!r}: expected numbers"
        ) from error
    if n_alpha < 1:
        raise CaloganError(f"{where}: n_bin_alpha is {n_alpha}, expected 1 or more")
    return RingLayer(number, edges, n_alpha)


def layer_elements(layers: Iterable[RingLayer]) -> list[ElementTree.Element]:
    return [
        ElementTree.Element(
            "Layer",
            id=str(layer.id),
            r_edges=",".join(_decimal(e) for e in layer.r_edges),
            n_bin_alpha=str(layer.n_alpha),
        )
        for layer in layers
    ]


def _decimal(edge: float) -> str:
    """With 12 digits: evenly spaced edges are sums, which are off by the last one."""
    return np.format_float_positional(float(f"{edge:.12g}"), trim="-")


def bin_document(layers: Sequence[RingLayer], particle: str) -> str:
    """The CaloChallenge's XML of one particle, which `PARTICLES` must name.

    Its programs number layers by their place in the file, so ids that are skipped get a layer
    without voxels.
    """
    if particle not in PARTICLES:
        raise CaloganError(
            f"the binning XML names the particle, and knows no {particle!r}; give one of "
            f"{', '.join(PARTICLES)}"
        )
    by_id = {layer.id: layer for layer in layers}
    root = ElementTree.Element("Bins")
    bin_ = ElementTree.SubElement(root, "Bin", pid=str(PARTICLES[particle]), name=particle)
    bin_.extend(
        layer_elements(by_id.get(i, RingLayer(i, (0.0,), 1)) for i in range(max(by_id) + 1))
    )
    return document(root)


def document(root: ElementTree.Element) -> str:
    """The text of an XML file."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
