"""The C++ runner's shared library: found, loaded, its functions declared."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from calogan.errors import CaloganError
from calogan.version import __version__

OUT_OF_MEMORY, INTERNAL = 3, 4
"""Of calogan_status, in runner.h."""
VARIABLE = "CALOGAN_RUNNER_LIBRARY"
NAMES = ("libcalogan_runner.so", "libcalogan_runner.dylib")
FOLDER = Path(__file__).parents[1]
"""The package's, where wheels have the library and the program, and `make cpp` puts them."""


class ConditionStruct(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("unit", ctypes.c_char_p),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("logarithmic", ctypes.c_int),
    )


class PlacementStruct(ctypes.Structure):
    _fields_ = (("rotation", ctypes.c_double * 9), ("shift", ctypes.c_double * 3))


POINTER, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
_CONDITIONS = (POINTER, _SIZE, POINTER, _SIZE)  # generator, n, conditions and how many
_STATUS: dict[str, tuple[Any, ...]] = {
    "load": (ctypes.c_char_p, ctypes.POINTER(POINTER)),
    "copy": (POINTER, ctypes.POINTER(POINTER)),
    "compile": (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int),
    "set_readout_threshold": (POINTER, ctypes.c_double),
    "allow_extrapolation": (POINTER, ctypes.c_int),
    "get_condition": (POINTER, _SIZE, ctypes.POINTER(ConditionStruct)),
    "get_label": (
        *(POINTER, _SIZE, _SIZE),
        *(ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_char_p)),
    ),
    "generate": (*_CONDITIONS, _NUMBER, _NUMBER, POINTER, _SIZE),
    "generate_from": (*_CONDITIONS, POINTER, _SIZE, POINTER, _SIZE),
    "generate_sparse": (
        *(*_CONDITIONS, _NUMBER, _NUMBER),
        *(POINTER, POINTER, _SIZE, POINTER, _SIZE),
    ),
    "bundle_open": (ctypes.c_char_p, ctypes.POINTER(POINTER)),
    "bundle_get_condition": (POINTER, _SIZE, ctypes.POINTER(ConditionStruct)),
    "bundle_choose": (*_CONDITIONS, _NUMBER, _NUMBER, POINTER, _SIZE),
    "bundle_generator": (POINTER, _SIZE, ctypes.POINTER(POINTER)),
    "place_along": (POINTER, POINTER, POINTER, ctypes.POINTER(PlacementStruct)),
    "place_facing": (POINTER, POINTER, POINTER, POINTER, ctypes.POINTER(PlacementStruct)),
}
"""Functions of runner.h and bundle.h that return a status, and their arguments."""
_VALUES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "last_error": (ctypes.c_char_p, ()),
    "version": (ctypes.c_char_p, ()),
    "free": (None, (POINTER,)),
    "name": (ctypes.c_char_p, (POINTER,)),
    "geometry_json": (ctypes.c_char_p, (POINTER,)),
    "weights_sha256": (ctypes.c_char_p, (POINTER,)),
    "weights_format": (ctypes.c_int, (POINTER,)),
    "n_inputs_sha256": (_SIZE, (POINTER,)),
    "inputs_sha256": (ctypes.c_char_p, (POINTER, _SIZE)),
    "n_conditions": (_SIZE, (POINTER,)),
    "n_labels": (_SIZE, (POINTER, _SIZE)),
    "latent_size": (_SIZE, (POINTER,)),
    "readout_threshold": (ctypes.c_double, (POINTER,)),
    "bundle_free": (None, (POINTER,)),
    "bundle_name": (ctypes.c_char_p, (POINTER,)),
    "bundle_size": (_SIZE, (POINTER,)),
    "bundle_n_loaded": (_SIZE, (POINTER,)),
    "bundle_n_conditions": (_SIZE, (POINTER,)),
    "bundle_member_name": (ctypes.c_char_p, (POINTER, _SIZE)),
}
"""The others: what they return, and their arguments."""


class Library:
    """The functions of runner.h and bundle.h; those that fail raise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Its calls release the interpreter's lock.
            loaded = ctypes.CDLL(str(path))
        except OSError as error:
            raise CaloganError(
                f"cannot load the runner's library {path}: {error}; {_how_to_build()}"
            ) from error
        try:
            for name, (restype, argtypes) in _VALUES.items():
                function = loaded[f"calogan_{name}"]
                function.restype, function.argtypes = restype, argtypes
                setattr(self, name, function)
            for name, argtypes in _STATUS.items():
                function = loaded[f"calogan_{name}"]
                function.restype, function.argtypes = ctypes.c_int, argtypes
                function.errcheck = self._check
                setattr(self, name, function)
            found = self.version().decode()
        except AttributeError as error:
            raise CaloganError(
                f"{path} is not the runner's library of calogan {__version__} ({error}); "
                f"{_how_to_build()}"
            ) from error
        if found != __version__:
            raise CaloganError(
                f"{path} is of version {found}, this package of {__version__}; {_how_to_build()}"
            )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # for type checkers; the functions are attributes

    def _check(self, status: Any, _function: Any, _arguments: Any) -> Any:
        if status == 0:
            return
        message = self.last_error().decode(errors="replace")
        if status == OUT_OF_MEMORY:
            raise MemoryError(f"the runner's library: {message}")
        if status == INTERNAL:
            raise RuntimeError(f"the runner's library: {message}")
        raise CaloganError(message)


def _in_checkout() -> bool:
    return (FOLDER.parent / "cpp_examples/CMakeLists.txt").is_file()


def _how_to_build() -> str:
    if _in_checkout():
        return "build it with `make cpp`"
    return (
        f"build it with `make cpp` in a checkout of calogan {__version__}, "
        "or install that version anew"
    )


def what_is_missing(name: str) -> str:
    """That the file `name` of the C++ runner is not in the package's folder, and how to get it."""
    if _in_checkout():
        return (
            f"no {name} in {FOLDER}: the C++ runner is not built; `make cpp` in {FOLDER.parent} "
            "builds it and puts it there"
        )
    return (
        f"no {name} in {FOLDER}: this calogan was installed without the C++ runner, as happens "
        "from source where no C++17 compiler or no simdjson is found; install a wheel of calogan "
        f"{__version__}, or both of these and then calogan anew (with pip's --force-reinstall, "
        "--no-deps and --no-cache-dir)"
    )


@cache
def _load(path: Path) -> Library:
    return Library(path)


def load_library() -> Library:
    """The library that CALOGAN_RUNNER_LIBRARY names, or that of the package's folder."""
    asked = os.environ.get(VARIABLE)
    if asked:
        if not Path(asked).is_file():
            raise CaloganError(
                f"{VARIABLE} is {asked}, and no such file is there; "
                f"build the library with `make cpp`, or unset {VARIABLE}"
            )
        return _load(Path(asked).absolute())
    for name in NAMES:
        if (FOLDER / name).is_file():
            return _load(FOLDER / name)
    raise CaloganError(
        f"{what_is_missing(NAMES[0])}; or set {VARIABLE} to the library's path; "
        "calogan.Generator, in NumPy, works without it"
    )
