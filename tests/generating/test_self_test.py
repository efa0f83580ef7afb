"""The self-test of model files: a file that does not do what it says is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.programs import GATED_MODEL, REFERENCE_MODEL

from calogan import runner
from calogan.conditions import Condition
from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.generating.self_test import check_self_test, make_self_test

CONDITIONS = (Condition("energy", "GeV", 1, 50, "log"), Condition("theta", "rad", 0, 0.35))
LABELS = ("voxel_0", "voxel_1", "unused_layer_0")


def changed(folder: Path, change: Callable[[Any], None], source: Path = GATED_MODEL) -> Path:
    model = json.loads(source.read_text(encoding="utf-8"))
    change(model)
    (folder / "model.json").write_text(json.dumps(model), encoding="utf-8")
    return folder / "model.json"


def one_weight(model: Any) -> None:
    layer = next(layer for layer in model["layers"] if layer.get("weights"))
    layer["weights"][0] += 0.5


def one_expected_number(model: Any) -> None:
    fractions = model["calogan"]["self_test"][1]["fractions"]
    cell = int(np.argmax(fractions))
    fractions[cell] *= 1.01


@pytest.mark.parametrize("source", [GATED_MODEL, REFERENCE_MODEL])
@pytest.mark.parametrize("change", [one_weight, one_expected_number])
def test_an_altered_file_is_refused(
    tmp_path: Path, change: Callable[[Any], None], source: Path
) -> None:
    """By Python as by the C++ runner, which says it alike."""
    path = changed(tmp_path, change, source)
    words = r"model\.json: self-test [012]: output \d+ is [-+.e\d]+, expected [-+.e\d]+; "
    with pytest.raises(CaloganError, match=words + "the file is damaged, or its weights were ch"):
        Generator.load(path)
    with pytest.raises(CaloganError, match=words + "the file is damaged"):
        runner.Generator.load(path)


def case(**changes: Any) -> Callable[[Any], None]:
    return lambda model: model["calogan"]["self_test"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (case(latent=[0.5] * 7), r"self_test\[0\]\.latent has 7 entries, expected 6"),
        (case(conditions=[1.0]), r"self_test\[0\]\.conditions has 1 entries, expected 2"),
        (case(fractions=[0.1] * 29), r"self_test\[0\]\.fractions has 29 entries, expected 28"),
        (lambda model: model["calogan"].update(self_test=[]), "self_test is empty, expected a cas"),
    ],
)
def test_wrong_sizes_are_refused(
    tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    """In the words of the C++ runner."""
    path = changed(tmp_path, change)
    for load in (Generator.load, runner.Generator.load):
        with pytest.raises(CaloganError, match=rf"model\.json: field calogan\.{message}"):
            load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            case(conditions=[0.0, 0.0]),
            r"self_test: condition 'energy' is 0\.0 .* above 0; the file",
        ),
        (case(latent="six"), "'calogan' block is damaged: ValueError"),
        (case(latent=[[1.0] * 6]), r"damaged: ValueError\(.self_test\[0\]\.latent is no list"),
        (lambda model: model["calogan"].pop("self_test"), "is damaged: KeyError"),
        (lambda model: model["calogan"].update(self_test=3), "is damaged: TypeError"),
        (lambda model: model["calogan"]["self_test"][0].pop("latent"), "is damaged: KeyError"),
    ],
)
def test_what_is_no_case_is_refused(
    tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    with pytest.raises(CaloganError, match=message):
        Generator.load(changed(tmp_path, change))


def outputs(latents: Any, variables: Any) -> Any:
    """Two fractions and an unused output, of two latents and two conditions."""
    return np.stack(
        [latents[:, 0], variables[:, 0] * latents[:, 1], variables[:, 1] - latents[:, 0]], axis=1
    )


@pytest.mark.parametrize(
    ("output", "factor", "offset", "refused"),
    [
        (0, 1.0005, 0, False),
        (0, 1.0015, 0, True),
        (1, 1, 5e-8, False),
        (2, 1.0005, 5e-6, False),
        (2, 1, np.nan, True),
    ],
)
def test_tolerances(output: int, factor: float, offset: float, refused: bool) -> None:
    def check(function: Any) -> None:
        cases = make_self_test(outputs, CONDITIONS, 2)
        check_self_test(cases, function, CONDITIONS, 2, LABELS, "a.json")

    def slightly_off(latents: Any, variables: Any) -> Any:
        found = outputs(latents, variables)
        found[1, output] = found[1, output] * factor + offset
        return found

    check(outputs)
    if refused:
        with pytest.raises(CaloganError, match=rf"a\.json: self-test 1: output {output} is"):
            check(slightly_off)
    else:
        check(slightly_off)


def test_the_cases_of_the_reference_model_are_made_again() -> None:
    """The same random numbers as ever, inside the trained range."""
    block = json.loads(REFERENCE_MODEL.read_text(encoding="utf-8"))["calogan"]
    conditions = [Condition.from_dict(c) for c in block["conditions"]["variables"]]
    size = sum(node["size"] for node in block["latent"]["nodes"])
    made = make_self_test(lambda latents, _: latents, conditions, size)
    for found, kept in zip(made, block["self_test"], strict=True):
        assert found["latent"] == kept["latent"]
        assert found["conditions"] == kept["conditions"]
