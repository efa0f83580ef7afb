"""The adversarial training step, compiled: many updates in one call, data on the device."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from calogan.card.keys import CriticCard, GeneratorCard
from calogan.card.training import Training
from calogan.networks.critic import build_critic, build_energy_critic
from calogan.training.data import TrainingData, turn_permutations
from calogan.training.losses import (
    LOSSES,
    between,
    instance_noise,
    noisy_labels,
    one_centred_penalty,
    spectral_normalization,
    zero_centred_penalty,
)
from calogan.training.marginals import (
    Marginals,
    RingDistribution,
    cell_distribution,
    distribution,
)
from calogan.training.trainer import Batch, Trainer, normal

PENALTIES = ("r1", "r2", "gradient_penalty")
"""Keys of the card, and names in the log."""
GENERATOR_LOGGED = ("generator_loss", "energy_mismatch", "cell_mismatch")
ENERGY_BATCH = 512
"""Showers whose layer energies are judged at once: without cells they cost little."""


class GanTrainer(Trainer):
    """Generator, critic and their optimisers."""

    critic: keras.Model

    def __init__(
        self, data: TrainingData, generator: GeneratorCard, training: Training, critic: CriticCard
    ) -> None:
        """As `Trainer`; `critic` is this section of the card."""
        super().__init__(data, generator, training)
        self.critic = build_critic(
            critic,
            data.showers.geometry,
            self.preprocessing.n_features,
            self.n_conditions,
            dtype=self._dtype,
        )
        self._loss = LOSSES[training.loss]
        cells = self._energies[:1]
        functions = self._distribution(cells, cells)
        self._cell_marginals = Marginals(functions.shape[1], self.n_conditions, data.columns)
        self._rings: RingDistribution | None = None
        if training.ring_marginals > 0:
            self._rings = RingDistribution.fit(
                data.showers.energies, data.showers.geometry, self._lowest
            )
            n_functions = len(self._rings.mean)
            self._ring_marginals = Marginals(n_functions, self.n_conditions, data.columns)
        penalties = [name for name in PENALTIES if getattr(training, name) > 0]
        self.logged = ("critic_loss", *penalties, "score_gap", *GENERATOR_LOGGED)
        turns = (
            turn_permutations(data.showers.geometry)
            if training.random_turns > 0
            else np.zeros((0, 0), np.intp)
        )
        self._turns = tf.constant(turns)
        self._turns_back = tf.constant(np.argsort(turns, axis=1))
        self._directions = self._start_directions() if training.spectral_normalization else {}
        self._generator_variables = self.generator.trainable_variables
        energies: dict[str, Any] = {}
        if training.energy_steps > 0:
            mine = self._layer_energy_part.logits.trainable_variables
            apart = {id(v) for v in mine}
            self._generator_variables = [v for v in self._generator_variables if id(v) not in apart]
            self._energy_critic = build_energy_critic(
                critic, self.preprocessing.n_energy_features, self.n_conditions
            )
            n = training.updates * training.energy_steps
            self._energy_optimizer = self._adam(mine, n)
            self._energy_critic_optimizer = self._adam(self._energy_critic.trainable_variables, n)
            energies = {
                "energy_critic": self._energy_critic,
                "energy_optimizer": self._energy_optimizer,
                "energy_critic_optimizer": self._energy_critic_optimizer,
            }
        self._generator_optimizer = self._adam(self._generator_variables, training.updates)
        self._critic_optimizer = self._adam(
            self.critic.trainable_variables, training.updates * training.critic_steps
        )
        self.checkpoint = self._checkpoint(
            critic=self.critic,
            cell_marginals=self._cell_marginals,
            generator_optimizer=self._generator_optimizer,
            critic_optimizer=self._critic_optimizer,
            **({"directions": list(self._directions.values())} if self._directions else {}),
            **energies,
            **({"ring_marginals": self._ring_marginals} if self._rings is not None else {}),
        )

    def _one_update(self, seed: Any) -> Any:
        steps = self.training.critic_steps
        logged = tf.zeros(len(self.logged) - len(GENERATOR_LOGGED))
        # For each step of the critic, one seed draws the batch and the next what the losses need.
        # The last two do the same for the generator; the one before them is not used.
        seeds = [tf.random.experimental.stateless_fold_in(seed, k) for k in range(2 * steps + 3)]
        for k in range(steps):
            logged += self._critic_step(self._batch(seeds[2 * k]), seeds[2 * k + 1]) / steps
        mismatch = self._energy_steps(seeds[-1])
        generator_logged = self._generator_step(self._batch(seeds[-2]), seeds[-1], mismatch)
        return tf.concat([logged, generator_logged], axis=0)

    def _start_directions(self) -> dict[int, tf.Variable]:
        """Random vectors from which power iteration starts, for the critic's kernels by place."""
        return {
            i: tf.Variable(
                tf.random.stateless_normal(v.shape[-1:], (self.training.seed, i)),
                trainable=False,
            )
            for i, v in enumerate(self.critic.trainable_variables)
            if v.name == "kernel"
        }

    def _critic_weights(self, *, follow: bool) -> list[Any]:
        """The weights that the critic judges with; `follow`: keep the power iteration's step."""
        weights = [variable.value for variable in self.critic.trainable_variables]
        for i, direction in self._directions.items():
            weights[i], new = spectral_normalization(weights[i], direction)
            if follow:
                direction.assign(new)
        return weights

    def _judge(self, weights: list[Any], views: list[Any], inputs: Any) -> Any:
        """Scores by the critic with these weights."""
        # A critic has no other state: layers that mix the showers of a batch are refused.
        scores, _ = self.critic.stateless_call(weights, [], [*views, inputs], training=True)
        return scores

    def _blurred(self, views: list[Any], seed: Any) -> list[Any]:
        """The views with the card's instance noise, which falls to zero with the last update."""
        training = self.training
        if training.instance_noise == 0:
            return views
        left = 1 - tf.cast(self._update, tf.float32) / training.updates
        seeds = tf.random.split(seed, len(views))
        noise = [normal(tf.shape(v), seeds[i]) for i, v in enumerate(views)]
        return instance_noise(views, training.instance_noise * left, noise)

    def _labels(self, seed: Any) -> tuple[Any, ...]:
        """What the loss takes beside the scores: noisy labels, if the card says so."""
        training = self.training
        if training.label_smoothing == 0 and training.label_flipping == 0:
            return ()
        uniform = tf.random.stateless_uniform((2, training.batch_size, 1), seed)
        return noisy_labels(training.label_smoothing, training.label_flipping, uniform)

    def _turned(self, energies: Any, seed: Any) -> Any:
        """Showers, (n, n_voxels), some of them turned about the axis, as the card says."""
        chance = self.training.random_turns
        if chance == 0:
            return energies
        uniform = tf.random.stateless_uniform((2, self.training.batch_size), seed)
        n = len(self._turns)
        which = tf.where(uniform[0] < chance, tf.cast(n * uniform[1], tf.int32), 0)
        there, back = (tf.gather(t, which) for t in (self._turns, self._turns_back))

        # Without this the gradient is a scatter, several times slower.
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def move(values: Any) -> Any:
            moved = tf.gather(values, there, batch_dims=1)
            return moved, lambda upstream: tf.gather(upstream, back, batch_dims=1)

        return move(energies)

    def _critic_step(self, batch: Batch, seed: Any) -> Any:
        incident, inputs = batch.incident, batch.inputs
        training = self.training
        seeds = tf.random.split(seed, 4)
        turns = tf.random.split(tf.random.experimental.stateless_fold_in(seed, 1), 2)
        energies = self._turned(batch.energies, turns[0])
        real = self._blurred(self._views(energies, incident, inputs), seeds[0])
        made = self._turned(self._generate(batch), turns[1])
        generated = self._views(made, incident, inputs)
        fake = [tf.stop_gradient(v) for v in self._blurred(generated, seeds[1])]
        middle: list[Any] = []
        if training.gradient_penalty > 0:
            where = tf.random.stateless_uniform((training.batch_size, 1), seeds[2])
            middle = between(real, fake, where)
        penalties = []
        with tf.GradientTape() as tape:
            weights = self._critic_weights(follow=True)
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as inner:
                inner.watch([real, fake, middle])
                real_scores = self._judge(weights, real, inputs)
                fake_scores = self._judge(weights, fake, inputs)
                real_sum, fake_sum = tf.reduce_sum(real_scores), tf.reduce_sum(fake_scores)
                if training.gradient_penalty > 0:
                    middle_sum = tf.reduce_sum(self._judge(weights, middle, inputs))
            adversarial, _ = self._loss(real_scores, fake_scores, *self._labels(seeds[3]))
            loss = adversarial
            if training.r1 > 0:
                penalties.append(zero_centred_penalty(inner.gradient(real_sum, real)))
                loss += 0.5 * training.r1 * penalties[-1]
            if training.r2 > 0:
                penalties.append(zero_centred_penalty(inner.gradient(fake_sum, fake)))
                loss += 0.5 * training.r2 * penalties[-1]
            if training.gradient_penalty > 0:
                penalties.append(one_centred_penalty(inner.gradient(middle_sum, middle)))
                loss += training.gradient_penalty * penalties[-1]
        variables = self.critic.trainable_variables
        self._critic_optimizer.apply(tape.gradient(loss, variables), variables)
        gap = tf.reduce_mean(real_scores - fake_scores)
        return tf.stack([adversarial, *penalties, gap])

    def _energy_steps(self, seed: Any) -> Any:
        """Train layer energies alone, if the card says so; returns the last mismatch, else None."""
        mismatch = None
        for k in range(self.training.energy_steps):
            seeds = tf.random.split(tf.random.experimental.stateless_fold_in(seed, 2 + k), 2)
            self._energy_critic_step(seeds[0])
            mismatch = self._energy_step(seeds[1])
        return mismatch

    def _energy_critic_step(self, seed: Any) -> None:
        made, real, inputs = self._energy_pairs(seed, ENERGY_BATCH)
        made, real = (self.preprocessing.limited(x, ops) for x in (made, real))
        training, critic = self.training, self._energy_critic
        with tf.GradientTape() as tape:
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as inner:
                inner.watch([made, real])
                scores = [critic([x, inputs], training=True) for x in (real, made)]
                sums = [tf.reduce_sum(s) for s in scores]
            loss, _ = self._loss(*scores)
            own = training.energy_penalty
            weights = (training.r1, training.r2) if own is None else (own, own)
            for weight, total, seen in zip(weights, sums, (real, made), strict=True):
                loss += 0.5 * weight * zero_centred_penalty([inner.gradient(total, seen)])
        variables = critic.trainable_variables
        self._energy_critic_optimizer.apply(tape.gradient(loss, variables), variables)

    def _energy_step(self, seed: Any) -> Any:
        variables = self._layer_energy_part.logits.trainable_variables
        with tf.GradientTape() as tape:
            made, real, inputs = self._energy_pairs(seed, ENERGY_BATCH)
            scores = [
                self._energy_critic([self.preprocessing.limited(x, ops), inputs], training=True)
                for x in (real, made)
            ]
            _, loss = self._loss(*scores)
            mismatch = self._energy_marginals.mismatch(
                distribution(made), distribution(real), inputs
            )
            loss += self.training.energy_marginals * mismatch
        self._energy_optimizer.apply(tape.gradient(loss, variables), variables)
        return mismatch

    def _generator_step(self, batch: Batch, seed: Any, energy_mismatch: Any = None) -> Any:
        incident, inputs = batch.incident, batch.inputs
        seeds = tf.random.split(seed, 3)
        turns = tf.random.split(tf.random.experimental.stateless_fold_in(seed, 1), 2)
        energies = self._turned(batch.energies, turns[0])
        real = self._views(energies, incident, inputs)
        weights = self._critic_weights(follow=False)
        real_scores = self._judge(weights, self._blurred(real, seeds[0]), inputs)
        variables = self._generator_variables
        training = self.training
        with tf.GradientTape() as tape:
            made = self._turned(self._generate(batch), turns[1])
            fake = self._views(made, incident, inputs)
            fake_scores = self._judge(weights, self._blurred(fake, seeds[1]), inputs)
            _, adversarial = self._loss(real_scores, fake_scores)
            loss = adversarial
            of_energies = energy_mismatch
            if of_energies is None:
                of_energies = self._energy_mismatch(seeds[2])
                loss += training.energy_marginals * of_energies
            if self._rings is not None:
                made_rings, real_rings = (self._rings(x, ops) for x in (made, energies))
                of_rings = self._ring_marginals.mismatch(made_rings, real_rings, inputs)
                loss += training.ring_marginals * of_rings
            of_cells = tf.constant(0.0)
            if training.cell_marginals > 0:
                of_cells = self._cell_marginals.mismatch(
                    self._distribution(fake[0], made), self._distribution(real[0], energies), inputs
                )
                loss += training.cell_marginals * of_cells
        self._generator_optimizer.apply(tape.gradient(loss, variables), variables)
        self._average_weights()
        return tf.stack([adversarial, of_energies, of_cells])

    def _distribution(self, voxels: Any, energies: Any) -> Any:
        """Functions that tell the distribution of each cell, (n, n_functions)."""
        return cell_distribution(voxels, energies, self._lowest)

    @property
    def _lowest(self) -> float:
        """MeV: the readout threshold, or what stands for it."""
        return float(self.preprocessing.count_levels[0])
