"""Measure the runner beside ONNX Runtime and, where it was built in, lwtnn, in one run.

    python cpp_examples/benchmark/benchmark.py build/cpp-benchmark/benchmark/calogan_benchmark

`make benchmark-cpp` prepares everything and calls this. One thread; the engines take turns, and
what is stated is the median over the turns of the processor time, or of the ratio of times in one.
Processor time is what the clock on the wall shows on an idle machine; on a busy one it still tells.
"""

from __future__ import annotations

import argparse
import json
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

SYNTHETIC = {
    "430 k": "52-128-256-512-504",
    "430 k, no gates": "52-128-256-512-504",
    "7.3 M": "66-256-512-1024-6480",
}
REFERENCE = ROOT / "data/models/lar_photons/generator.json"
BATCHES = (1, 100, 10_000)
FORMATS = ("float32", "bfloat16", "int8")


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
        start = time.process_time()
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.load_seconds = time.process_time() - start

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


def table(title: str, *columns: str) -> Table:
    out = Table(title=title)
    for column in columns:
        out.add_column(column, justify="left" if column in ("model", "batch") else "right")
    return out


class Report:
    """The tables; a model's rows are added by `measure`."""

    def __init__(self, engines: Engines, folder: Path, rounds: int, seconds: float) -> None:
        self.engines, self.folder, self.rounds, self.seconds = engines, folder, rounds, seconds
        self.speed = table(
            "Time per shower, and how many times as long as the runner's network alone",
            *("model", "batch", "network alone", "whole shower", "ratio", "ONNX Runtime", "ratio"),
            *("LightweightGraph", "ratio", "FastGraph<float>", "ratio"),
        )
        self.roof = table(
            "Roofline: what memory and arithmetic of this core allow, and the network alone",
            *("model", "batch", "reading weights", "at", "arithmetic", "at", "bound", "network"),
            "network / bound",
        )
        self.formats = table(
            "Network alone by the format of its weights, and how many times as fast as float32",
            *("model", "batch", "float32", "bfloat16", "ratio", "int8", "ratio"),
        )
        self.loads = table(
            "Loading",
            *(
                "model",
                "JSON",
                "runner, JSON",
                "runner, compiled",
                "ONNX Runtime, ONNX",
                "lwtnn, JSON",
            ),
        )

    def measure(self, name: str, path: Path, batches: list[int]) -> None:
        document = json.loads(path.read_text())
        onnx_path = self.folder / f"{path.stem}.onnx"
        onnx_path.write_bytes(to_onnx(document).SerializeToString())
        session = Onnx(onnx_path)
        session.check(document)
        load_runner = min(self.engines.ask("load float32", path) for _ in range(3))
        for weights in FORMATS:
            compiled = self.folder / f"{path.stem}.{weights}.calogan"
            self.engines.ask("compile", weights, compiled, path)
        for weights in FORMATS[1:]:
            self.engines.ask("load", weights, self.folder / f"{path.stem}.{weights}.calogan")
        compiled = self.folder / f"{path.stem}.float32.calogan"
        load_compiled = min(self.engines.ask("load float32", compiled) for _ in range(3))
        load_onnx = min(Onnx(onnx_path).load_seconds for _ in range(3))
        has_lwtnn = 1 in batches  # it takes one shower at a time
        load_lwtnn = "-"
        try:
            if has_lwtnn:
                load_lwtnn = duration(self.engines.ask("load FastGraph", path))
        except NotImplementedError:
            has_lwtnn = False
        loads = (duration(t) for t in (load_runner, load_compiled, load_onnx))
        self.loads.add_row(name, f"{path.stat().st_size / 1e6:.1f} MB", *loads, load_lwtnn)
        measured = {
            batch: self.measure_batch(name, document, session, batch, has_lwtnn and batch == 1)
            for batch in batches
        }
        # What the machine can do is what it did at its best.
        n_bytes, n_flops = model_numbers(document)
        bandwidth = max(float(times["bandwidth"].max()) for times in measured.values())
        flops = max(float(times["flops"].max()) for times in measured.values())
        for batch, times in measured.items():
            reading, computing = n_bytes / batch / bandwidth, n_flops / flops
            bound, network = max(reading, computing), float(np.median(times["network"]))
            self.roof.add_row(
                *(name, f"{batch:,}", duration(reading), f"{bandwidth / 1e9:.0f} GB/s"),
                *(duration(computing), f"{flops / 1e9:.0f} Gflop/s"),
                *(duration(bound), duration(network), f"{network / bound:.2f}"),
            )

    def measure_batch(
        self, name: str, document: dict[str, Any], session: Onnx, batch: int, with_lwtnn: bool
    ) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(1)
        variables = document["calogan"]["conditions"]["variables"]
        conditions = np.stack([rng.uniform(v["low"], v["high"], batch) for v in variables], axis=1)
        n_latent = sum(node["size"] for node in document["calogan"]["latent"]["nodes"])
        latents = rng.normal(size=(batch, n_latent))
        onnx_call = session.bind(network_inputs(document, latents, conditions))
        n_bytes, _ = model_numbers(document)

        def runner(weights: str, what: str = "network") -> Callable[[], float]:
            return lambda: self.engines.ask("time", weights, what, batch, self.seconds)

        tries = {
            "network": runner("float32"),
            "shower": runner("float32", "shower"),
            "onnx": lambda: seconds_per_call(onnx_call, self.seconds) / batch,
            "bfloat16": runner("bfloat16"),
            "int8": runner("int8"),
            "bandwidth": lambda: self.engines.ask("bandwidth", n_bytes, self.seconds),
            "flops": lambda: self.engines.ask("flops", self.seconds),
        }
        if with_lwtnn:
            tries |= {
                "LightweightGraph": runner("LightweightGraph"),
                "FastGraph": runner("FastGraph"),
            }
        turns = [{key: trial() for key, trial in tries.items()} for _ in range(self.rounds)]
        times = {key: np.asarray([turn[key] for turn in turns]) for key in tries}
        median = {key: float(np.median(value)) for key, value in times.items()}

        def ratio(key: str, to: str = "network") -> str:
            return f"{np.median(times[key] / times[to]):.2f}"

        row = [name, f"{batch:,}", duration(median["network"])]
        for key in ("shower", "onnx", "LightweightGraph", "FastGraph"):
            row += [duration(median[key]), ratio(key)] if key in times else ["-", "-"]
        self.speed.add_row(*row)
        row = [name, f"{batch:,}", duration(median["network"])]
        for key in FORMATS[1:]:
            row += [duration(median[key]), ratio("network", key)]
        self.formats.add_row(*row)
        return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=Path, help="calogan_benchmark")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/benchmark", help="for models")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="for each engine in a round")
    parser.add_argument("--models", nargs="*", default=[*SYNTHETIC, "reference"])
    parser.add_argument("--batches", nargs="*", type=int, default=BATCHES)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    empty = empty_call_seconds(arguments.folder / "empty.onnx")
    console.print(
        f"ONNX Runtime {ort.__version__}; a call of it without a network: {duration(empty)}"
    )
    engines = Engines(arguments.program)
    report = Report(engines, arguments.folder, arguments.rounds, arguments.seconds)
    for name in arguments.models:
        path = REFERENCE
        if name in SYNTHETIC:
            gated = "no gates" not in name
            path = arguments.folder / f"{SYNTHETIC[name]}{'' if gated else '-no-gates'}.json"
            if not path.exists():
                make_models.write_benchmark(path, SYNTHETIC[name], gated=gated)
        console.print(f"measuring {name}", style="dim")
        report.measure(name, path, list(arguments.batches))
    for each in (report.speed, report.roof, report.formats, report.loads):
        console.print(each)


if __name__ == "__main__":
    main()
