"""Export profiles, each played by the rules of the program that reads it."""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from helpers.consumers import FastCaloSim, Par04
from helpers.cylinders import voxel_at
from lwtnn_converter import Graph
from numpy.typing import NDArray

from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.exporting import consumers
from calogan.exporting.lwtnn_graph import lwtnn_graph
from calogan.exporting.native import export_run
from calogan.exporting.profiles import (
    export_fastcalosim,
    export_native,
    export_onnx,
    export_par04,
)
from calogan.generating.generator import Generator
from calogan.generating.model_file import ModelFile
from calogan.training.run import Run

ENERGIES = [1.0, 2.7, 5.0, 16.0]
THETAS = [1.0, 1.5, 1.3, 1.1]
Array = NDArray[Any]


def reference(model: Path, latents: Array, energy: float, theta: float) -> Array:
    """Voxel energies in MeV that the native file gives, under the threshold zero, (n_voxels,)."""
    file = ModelFile.read(model)
    variables = np.array([[math.log(energy), theta]])
    fractions = file.outputs(latents[None].astype(np.float64), variables)[0, file.voxel_columns]
    energies: Array = 1000 * energy * fractions
    return np.where(energies >= file.readout_threshold, energies, 0)


def assert_same_cells(found: Array, expected: Array, threshold: float, rtol: float) -> None:
    """Equal energies, but for cells so near the threshold that rounding decides."""
    at_cut = np.abs(expected - threshold) < 1e-3 * threshold
    at_cut |= np.abs(found - threshold) < 1e-3 * threshold
    assert at_cut.mean() < 0.1
    np.testing.assert_allclose(found[~at_cut], expected[~at_cut], rtol=rtol, atol=1e-9)


def changed(model: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The model file with something changed in its `calogan` block."""
    document = json.loads(model.read_text())
    change(document["calogan"])
    path = folder / "changed.json"
    path.write_text(json.dumps(document))
    return path


def turned(block: dict[str, Any]) -> None:
    """As the CaloChallenge counts cells: alpha from 0, r fastest."""
    block["geometry"]["fastest"] = "first"
    for layer in block["geometry"]["layers"]:
        layer["alpha_edges"] = np.linspace(0, 2 * np.pi, 5).tolist()


# Par04


@pytest.mark.parametrize("other_order", [False, True])
@pytest.mark.parametrize("library", ["LWTNN", "ONNX"])
def test_par04(cylinders: Path, tmp_path: Path, library: str, other_order: bool) -> None:
    model = changed(cylinders, tmp_path, turned) if other_order else cylinders
    if library == "LWTNN":
        made = export_par04(model, tmp_path / "par04.json")
    else:
        made = export_onnx(model, tmp_path / "par04.onnx", inputs="par04")
    program = Par04(made.settings)
    geometry = ModelFile.read(model).geometry
    front = geometry.layers[0].z[0]  # type: ignore[index]
    voxels = [voxel_at(geometry, r, alpha, front + z) for r, alpha, z in program.places()]
    assert sorted(voxels) == list(range(geometry.n_voxels))
    rng = np.random.default_rng(1)
    dark = 0
    for energy, theta in zip(ENERGIES, THETAS, strict=True):
        latents = rng.standard_normal(program.size_latent).astype(np.float32)
        expected = reference(model, latents, energy, theta)[voxels]
        found = program.energies(latents, 1000 * energy, theta)
        assert_same_cells(found, expected, 5.0, 1e-3 if library == "ONNX" else 1e-4)
        dark += (expected == 0).sum()
    assert 0.05 < dark / (len(ENERGIES) * len(voxels)) < 0.95  # so the threshold was tested


@pytest.mark.parametrize("library", ["LWTNN", "ONNX"])
def test_par04_beyond_the_trained_range(cylinders: Path, tmp_path: Path, library: str) -> None:
    """Par04 asks for any energy, of secondaries too: fractions are those of the nearer end, but the
    threshold stays where it is."""
    if library == "LWTNN":
        made = export_par04(cylinders, tmp_path / "par04.json")
    else:
        made = export_onnx(cylinders, tmp_path / "par04.onnx", inputs="par04")
    program = Par04(made.settings)
    latents = np.random.default_rng(2).standard_normal(program.size_latent).astype(np.float32)
    shape = program.mesh[2], program.mesh[0] * program.mesh[1]
    for energy, end in ((300.0, 16.0), (17.0, 16.0), (0.4, 1.0), (0.05, 1.0), (0.003, 1.0)):
        file = ModelFile.read(cylinders)
        fed = latents[None].astype(np.float64), np.array([[math.log(end), 1.5]])
        expected = 1000 * energy * file.outputs(*fed)[0, file.voxel_columns]
        expected[expected < file.readout_threshold] = 0
        found = program.energies(latents, 1000 * energy, 1.7)
        assert_same_cells(found, expected.reshape(shape).T.reshape(-1), 5.0, 1e-3)
        assert (found > 0).any() == (energy > 0.05)


def test_par04_errors_are_as_stated(cylinders: Path, tmp_path: Path) -> None:
    path = tmp_path / "par04.json"
    export_par04(cylinders, path, e_max=64)
    document = json.loads(path.read_text())
    about = document["calogan_export"]
    model = ModelFile.read(cylinders)
    inputs = [node["name"] for node in model.document["inputs"]]
    place = next(
        i
        for i, node in enumerate(model.document["nodes"])
        if node["type"] == "input" and inputs[node["sources"][0]] == "conditions"
    )
    document["outputs"] = {"conditions": {"node_index": place, "labels": ["energy", "theta"]}}
    energy = np.exp(np.random.default_rng(0).uniform(0, np.log(16), 20_000))
    theta = np.linspace(1.0, 1.5, 20_000)
    fed: dict[str, Any] = {f"variable_{i}": 0.0 for i in range(model.latent_size)}
    fed[f"variable_{model.latent_size}"] = energy / 64
    fed[f"variable_{model.latent_size + 1}"] = np.degrees(theta) / 90
    found = Graph(document).compute({"node_0": fed})
    for column, condition, values in zip(found.T, model.conditions, (energy, theta), strict=True):
        scale = condition.offset_and_scale[1]
        error = np.abs(column - condition.normalise(values)).max() / scale
        stated = about["approximations"]["conditions"][condition.name]
        assert error <= 1.01 * stated + 1e-9
        assert stated < 2e-5
    assert 0 < about["approximations"]["threshold"] < 2e-4


def test_what_is_no_voxel_is_zero(cylinders: Path) -> None:
    """Gates have a leftover number, here 3 sigmoid(3) by another bias, which no program reads."""
    file = ModelFile.read(cylinders)
    document = copy.deepcopy(dict(file.document))
    for layer in document["layers"]:
        if len(layer.get("bias", [])) == 1:
            layer["bias"] = [3.0]
    model = replace(file, document=document)
    consumer = consumers.par04(model.geometry, model.conditions, model.latent_size, {}, 1024.0)
    graph, _ = lwtnn_graph(model, consumer)
    fed = dict.fromkeys((f"variable_{i}" for i in range(model.latent_size)), 0.0)
    fed |= {f"variable_{model.latent_size}": 5 / 1024, f"variable_{model.latent_size + 1}": 0.8}
    (values,) = Graph(graph).compute({"node_0": fed})
    by_label = dict(zip(graph["outputs"]["fractions"]["labels"], values, strict=True))
    unused = [value for label, value in by_label.items() if label.startswith("out_unused")]
    assert unused == [0] * 5
    assert sum(values) > 4  # five layers, each with nearly all energy


def test_a_condition_is_fixed(cylinders: Path, tmp_path: Path) -> None:
    made = export_par04(cylinders, tmp_path / "par04.json", fixed={"theta": 1.25})
    program = Par04(made.settings)
    latents = np.random.default_rng(3).standard_normal(program.size_latent).astype(np.float32)
    found = [program.energies(latents, 5000.0, theta) for theta in (1.0, 1.5)]
    np.testing.assert_array_equal(*found)
    assert np.sort(found[0])[-5:] == pytest.approx(
        np.sort(reference(cylinders, latents, 5.0, 1.25))[-5:], rel=1e-4
    )


# ONNX with separate inputs


@pytest.mark.parametrize("source", ["run", "cylinders"])
def test_onnx(source: str, run: Run, cylinders: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    made = export_onnx(run.path if source == "run" else cylinders, path)
    rng = np.random.default_rng(4)
    n = 50
    energy = np.geomspace(1.0, 16.0, n)
    theta = rng.uniform(*((0, 0.35) if source == "run" else (1.0, 1.5)), n)
    latents = rng.standard_normal((n, made.model.latent_size)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path))
    conditions = np.stack([energy, theta], axis=1).astype(np.float32)
    (found,) = session.run(None, {"latents": latents, "conditions": conditions})
    variables = np.stack([np.log(energy), theta], axis=1)
    fractions = made.model.outputs(latents.astype(np.float64), variables)
    fractions = fractions[:, made.model.voxel_columns]
    threshold = made.model.readout_threshold
    expected = np.where(1000 * energy[:, None] * fractions >= threshold, fractions, 0)
    for one, other, e in zip(found, expected, 1000 * energy, strict=True):
        assert_same_cells(one * e, other * e, threshold, 1e-3)
    about = json.loads(session.get_modelmeta().custom_metadata_map["calogan_export"])
    assert about["weights_sha256"] == made.model.block["weights_sha256"]


def test_onnx_with_a_fixed_condition(cylinders: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    made = export_onnx(cylinders, path, fixed={"theta": 1.25})
    assert made.settings == (
        f"inputs: latents (n, {made.model.latent_size}), conditions (n, 1); "
        "output: fractions (n, 60)",
    )
    latents = np.random.default_rng(5).standard_normal((3, made.model.latent_size))
    fed = {"latents": latents.astype(np.float32), "conditions": np.float32([[2.0], [4.0], [8.0]])}
    (found,) = onnxruntime.InferenceSession(str(path)).run(None, fed)
    for row, z, energy in zip(found, fed["latents"], (2.0, 4.0, 8.0), strict=True):
        assert_same_cells(row * 1000 * energy, reference(cylinders, z, energy, 1.25), 5.0, 1e-3)


def test_onnx_is_optional(cylinders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "calogan.exporting.onnx_graph", raising=False)
    with pytest.raises(CaloganError, match=r"needs the package onnx, .*pip install calogan\[onnx"):
        export_onnx(cylinders, tmp_path / "model.onnx")


def test_energies_from_zero_go_nowhere(cylinders: Path) -> None:
    """The threshold as a fraction of the energy has no end there."""
    geometry = ModelFile.read(cylinders).geometry
    with pytest.raises(CaloganError, match="energies begin at 0 GeV, expected more than 0"):
        consumers.plain(geometry, [Condition("energy", "GeV", 0.0, 10.0)], 4, {})


# FastCaloSim


@pytest.mark.parametrize(
    "pid, mass, network, other_order",
    [(22, 0.0, "lwtnn", False), (22, 0.0, "onnx", True), (211, 139.57039, "lwtnn", True)],
)
def test_fastcalosim(
    cylinders: Path, tmp_path: Path, pid: int, mass: float, network: Any, other_order: bool
) -> None:
    model = changed(cylinders, tmp_path, turned) if other_order else cylinders
    samplings = [12, 0, 1, 3, 2]
    made = export_fastcalosim(
        model,
        tmp_path / "gans",
        pid=pid,
        eta=20,
        network=network,
        samplings=samplings,
        fixed={"theta": 1.2},
    )
    assert made.settings[0].startswith(f"TFCSEnergyAndHitGANV2::initializeNetwork({pid}, 20,")
    program = FastCaloSim(tmp_path / "gans", pid, 20)
    assert program.relevant == sorted(samplings)
    assert program.integrals == [0] * 5
    assert program.weights == [[0.5]] * 5
    geometry = ModelFile.read(model).geometry
    rng = np.random.default_rng(6)
    for energy in (1.5, 3.9, 4.5, 15.0):
        latents = rng.standard_normal(program.latent_dim).astype(np.float32)
        expected = reference(model, latents, energy, 1.2)
        found = np.zeros_like(expected)
        for layer, r, alpha, deposit in program.simulate(0.5 + 0.5 * latents, 1000 * energy, mass):
            voxel = voxel_at(geometry, r, alpha, samplings.index(layer))
            assert found[voxel] == 0
            found[voxel] = deposit
        assert_same_cells(found, expected, 5.0, 1e-3)
        assert (expected > 0).any()


def test_fastcalosim_slots_share_a_folder(cylinders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gans"
    fixed = {"theta": 1.2}
    for pid, eta in ((22, 20), (22, 25), (211, 20), (2212, 20), (22, 20)):
        export_fastcalosim(cylinders, folder, pid=pid, eta=eta, fixed=fixed)
    for pid, eta in ((22, 20), (22, 25), (211, 20), (2212, 20)):
        assert len(FastCaloSim(folder, pid, eta).binning) == 5
    with pytest.raises(CaloganError, match=r"High12\.json already, and FastCaloSim reads one of"):
        export_fastcalosim(cylinders, folder, pid=22, eta=20, fixed=fixed, network="onnx")
    others = [5, 6, 7, 8, 9]
    with pytest.raises(CaloganError, match="has other cells for the particle 22 at eta 20; give"):
        export_fastcalosim(cylinders, folder, pid=22, eta=20, fixed=fixed, samplings=others)
    binning = folder / "binning.xml"
    binning.write_text(binning.read_text().replace('latentDim="', 'latentDim="1'))
    with pytest.raises(CaloganError, match="FastCaloSim allows one for all eta"):
        export_fastcalosim(cylinders, folder, pid=22, eta=30, fixed=fixed)


# What cannot be


def without_depth(block: dict[str, Any]) -> None:
    block["geometry"]["layers"][2]["z"] = None


def uneven(block: dict[str, Any]) -> None:
    block["geometry"]["layers"][4]["z"] = [26, 40]


def other_cells(block: dict[str, Any]) -> None:
    block["geometry"]["layers"][1]["r_edges"] = [0, 5, 10, 16]


def hollow(block: dict[str, Any]) -> None:
    for layer in block["geometry"]["layers"]:
        layer["r_edges"] = [5, 10, 15, 20]


def askew(block: dict[str, Any]) -> None:
    for layer in block["geometry"]["layers"]:
        layer["alpha_edges"] = (0.3 + np.linspace(0, 2 * np.pi, 5)).tolist()


def half(block: dict[str, Any]) -> None:
    for layer in block["geometry"]["layers"]:
        layer["alpha_edges"] = np.linspace(0, np.pi, 5).tolist()


def phi(block: dict[str, Any]) -> None:
    block["conditions"]["variables"][1]["name"] = "phi"


@pytest.mark.parametrize(
    "change, message",
    [
        (without_depth, r"no mesh of Par04: its layers do not follow each other evenly in z"),
        (uneven, r"no mesh of Par04: its layers do not follow each other evenly in z"),
        (other_cells, r"no mesh of Par04: layer 'z1' has other cells than 'z0'"),
        (hollow, r"no mesh of Par04: r edges are \[5.0, 10.0, 15.0, 20.0\]"),
        (askew, r"layer 'z0': alpha edges are .*, expected even ones .* with an edge at -pi"),
        (half, r"layer 'z0': alpha edges are .* over a full turn"),
        (phi, r"the condition 'phi' \[rad\], which Par04 does not give .* fix it with --set phi="),
    ],
)
def test_par04_refuses(
    cylinders: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(CaloganError, match=message):
        export_par04(changed(cylinders, tmp_path, change), tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_depth_may_be_unknown_to_par04(cylinders: Path, tmp_path: Path) -> None:
    """As of the CaloChallenge's geometries, whose files do not give it."""

    def flat(block: dict[str, Any]) -> None:
        for layer in block["geometry"]["layers"]:
            layer["z"] = None

    made = export_par04(changed(cylinders, tmp_path, flat), tmp_path / "out.json")
    assert not any("setSizeOfZCells" in line for line in made.settings)
    assert "/Par04/inference/setNbOfZCells 5" in made.settings


@pytest.mark.parametrize(
    "fixed, e_max, message",
    [
        ({"theta": 0.3}, 1024, r"generator takes theta 1\.\.1\.5 rad, was asked for 0\.3 rad"),
        ({"eta": 1.0}, 1024, r"has no conditions \['eta'\] to fix; it has \['energy', 'theta'\]"),
        ({"energy": 5.0}, 1024, "the energy cannot be fixed"),
        ({}, 0.0, "E_max is 0 GeV, expected a number above 0"),
    ],
)
def test_bad_settings(
    cylinders: Path, tmp_path: Path, fixed: dict[str, float], e_max: float, message: str
) -> None:
    with pytest.raises(CaloganError, match=message):
        export_par04(cylinders, tmp_path / "out.json", e_max=e_max, fixed=fixed)


def one_ring(block: dict[str, Any]) -> None:
    for layer in block["geometry"]["layers"]:
        layer |= {"r_edges": [0, 15], "alpha_edges": np.linspace(0, 2 * np.pi, 13).tolist()}


@pytest.mark.parametrize(
    "change, options, message",
    [
        (one_ring, {}, "layer 'z0' has one cell in r, which FastCaloSim takes for a layer that is"),
        (askew, {}, "expected even ones over a full turn with an edge at -pi"),
        (None, {"pid": 13}, r"no slot for the particle 13, expected one of \[22, 11, 211, 2212\]"),
        (None, {"eta": 22}, "no slot that begins at eta 22, expected hundredths in steps of 5"),
        (None, {"fixed": {}}, r"the condition 'theta' \[rad\], which FastCaloSim does not give"),
        (None, {"samplings": [0, 1, 2, 3, 3]}, r"expected a number of its own for each"),
        (None, {"samplings": [0, 1]}, r"have the samplings \[0, 1\] in FastCaloSim"),
    ],
)
def test_fastcalosim_refuses(
    cylinders: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None] | None,
    options: dict[str, Any],
    message: str,
) -> None:
    model = changed(cylinders, tmp_path, change) if change else cylinders
    given = {"pid": 22, "eta": 20, "fixed": {"theta": 1.2}, **options}
    with pytest.raises(CaloganError, match=message):
        export_fastcalosim(model, tmp_path / "gans", **given)
    assert not (tmp_path / "gans").exists()


def test_cartesian_cells_go_to_neither(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match="no mesh of Par04: layer 'front' is cartesian"):
        export_par04(exported, tmp_path / "out.json")
    with pytest.raises(CaloganError, match="cartesian, but FastCaloSim has cells in r and alpha"):
        export_fastcalosim(exported, tmp_path / "gans", pid=22, eta=20, samplings=[1, 2])


def test_native_is_the_file_itself(run: Run, exported: Path, tmp_path: Path) -> None:
    for source in (run.path, exported):
        export_native(source, tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == exported.read_bytes()
    export_run(run.path, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == exported.read_bytes()


def test_a_profile_is_no_source(cylinders: Path, tmp_path: Path) -> None:
    export_par04(cylinders, tmp_path / "par04.json")
    message = "exported for another program, by the profile par04; give the run or native file"
    with pytest.raises(CaloganError, match=message):
        Generator.load(tmp_path / "par04.json")
    with pytest.raises(CaloganError, match=message):
        export_par04(tmp_path / "par04.json", tmp_path / "again.json")
