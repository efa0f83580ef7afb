"""What the tests of campaigns share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.samples import make_card, make_showers

from calogan.reading import store

UNITS = [("energy", "GeV"), ("theta", "rad")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stores of two particles, a run card, and a campaign card of six generators."""
    folder = tmp_path_factory.mktemp("campaign")
    for particle in (22, 11):
        store.save(make_showers(900, particle), folder / f"train_{particle}.h5", UNITS)
    card = make_card(
        data={"mirror": []}, training={"updates": 80, "updates_per_call": 4}
    ).model_dump(mode="json", exclude_unset=True)
    (folder / "card.toml").write_text(as_toml(card), encoding="utf-8")
    (folder / "six.toml").write_text(
        f"""
        name = "six"
        card = "card.toml"
        [run]
        data.train = "{folder}/train_{{particle}}.h5"
        training.checkpoint_minutes = 1e-6
        [matrix]
        particle = [22, 11]
        "conditions.energy" = [
            {{ low = 1, high = 8 }}, {{ low = 6, high = 20 }}, {{ low = 15.0, high = 50 }}
        ]
        """,
        encoding="utf-8",
    )
    return folder


def as_toml(card: dict[str, object]) -> str:
    """Each key a line, since JSON's values are TOML's: inline tables but for colons."""

    def value(v: object) -> str:
        if isinstance(v, dict):
            return "{ " + ", ".join(f"{k} = {value(x)}" for k, x in v.items()) + " }"
        if isinstance(v, list):
            return "[" + ", ".join(map(value, v)) + "]"
        return json.dumps(v)

    return "".join(f"{key} = {value(v)}\n" for key, v in card.items() if v is not None)
