"""Writing lwtnn JSON: weights as the shortest decimals that read back as the same float32."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# In these fields, and nowhere else, lwtnn keeps arrays of weights.
_WEIGHTS = frozenset({"weights", "bias", "U"})


def dumps(model: Mapping[str, Any]) -> str:
    """Text of an lwtnn model, as :func:`convert` returns it.

    Numbers in ``weights``, ``bias`` and ``U`` are written as the shortest decimal that reads back
    as the same float32, all others as the shortest that reads back as the same float64. Keys keep
    their order; an array of numbers is one line.

    Raises
    ------
    ValueError
        A number is NaN or infinite, which JSON cannot hold; the field is named.
    TypeError
        A value is not JSON data; the field is named.
    """
    pieces: list[str] = []
    _write(model, "", "", pieces)
    pieces.append("\n")
    return "".join(pieces)


def save(model: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write :func:`dumps` of a model to a file.

    The text is written beside the target and moved over it when it is complete, so that a failed
    write leaves an existing file as it was.
    """
    text = dumps(model)
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(partial, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _write(value: Any, where: str, indent: str, pieces: list[str]) -> None:
    if isinstance(value, Mapping):
        _write_object(value, where, indent, pieces)
    elif isinstance(value, (list, tuple, np.ndarray)):
        _write_array(value, where, indent, pieces)
    elif isinstance(value, str) or value is None or isinstance(value, (bool, np.bool_)):
        pieces.append(json.dumps(value if isinstance(value, str) or value is None else bool(value)))
    elif isinstance(value, (int, np.integer)):
        pieces.append(str(int(value)))
    elif isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise ValueError(f"field {where} is {value}; JSON holds finite numbers only")
        # The shortest decimal of its own precision.
        pieces.append(str(value))
    else:
        raise TypeError(
            f"field {where or 'model'} is a {type(value).__name__}; expected JSON data: "
            "an object, array, string, number, true, false or null"
        )


def _write_object(value: Mapping[str, Any], where: str, indent: str, pieces: list[str]) -> None:
    if not value:
        pieces.append("{}")
        return
    inner = indent + " "
    separator = "{\n"
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"a key of {where or 'model'} is {key!r}; JSON keys are strings")
        field = f"{where}.{key}" if where else key
        pieces.append(f"{separator}{inner}{json.dumps(key)}: ")
        if key in _WEIGHTS and isinstance(item, (list, tuple, np.ndarray)):
            pieces.append(_weights(item, field))
        else:
            _write(item, field, inner, pieces)
        separator = ",\n"
    pieces.append(f"\n{indent}}}")


def _write_array(value: Sequence[Any] | Array, where: str, indent: str, pieces: list[str]) -> None:
    flat = not any(isinstance(item, (Mapping, list, tuple, np.ndarray)) for item in value)
    inner = indent + " "
    start, between, end = (
        ("[", ", ", "]") if flat else (f"[\n{inner}", f",\n{inner}", f"\n{indent}]")
    )
    if len(value) == 0:
        start, end = "[", "]"
    pieces.append(start)
    for number, item in enumerate(value):
        if number:
            pieces.append(between)
        _write(item, f"{where}[{number}]", inner, pieces)
    pieces.append(end)


def _weights(values: Sequence[float] | Array, where: str) -> str:
    try:
        wide = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"field {where} is not an array of numbers: {error}") from error
    if wide.ndim != 1:
        raise TypeError(f"field {where} has shape {wide.shape}; expected a flat array of numbers")
    with np.errstate(over="ignore"):
        array = wide.astype(np.float32)
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"field {where}[{first}] is {wide[first]:g}; a weight must be a finite float32 "
            f"({int(bad.sum())} of {array.size} values are not)"
        )
    # "0" for "0.0": gates and padded kernels are mostly zeros.
    texts = ["0" if text == "0.0" else text for text in map(str, array)]
    return "[" + ",".join(texts) + "]"
