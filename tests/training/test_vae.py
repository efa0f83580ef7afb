"""The variational autoencoder: it learns, resumes, and leaves a run like any other."""

from __future__ import annotations

import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.samples import make_card, make_showers
from scipy.stats import logistic, norm

from calogan.card.keys import Card
from calogan.card.loading import load_card
from calogan.conditions import network_input
from calogan.errors import CaloganError
from calogan.exporting.native import export_run
from calogan.generating.generator import Generator
from calogan.inspecting.inspect import inspect as inspect_path
from calogan.networks.encoder import build_encoder
from calogan.networks.generator import voxel_fractions
from calogan.showers import Showers
from calogan.training.gan import GanTrainer
from calogan.training.loop import Progress, new_trainer, train
from calogan.training.run import Run
from calogan.training.vae import VaeTrainer, divergence, logistic_loss


def vae_card(vae: dict[str, object] | None = None, **training: object) -> Card:
    return make_card(
        training={"method": "vae", "beta_1": 0.9, **training},
        vae={"encoder_hidden": [16], **(vae or {})},
    )


def on(data: Path, card: Card) -> Card:
    return card.model_copy(update={"data": card.data.model_copy(update={"train": str(data)})})


def test_the_card_chooses_the_trainer(showers: Showers) -> None:
    assert type(new_trainer(make_card(), showers)) is GanTrainer
    assert type(new_trainer(vae_card(), showers)) is VaeTrainer


def test_the_shipped_card_has_the_generator_of_the_gan() -> None:
    vae = load_card(Path(__file__).parents[2] / "data/cards/lar_photons_vae.toml")
    assert vae.training.method == "vae"
    assert vae.generator == load_card().generator
    assert vae.data == load_card().data


def test_the_divergence_is_that_of_normal_distributions() -> None:
    mean, deviation = np.array([[0.3, -1.2]]), np.array([[0.5, 2.0]])
    z = np.linspace(-20, 20, 100_001)
    expected = 0.0
    for m, s in zip(mean[0], deviation[0], strict=True):
        posterior, prior = norm(m, s), norm()
        density = posterior.pdf(z) * (posterior.logpdf(z) - prior.logpdf(z))
        expected += np.trapezoid(density, z) if hasattr(np, "trapezoid") else np.trapz(density, z)
    found = divergence(mean, 2 * np.log(deviation))
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert float(divergence(np.zeros((3, 4)), np.zeros((3, 4)))) == 0


def test_the_likelihood_is_the_logistic_one() -> None:
    residual, deviation = np.array([[-3.0, 0.0, 0.2, 40.0]]), 0.5
    expected = -logistic.logpdf(residual, scale=deviation * np.sqrt(3) / np.pi)
    np.testing.assert_allclose(logistic_loss(residual, deviation), expected, rtol=1e-5)
    assert logistic.std(scale=deviation * np.sqrt(3) / np.pi) == pytest.approx(deviation)


@pytest.mark.parametrize("cell_latents", [True, False])
def test_the_encoder_has_a_posterior_for_every_latent(cell_latents: bool) -> None:
    encoder = build_encoder(vae_card().vae, 16, 5, 2, 4, cell_latents=cell_latents)
    rng = np.random.default_rng(0)
    seen = [rng.normal(size=(7, n)).astype(np.float32) for n in (16, 5, 2)]
    mean, log_variance = encoder(seen)
    assert mean.shape == log_variance.shape == (7, 20 if cell_latents else 4)


def test_it_learns_the_showers() -> None:
    """Showers from the prior have the right response everywhere, and fluctuate."""
    showers = make_showers(2000, seed=5)
    card = vae_card(updates=600, batch_size=64, learning_rate=3e-3)
    trainer = new_trainer(card, showers)
    first = trainer.advance(20)
    last = [trainer.advance(n) for n in (180, 400)][-1]
    assert last["voxel_loss"] < first["voxel_loss"]
    assert last["kl_loss"] > 3  # the latents carry something
    inputs = network_input(card.condition_list, showers.conditions)
    size = sum(trainer.latent_sizes)
    latent = np.random.default_rng(0).standard_normal((len(showers), size), np.float32)
    incident = 1000 * showers.incident_energy[:, None]
    with trainer.generating() as generator:
        made = voxel_fractions(generator, showers.geometry, latent, inputs) * incident
    real = showers.apply_threshold(0.1).energies
    made = np.where(made < 0.1, 0, made)
    response = [(x / incident).sum(axis=1) for x in (real, made)]
    for half in (inputs[:, 0] < 0, inputs[:, 0] >= 0, inputs[:, 1] < 0, inputs[:, 1] >= 0):
        assert response[1][half].mean() == pytest.approx(response[0][half].mean(), rel=0.01)
    n = trainer.preprocessing.n_energy_features
    spread = trainer.preprocessing.features(made, incident, inputs, np)[:, :n].std(axis=0)
    np.testing.assert_allclose(spread, 1, atol=0.5)
    logarithms = [
        np.log1p(x / trainer.preprocessing.energy_floor).std(axis=0) for x in (real, made)
    ]
    assert np.median(logarithms[1] / logarithms[0]) == pytest.approx(1, abs=0.2)
    # At given conditions; what the likelihood calls noise is not drawn in generation.
    voxels = [trainer.preprocessing.voxels(x, inputs, np).std(axis=0) for x in (real, made)]
    assert 0.5 < np.median(voxels[1] / voxels[0]) < 1.1


def test_settings_run() -> None:
    card = vae_card(mixed_precision=True, energy_marginals=0)
    generator = card.generator.model_copy(update={"cell_latents": False})
    trainer = new_trainer(card.model_copy(update={"generator": generator}), make_showers(200))
    losses = trainer.advance(2)
    assert np.isfinite(list(losses.values())).all()
    assert losses["energy_mismatch"] == 0


def _weights(run: Run) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(run.generator_weights) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that never stopped."""
    return train(on(data, vae_card()), tmp_path_factory.mktemp("runs") / "whole")


def test_resuming_passes_through_the_same_states(whole: Run, data: Path, tmp_path: Path) -> None:
    card = on(data, vae_card())

    def interrupt(progress: Progress) -> None:
        if progress.update == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(card, tmp_path / "halves", report=interrupt)
    halves = train(card, tmp_path / "halves", resume=True)
    assert [line["update"] for line in halves.history()] == [4, 8, 12]
    one, two = _weights(whole), _weights(halves)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    for mine, other in zip(whole.history(), halves.history(), strict=True):
        assert mine["kl_loss"] == other["kl_loss"]

    other_beta = on(data, vae_card({"beta": 2.0}))
    with pytest.raises(CaloganError, match=r"card differs.*\n.*vae.*'beta': 1\.0.*'beta': 2\.0"):
        train(other_beta, halves.path, resume=True)


def test_a_run_is_exported_and_inspected_like_any_other(whole: Run, tmp_path: Path) -> None:
    assert not whole.critic_weights.exists()
    export_run(whole.path, tmp_path / "model.json")
    generators = [Generator.load(path) for path in (whole.path, tmp_path / "model.json")]
    values = {"energy": np.array([2.0, 20.0]), "theta": 0.1}
    by_keras, by_numpy = (g.sample(values, seed=1).energies for g in generators)
    np.testing.assert_allclose(by_keras, by_numpy, rtol=1e-4, atol=1e-6)
    facts = dict(inspect_path(whole.path).facts)
    assert facts["method"] == "VAE"
    assert "critic weights" not in facts


@pytest.mark.parametrize(
    ("section", "keys", "message"),
    [
        ("training", {"method": "flow"}, "method"),
        ("vae", {"noise": 0}, "noise"),
        ("vae", {"betta": 1}, "betta"),
    ],
)
def test_wrong_keys_are_refused(section: str, keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_card(**{section: keys})
