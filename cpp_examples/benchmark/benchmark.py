"""Measure the runner beside ONNX Runtime and, where it was built in, lwtnn, in one run.

    python cpp_examples/benchmark/benchmark.py build/cpp-benchmark/benchmark/calogan_benchmark

`make benchmark-cpp` prepares everything and calls this. One thread; the engines take turns, and what
is stated is the median over the turns of the processor time, or of the ratio of times within a turn.
Processor time is what the clock on the wall shows on an idle machine, and means something on a busy
one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from rich.console import Console
from rich.table import Table
from to_onnx import labels, network_inputs, to_onnx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "tests"))
import make_models  # noqa: E402

SYNTHETIC = {"430 k": "52-128-256-512-504", "7.3 M": "66-256-512-1024-6480"}
REFERENCE = ROOT / "data/models/lar_photons/generator.json"
BATCHES = (1, 100, 10_000)


class Engines:
    """The C++ program."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words: Any) -> float:
        assert self.process.stdin and self.process.stdout
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if answer.startswith("error: built without"):
            raise NotImplementedError(answer)
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"{' '.join(map(str, words))}: {answer or 'the program ended'}")
        return float(answer)


class Onnx:
    """A model in ONNX Runtime: one thread, all optimizations, inputs and outputs bound in place."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        start = time.perf_counter()
        self.session = ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.load_seconds = time.perf_counter() - start

    def bind(self, inputs: dict[str, np.ndarray]) -> Callable[[], None]:
        binding = self.session.io_binding()
        kept = [ort.OrtValue.ortvalue_from_numpy(value) for value in inputs.values()]
        for name, value in zip(inputs, kept, strict=True):
            binding.bind_ortvalue_input(name, value)
        out = self.session.get_outputs()[0]
        n = len(next(iter(inputs.values())))
        result = ort.OrtValue.ortvalue_from_numpy(np.empty((n, out.shape[1]), np.float32))
        binding.bind_ortvalue_output(out.name, result)

        def call() -> None:
            self.session.run_with_iobinding(binding)

        call()
        self.result = result
        return call

    def check(self, document: dict[str, Any]) -> None:
        """Raises unless the self-test's cases come out: it is the same network."""
        cells = [i for i, name in enumerate(labels(document)) if name.startswith("voxel_")]
        for case in document["calogan"]["self_test"]:
            latents, conditions = np.asarray([case["latent"]]), np.asarray([case["conditions"]])
            self.bind(network_inputs(document, latents, conditions))()
            expected = np.asarray(case["fractions"])[cells]
            np.testing.assert_allclose(self.result.numpy()[0], expected, rtol=1e-3, atol=1e-7)


def seconds_per_call(call: Callable[[], None], seconds: float) -> float:
    end = time.perf_counter() + seconds
    start = time.process_time()
    calls = 0
    while calls == 0 or time.perf_counter() < end:
        call()
        calls += 1
    return (time.process_time() - start) / calls


def empty_call_seconds(path: Path) -> float:
    """What a call of ONNX Runtime from Python costs without a network: it is in all its times."""
    from onnx import TensorProto, helper, save

    value = [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", 1]) for x in "xy"]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "empty", value[:1], value[1:])
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return seconds_per_call(Onnx(path).bind({"x": np.zeros((1, 1), np.float32)}), 0.5)


def duration(seconds: float) -> str:
    if seconds >= 0.1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def model_numbers(document: dict[str, Any]) -> tuple[int, int]:
    """Bytes of the weights in float32, and float operations for one shower, of the dense layers."""
    weights = biases = 0
    for layer in document["layers"]:
        if layer["architecture"] == "dense":
            weights += len(layer["weights"])
            biases += len(layer["bias"])
    return 4 * (weights + biases), 2 * weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=Path, help="calogan_benchmark")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/benchmark", help="for models")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="for each engine in a round")
    parser.add_argument("--models", nargs="*", default=[*SYNTHETIC, "reference"])
    parser.add_argument("--batches", nargs="*", type=int, default=BATCHES)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    engines = Engines(arguments.program)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"{os.uname().sysname} {os.uname().machine}, ONNX Runtime {ort.__version__}")
    empty = empty_call_seconds(arguments.folder / "empty.onnx")
    console.print(f"a call of ONNX Runtime without a network: {duration(empty)}")

    speed = Table(title="Time per shower, and how many times as long as the runner's network")
    for column in ("model", "batch", "network alone", "whole shower", "/ network", "ONNX Runtime"):
        speed.add_column(column)
    for column in ("/ network", "LightweightGraph", "/ network", "FastGraph<float>", "/ network"):
        speed.add_column(column)
    roof = Table(title="Roofline: the time that memory and arithmetic of one core allow")
    for column in ("model", "batch", "weights read", "at", "arithmetic", "at", "bound"):
        roof.add_column(column)
    roof.add_column("network alone")
    roof.add_column("/ bound")
    loads = Table(title="Loading")
    for column in ("model", "JSON", "runner", "ONNX Runtime (.onnx)", "lwtnn"):
        loads.add_column(column)

    for name in arguments.models:
        path = REFERENCE
        if name in SYNTHETIC:
            path = arguments.folder / f"{SYNTHETIC[name]}.json"
            if not path.exists():
                make_models.write_benchmark(path, SYNTHETIC[name])
        document = json.loads(path.read_text())
        onnx_path = arguments.folder / f"{path.stem}.onnx"
        onnx_path.write_bytes(to_onnx(document).SerializeToString())
        session = Onnx(onnx_path)
        session.check(document)
        row = [name, f"{path.stat().st_size / 1e6:.1f} MB"]
        row += [duration(engines.ask("load runner", path)), duration(session.load_seconds)]
        has_lwtnn = 1 in arguments.batches  # it takes one shower at a time
        try:
            row.append(duration(engines.ask("load lwtnn", path)) if has_lwtnn else "-")
        except NotImplementedError:
            has_lwtnn = False
            row.append("-")
        loads.add_row(*row)

        n_bytes, n_flops = model_numbers(document)
        rng = np.random.default_rng(1)
        for batch in arguments.batches:
            variables = document["calogan"]["conditions"]["variables"]
            conditions = np.stack([rng.uniform(v["low"], v["high"], batch) for v in variables], 1)
            n_latent = sum(node["size"] for node in document["calogan"]["latent"]["nodes"])
            latents = rng.normal(size=(batch, n_latent))
            call = session.bind(network_inputs(document, latents, conditions))
            names = ["network", "shower", "onnx"]
            if has_lwtnn and batch == 1:
                names += ["LightweightGraph", "FastGraph"]
            times: dict[str, list[float]] = {key: [] for key in [*names, "bandwidth", "flops"]}
            for _ in range(arguments.rounds):
                for engine in names:
                    if engine == "onnx":
                        seconds = seconds_per_call(call, arguments.seconds) / batch
                    else:
                        seconds = engines.ask("time", engine, batch, arguments.seconds)
                    times[engine].append(seconds)
                times["bandwidth"].append(engines.ask("bandwidth", n_bytes, 0.1))
                times["flops"].append(engines.ask("flops", 0.1))

            def median(key: str, times: dict[str, list[float]] = times) -> float:
                return float(np.median(times[key]))

            def ratio(key: str, times: dict[str, list[float]] = times) -> str:
                return f"{np.median(np.divide(times[key], times['network'])):.2f}"

            row = [name, f"{batch:,}", duration(median("network"))]
            for engine in ("shower", "onnx", "LightweightGraph", "FastGraph"):
                here = engine in times
                row += [duration(median(engine)), ratio(engine)] if here else ["-", "-"]
            speed.add_row(*row)
            reading = n_bytes / batch / median("bandwidth")
            computing = n_flops / median("flops")
            bound = max(reading, computing)
            each = n_bytes / batch / np.asarray(times["bandwidth"])
            bounds = np.maximum(each, n_flops / np.asarray(times["flops"]))
            roof.add_row(
                name,
                f"{batch:,}",
                duration(reading),
                f"{median('bandwidth') / 1e9:.1f} GB/s",
                duration(computing),
                f"{median('flops') / 1e9:.0f} Gflop/s",
                duration(bound),
                duration(median("network")),
                f"{np.median(np.asarray(times['network']) / bounds):.2f}",
            )
            console.print(f"{name}, batch {batch:,}: done", style="dim")
    for table in (speed, roof, loads):
        console.print(table)


if __name__ == "__main__":
    main()
