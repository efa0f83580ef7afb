"""Refining a generator whose density ratio to the reference is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import h5py
import numpy as np
import pytest
from helpers.evaluations import make_pair, without_classifiers
from helpers.samples import make_card
from typer.testing import CliRunner

from calogan import cli
from calogan.errors import CaloganError
from calogan.evaluation.evaluate import evaluate_files, evaluate_run
from calogan.evaluation.results import Evaluation
from calogan.features import response
from calogan.generating.generator import Generator
from calogan.generating.output import generate_file
from calogan.metrics import statistics
from calogan.metrics.statistics import Value
from calogan.reading import store
from calogan.reweighting import files, fit
from calogan.reweighting.density_ratio import RatioSettings
from calogan.reweighting.files import load_refiner
from calogan.reweighting.fit import train_refiner
from calogan.reweighting.refiner import Efficiency, Refiner, refined
from calogan.showers import Showers

SMALL = RatioSettings(members=1, width=32, depth=2, dropout=0.0, batch_size=250, epochs=5)
MEAN, SPREAD = 0.20, 0.020
"""Response of the reference, a Gaussian; the generator's is shifted and wider."""
SHIFT, WIDER = 0.015, 1.2


def make_generator(mean: float, spread: float) -> Generator:
    """Showers of one shape, whose response is Gaussian: all that a classifier can use."""
    card = make_card()
    geometry = card.build_geometry()
    shape = np.linspace(1, 2, geometry.n_voxels)
    shape /= shape.sum()

    def network(latent: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        visible = np.maximum(mean + spread * latent[:, :1], 0)
        return (visible * shape).astype(np.float32)

    return Generator(
        name="toy",
        geometry=geometry,
        conditions=tuple(card.condition_list),
        latent_size=1,
        readout_threshold=0.0,
        seen_events=np.zeros(0, np.uint64),
        hold_out={},
        identity={"model": "toy.json", "weights_sha256": "ab" * 32, "inputs_sha256": ["11"]},
        network=network,
    )


RAW = make_generator(MEAN + SHIFT, WIDER * SPREAD)


def conditions(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"energy": np.exp(rng.uniform(0, np.log(50), n)), "theta": rng.uniform(0, 0.35, n)}


def reference(n: int, seed: int) -> Showers:
    return make_generator(MEAN, SPREAD).sample(conditions(n, seed), seed)


def known_ratio(showers: Showers) -> np.ndarray:
    r = response(showers)
    p, q = (r - MEAN) / SPREAD, (r - MEAN - SHIFT) / (WIDER * SPREAD)
    return WIDER * np.exp(0.5 * (q**2 - p**2))


@pytest.fixture(scope="module")
def refiner() -> Refiner:
    return train_refiner(RAW, reference(5000, 1), 3, settings=SMALL)


def test_weights_are_the_closed_form(refiner: Refiner) -> None:
    """Their logarithm is right to 0.25 rms: 750 showers calibrate in steps of that size."""
    made = RAW.sample(conditions(4000, 5), seed=5)
    known, found = known_ratio(made), refiner.ratios(made)
    sure = (known > 0.2) & (known < refiner.bound)
    assert sure.mean() > 0.7
    assert np.sqrt((np.log(found / known)[sure] ** 2).mean()) < 0.25
    assert np.average(found[sure] / known[sure], weights=known[sure]) == pytest.approx(1, abs=0.1)


def test_weights_have_mean_one_at_all_conditions_and_move_the_response(refiner: Refiner) -> None:
    made = RAW.sample(conditions(10_000, 6), seed=6)
    weights = refiner.weights(made.conditions, refiner.ratios(made))
    for values in made.conditions.values():
        for part in np.array_split(np.argsort(values), 4):
            assert weights[part].mean() == pytest.approx(1, abs=0.08)
    r = response(made)
    mean = np.average(r, weights=weights)
    assert r.mean() == pytest.approx(MEAN + SHIFT, abs=0.001)
    assert mean == pytest.approx(MEAN, abs=0.0025)
    spread = np.sqrt(np.average((r - mean) ** 2, weights=weights))
    assert spread == pytest.approx(SPREAD, rel=0.08)
    for found in refiner.record["mean_weight"].values():
        assert [v["value"] for v in found["mean"]] == pytest.approx([1] * 5, abs=0.1)


def test_rejection_has_the_moments_of_the_reference(refiner: Refiner) -> None:
    better = refined(RAW, refiner)
    asked = conditions(6000, 7)
    made = better.sample(asked, seed=2)
    np.testing.assert_allclose(made.conditions["energy"], asked["energy"], rtol=1e-6)
    r = response(made)
    assert r.mean() == pytest.approx(MEAN, abs=0.0025)
    assert r.std() == pytest.approx(SPREAD, rel=0.08)
    low = asked["energy"] < 7
    assert r[low].mean() == pytest.approx(r[~low].mean(), abs=0.003)


def test_rejection_repeats_by_seed_and_says_what_it_is(refiner: Refiner) -> None:
    better = refined(RAW, refiner)
    asked = conditions(50, 8)
    first, second, other = (better.sample(asked, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.energies, second.energies)
    assert not np.array_equal(first.energies, other.energies)
    assert first.provenance["refiner_sha256"] == refiner.sha256
    assert better.seen_events is not None
    np.testing.assert_array_equal(better.seen_events, refiner.seen_events)


def test_acceptance_and_effective_size_are_those_of_the_ratios(refiner: Refiner) -> None:
    made = RAW.sample(conditions(4000, 9), seed=9)
    accepted = np.random.default_rng(0).random(4000) < refiner.acceptances(made)
    cost = refiner.efficiency
    assert accepted.mean() == pytest.approx(cost.acceptance.value, abs=0.03)
    assert 0 <= cost.lost < 0.02  # the hundredth of the showers over the bound lies close to it
    assert 1 / refiner.bound <= cost.effective <= 1
    assert Efficiency.of(np.ones(9), 4.0) == Efficiency(Value(0.25, 0.0), 1, 0, 4)
    assert (refiner.ratios(made) > refiner.bound).mean() < 0.016


def test_a_refiner_comes_back_from_its_file(refiner: Refiner, tmp_path: Path) -> None:
    files.save_refiner(refiner, tmp_path / "refiner.h5")
    again = load_refiner(tmp_path / "refiner.h5")
    made = RAW.sample(conditions(20, 1), seed=1)
    np.testing.assert_array_equal(again.ratios(made), refiner.ratios(made))
    assert again.sha256 == refiner.sha256
    assert again.efficiency == refiner.efficiency
    assert again.reliability.auc == refiner.reliability.auc
    assert again.record == json.loads(json.dumps(refiner.record))
    weights = again.weights(made.conditions, again.ratios(made))
    np.testing.assert_array_equal(weights, refiner.weights(made.conditions, refiner.ratios(made)))


def test_files_that_are_no_refiners(refiner: Refiner, tmp_path: Path) -> None:
    path = tmp_path / "refiner.h5"
    store.save(reference(3, 1), path)
    with pytest.raises(CaloganError, match="is no refiner; make one with `calogan refine"):
        load_refiner(path)
    for change, match in (
        (lambda f: f.attrs.update(calogan_refiner=9), "of version 9, this program reads 2"),
        (lambda f: f.__delitem__("knots"), "damaged refiner: KeyError"),
        (lambda f: f.attrs.update(about="{"), "damaged refiner"),
    ):
        files.save_refiner(refiner, path)
        with h5py.File(path, "a") as file:
            change(file)
        with pytest.raises(CaloganError, match=match):
            load_refiner(path)
    files.save_refiner(refiner, path)
    with (
        patch(
            "calogan.reweighting.refiner.high_level_features", lambda _: (np.zeros((1, 1)), ("n",))
        ),
        pytest.raises(CaloganError, match="by a calogan with other features"),
    ):
        load_refiner(path)


def test_a_refiner_is_for_one_generator(refiner: Refiner, tmp_path: Path) -> None:
    other = replace(RAW, identity={**RAW.identity, "weights_sha256": "cd" * 32})
    with pytest.raises(CaloganError, match="weights abababababab, generator 'toy' has cdcdcd"):
        refined(other, refiner)
    with pytest.raises(CaloganError, match="refined already; train on the raw one"):
        train_refiner(refined(RAW, refiner), reference(500, 1), 1)
    store.save(reference(3, 1), tmp_path / "a.h5", provenance={})
    with pytest.raises(CaloganError, match=r"a\.h5 has none that are known; train one"):
        files.weigh_store(tmp_path / "a.h5", refiner, tmp_path / "b.h5")
    generate_file(refined(RAW, refiner), conditions(3, 1), tmp_path / "c.h5", 1)
    with pytest.raises(CaloganError, match="refined already: each has weight 1"):
        files.weigh_store(tmp_path / "c.h5", refiner, tmp_path / "b.h5")


def test_training_refuses_what_it_cannot_use() -> None:
    showers = reference(450, 1)
    with pytest.raises(CaloganError, match=r"clip is 0.2, expected a quantile above 0.5"):
        train_refiner(RAW, showers, 1, clip=0.2)
    without = Showers(showers.energies, {"energy": showers.incident_energy}, showers.geometry)
    with pytest.raises(CaloganError, match=r"no conditions \['theta'\], it has \['energy'\]"):
        train_refiner(RAW, without, 1)
    with pytest.raises(CaloganError, match="300 reference points are too few"):
        train_refiner(RAW, showers.select(slice(300)), 1)
    # Of 450 showers even in log(energy), 112 lie in the band.
    with pytest.raises(CaloganError, match=r"3[2-5]\d reference points are too few"):
        train_refiner(replace(RAW, hold_out={"energy": (7.0, 18.6)}), showers, 1)


def test_a_generator_that_makes_nothing_alike_is_given_up(refiner: Refiner) -> None:
    with (
        patch.object(Refiner, "acceptances", lambda self, showers: np.zeros(len(showers))),
        pytest.raises(CaloganError, match=r"none of \d+ showers proposed at energy 10, theta 0.1"),
    ):
        refined(RAW, refiner).sample({"energy": 10.0, "theta": 0.1}, seed=1)


def test_a_weighted_store_is_evaluated_by_what_its_weights_keep(
    refiner: Refiner, tmp_path: Path
) -> None:
    real = reference(4000, 11)
    store.save(real, tmp_path / "real.h5", provenance={})
    raw = tmp_path / "raw.h5"
    generate_file(RAW, real.conditions, raw, 1)
    cost = files.weigh_store(raw, refiner, tmp_path / "weighted.h5")
    assert cost.acceptance.value == pytest.approx(refiner.efficiency.acceptance.value, abs=0.03)
    about = store.info(tmp_path / "weighted.h5")
    assert about.has_weights and not store.info(raw).has_weights
    loaded = store.load(tmp_path / "weighted.h5")
    assert loaded.weights is not None
    np.testing.assert_array_equal(loaded.energies, store.load(raw).energies)
    compared: list[tuple[Showers, Showers]] = []

    class Enough(Exception):
        """Ends the evaluation where the showers are chosen."""

    def look(first: Showers, second: Showers, **_: object) -> None:
        compared.append((first, second))
        raise Enough

    with patch("calogan.evaluation.evaluate.compare_samples", look), pytest.raises(Enough):
        evaluate_files(tmp_path / "real.h5", tmp_path / "weighted.h5", tmp_path / "report")
    ((first, second),) = compared
    kept = 4000 * loaded.weights.mean() / loaded.weights.max()
    assert len(first) == len(second) == pytest.approx(kept, rel=0.15)
    np.testing.assert_array_equal(first.conditions["energy"], second.conditions["energy"])
    assert response(second).mean() == pytest.approx(MEAN, abs=0.0035)


def test_the_report_shows_raw_beside_refined(refiner: Refiner, tmp_path: Path) -> None:
    files.save_refiner(refiner, tmp_path / "refiner.h5")
    trained_on = reference(5000, 1)
    fresh = reference(800, 12)
    both = Showers(
        np.concatenate([fresh.energies, trained_on.energies[:200]]),
        {
            n: np.concatenate([v, trained_on.conditions[n][:200]])
            for n, v in fresh.conditions.items()
        },
        fresh.geometry,
    )
    store.save(both, tmp_path / "test.h5", provenance={})
    shown = without_classifiers(*make_pair(600))

    def compare(first: Showers, second: Showers, **_: object) -> Evaluation:
        """Only the response is of these showers: the rest takes its time."""
        ratio = statistics.ratio_of_means(response(second), response(first))
        settings = {**shown.settings, "n_showers": len(first)}
        return replace(shown, response_ratio=ratio, settings=settings)

    with (
        patch("calogan.evaluation.evaluate.compare_samples", compare),
        patch.object(Generator, "load", lambda path: RAW),
    ):
        found, report = evaluate_run(
            tmp_path / "toy.json", tmp_path / "test.h5", refiner=tmp_path / "refiner.h5"
        )
    assert found.settings["n_showers"] == 800 and found.settings["n_dropped"] == 200
    assert "200 of 1000 reference showers were left out" in found.settings["note"]
    assert found.refinement is not None
    assert found.response_ratio.value == pytest.approx(1 + SHIFT / MEAN, abs=0.015)
    assert found.refinement.evaluation.response_ratio.value == pytest.approx(1, abs=0.02)
    page = report.read_text()
    assert "Raw and refined" in page and "showers per second" in page.lower()
    assert 'id="figure-reliability"' in page
    written = json.loads((report.parent / "metrics.json").read_text())["refined"]
    assert written["showers_per_second"]["raw"] > written["showers_per_second"]["refined"] > 0
    assert 0 < written["efficiency"]["acceptance"]["value"] < 1
    assert len(written["evaluation"]["summary"]) == len(found.summary)


def test_the_commands(refiner: Refiner, tmp_path: Path) -> None:
    real, made = tmp_path / "real.h5", tmp_path / "made.h5"
    store.save(reference(600, 1), real, provenance={})
    run = CliRunner()
    with (
        patch.object(Generator, "load", lambda path: RAW),
        patch("calogan.reweighting.fit.DEFAULT", SMALL),
        patch("calogan.reweighting.fit.train_refiner", lambda *_, **__: refiner),
    ):
        found = run.invoke(cli.app, ["refine", str(tmp_path / "toy.json"), "-r", str(real)])
        assert found.exit_code == 0, found.output
        path = tmp_path / "toy_refiner.h5"
        assert "toy_refiner.h5: trained on 5,000" in found.output
        assert "of proposals accepted" in found.output
        options = ["--refiner", str(path), "-o", str(made)]
        command = ["generate", "toy.json", "--energy", "10", "--theta", "0.1", "-n", "20"]
        found = run.invoke(cli.app, [*command, *options])
        assert found.exit_code == 0, found.output
        assert store.info(made).provenance["refiner_bound"] == refiner.bound
    assert fit.CLIP == 0.99  # as the command's help says
    generate_file(RAW, conditions(600, 2), real, 1)
    found = run.invoke(cli.app, ["weigh", str(real), *options])
    assert found.exit_code == 0 and store.load(made).weights is not None, found.output
    found = run.invoke(cli.app, ["evaluate", str(real), "-r", str(real), *options[:2]])
    assert isinstance(found.exception, CaloganError)
    assert "takes no --refiner" in str(found.exception)
