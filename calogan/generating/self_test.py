"""The self-test of a model file: cases with known outputs, made at export, replayed at load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calogan.conditions import AnyCondition
from calogan.errors import CaloganError

N_CASES = 3
RELATIVE, ABSOLUTE, ABSOLUTE_UNUSED = 1e-3, 1e-7, 1e-5
"""Tolerances, those of the C++ runner: as single precision needs, which a damaged weight exceeds.

An unused output (of a label other than voxel_<i>) is no fraction, and its terms may cancel."""
Outputs = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
"""From latents (n, latent_size) and variables (n, n_inputs), as `Condition.to_variables` gives
them, to a graph's outputs (n, n_outputs)."""


def make_self_test(
    outputs: Outputs, conditions: Sequence[AnyCondition], latent_size: int
) -> list[dict[str, list[float]]]:
    """Cases of random latents and conditions, with what the graph makes of them."""
    rng = np.random.default_rng(0)
    values = np.array([[c.anywhere(1, rng)[0] for c in conditions] for _ in range(N_CASES)])
    values = values.round(6)
    latents = rng.standard_normal((N_CASES, latent_size)).round(6)
    fractions = outputs(latents, _variables(conditions, values))
    return [
        {"latent": z.tolist(), "conditions": v.tolist(), "fractions": f.tolist()}
        for z, v, f in zip(latents, values, fractions, strict=True)
    ]


def check_self_test(
    cases: Sequence[Mapping[str, Any]],
    outputs: Outputs,
    conditions: Sequence[AnyCondition],
    latent_size: int,
    labels: Sequence[str],
    where: str,
) -> None:
    """Raise CaloganError, naming the file `where`, if its graph does not give what its cases say.

    Raises KeyError, TypeError or ValueError for cases that are no tables of numbers.
    """
    if not cases:
        raise CaloganError(
            f"{where}: field calogan.self_test is empty, expected a case or more; export it again"
        )
    sizes = {"latent": latent_size, "conditions": len(conditions), "fractions": len(labels)}
    columns: dict[str, list[NDArray[np.float64]]] = {key: [] for key in sizes}
    for i, case in enumerate(cases):
        for key, size in sizes.items():
            column = np.asarray(case[key], np.float64)
            if column.ndim != 1:
                raise ValueError(f"self_test[{i}].{key} is no list of numbers")
            if column.size != size:
                raise CaloganError(
                    f"{where}: field calogan.self_test[{i}].{key} has {column.size} entries, "
                    f"expected {size}; the file is damaged: copy it or export it again"
                )
            columns[key].append(column)
    latents, values, expected = (np.stack(column) for column in columns.values())
    for condition, column in zip(conditions, values.T, strict=True):
        try:
            condition.check(column, allow_extrapolation=True)
        except CaloganError as error:
            raise CaloganError(
                f"{where}: calogan.self_test: {error}; the file is damaged: copy it or export it "
                "again"
            ) from error
    with np.errstate(all="ignore"):  # damaged weights may overflow
        found = outputs(latents, _variables(conditions, values))
        absolute = [ABSOLUTE if la.startswith("voxel_") else ABSOLUTE_UNUSED for la in labels]
        deviation = np.abs(found - expected) / (absolute + RELATIVE * np.abs(expected))
    wrong = np.argwhere(~(deviation < 1))
    if len(wrong):
        case, output = wrong[0]
        raise CaloganError(
            f"{where}: self-test {case}: output {output} is {found[case, output]:.9g}, expected "
            f"{expected[case, output]:.9g}; the file is damaged, or its weights were changed: copy "
            "it again, or export the run again"
        )


def _variables(
    conditions: Sequence[AnyCondition], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    columns = [c.to_variables(values[:, i]) for i, c in enumerate(conditions)]
    return np.concatenate(columns, axis=1)
