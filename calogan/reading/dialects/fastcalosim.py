"""FastCaloSim's FCS_ParametrizationInput: hits with their sampling, in the detector's frame.

Read are the flat hits of the standalone writer (`hits.hit_energy` and so on). ATLAS's own files
hold the hits inside matched cells, objects of objects, one branch `Sampling_N` a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from calogan.card.keys import Input
from calogan.errors import CaloganError
from calogan.reading.dialects import branches
from calogan.reading.dialects.dialect import Contents, Dialect, Events
from calogan.reading.root_file import Tree, branch_names, open_root

TREE = "FCS_ParametrizationInput"


def _recognise(contents: Contents) -> str | None:
    for tree in contents.trees:
        names = {branch.name for branch in tree.branches}
        if tree.name == TREE and {"hits.hit_energy", "hits.sampling"} <= names:
            return f"tree '{TREE}' has hits.hit_energy, hits.sampling"
        if tree.name == TREE:
            return f"its tree is '{TREE}'"
    return None


def _read(
    path: Path, input: Input, columns: Mapping[str, str], chunk_bytes: int
) -> Iterator[Events]:
    with open_root(path) as directory:
        tree = Tree(directory, path, input.tree, "tree")
        names = branch_names(tree.tree)
        if input.branches["energy"] not in names and any(n.startswith("Sampling_") for n in names):
            raise CaloganError(
                f"{tree.where} holds hits inside matched cells (Sampling_0, Sampling_1, ...), "
                "which are not read; write them as flat vectors hits.hit_energy, hits.hit_x, "
                "hits.hit_y, hits.hit_z, hits.sampling, as the standalone FastCaloSim does"
            )
    yield from branches.read(path, input, columns, chunk_bytes)


DIALECT = Dialect(
    "fastcalosim",
    "FastCaloSim's parametrisation input: hits with their sampling",
    _recognise,
    _read,
)
