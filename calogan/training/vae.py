"""A conditional variational autoencoder with the generator as its decoder: the usual baseline."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from keras import ops

from calogan.card.keys import GeneratorCard, VaeCard
from calogan.card.training import Training
from calogan.networks.encoder import build_encoder
from calogan.training.data import TrainingData
from calogan.training.trainer import Trainer


class VaeTrainer(Trainer):
    """Encoder, decoder and their optimiser.

    The decoder is `networks.build_generator`, as for the GAN, so that all that follows a training
    is the same. The encoder gives a normal posterior of every latent. The loss is the negative
    evidence lower bound (Kingma, Welling, arXiv:1312.6114) for a whole shower, over the number of
    voxels:

    - voxels as a critic would see them, log(1 + E / floor) standardised, with logistic noise of a
      given size (Kingma et al., arXiv:1606.04934), whose long tails forgive single cells that are
      far off;
    - the same for response and layer energies, and for shapes and counts, each in units of its
      standard deviation at the shower's conditions, with weights from the card. Voxels alone fix
      the energy sums too loosely (ATLAS, ATL-SOFT-PUB-2018-001, adds such terms for that reason);
    - beta times the divergence of the posterior from the prior (Higgins et al., 2017). Beta rises
      from zero over the first updates, or the latents might go unused. Geant4's example Par04 sets
      this balance by a factor before the reconstruction.

    Decoded showers carry no noise of the likelihood, so all that fluctuates must come from latents.
    Two things follow. The latents of single cells are encoded like the others; drawn from their
    prior in training they would only blur the reconstruction, and the decoder would learn to leave
    them out. And the size of the noise is not learned: the likelihood is the same whether
    fluctuations of single cells are put down to noise or to latents, and only latents reach the
    generated showers.

    The GAN's mismatch of layer energies is added, for showers decoded from the prior, with the
    same weight `training.energy_marginals`.
    """

    logged = ("voxel_loss", "feature_loss", "kl_loss", "energy_mismatch")

    def __init__(
        self, data: TrainingData, generator: GeneratorCard, training: Training, vae: VaeCard
    ) -> None:
        """As `Trainer`; `vae` is this section of the card."""
        super().__init__(data, generator, training)
        self._vae = vae
        shared, *cells = self.latent_sizes
        self.encoder = build_encoder(
            vae,
            data.showers.geometry.n_voxels,
            self.preprocessing.n_features,
            self.n_conditions,
            shared,
            cell_latents=bool(cells),
            dtype=self._dtype,
        )
        first, n_features = self.preprocessing.n_energy_features, self.preprocessing.n_features
        self._feature_weights = tf.constant(
            [vae.energies] * first + [vae.shapes] * (n_features - first)
        )
        self._variables = [
            *self.generator.trainable_variables,
            *self.encoder.trainable_variables,
        ]
        self._optimizer = self._adam(self._variables, training.updates)
        self.checkpoint = self._checkpoint(encoder=self.encoder, optimizer=self._optimizer)

    def _one_update(self, seed: Any) -> Any:
        seeds = [tf.random.experimental.stateless_fold_in(seed, k) for k in range(2)]
        batch = self._batch(seeds[0])
        incident, inputs = batch.incident, batch.inputs
        voxels, features = self._views(batch.energies, incident, inputs)
        training = self.training
        with tf.GradientTape() as tape:
            mean, log_variance = self.encoder([voxels, features, inputs], training=True)
            latent = mean + ops.exp(0.5 * log_variance) * batch.latent
            made = self._generate(batch._replace(latent=latent))
            decoded = self._views(made, incident, inputs)
            noise = self._vae.noise
            voxel_loss = _per_shower(logistic_loss(voxels - decoded[0], noise))
            feature_losses = logistic_loss(features - decoded[1], noise)
            feature_loss = _per_shower(self._feature_weights * feature_losses)
            kl = divergence(mean, log_variance)
            loss = voxel_loss + feature_loss + self._beta() * kl
            mismatch = self._energy_mismatch(seeds[1])
            total = loss / voxels.shape[1] + training.energy_marginals * mismatch
        self._optimizer.apply(tape.gradient(total, self._variables), self._variables)
        self._average_weights()
        return tf.stack([voxel_loss, feature_loss, kl, mismatch])

    def _beta(self) -> Any:
        """The divergence's weight at this update."""
        vae = self._vae
        rise = vae.warm_up * self.training.updates
        done = tf.cast(self._update + 1, tf.float32)
        return vae.beta * tf.minimum(1.0, done / max(rise, 1.0))


def logistic_loss(residual: Any, deviation: float) -> Any:
    """Negative logarithm of the logistic density with this standard deviation, for each element."""
    scale = deviation * (math.sqrt(3) / math.pi)
    away = ops.abs(residual) / scale
    return away + 2 * ops.softplus(-away) + math.log(scale)


def divergence(mean: Any, log_variance: Any) -> Any:
    """Kullback-Leibler divergence of normal posteriors from the standard normal prior, in nats.

    Summed over latents, mean over the batch; arXiv:1312.6114, appendix B.

    Parameters
    ----------
    mean, log_variance : (n, n_latents)
    """
    each = ops.square(mean) + ops.exp(log_variance) - 1 - log_variance
    return _per_shower(0.5 * each)


def _per_shower(terms: Any) -> Any:
    """Sum over columns, mean over showers."""
    return ops.mean(ops.sum(terms, axis=1))
