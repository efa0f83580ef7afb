"""The adversarial training step, compiled: many updates in one call, data on the device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from calogan.calibration import calibrate
from calogan.conditions import Condition, network_input
from calogan.config import Card
from calogan.dataset import Showers
from calogan.errors import CaloganError
from calogan.losses import gradient_penalty, moment_mismatch, relativistic_pairing
from calogan.networks import build_critic, build_generator, latent_sizes, voxel_columns
from calogan.preprocessing import Preprocessing, condition_basis

SAMPLE_SHOWERS = 20_000
"""Training showers kept to calibrate the energy scale on."""
LOGGED = ("critic_loss", "r1", "r2", "score_gap", "generator_loss", "moments")


class Trainer:
    """Generator, critic and their optimisers on one training set, which stays on the device."""

    def __init__(self, card: Card, showers: Showers) -> None:
        self.card = card
        training = card.training
        self.conditions: list[Condition] = card.condition_list
        inputs = network_input(self.conditions, showers.conditions)
        incident = 1000 * showers.incident_energy.astype(np.float32)
        self.preprocessing = Preprocessing.fit(showers, inputs, card.data.readout_threshold)

        self.sample = showers.select(slice(0, SAMPLE_SHOWERS))
        self._sample_inputs = inputs[:SAMPLE_SHOWERS]

        keras.utils.set_random_seed(training.seed)
        dtype = "mixed_bfloat16" if training.mixed_precision else "float32"
        geometry = showers.geometry
        self.generator = build_generator(
            card.generator,
            geometry,
            len(self.conditions),
            (showers.energies / incident[:, None]).mean(axis=0),
            dtype=dtype,
        )
        self.critic = build_critic(
            card.critic,
            geometry.n_voxels,
            self.preprocessing.n_features,
            len(self.conditions),
            dtype=dtype,
        )
        self.latent_sizes = list(latent_sizes(card.generator, geometry).values())
        self._average = [
            tf.Variable(w, trainable=False) for w in self.generator.trainable_variables
        ]
        self._update = tf.Variable(0, dtype=tf.int64, trainable=False)
        schedule = keras.optimizers.schedules.CosineDecay(
            training.learning_rate, training.updates, alpha=0.01
        )
        critic_schedule = keras.optimizers.schedules.CosineDecay(
            training.learning_rate, training.updates * training.critic_steps, alpha=0.01
        )
        self._generator_optimizer = _adam(schedule, training)
        self._critic_optimizer = _adam(critic_schedule, training)
        self._generator_optimizer.build(self.generator.trainable_variables)
        self._critic_optimizer.build(self.critic.trainable_variables)

        self._energies = tf.constant(showers.energies)
        self._incident = tf.constant(incident[:, None])
        self._inputs = tf.constant(inputs)
        self._columns = tf.constant(voxel_columns(geometry))
        self._mirrors = tf.constant(mirror_permutations(card, showers))
        self._run = tf.function(self._updates, jit_compile=training.jit)
        self.checkpoint = tf.train.Checkpoint(
            generator=self.generator,
            critic=self.critic,
            generator_optimizer=self._generator_optimizer,
            critic_optimizer=self._critic_optimizer,
            average=self._average,
            update=self._update,
        )

    @property
    def update(self) -> int:
        """Generator updates done."""
        return int(self._update)

    def advance(self, updates: int) -> dict[str, float]:
        """Do `updates` generator updates; returns the means of the logged quantities."""
        means = self._run(tf.constant(updates, tf.int32))
        return dict(zip(LOGGED, means.numpy().tolist(), strict=True))

    def largest_weight(self) -> float:
        """Largest magnitude among the averaged weights; not finite once a training has diverged."""
        return float(np.max([np.abs(average.numpy()).max() for average in self._average]))

    @contextmanager
    def generating(self) -> Iterator[keras.Model]:
        """The generator as it is to generate: averaged weights, calibrated energy scale.

        After the block the generator has its own weights again, and training may go on.
        """
        variables = self.generator.trainable_variables
        raw = [variable.numpy() for variable in variables]
        try:
            for variable, average in zip(variables, self._average, strict=True):
                variable.assign(average)
            threshold = self.card.data.readout_threshold
            calibrate(
                self.generator,
                self.sample,
                self._sample_inputs,
                threshold,
                self.card.training.seed,
            )
            yield self.generator
        finally:
            for variable, value in zip(variables, raw, strict=True):
                variable.assign(value)

    def _updates(self, updates: Any) -> Any:
        totals = tf.zeros(len(LOGGED))
        for _ in tf.range(updates):
            totals += self._one_update()
        return totals / tf.cast(updates, tf.float32)

    def _one_update(self) -> Any:
        steps = self.card.training.critic_steps
        seed = tf.stack([tf.constant(self.card.training.seed, tf.int64), self._update])
        logged = tf.zeros(4)
        for k in range(steps):
            batch = self._batch(tf.random.experimental.stateless_fold_in(seed, 2 * k))
            logged += self._critic_step(batch) / steps
        batch = self._batch(tf.random.experimental.stateless_fold_in(seed, 2 * steps + 1))
        generator_logged = self._generator_step(batch)
        self._update.assign_add(1)
        return tf.concat([logged, generator_logged], axis=0)

    def _batch(self, seed: Any) -> tuple[Any, Any, Any, Any]:
        """Random real showers, their incident energies and conditions, and latents."""
        n = self.card.training.batch_size
        seeds = tf.random.split(seed, 3)
        index = tf.random.stateless_uniform((n,), seeds[0], 0, len(self._energies), tf.int32)
        energies = tf.gather(self._energies, index)
        if len(self._mirrors) > 1:
            which = tf.random.stateless_uniform((n,), seeds[1], 0, len(self._mirrors), tf.int32)
            energies = tf.gather(energies, tf.gather(self._mirrors, which), batch_dims=1)
        latent = tf.random.stateless_normal((n, sum(self.latent_sizes)), seeds[2])
        return energies, tf.gather(self._incident, index), tf.gather(self._inputs, index), latent

    def _generate(self, latent: Any, inputs: Any, incident: Any) -> Any:
        parts = tf.split(latent, self.latent_sizes, axis=1)
        outputs = self.generator([*parts, inputs], training=True)
        return tf.gather(outputs, self._columns, axis=1) * incident

    def _views(self, energies: Any, incident: Any, inputs: Any) -> list[Any]:
        return [
            self.preprocessing.voxels(energies, ops),
            self.preprocessing.features(energies, incident, inputs, ops),
        ]

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
        decay = self.card.training.ema
        for average, variable in zip(self._average, variables, strict=True):
            average.assign(decay * average + (1 - decay) * variable)
        return tf.stack([adversarial, moments])


def _adam(schedule: Any, training: Any) -> keras.optimizers.Adam:
    return keras.optimizers.Adam(
        schedule, beta_1=training.beta_1, beta_2=training.beta_2, epsilon=1e-8
    )


def mirror_permutations(card: Card, showers: Showers) -> NDArray[np.intp]:
    """Voxel permutations under the card's symmetries, (2^n_axes, n_voxels), identity first.

    Raises CaloganError for a layer that the reflection does not map onto itself.
    """
    geometry = showers.geometry
    order: Literal["C", "F"] = "C" if geometry.fastest == "last" else "F"
    permutations = [np.arange(geometry.n_voxels)]
    for axis in card.data.mirror:
        flipped = []
        for layer, voxels in zip(geometry.layers, geometry.slices, strict=True):
            edges = layer.first_edges if axis == "x" else layer.second_edges
            if layer.system != "cartesian" or not np.allclose(edges, -edges[::-1]):
                raise CaloganError(
                    f"[data] mirror has '{axis}', but layer '{layer.name}' is not symmetric under "
                    f"{axis} -> -{axis}: only cartesian layers with symmetric edges are; "
                    f"take '{axis}' out"
                )
            numbers = np.arange(voxels.start, voxels.stop).reshape(layer.shape, order=order)
            flipped.append(np.flip(numbers, axis="xy".index(axis)).ravel(order=order))
        permutation = np.concatenate(flipped)
        permutations += [p[permutation] for p in permutations]
    return np.stack(permutations)
