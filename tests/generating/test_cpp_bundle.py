"""Bundles by calogan.runner; the one beside the C++ runner's test models has two kinds of cells."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.programs import GATED_MODEL, PROGRAM
from helpers.samples import make_showers

from calogan import runner
from calogan.errors import CaloganError
from calogan.reading import store

FOLDER = GATED_MODEL.parent
N = 60
ASKED = {
    "energy": np.geomspace(2, 20, N),
    "theta": 0.1,
    "particle": np.where(np.arange(N) % 5, 22, 11),
}


def test_every_shower_is_that_of_its_member() -> None:
    bundle = runner.Bundle.open(FOLDER)
    assert bundle.members == ("low", "high", "electrons") and bundle.n_loaded == 0
    chosen = bundle.choose(ASKED, 5, first_event=100)
    assert bundle.n_loaded == 0
    parts = bundle.generate(ASKED, 5, first_event=100)
    assert bundle.n_loaded == 3
    assert [part.member for part in parts] == [0, 1, 2]
    assert sorted(np.concatenate([part.showers for part in parts])) == list(range(N))
    for member, showers, energies in parts:
        assert (chosen[showers] == member).all()
        generator = bundle.generator(member)
        assert energies.shape == (len(showers), generator.n_voxels)
        for i, found in zip(showers, energies, strict=True):
            given = {"energy": ASKED["energy"][i], "theta": 0.1}
            np.testing.assert_array_equal(
                generator.generate(given, 5, first_event=100 + int(i))[0], found
            )


def test_a_member_outlives_its_bundle() -> None:
    generator = runner.Bundle.open(FOLDER).generator(2)
    assert generator.generate({"energy": 3, "theta": 0.1}, 1).any()
    assert generator.identity["model"].endswith("electrons")


def test_threads_share_a_bundle() -> None:
    bundle = runner.Bundle.open(FOLDER)
    found: list[list[runner.BundlePart]] = []
    workers = [
        threading.Thread(target=lambda: found.append(bundle.generate(ASKED, 5))) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert bundle.n_loaded == 3 and len(found) == 4
    for parts in found[1:]:
        for part, other in zip(parts, found[0], strict=True):
            np.testing.assert_array_equal(part.energies, other.energies)


def test_what_is_refused(tmp_path: Path) -> None:
    bundle = runner.Bundle.open(FOLDER)
    for asked, message in (
        ({"energy": 3, "theta": 0.1}, r"conditions \['particle'\] are missing"),
        ({**ASKED, "eta": 1}, r"bundle 'pair' knows no conditions \['eta'\]"),
        ({**ASKED, "energy": 30}, r"no member for energy 30 GeV, .*particle 11; covered"),
        ({**ASKED, "energy": np.nan}, "energy is nan"),
    ):
        for ask in (bundle.choose, bundle.generate):
            with pytest.raises(CaloganError, match=message):
                ask(asked, 1)
    with pytest.raises(CaloganError, match="has 3 members, counted from 0; was asked for number 3"):
        bundle.generator(3)
    with pytest.raises(CaloganError, match="seed is -1"):
        bundle.choose(ASKED, -1)
    with pytest.raises(CaloganError, match=r"bundle\.json: No such file"):
        runner.Bundle.open(tmp_path)


def test_one_file_has_showers_of_one_geometry(tmp_path: Path) -> None:
    showers = make_showers(4)
    conditions = {"energy": np.full(4, 3.0), "theta": np.full(4, 0.1), "particle": [22, 22, 11, 22]}
    units = [("energy", "GeV"), ("theta", "rad"), ("particle", "")]
    with store.StoreWriter(tmp_path / "like.h5", showers.geometry, units, {}) as writer:
        writer.append(showers.energies, conditions)
    found = subprocess.run(
        [PROGRAM, FOLDER, "--like", tmp_path / "like.h5", "-o", tmp_path / "out.h5"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 2
    assert "members low and electrons of bundle pair have different cells" in found.stderr
    assert not (tmp_path / "out.h5").exists()
