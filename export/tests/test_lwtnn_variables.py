from __future__ import annotations

from typing import Any

import pytest

from lwtnn_converter.variables import default_variables, resolve

INPUTS = {"tracks": 2, "jet": 1}
SEQUENCES = {"hits": 1}
OUTPUTS = {"flavour": 2, "energy": 1}


def variable(name: str, **other: Any) -> dict[str, Any]:
    return {"name": name, "offset": 0.0, "scale": 1.0, **other}


def resolved(spec: Any, labels: Any = None) -> dict[str, Any]:
    return resolve(spec, labels, INPUTS, SEQUENCES, OUTPUTS)


def test_defaults() -> None:
    expected: dict[str, Any] = {
        "inputs": [
            {"name": "tracks", "variables": [variable("tracks_0"), variable("tracks_1")]},
            {"name": "jet", "variables": [variable("jet_0")]},
        ],
        "input_sequences": [{"name": "hits", "variables": [variable("hits_0")]}],
        "outputs": [
            {"name": "flavour", "labels": ["flavour_0", "flavour_1"]},
            {"name": "energy", "labels": ["energy_0"]},
        ],
    }
    assert default_variables(INPUTS, SEQUENCES, OUTPUTS) == expected
    expected["miscellaneous"] = {}
    assert resolved(None) == expected
    assert resolved(expected) == expected
    assert resolved({"miscellaneous": {"year": 2024}})["miscellaneous"] == {"year": "2024"}


def test_some_entries_by_name() -> None:
    found = resolved(
        {
            "inputs": [{"name": "jet", "variables": [variable("pt", offset=-1, default=3)]}],
            "outputs": [{"name": "energy", "labels": ["e"]}],
        }
    )
    assert found["inputs"][1]["variables"] == [
        {"name": "pt", "offset": -1.0, "scale": 1.0, "default": 3.0}
    ]
    assert found["inputs"][0]["variables"][1]["name"] == "tracks_1"
    assert [entry["labels"] for entry in found["outputs"]] == [["flavour_0", "flavour_1"], ["e"]]


def test_all_entries_by_position_with_new_names() -> None:
    spec = {
        "inputs": [
            {"name": "node_0", "variables": [variable("a"), variable("b")]},
            {"name": "node_1", "variables": [variable("c")]},
        ]
    }
    found = resolved(spec)
    assert [entry["name"] for entry in found["inputs"]] == ["node_0", "node_1"]
    assert found["inputs"][1]["variables"][0]["name"] == "c"


def test_output_labels() -> None:
    found = resolved(None, {"energy": ["e"]})
    assert found["outputs"][1] == {"name": "energy", "labels": ["e"]}
    found = resolved(None, {"first": ["a", "b"], "second": ["e"]})
    assert [entry["name"] for entry in found["outputs"]] == ["first", "second"]
    renamed = {"outputs": [{"name": "f", "labels": ["x", "y"]}, {"name": "g", "labels": ["z"]}]}
    found = resolved(renamed, {"f": ["a", "b"]})
    assert found["outputs"][0] == {"name": "f", "labels": ["a", "b"]}
    single = resolve(None, ("a", "b"), {"x": 1}, {}, {"y": 2})
    assert single["outputs"] == [{"name": "y", "labels": ["a", "b"]}]


def test_the_plain_list_of_keras2json() -> None:
    spec = {"inputs": [variable("pt", scale=0.5)], "class_labels": ["s", "b"]}
    found = resolve(spec, None, {"x": 1}, {}, {"y": 2})
    assert found["inputs"] == [{"name": "x", "variables": [variable("pt", scale=0.5)]}]
    assert found["outputs"] == [{"name": "y", "labels": ["s", "b"]}]
    found = resolve(spec, None, {}, {"steps": 1}, {"y": 2})
    assert found["input_sequences"][0]["variables"][0]["name"] == "pt"
    without = resolve({"inputs": [variable("pt")]}, None, {"x": 1}, {}, {"y": 2})
    assert without["outputs"][0]["labels"] == ["y_0", "y_1"]


@pytest.mark.parametrize(
    "spec, message",
    [
        ([], "found list; expected a JSON object"),
        ({"outputz": []}, "unknown field 'outputz'; expected inputs, input_sequences, outputs"),
        ({"miscellaneous": []}, r"miscellaneous is \[\]; expected an object"),
        ({"inputs": {}}, "inputs is '{}'; expected an array of objects"),
        (
            {"inputs": [{"name": "x", "variables": []}]},
            "inputs are named 'x', the model's 'tracks', 'jet'; use the model's names, or 2 new",
        ),
        (
            {"inputs": [{"name": "jet", "variables": []}, {"name": "jet", "variables": []}]},
            "inputs holds the name 'jet' more than once",
        ),
        ({"inputs": [{"variables": []}]}, r"inputs\[0\].name is None; expected a string"),
        (
            {"inputs": [{"name": "jet", "variables": []}]},
            r"inputs\[0\].variables has 0 entries, but the model's input 'jet' has 1",
        ),
        (
            {"inputs": [{"name": "jet", "variables": [{"name": "a", "offset": 0}]}]},
            r"inputs\[0\].variables\[0\].scale is None; expected a finite number",
        ),
        (
            {"inputs": [{"name": "jet", "variables": [variable("a", offset=float("inf"))]}]},
            r"inputs\[0\].variables\[0\].offset is inf; expected a finite number",
        ),
        (
            {"inputs": [{"name": "tracks", "variables": [variable("a"), variable("a")]}]},
            r"inputs\[0\].variables holds the name 'a' more than once",
        ),
        (
            {"outputs": [{"name": "energy", "labels": ["a", "b"]}]},
            r"outputs\[0\].labels has 2 entries, but the model's output 'energy' has 1",
        ),
        (
            {"outputs": [{"name": "energy", "labels": "e"}]},
            r"outputs\[0\].labels is 'e'; expected an array of strings",
        ),
        (
            {"outputs": [{"name": "energy", "labels": [1]}]},
            r"outputs\[0\].labels holds something that is not a string",
        ),
        (
            {"outputs": [{"name": "flavour", "labels": ["a", "a"]}]},
            r"outputs\[0\].labels holds the name 'a' more than once",
        ),
        (
            {"inputs": [variable("pt")], "class_labels": ["s"]},
            "a plain list of variables fits a model of one input and one output; this one has",
        ),
    ],
)
def test_specifications_that_do_not_fit(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolved(spec)


def test_output_labels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="output_labels is one list, but the model has 2 outputs"):
        resolved(None, ["a", "b"])
    with pytest.raises(ValueError, match="output_labels are named 'x', the model's 'flavour', 'en"):
        resolved(None, {"x": ["a"]})
    with pytest.raises(ValueError, match=r"outputs\.energy has 2 entries, but the model's output"):
        resolved(None, {"energy": ["a", "b"]})
