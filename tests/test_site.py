"""The references that the documentation site writes from the program."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from helpers.documents import ROOT

from calogan.card.conditions import ConditionCard, LabelCard
from calogan.card.keys import Card, DeadCells, Exchange
from calogan.card.training import Training


@pytest.fixture(scope="module")
def site_parts() -> ModuleType:
    pytest.importorskip("sphinx", reason="pip install -e '.[docs]'")
    spec = importlib.util.spec_from_file_location("site_parts", ROOT / "docs/site_parts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("heading", "models"),
    [
        ("[conditions.NAME]", (ConditionCard, LabelCard)),
        ("[[data.exchange]]", (Exchange,)),
        ("[[data.dead]]", (DeadCells,)),
        ("[training]", (Training,)),
    ],
)
def test_every_key_of_every_kind_of_section_is_in_the_reference(
    site_parts: ModuleType, heading: str, models: tuple[Any, ...]
) -> None:
    text = "\n\n".join(site_parts.section_markdown(Card, ""))
    (section,) = (part for part in text.split("\n## ") if part.startswith(f"`{heading}`"))
    for model in models:
        for key in model.model_fields:
            assert f"\n`{key}`\n: " in section, key
