"""The comparison inside a held-out band and beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from helpers.evaluations import make_pair
from helpers.samples import make_card
from jinja2 import Undefined

from calogan.bands import Bands, in_band
from calogan.errors import CaloganError
from calogan.evaluation import report
from calogan.evaluation.compare_samples import compare_samples
from calogan.evaluation.evaluate import evaluate_run
from calogan.evaluation.hold_out import bands_to_study, study
from calogan.evaluation.results import Study
from calogan.geometry import Geometry
from calogan.metrics.classifiers import ClassifierResult
from calogan.metrics.statistics import Value
from calogan.reading import store
from calogan.showers import Showers

CONDITIONS = make_card().condition_list
BAND = {"energy": (3.0, 12.0)}
UNITS = [("energy", "GeV"), ("theta", "rad")]


# ----------------------------------------------------------------------------------------- study


class FakeGenerator(SimpleNamespace):
    """A generator whose showers are at hand, found by their conditions."""

    def sample(self, conditions: dict[str, np.ndarray], seed: int) -> Showers:
        energies = [self.showers.incident_energy, conditions["energy"]]
        order = np.argsort(energies[0])
        rows = order[np.searchsorted(energies[0][order], energies[1])]
        return self.showers.select(rows)


def fake(showers: Showers, hold_out: Bands, **fields: Any) -> Any:
    return FakeGenerator(
        **{
            "showers": showers,
            "geometry": showers.geometry,
            "conditions": tuple(CONDITIONS),
            "readout_threshold": 0.1,
            "seen_events": None,
            "identity": {"model": "other", "inputs_sha256": []},
            "hold_out": hold_out,
            **fields,
        }
    )


@contextmanager
def classifiers_made_up() -> Iterator[None]:
    line, area = np.linspace(0, 1, 201), Value(0.7, 0.01)
    made_up = ClassifierResult(
        name="trees",
        label="boosted trees",
        auc=area,
        trainings=(area,),
        roc=(line, line**0.5),
        jsd=area,
    )
    with patch("calogan.evaluation.compare_samples.compare_by_classifiers", lambda *_: (made_up,)):
        yield


@pytest.fixture(scope="module")
def pair() -> tuple[Showers, Showers]:
    """Reference, and showers that are right but in the band, where they are a tenth too large."""
    reference, generated = make_pair(1900, seed=5)
    factor = np.where(in_band(BAND["energy"], reference.incident_energy), 1.1, 1.0)
    return reference, replace(generated, energies=generated.energies * factor[:, None].astype("f4"))


compare = partial(compare_samples, threshold=0.1, seed=1, classifier="quick")


def make_study(pair: tuple[Showers, Showers], bands: Bands = BAND, **fields: Any) -> Study:
    options = {"other": None, "seed": 1, "compare": compare, "progress": lambda _: None}
    generator = fields.pop("generator", None) or fake(pair[1], BAND)
    return study("energy", bands, generator, pair, **{**options, **fields})


@pytest.fixture(scope="module")
def found(pair: tuple[Showers, Showers]) -> Study:
    """The band, its neighbours, and a generator that is right everywhere and has seen some."""
    good = fake(make_pair(1900, seed=5)[1], {}, seen_events=pair[0].fingerprints()[:100])
    with classifiers_made_up():
        return make_study(pair, other=good)


def selected(reference: Showers, generated: Showers, **_: object) -> Any:
    """In place of a comparison: which showers are compared, and nothing of what is found."""
    spans = {k: [float(v.min()), float(v.max())] for k, v in reference.conditions.items()}
    return SimpleNamespace(settings={"n_showers": len(reference), "conditions": spans})


def spans(found: Study) -> list[list[float]]:
    return [r.evaluation.settings["conditions"]["energy"] for r in found.regions]


def test_inside_the_band_is_put_beside_what_was_trained(
    pair: tuple[Showers, Showers], found: Study
) -> None:
    assert found.words == "energy 3 to 12 GeV"
    names = ["held out", "trained, beside it", "trained, inside it"]
    assert [r.name for r in found.regions] == names
    assert found.regions[2].words == "other, trained with everything"
    n = int(in_band(BAND["energy"], pair[0].incident_energy[100:]).sum())
    assert [r.evaluation.settings["n_showers"] for r in found.regions] == [n, n, n]
    inside, beside, other = spans(found)
    assert 3 <= inside[0] < inside[1] < 12 and other == inside
    # The nearest, on a logarithmic scale: as far below as above.
    assert np.log(3 / beside[0]) == pytest.approx(np.log(beside[1] / 12), abs=0.05)


def test_what_is_wrong_inside_the_band_is_seen(found: Study) -> None:
    rows = {row.name: row for row in found.rows}
    response = rows["mean response, ratio"]
    means = [value.value for value in response.found]
    np.testing.assert_allclose(means, [1.1, 1.0, 1.0], atol=0.01)
    assert response.difference.value == pytest.approx(0.1, abs=0.02)
    assert response.difference.value > 5 * response.difference.uncertainty
    assert rows["separation power, visible energy"].difference.value > 0.01
    assert abs(rows["resolution, ratio"].found[0].value - 1) < 0.1
    assert rows["AUC, boosted trees"].difference.value == 0
    assert any("recall" in name for name in rows)
    json.dumps(found.to_dict(), allow_nan=False)


def test_neighbours_of_a_part_of_the_band_are_trained(pair: tuple[Showers, Showers]) -> None:
    found = make_study(pair, {"energy": (3.5, 11.0)}, compare=selected)
    inside, beside = spans(found)
    assert inside[0] >= 3.5 and inside[1] < 11 and beside[0] < 3 and beside[1] >= 12


def test_showers_of_another_band_are_left_out(pair: tuple[Showers, Showers]) -> None:
    bands = {**BAND, "theta": (0.3, 0.34)}
    found = make_study(pair, bands, generator=fake(pair[1], bands), compare=selected)
    all_in = in_band(BAND["energy"], pair[0].incident_energy)
    without = all_in & ~in_band((0.3, 0.34), pair[0].conditions["theta"])
    assert found.regions[0].evaluation.settings["n_showers"] == without.sum() < all_in.sum()


def test_too_few_showers_are_said(pair: tuple[Showers, Showers]) -> None:
    few = (pair[0].select(slice(900)), pair[1].select(slice(900)))
    with pytest.raises(CaloganError, match=r"can be compared are inside the band energy = 3:12"):
        make_study(few)
    wide = {"energy": (1.5, 40.0)}
    with pytest.raises(CaloganError, match=r"are trained, outside the band energy = 1.5:40"):
        make_study(pair, wide, generator=fake(pair[1], wide))


def test_what_cannot_stand_beside_is_refused(pair: tuple[Showers, Showers]) -> None:
    with pytest.raises(CaloganError, match=r"other held out energy = 10:20 as well"):
        make_study(pair, other=fake(pair[1], {"energy": (10.0, 20.0)}))
    another = Geometry.from_dict(
        {"name": "cube", "layers": [{"x_edges": [0, 1], "y_edges": [0, 1]}]}
    )
    with pytest.raises(CaloganError, match=r"geometry 'cube', expected 'small'"):
        make_study(pair, other=fake(pair[1], {}, geometry=another))


def test_a_band_that_was_trained_on_is_no_study(pair: tuple[Showers, Showers]) -> None:
    generator = fake(pair[1], BAND)
    assert bands_to_study({}, generator, "run") == BAND
    assert bands_to_study({"energy": (4.0, 6.0)}, generator, "run") == {"energy": (4.0, 6.0)}
    with pytest.raises(CaloganError, match=r"2:6 was not held out .* run, which held out .*3:12"):
        bands_to_study({"energy": (2.0, 6.0)}, generator, "run")
    with pytest.raises(CaloganError, match=r"theta = 0.1:0.2 was not .* held out nothing; train"):
        bands_to_study({"theta": (0.1, 0.2)}, fake(pair[1], {}), "run")


# ------------------------------------------------------------------------------- files and report


def test_what_a_run_held_out_is_in_its_evaluation_and_report(
    pair: tuple[Showers, Showers], found: Study, tmp_path: Path
) -> None:
    store.save(pair[0], tmp_path / "test.h5", UNITS)
    others = {"run": fake(pair[1], BAND), "other": fake(pair[1], {})}
    with (
        classifiers_made_up(),
        patch("calogan.generating.generator.Generator.load", lambda path: others[Path(path).name]),
        patch("calogan.evaluation.evaluate.study", lambda *_, **__: found),
        patch("calogan.evaluation.report._figures", lambda *_: iter([])),
        patch("calogan.evaluation.pages.StrictUndefined", Undefined),
    ):
        evaluation, page = evaluate_run("run", tmp_path / "test.h5", tmp_path, beside="other")
        without = report.render(replace(evaluation, held_out=()))
    written = json.loads((tmp_path / "metrics.json").read_text())
    (one,) = written["held_out"]
    assert one["band"] == [3.0, 12.0] and len(one["regions"]) == 3
    assert written["settings"]["command"].endswith("--hold-out energy=3:12 --beside other")
    assert written["settings"]["n_showers"] == 1900
    text = page.read_text()
    section = text[text.index('<section id="held-out">') :]
    assert "<h3>energy 3 to 12 GeV</h3>" in section and "other, trained with everything" in section
    assert section.count("AUC, boosted trees</th>") == 1
    assert 'id="held-out"' not in without


def test_nothing_held_out_has_nothing_beside(pair: tuple[Showers, Showers], tmp_path: Path) -> None:
    with (
        patch("calogan.generating.generator.Generator.load", lambda path: fake(pair[1], {})),
        pytest.raises(CaloganError, match=r"nothing was held out, .* leave out --beside"),
    ):
        evaluate_run("run", tmp_path / "test.h5", beside="other")
