"""The public names, and what importing them costs."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import calogan
import calogan.metrics


def test_the_public_names_are_frozen() -> None:
    assert calogan.__all__ == [
        "CaloganError",
        "Card",
        "Condition",
        "Generator",
        "Geometry",
        "Layer",
        "Run",
        "Showers",
        "evaluate_files",
        "evaluate_run",
        "export_run",
        "interchange",
        "load_card",
        "plots",
        "runner",
        "store",
        "train",
        "voxelize_files",
    ]
    for name in calogan.__all__:
        assert getattr(calogan, name) is not None
    assert calogan.runner.__all__ == [
        "Bundle",
        "BundleCondition",
        "BundlePart",
        "Generator",
        "Placement",
        "SparseShowers",
        "compile_model",
    ]


def test_importing_calogan_imports_nothing_heavy() -> None:
    code = (
        "import sys, calogan, calogan.cli\n"
        "heavy = {'tensorflow', 'keras', 'uproot', 'awkward', 'matplotlib', 'sklearn', 'h5py'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_generating_from_json_needs_no_tensorflow() -> None:
    code = "import sys\nfrom calogan import Generator\nprint('tensorflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


LIGHT = (
    "calogan.card.loading",
    "calogan.reading.pipeline",
    "calogan.reading.store",
    *(f"calogan.metrics.{m.name}" for m in pkgutil.iter_modules(calogan.metrics.__path__)),
    "calogan.generating.generator",
    "calogan.generating.output",
    "calogan.writing.convert",
    "calogan.checking.findings",
    "calogan.checking.page",
    "calogan.runner",
    "calogan.inspecting.inspect",
    "calogan.exploring.explore",
    "calogan.evaluation.evaluate",
    "calogan.evaluation.compare_samples",
    "calogan.training.run",
    "calogan.cli",
)
"""What is used where no network is trained."""


def test_what_trains_no_network_imports_no_tensorflow() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {LIGHT!r}:\n"
        "    importlib.import_module(name)\n"
        "    if {'tensorflow', 'keras'} & set(sys.modules):\n"
        "        sys.exit(f'{name} imports TensorFlow')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_every_part_has_the_same_version() -> None:
    root = Path(__file__).parents[1]
    places = {
        "cpp_examples/CMakeLists.txt": rf"VERSION {re.escape(calogan.__version__)}\b",
        "CITATION.cff": rf"^version: {re.escape(calogan.__version__)}$",
        "CHANGELOG.md": rf"^## {re.escape(calogan.__version__)}\b",
        ".zenodo.json": rf'"version": "{re.escape(calogan.__version__)}"',
    }
    for name, pattern in places.items():
        assert re.search(pattern, (root / name).read_text(), re.MULTILINE), name


def test_the_archive_cites_as_the_citation_does() -> None:
    root = Path(__file__).parents[1]
    archive = json.loads((root / ".zenodo.json").read_text())
    citation = (root / "CITATION.cff").read_text()
    for field, line in (
        (archive["title"], 'title: "{}"'),
        (archive["license"], "license: {}"),
        (archive["creators"][0]["name"], "  - name: {}"),
        (", ".join(archive["keywords"]), "keywords: [{}]"),
    ):
        assert f"\n{line.format(field)}\n" in citation
    for related in archive["related_identifiers"]:
        assert f'"{related["identifier"]}"' in citation


def test_types_go_into_what_is_installed() -> None:
    assert (Path(calogan.__file__).parent / "py.typed").is_file()
