"""What is said of bundles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers.inspections import printed
from helpers.programs import GATED_MODEL

from calogan.errors import CaloganError
from calogan.inspecting.inspect import inspect


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Two photon generators that share 6 to 8 GeV, and one of electrons, whose file is missing."""
    for name in ("bundle.json", GATED_MODEL.name):
        shutil.copy(GATED_MODEL.parent / name, tmp_path / name)
    return tmp_path


def change(bundle: Path, **fields: object) -> None:
    index = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**index, **fields}))


def test_bundle(bundle: Path) -> None:
    found = inspect(bundle)
    assert found.kind == "bundle of generators"
    facts = dict(found.facts)
    assert (facts["name"], facts["members"]) == ("pair", "3")
    assert facts["missing"] == "1, such as electrons; make the bundle again"
    asked, members = found.tables
    assert asked.rows == (
        ("energy", "1", "50", "GeV", "log"),
        ("theta", "0", "0.35", "rad", "linear"),
        ("particle", "11", "22", "", "linear"),
    )
    assert members.columns == ("member", "file", "energy [GeV]", "theta [rad]", "particle")
    low, high, electrons = members.rows
    assert (low[0], *low[2:]) == ("low", "1 .. 8, alone 1 .. 6", "0 .. 0.35", "22")
    assert high[2] == "6 .. 50, alone 8 .. 50"
    assert electrons == ("electrons", "missing", "1 .. 20", "0 .. 0.35", "11")
    assert "alone 8 .. 50" in printed(found)
    assert inspect(bundle / "bundle.json").facts == found.facts


def test_ranges_of_other_kinds(bundle: Path) -> None:
    member = {"name": "a", "file": GATED_MODEL.name, "weights_sha256": ""}
    change(bundle, members=[{**member, "ranges": {"energy": [10, 20, 12, 40], "theta": [0] * 4}}])
    with pytest.raises(CaloganError, match=r"bundle\.json is not complete: .*particle"):
        inspect(bundle)
    change(bundle, conditions=[{"name": "energy", "unit": "GeV", "scale": "log"}])
    assert inspect(bundle).tables[1].rows[0][2] == "10 .. 40, shared"
    other = {"name": "b", "file": GATED_MODEL.name, "weights_sha256": "", "ranges": {}}
    change(bundle, members=[{**member, "ranges": {"energy": [1, 1, 2, 2]}}, other])
    assert inspect(bundle).tables[1].rows[1][2] == "any"


def test_an_index_that_is_wrong(bundle: Path) -> None:
    change(bundle, conditions=7)
    with pytest.raises(CaloganError, match=r"bundle\.json is not complete: TypeError"):
        inspect(bundle)
    change(bundle, calogan_bundle=2)
    with pytest.raises(CaloganError, match="has version 2, this calogan reads 1"):
        inspect(bundle)
    shutil.copy(bundle / "bundle.json", bundle / "other.json")
    with pytest.raises(CaloganError, match="JSON, but not a generator or lwtnn model"):
        inspect(bundle / "other.json")
