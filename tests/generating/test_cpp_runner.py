"""calogan.runner: the C++ library from Python."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.programs import GATED_MODEL as MODEL
from helpers.programs import PROGRAM, ROOT
from helpers.samples import BAD_CONDITIONS
from numpy.typing import NDArray

import calogan
from calogan import runner
from calogan.errors import CaloganError
from calogan.generating import cpp_runner
from calogan.reading import store

N = 300
CONDITIONS = {"energy": np.geomspace(1, 50, N), "theta": np.linspace(0, 0.35, N)}


@pytest.fixture(scope="module")
def generator() -> runner.Generator:
    return runner.Generator.load(MODEL)


def test_it_says_what_the_model_is(generator: runner.Generator) -> None:
    numpy_generator = calogan.Generator.load(MODEL)
    for name in ("name", "geometry", "conditions", "latent_size", "readout_threshold", "identity"):
        assert getattr(generator, name) == getattr(numpy_generator, name), name
    assert generator.n_voxels == 26


def test_the_same_showers_as_the_program(generator: runner.Generator, tmp_path: Path) -> None:
    path = tmp_path / "program.h5"
    options = ["--energy", "1:50", "--theta", "0:0.35", "-n", str(N), "--seed", "3"]
    subprocess.run(
        [PROGRAM, MODEL, *options, "--first-event", "7", "-o", path],
        check=True,
        capture_output=True,
        timeout=60,
    )
    theirs = store.load(path)
    conditions = dict(theirs.conditions)
    for threads in (1, 2, 3):
        ours = generator.sample(conditions, seed=3, first_event=7, threads=threads)
        np.testing.assert_array_equal(ours.energies, theirs.energies)
        for name, values in theirs.conditions.items():
            np.testing.assert_array_equal(ours.conditions[name], values)
    assert ours.geometry == theirs.geometry
    written = {**theirs.provenance, "producer": ours.provenance["producer"]}
    assert {**ours.provenance, "like": None} == written
    assert (generator.sample(conditions, seed=4).energies != theirs.energies).any()


def test_results_are_written_where_they_are_wanted(generator: runner.Generator) -> None:
    wanted = generator.generate(CONDITIONS, 1)
    everything = np.full((3, N, generator.n_voxels), -1, np.float32)
    made = generator.generate(CONDITIONS, 1, out=everything[1])
    assert made.base is everything
    np.testing.assert_array_equal(everything[1], wanted)
    assert (everything[[0, 2]] == -1).all()
    latents = np.zeros((N, generator.latent_size), np.float32)
    assert generator.generate_from(CONDITIONS, latents, out=everything[2]).base is everything
    assert (everything[2] >= 0).all()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ([[0.0]], "out is list, expected a NumPy array"),
        (np.zeros((N, 26)), r"float64 of shape \(300, 26\); expected float32"),
        (np.zeros((N, 25), np.float32), r"expected float32 of shape \(300, 26\)"),
        (np.zeros((26, N), np.float32).T, "not C-contiguous"),
        (np.broadcast_to(np.float32(0), (N, 26)), "read-only"),
    ],
)
def test_arrays_that_cannot_be_written_are_refused(
    generator: runner.Generator, out: Any, message: str
) -> None:
    with pytest.raises(CaloganError, match=message):
        generator.generate(CONDITIONS, 1, out=out)


def test_sparse_showers_are_the_dense_ones_without_zeros(generator: runner.Generator) -> None:
    wanted = generator.generate(CONDITIONS, 1, first_event=5)
    for threads in (1, 2):
        found = generator.generate_sparse(CONDITIONS, 1, first_event=5, threads=threads)
        shower, cell = np.nonzero(wanted)
        np.testing.assert_array_equal(np.repeat(np.arange(N), np.diff(found.offsets)), shower)
        np.testing.assert_array_equal(found.cells, cell)
        np.testing.assert_array_equal(found.energies, wanted[shower, cell])
    nothing = runner.Generator.load(MODEL, readout_threshold=1e9).generate_sparse(CONDITIONS, 1)
    assert not nothing.offsets.any() and not nothing.cells.size and not nothing.energies.size


def test_ones_own_random_numbers(generator: runner.Generator) -> None:
    rng = np.random.default_rng(2)
    latents = rng.standard_normal((N, generator.latent_size), np.float32)
    theirs = calogan.Generator.load(MODEL)
    wanted = theirs._make({name: np.float32(v) for name, v in CONDITIONS.items()}, rng)
    assert wanted.shape == (N, 26)
    columns = calogan.conditions.network_input(theirs.conditions, CONDITIONS)
    fractions = theirs.network(latents, columns)
    sharp = runner.Generator.load(MODEL, readout_threshold=0)
    for threads in (1, 2):
        found = sharp.generate_from(CONDITIONS, latents, threads=threads)
        by_incident = found / (1000 * CONDITIONS["energy"][:, None])
        np.testing.assert_allclose(by_incident, fractions, rtol=1e-4, atol=1e-8)
    with pytest.raises(CaloganError, match=r"latents have shape \(2, 6\), expected \(300, 6\)"):
        generator.generate_from(CONDITIONS, latents[:2])


def test_threads_may_share_a_generator(generator: runner.Generator) -> None:
    wanted = generator.generate(CONDITIONS, 1)
    found = np.empty((4, *wanted.shape), np.float32)

    def work(i: int) -> None:
        for _ in range(20):
            generator.generate(CONDITIONS, 1, out=found[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (found == wanted).all()


def test_python_runs_on_while_showers_are_made(generator: runner.Generator) -> None:
    n = cpp_runner.CHUNK // generator.n_voxels  # one call of the library
    conditions = {"energy": np.full(n, 10.0), "theta": 0.1}
    generator.generate(conditions, 1)  # so that memory is at hand
    calls = [generator._values(conditions, False), np.empty((n, 26), np.float32)]
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        arguments = generator._arguments(calls[0], False)
        began.set()
        generator._library.generate(*arguments, 1, 0, calls[1].ctypes.data, calls[1].size)
        ended.set()

    worker = threading.Thread(target=work)
    worker.start()
    began.wait()
    turns = 0
    while not ended.is_set():
        time.sleep(0.001)
        turns += 1
    worker.join()
    assert turns > 3


def test_a_long_call_is_one_of_many_parts(
    generator: runner.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = generator.generate(CONDITIONS, 1)
    sparse = generator.generate_sparse(CONDITIONS, 1)
    monkeypatch.setattr(cpp_runner, "CHUNK", 7 * generator.n_voxels)
    for threads in (1, 2):
        np.testing.assert_array_equal(generator.generate(CONDITIONS, 1, threads=threads), wanted)
        found = generator.generate_sparse(CONDITIONS, 1, threads=threads)
        for a, b in zip(found, sparse, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("conditions", "message"), BAD_CONDITIONS)
def test_bad_conditions_are_refused(
    generator: runner.Generator, conditions: dict[str, Any], message: str
) -> None:
    """In the words of calogan.Generator."""
    for make in (generator.sample, calogan.Generator.load(MODEL).sample):
        with pytest.raises(CaloganError, match=message):
            make(conditions, seed=0)


def test_extrapolation_on_request(generator: runner.Generator) -> None:
    far = {"energy": 120, "theta": 0}
    assert (generator.generate(far, 0, allow_extrapolation=True) > 0).any()
    with pytest.raises(CaloganError, match="was asked for 120 GeV"):
        generator.generate(far, 0)
    with pytest.raises(CaloganError, match="energy is inf"):
        generator.generate({"energy": 1e300, "theta": 0}, 0, allow_extrapolation=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1, expected 0 to 18446744073709551615"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"seed": 1.5}, r"seed is 1\.5, expected a whole number"),
        ({"seed": 1, "first_event": 2**64 - N + 1}, "first_event is"),
        ({"seed": 1, "threads": 0}, "threads is 0, expected 1 or more"),
    ],
)
def test_bad_numbers_are_refused(
    generator: runner.Generator, arguments: dict[str, Any], message: str
) -> None:
    makers: tuple[Callable[..., Any], ...] = (
        generator.sample,
        generator.generate,
        generator.generate_sparse,
    )
    for make in makers:
        with pytest.raises(CaloganError, match=message):
            make(CONDITIONS, **arguments)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for path, message in (
        (broken, r"broken\.json: not valid JSON"),
        (tmp_path / "none.json", r"cannot open .*none\.json"),
        (tmp_path, r"is a folder, expected a model file"),
        ("a\0b", "null character"),
    ):
        with pytest.raises(CaloganError, match=message):
            runner.Generator.load(path)
    with pytest.raises(CaloganError, match="the readout threshold is -1 MeV"):
        runner.Generator.load(MODEL, readout_threshold=-1)


def test_compiled_models(generator: runner.Generator, tmp_path: Path) -> None:
    for weights in ("float32", "bfloat16", "int8"):
        path = tmp_path / f"{weights}.calogan"
        runner.compile_model(MODEL, path, weights)
        compiled = runner.Generator.load(path)
        made = compiled.sample(CONDITIONS, seed=1)
        wanted = generator.sample(CONDITIONS, seed=1)
        if weights == "float32":
            np.testing.assert_array_equal(made.energies, wanted.energies)
            assert "weights_format" not in made.provenance
        else:
            assert (made.energies != wanted.energies).any()
            np.testing.assert_allclose(made.energies, wanted.energies, rtol=0.5, atol=20)
            assert made.provenance["weights_format"] == weights
            output = tmp_path / "program.h5"
            command = [PROGRAM, path, "--energy", "10", "--theta", "0.1", "-n", "1", "-o", output]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            assert store.info(output).provenance["weights_format"] == weights
    with pytest.raises(CaloganError, match="weights is 'int4', expected one of float32, bfloat16"):
        runner.compile_model(MODEL, tmp_path / "a.calogan", "int4")
    with pytest.raises(CaloganError, match=r"cannot open .*none\.json"):
        runner.compile_model(tmp_path / "none.json", tmp_path / "a.calogan")
    assert not (tmp_path / "a.calogan").exists()


def test_the_snippet_of_the_runners_readme_runs(tmp_path: Path) -> None:
    text = (ROOT / "cpp_examples/README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "generator.json").symlink_to(MODEL)
    code = f"{snippet}\nassert (hits.energies == energies[energies > 0]).all(), 'not the same'"
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )


def _unit(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return v / np.linalg.norm(v)


def test_cells_are_placed(generator: runner.Generator) -> None:
    direction = np.array([1.0, 2.0, 2.0])
    placed = runner.Placement.along([10, 20, 30], direction.tolist(), entry=[0, 0, -240])
    assert np.linalg.det(placed.rotation) == pytest.approx(1)
    assert placed([0, 0, -240]) == pytest.approx([10, 20, 30])
    assert placed([0, 0, -140]) == pytest.approx(100 * _unit(direction) + [10, 20, 30])
    centres = placed(generator.geometry.centres)
    assert centres.shape == (26, 3)
    np.testing.assert_allclose(
        np.linalg.norm(centres - [10, 20, 30], axis=1),
        np.linalg.norm(generator.geometry.centres - [0, 0, -240], axis=1),
    )
    # A calorimeter that looks along x; the particle leans to +z, the model's +y.
    facing = runner.Placement.facing([1000, 0, 0], [1, 0, 0], [1, 0, 0.3])
    assert facing([3, 4, 5]) == pytest.approx([1005, 3, 4])
    with pytest.raises(CaloganError, match=r"the direction of a placement is \(0, 0, 0\)"):
        runner.Placement.along([0, 0, 0], [0, 0, 0])
    with pytest.raises(CaloganError, match=r"direction has shape \(2,\), expected three numbers"):
        runner.Placement.along([0, 0, 0], [0, 1])
