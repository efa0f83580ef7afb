"""The adversarial training step, compiled: many updates in one call, data on the device."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import ops

from calogan.base_trainer import BaseTrainer
from calogan.config import Card
from calogan.dataset import Showers
from calogan.losses import gradient_penalty, moment_mismatch, relativistic_pairing
from calogan.networks import build_critic
from calogan.preprocessing import condition_basis

LOGGED = ("critic_loss", "r1", "r2", "score_gap", "generator_loss", "moments")


class Trainer(BaseTrainer):
    """Generator, critic and their optimisers on one training set, which stays on the device."""

    logged = LOGGED

    def __init__(self, card: Card, showers: Showers) -> None:
        super().__init__(card, showers)
        training = card.training
        self.critic = build_critic(
            card.critic,
            showers.geometry.n_voxels,
            self.preprocessing.n_features,
            len(self.conditions),
            dtype=self._dtype,
        )
        self._generator_optimizer = self._adam(self.generator.trainable_variables, training.updates)
        self._critic_optimizer = self._adam(
            self.critic.trainable_variables, training.updates * training.critic_steps
        )
        self.checkpoint = self._checkpoint(
            critic=self.critic,
            generator_optimizer=self._generator_optimizer,
            critic_optimizer=self._critic_optimizer,
        )

    def _one_update(self, seed: Any) -> Any:
        steps = self.card.training.critic_steps
        logged = tf.zeros(4)
        for k in range(steps):
            batch = self._batch(tf.random.experimental.stateless_fold_in(seed, 2 * k))
            logged += self._critic_step(batch) / steps
        batch = self._batch(tf.random.experimental.stateless_fold_in(seed, 2 * steps + 1))
        generator_logged = self._generator_step(batch)
        return tf.concat([logged, generator_logged], axis=0)

    def _critic_step(self, batch: tuple[Any, Any, Any, Any]) -> Any:
        energies, incident, inputs, latent = batch
        training = self.card.training
        real = self._views(energies, incident, inputs)
        fake = [
            tf.stop_gradient(v)
            for v in self._views(self._generate(latent, inputs, incident), incident, inputs)
        ]
        with tf.GradientTape() as tape:
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as inner:
                inner.watch(real)
                inner.watch(fake)
                real_scores = self.critic([*real, inputs], training=True)
                fake_scores = self.critic([*fake, inputs], training=True)
                real_sum, fake_sum = tf.reduce_sum(real_scores), tf.reduce_sum(fake_scores)
            r1 = gradient_penalty(inner.gradient(real_sum, real))
            r2 = gradient_penalty(inner.gradient(fake_sum, fake))
            adversarial, _ = relativistic_pairing(real_scores, fake_scores)
            loss = adversarial + 0.5 * (training.r1 * r1 + training.r2 * r2)
        variables = self.critic.trainable_variables
        self._critic_optimizer.apply(tape.gradient(loss, variables), variables)
        gap = tf.reduce_mean(real_scores - fake_scores)
        return tf.stack([adversarial, r1, r2, gap])

    def _generator_step(self, batch: tuple[Any, Any, Any, Any]) -> Any:
        energies, incident, inputs, latent = batch
        real = self._views(energies, incident, inputs)
        real_scores = self.critic([*real, inputs])
        variables = self.generator.trainable_variables
        first = self.preprocessing.n_energy_features
        basis = condition_basis(inputs, ops)
        with tf.GradientTape() as tape:
            fake = self._views(self._generate(latent, inputs, incident), incident, inputs)
            _, adversarial = relativistic_pairing(real_scores, self.critic([*fake, inputs]))
            moments = moment_mismatch(real[1][:, :first], fake[1][:, :first], basis)
            loss = adversarial + self.card.training.moments * moments
        self._generator_optimizer.apply(tape.gradient(loss, variables), variables)
        self._average_weights()
        return tf.stack([adversarial, moments])
