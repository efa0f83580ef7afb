"""Export profiles: a generator written for the program that is to run it.

Each takes a run directory or a model file. In all but the native one, what the runner does around
the network is inside the file: conditions from what the program feeds (kept in the trained range),
and the readout threshold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lwtnn_converter import save

from calogan.conditions import Condition, energy_of
from calogan.errors import CaloganError
from calogan.exporting import consumers
from calogan.exporting.consumers import Consumer, Reading
from calogan.exporting.fastcalosim import Region, Slot, samplings_of
from calogan.exporting.lwtnn_graph import lwtnn_graph
from calogan.exporting.native import run_document
from calogan.files import atomic_path
from calogan.generating.model_file import ModelFile
from calogan.version import __version__

E_MAX = 1024.0
"""GeV, what Par04 divides the energy by."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    model: ModelFile
    files: tuple[Path, ...]
    settings: tuple[str, ...] = ()
    """What to say to the program that runs it, a line each."""
    remarks: tuple[str, ...] = ()
    """What to know of it."""


def export_native(source: str | Path, output: str | Path, *, digits: int | None = None) -> Exported:
    """The model file itself, for the C++ runner and whoever reads its `calogan` block.

    `digits`, of a run, as in `native.run_document`; raises CaloganError for them with a file, whose
    weights are what they are.
    """
    if digits is not None and not Path(source).is_dir():
        raise CaloganError(
            f"{source} is a file, which is exported as it is; round the weights of its run: "
            f"calogan export RUN --digits {digits}"
        )
    model = read_model(source, digits)
    save(model.document, output)
    return Exported(model, (Path(output),))


def export_par04(
    source: str | Path,
    output: str | Path,
    *,
    e_max: float = E_MAX,
    fixed: Mapping[str, float | str] | None = None,
) -> Exported:
    """lwtnn JSON for the Geant4 example Par04.

    Parameters
    ----------
    e_max : GeV, the energy that Par04 divides by
    fixed : conditions that are fixed, in their own units, in place of what Par04 gives

    Raises CaloganError for a geometry that is no mesh of Par04, and for conditions that it does not
    give and that are not fixed.
    """
    model = read_model(source)
    consumer = _par04(model, e_max, fixed or {})
    remark = _write_lwtnn(model, consumer, Path(output), "par04")
    return Exported(model, (Path(output),), _par04_settings(consumer, output, "LWTNN"), (remark,))


def export_onnx(
    source: str | Path,
    output: str | Path,
    *,
    inputs: Literal["separate", "par04"] = "separate",
    e_max: float = E_MAX,
    fixed: Mapping[str, float | str] | None = None,
) -> Exported:
    """ONNX: for Par04 and DDML's Par04ExampleVAE by one tensor, or for any program.

    Parameters
    ----------
    inputs : "par04", one input as Par04 feeds it; "separate": "latents" (n, k) ~ N(0, 1) and
        "conditions" (n, c), those that are not fixed, in their own units and the model's order
    e_max, fixed : as in `export_par04`; e_max for inputs "par04" alone

    The output "fractions" is (n, n_voxels). Raises CaloganError as `export_par04` does, and if the
    package onnx is missing.
    """
    model = read_model(source)
    if inputs == "par04":
        consumer = _par04(model, e_max, fixed or {})
        settings = _par04_settings(consumer, output, "ONNX")
    else:
        consumer = consumers.plain(model.geometry, model.conditions, model.latent_size, fixed or {})
        shapes = (f"{name} (n, {size})" for name, size in consumer.nodes.items())
        settings = (f"inputs: {', '.join(shapes)}; output: fractions (n, {len(consumer.order)})",)
    _write_onnx(model, consumer, Path(output), "onnx")
    return Exported(model, (Path(output),), settings)


def export_fastcalosim(
    source: str | Path,
    folder: str | Path,
    *,
    pid: int,
    eta: int,
    network: Literal["lwtnn", "onnx"] = "lwtnn",
    samplings: Sequence[int] | None = None,
    fixed: Mapping[str, float | str] | None = None,
) -> Exported:
    """A slot of the folder that FastCaloSim's GANs are loaded from.

    Parameters
    ----------
    pid : 22, 11, 211 or 2212
    eta : lower end of |eta| in hundredths; the slot is 0.05 wide
    network : format of the network
    samplings : of each layer its number in FastCaloSim; if not given, what ends the layers' names
    fixed : conditions other than the energy, in their own units

    Raises CaloganError for geometries that are not cylindrical or that FastCaloSim cannot hold, for
    conditions other than the energy that are not fixed, and if the folder holds something else in
    that slot.
    """
    model = read_model(source)
    folder = Path(folder)
    slot = Slot(pid, eta)
    numbers = samplings_of(model.geometry, samplings)
    nodes = ("Noise", "mycond") if network == "onnx" else ("node_0", "node_1")
    suffix, other = (".onnx", ".json") if network == "onnx" else (".json", ".onnx")
    asked = {
        region: consumers.fastcalosim(
            model.geometry,
            model.conditions,
            model.latent_size,
            fixed or {},
            numbers,
            slot.kinetic_range(region),
            nodes,
        )
        for region in slot.regions
    }
    files, remarks = [], []
    for region in slot.regions:
        if (folder / slot.network(region, other)).exists():
            raise CaloganError(
                f"{folder} holds {slot.network(region, other)} already, and FastCaloSim reads one "
                "of the two; remove it, or give another folder"
            )
    try:
        (folder / "rootFiles").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaloganError(f"cannot write {folder}: {error}") from error
    slot.write_binning(folder / "binning.xml", model.geometry, numbers, model.latent_size)
    slot.write_root_files(folder / "rootFiles", model.geometry, numbers)
    for region, consumer in asked.items():
        path = folder / slot.network(region, suffix)
        if network == "onnx":
            _write_onnx(model, consumer, path, "fastcalosim")
        else:
            remarks.append(_write_lwtnn(model, consumer, path, "fastcalosim"))
        files.append(path)
        remarks += _outside(model, slot, region)
    settings = f'TFCSEnergyAndHitGANV2::initializeNetwork({pid}, {eta}, "{folder}")'
    return Exported(model, tuple(files), (settings,), tuple(remarks))


def read_model(source: str | Path, digits: int | None = None) -> ModelFile:
    """The generator of a run directory, or of an exported native JSON."""
    if Path(source).is_dir():
        return ModelFile.parse(run_document(source, digits), str(source))
    return ModelFile.read(source)


def _par04(model: ModelFile, e_max: float, fixed: Mapping[str, float | str]) -> Consumer:
    return consumers.par04(model.geometry, model.conditions, model.latent_size, fixed, e_max)


def _par04_settings(consumer: Consumer, output: str | Path, library: str) -> tuple[str, ...]:
    """The macro's lines; the library is named last, as Par04 then reads the file."""
    return (
        *consumer.settings,
        f"/Par04/inference/setModelPathName {output}",
        f"/Par04/inference/setInferenceLibrary {library}",
    )


def _about(model: ModelFile, consumer: Consumer, profile: str, **more: Any) -> dict[str, Any]:
    """What an exported file says of itself."""
    readings = consumer.conditions.items()
    read = {name: asdict(r) for name, r in readings if isinstance(r, Reading)}
    return {
        "profile": profile,
        "name": model.name,
        "producer": f"calogan {__version__}",
        "weights_sha256": model.block.get("weights_sha256", ""),
        "inputs_sha256": model.block.get("provenance", {}).get("inputs_sha256", []),
        "latents": {
            "node": consumer.latent_node,
            "size": model.latent_size,
            "mean": consumer.latent_mean,
            "std": consumer.latent_std,
        },
        "conditions": [c.to_dict() for c in model.conditions],
        "read": {"node": consumer.condition_node, "conditions": read},
        "fixed": {name: value for name, value in readings if name not in read},
        "readout_threshold": model.readout_threshold,
        "settings": list(consumer.settings),
        **more,
    }


def _write_lwtnn(model: ModelFile, consumer: Consumer, output: Path, profile: str) -> str:
    """Write lwtnn JSON; returns how exact it is, in words."""
    graph, approximations = lwtnn_graph(model, consumer)
    about = _about(model, consumer, profile, approximations=asdict(approximations))
    save({**graph, "calogan_export": about}, output)
    errors = [
        f"{c.name} within {approximations.conditions[c.name]:.1g}"
        + (" of itself" if c.scale == "log" else "")
        for c in model.conditions
        if isinstance(c, Condition) and c.name in approximations.conditions
    ]
    if model.readout_threshold:
        errors.append(
            f"threshold of {model.readout_threshold:g} MeV within {approximations.threshold:.1g} "
            "of itself"
        )
    return f"{output.name}: made in the graph, {', '.join(errors)}"


def _write_onnx(model: ModelFile, consumer: Consumer, output: Path, profile: str) -> None:
    try:
        from calogan.exporting.onnx_graph import onnx_graph
    except ModuleNotFoundError as error:
        raise CaloganError(
            f"writing ONNX needs the package {error.name}, which is not installed; "
            "install it by `pip install calogan[onnx]`"
        ) from error
    graph = onnx_graph(model, consumer)
    field = graph.metadata_props.add()
    field.key, field.value = "calogan_export", json.dumps(_about(model, consumer, profile))
    with atomic_path(output) as path:
        path.write_bytes(graph.SerializeToString())


def _outside(model: ModelFile, slot: Slot, region: Region) -> list[str]:
    """What to say if a region goes beyond the trained energies."""
    energy = energy_of(model.conditions)
    low, high = (e / 1000 for e in slot.kinetic_range(region))
    if np.all(energy.covers([low, high])):
        return []
    return [
        f"{region.name} serves {low:.4g} to {high:.4g} GeV, the generator was trained on "
        f"{energy.low:g} to {energy.high:g} GeV; beyond, showers are those of the nearer end"
    ]
