"""The command ``keras2lwtnn``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lwtnn_converter import __version__
from lwtnn_converter.text import dumps, save

_DESCRIPTION = """\
Convert a Keras 3 model, functional or Sequential, to the JSON that lwtnn reads.

The network's inputs are named <input>_0, <input>_1, ... unless a file of variables names them.
Write that file's template, fill it in, and convert:

  keras2lwtnn model.keras --template > variables.json
  keras2lwtnn model.keras --inputs variables.json -o model.json

lwtnn computes (x + offset) * scale for each variable before the network: give the offsets and
scales with which the training data were prepared, and none for what the model does itself.
"""

_EPILOG = """\
A layer that lwtnn cannot compute is an error that names it. Dropout and other layers that do
nothing after training are left out. For models with the layers Gate, Highway, Maxout or Sum of
lwtnn_converter.layers nothing else is needed; layers of your own cannot be converted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except BrokenPipeError:
        # The reader of the output has gone; Python must not flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, TypeError) as error:
        print(f"keras2lwtnn: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras2lwtnn",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL.keras", help="model saved by Keras 3 (or .h5)")
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write; else to the screen")
    parser.add_argument(
        "-i", "--inputs", metavar="VARIABLES", help="JSON file of variables: names, offsets, scales"
    )
    parser.add_argument(
        "--sequential",
        action="store_true",
        help="write lwtnn's sequential JSON (parse_json), for one chain of layers; without it, "
        "graph JSON (parse_json_graph)",
    )
    parser.add_argument(
        "--template", action="store_true", help="write a file of variables to fill in, and stop"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _run(options: argparse.Namespace) -> None:
    variables = None if options.inputs is None else _read_json(Path(options.inputs))
    path = Path(options.model)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected a model saved by Keras 3")
    # TensorFlow's greeting is of no use here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Imported before the model is loaded: this registers Gate and the other layers with Keras.
    from lwtnn_converter.converter import convert, template

    model = _load(path)
    if options.template:
        result = template(model)
    else:
        result = convert(model, variables, sequential=options.sequential)
    if options.output is None:
        sys.stdout.write(dumps(result))
        sys.stdout.flush()
    else:
        save(result, options.output)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def _load(path: Path) -> Any:
    import keras

    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
        first = str(error).strip().splitlines()
        raise ValueError(f"Keras cannot load {path}: {first[0] if first else error!r}") from error
