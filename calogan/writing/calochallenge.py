"""CaloChallenge HDF5 and its binning XML.

The format: https://calochallenge.github.io/homepage/. The HDF5 is a store whose voxels run as they
do there: it keeps all that a store holds, and their programs read of it what they know.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from calogan.binning import FIRST_ALPHA, RingLayer, bin_document
from calogan.errors import CaloganError
from calogan.files import atomic_path, writing
from calogan.geometry import Geometry, even_sectors
from calogan.reading.store import StoreWriter
from calogan.showers import Showers
from calogan.writing.target import Target


def write_store(parts: Iterable[Showers], target: Target) -> None:
    """Write a store, see `calogan.reading.store`."""
    with StoreWriter(target.path, target.geometry, target.conditions, {}, target.labels) as writer:
        for part in parts:
            writer.add(part)
            writer.provenance.update(part.provenance)
        writer.provenance.update(target.provenance)


def write_calochallenge(parts: Iterable[Showers], target: Target) -> None:
    """Write a store in the voxel order of the CaloChallenge, and its XML beside it.

    Raises CaloganError for cells that the XML cannot hold, and without a particle.
    """
    if target.particle is None:
        raise CaloganError(
            f"cannot write {target.path} as calochallenge: its binning XML names the particle; "
            "give --xml-particle, as in --xml-particle electron"
        )
    geometry = in_xml_order(target.geometry)
    text = to_xml(geometry, target.particle)
    binning = target.path.with_suffix(".xml")
    turned = (part.in_order_of(geometry) for part in parts)
    with writing(binning), atomic_path(binning) as temporary:
        temporary.write_text(text, encoding="utf-8")
        write_store(turned, replace(target, geometry=geometry))


def in_xml_order(geometry: Geometry) -> Geometry:
    """The same cells as binning XML numbers them: r fastest within a layer, alpha from -pi.

    Raises CaloganError for layers that such XML cannot hold.
    """
    layers = []
    for k, layer in enumerate(geometry.layers):
        if not layer.even_sectors:
            raise CaloganError(
                f"layer '{layer.name}' of geometry '{geometry.name}' is no layer of the "
                "CaloChallenge, which has only cylindrical ones with even cells in alpha over a "
                "full turn; write another format"
            )
        geometry.grid_from(k, FIRST_ALPHA)  # raises where no edge is there
        layers.append(replace(layer, second_edges=even_sectors(layer.shape[1])))
    return Geometry(geometry.name, tuple(layers), fastest="first")


def to_xml(geometry: Geometry, particle: str) -> str:
    """Binning XML of cylindrical layers.

    The numbers that end the layers' names are their ids, if they increase; else they count from 0.
    `particle` is one of `binning.PARTICLES`.
    """
    named = [layer.number for layer in geometry.layers if layer.number is not None]
    rising = len(named) == geometry.n_layers and sorted(set(named)) == named
    ids = named if rising else range(geometry.n_layers)
    return bin_document(
        [
            RingLayer(i, tuple(layer.first_edges.tolist()), layer.shape[1])
            for i, layer in zip(ids, geometry.layers, strict=True)
        ],
        particle,
    )
