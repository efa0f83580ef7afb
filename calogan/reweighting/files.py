"""Refiners in files; event weights for the showers of a store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from calogan.conditions import condition_from_dict
from calogan.errors import CaloganError
from calogan.files import atomic_path
from calogan.geometry import Geometry
from calogan.metrics.statistics import Value
from calogan.reading import hdf5, store
from calogan.reweighting.density_ratio import DensityRatio, Layers, Reliability
from calogan.reweighting.refiner import Efficiency, Refiner, all_inputs_sha256, refiner_features
from calogan.showers import Showers

REFINER_FORMAT = 2


def save_refiner(refiner: Refiner, path: str | Path) -> None:
    """Write a refiner as one HDF5 file of arrays and JSON, which is safe to load."""
    about = {
        "generator_sha256": refiner.generator_sha256,
        "geometry": refiner.geometry.to_dict(),
        "conditions": [c.to_dict() for c in refiner.conditions],
        "threshold": refiner.threshold,
        "features": list(refiner.features),
        "bound": refiner.bound,
        "inputs_sha256": list(refiner.inputs_sha256),
        "auc": list(refiner.reliability.auc),
        "efficiency": asdict(refiner.efficiency),
        "record": dict(refiner.record),
    }
    arrays = {
        "centre": refiner.ratio.centre,
        "spread": refiner.ratio.spread,
        "knots": np.stack(refiner.ratio.knots),
        "normalisation": refiner.normalisation,
        "seen_events": refiner.seen_events,
        "reliability": np.stack(
            [
                refiner.reliability.predicted,
                refiner.reliability.observed,
                refiner.reliability.uncertainty,
            ]
        ),
    }
    for i, layers in enumerate(refiner.ratio.members):
        for k, (kernel, bias) in enumerate(layers):
            arrays[f"members/{i}/{k}/kernel"] = kernel
            arrays[f"members/{i}/{k}/bias"] = bias
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["calogan_refiner"] = REFINER_FORMAT
        file.attrs["about"] = json.dumps(about)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def load_refiner(path: str | Path) -> Refiner:
    """Read a refiner; raises CaloganError for files that are none, or of another version."""
    with hdf5.open_hdf5(path) as file, hdf5.reading(path):
        version = file.attrs.get("calogan_refiner")
        text = file.attrs.get("about", "null")
        names: list[str] = []
        file.visit(names.append)
        arrays = {n: file[n][()] for n in names if isinstance(file[n], h5py.Dataset)}
    if version is None:
        raise CaloganError(
            f"{path} is no refiner; make one with `calogan refine RUN --reference STORE`"
        )
    if version != REFINER_FORMAT:
        raise CaloganError(
            f"{path} is a refiner of version {version}, this program reads {REFINER_FORMAT}; "
            "train it again with `calogan refine`"
        )
    try:
        about = json.loads(text)
        members = sorted({int(n.split("/")[1]) for n in arrays if n.startswith("members/")})
        refiner = Refiner(
            generator_sha256=str(about["generator_sha256"]),
            geometry=Geometry.from_dict(about["geometry"], f"{path}: geometry"),
            conditions=tuple(condition_from_dict(c) for c in about["conditions"]),
            threshold=float(about["threshold"]),
            features=tuple(about["features"]),
            ratio=DensityRatio(
                arrays["centre"],
                arrays["spread"],
                tuple(_layers(arrays, f"members/{i}") for i in members),
                (arrays["knots"][0], arrays["knots"][1]),
            ),
            bound=float(about["bound"]),
            normalisation=arrays["normalisation"],
            seen_events=arrays["seen_events"],
            inputs_sha256=tuple(about["inputs_sha256"]),
            reliability=Reliability(
                predicted=arrays["reliability"][0],
                observed=arrays["reliability"][1],
                uncertainty=arrays["reliability"][2],
                auc=Value(*about["auc"]),
            ),
            efficiency=Efficiency(
                **{**about["efficiency"], "acceptance": Value(*about["efficiency"]["acceptance"])}
            ),
            record=about["record"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CaloganError(f"{path} is a damaged refiner: {error!r}; train it again") from error
    blank = Showers(
        np.zeros((1, refiner.geometry.n_voxels), np.float32),
        {
            c.name: c.anywhere(1, np.random.default_rng(0)).astype(np.float32)
            for c in refiner.conditions
        },
        refiner.geometry,
    )
    _, known = refiner_features(blank, refiner.conditions, refiner.threshold)
    if known != refiner.features:
        differ = sorted(set(known) ^ set(refiner.features))
        raise CaloganError(
            f"{path} was made by a calogan with other features ({differ}); train it again"
        )
    return refiner


def _layers(arrays: Mapping[str, Any], where: str) -> Layers:
    count = sum(name.startswith(f"{where}/") for name in arrays) // 2
    return tuple((arrays[f"{where}/{k}/kernel"], arrays[f"{where}/{k}/bias"]) for k in range(count))


def weigh_store(
    path: str | Path,
    refiner: Refiner,
    output: str | Path,
    progress: Callable[[int], None] = lambda done: None,
) -> Efficiency:
    """Copy a store of generated showers, with their event weights beside them.

    Raises CaloganError for showers of another generator, or refined ones: a weight is for what
    the raw generator made.
    """
    about = store.info(path)
    made_by = about.provenance
    if "refiner_sha256" in made_by:
        raise CaloganError(f"the showers in {path} are refined already: each has weight 1")
    refiner.check_fits(str(made_by.get("weights_sha256", "")), str(path))
    origin = {
        **made_by,
        "inputs_sha256": all_inputs_sha256(made_by, refiner),
        "weights_by_refiner_sha256": refiner.sha256,
        "weights_of": str(path),
    }
    ratios = []
    with store.StoreWriter(
        output, refiner.geometry, about.conditions, origin, about.labels
    ) as writer:
        for part in store.iterate(path, geometry=refiner.geometry):
            ratios.append(refiner.ratios(part))
            weights = refiner.weights(part.conditions, ratios[-1])
            writer.append(part.energies, part.conditions, part.overflow, weights)
            progress(len(part))
    return Efficiency.of(np.concatenate(ratios), refiner.bound)
