"""What is said of lwtnn models, generators and run directories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.inspections import printed
from helpers.samples import make_card

from calogan.errors import CaloganError
from calogan.inspecting.inspect import inspect

GRAPH = {
    "inputs": [{"name": "latent", "variables": [{"name": f"latent_{i}"} for i in range(9)]}],
    "input_sequences": [],
    "nodes": [],
    "layers": [
        {"architecture": "dense", "weights": [1.0, 2.0], "bias": [0.5], "activation": "linear"},
        {"architecture": "maxout", "sublayers": [{"weights": [1.0], "bias": [0.0]}]},
    ],
    "outputs": {"fractions": {"node_index": 0, "labels": ["voxel_0", "voxel_1"]}},
}


def test_lwtnn_graph(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GRAPH))
    found = inspect(path)
    assert found.kind == "lwtnn graph"
    text = printed(found)
    assert "1 dense, 1 maxout" in text
    assert "latent_0 .. latent_8 (9)" in text
    assert dict(found.facts)["weights"] == "5"
    sequential = {"inputs": [{"name": "x"}], "layers": [], "outputs": ["y"], "defaults": {}}
    path.write_text(json.dumps(sequential))
    assert inspect(path).kind == "lwtnn sequential model"


def test_export_for_another_program(tmp_path: Path) -> None:
    about = {
        "profile": "par04",
        "name": "mine",
        "weights_sha256": "abc",
        "settings": ["/a 1", "/b 2"],
    }
    path = tmp_path / "par04.json"
    path.write_text(json.dumps({**GRAPH, "calogan_export": about}))
    facts = dict(inspect(path).facts)
    assert facts["exported for"] == "par04"
    assert facts["generator"] == "mine"
    assert facts["settings"] == "/a 1\n/b 2"


def test_generator(tmp_path: Path) -> None:
    card = make_card()
    block = {
        "schema_version": 1,
        "name": "small",
        "producer": "calogan 0.1.0",
        "latent": {
            "nodes": [{"name": "latent", "size": 9}],
            "distribution": "normal",
            "mean": 0.0,
            "std": 1.0,
        },
        "conditions": {
            "node": "conditions",
            "variables": [c.to_dict() for c in card.condition_list],
        },
        "output": "fractions",
        "readout_threshold": 0.1,
        "geometry": card.build_geometry().to_dict(),
        "self_test": [],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**GRAPH, "calogan": block}))
    text = printed(inspect(path))
    for expected in (
        "calogan generator",
        "latent (9), normal",
        "0.35",
        "log",
        "geometry small, 16 voxels",
        "0.1 MeV",
    ):
        assert expected in text
    del block["latent"]
    path.write_text(json.dumps({**GRAPH, "calogan": block}))
    with pytest.raises(
        CaloganError, match="'calogan' block that is not complete: KeyError 'latent'"
    ):
        inspect(path)


def test_run_directory(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(CaloganError, match="is not a run directory"):
        inspect(run)
    (run / "card.json").write_text(make_card(training={"updates": 200}).model_dump_json())
    assert "0 of 200 (0%)" in printed(inspect(run))
    lines = [{"update": 40, "critic": 1.5, "validation_response_ratio": 0.99}, {"update": 80}]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = printed(inspect(run))
    assert "80 of 200 (40%)" in text
    assert "validation_response_ratio" in text
    assert "not written yet" in text
