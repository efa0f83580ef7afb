"""What every method of training shares: data on the device, batches, the weight average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from calogan.card.keys import GeneratorCard
from calogan.card.training import Training
from calogan.features import layer_sums
from calogan.networks.generator import (
    build_generator,
    latent_sizes,
    layer_energy_part,
    voxel_columns,
    voxel_fractions,
)
from calogan.showers import Showers
from calogan.training.calibration import calibrate
from calogan.training.data import TrainingData, living_mean
from calogan.training.marginals import Marginals, distribution
from calogan.training.preprocessing import Preprocessing
from calogan.training.start import match_start

SAMPLE_SHOWERS = 20_000
"""Training showers kept to calibrate the energy scale and to fit the yardstick on."""
ENERGY_SHOWERS = 2048
"""Showers whose layer energies are compared in one update: without cells they cost little."""


def normal(shape: Any, seed: Any) -> Any:
    """Standard normal numbers, a function of the seed.

    The algorithm is named, although it is what TensorFlow chooses: compiled by XLA on a processor,
    the choice itself makes the same numbers take thirty times as long.
    """
    return tf.random.stateless_normal(shape, seed, alg="philox")


class Batch(NamedTuple):
    """Real showers, and what showers like them are generated from; n of each."""

    energies: Any
    """MeV, (n, n_voxels), 0 in dead cells."""
    incident: Any
    """MeV, (n, 1)."""
    inputs: Any
    """Conditions as the network sees them, (n, n_conditions)."""
    alive: Any
    """1 for cells that were read out and 0 for dead ones, (n, n_voxels); None: no cell is dead."""
    latent: Any
    """(n, size of all latents)."""


class Trainer(ABC):
    """A generator and its training data, which stay on the device; each method extends this.

    Cells that are dead in a real shower are dark in the generated one that it is compared with,
    wherever the two are compared: so nothing is learned of them there, and generated showers have
    all cells.

    A subclass builds its other networks after `super().__init__`, sets `logged`, sets `checkpoint`
    by `_checkpoint`, and defines one update. Whatever is drawn at random is a function of the seed
    and the update's number, so that a resumed training repeats it.
    """

    logged: tuple[str, ...]
    """Names of the numbers that an update returns."""
    checkpoint: tf.train.Checkpoint
    """All that a resumed training needs."""
    critic: keras.Model | None = None
    """For methods that have one; saved beside the generator."""

    def __init__(self, data: TrainingData, generator: GeneratorCard, training: Training) -> None:
        """Build the generator and put the data on the device.

        Parameters
        ----------
        data : the training showers; the trainer keeps copies of what it needs
        generator, training : these sections of the card
        """
        self.training = training
        showers, inputs = data.showers, data.inputs
        geometry = showers.geometry
        incident = 1000 * showers.incident_energy.astype(np.float32)
        dead, stand_ins = data.dead, data.stand_ins()
        self.preprocessing = Preprocessing.fit(
            showers,
            inputs,
            data.threshold,
            count_levels=training.count_levels,
            shape_floor=training.shape_floor,
            limit=training.feature_limit,
            stand_ins=stand_ins,
            columns=data.columns,
        )
        self.n_conditions = inputs.shape[1]
        self.columns = data.columns

        self.sample = showers.select(slice(0, SAMPLE_SHOWERS))
        self._sample_inputs = inputs[:SAMPLE_SHOWERS]
        self._threshold = data.threshold

        keras.utils.set_random_seed(training.seed)
        self._dtype = "mixed_bfloat16" if training.mixed_precision else "float32"
        self.generator = build_generator(
            generator,
            geometry,
            self.n_conditions,
            living_mean(showers.energies / incident[:, None], dead)[stand_ins],
            living_mean(showers.energies > self.preprocessing.energy_floor, dead)[stand_ins],
            dtype=self._dtype,
        )
        if generator.heads == "joint" and generator.cell_latents:
            turns = training.random_turns > 0
            alike = geometry.rings if turns else np.arange(geometry.n_voxels)
            lit = data.threshold or self.preprocessing.energy_floor
            match_start(self.generator, self.sample, inputs, lit, alike, stand_ins, training.seed)
        self._layer_energy_part = layer_energy_part(self.generator, geometry.n_layers)
        self.latent_sizes = list(latent_sizes(generator, geometry).values())
        self._average = [tf.Variable(w, trainable=False) for w in self.generator.weights]
        self._update = tf.Variable(0, dtype=tf.int64, trainable=False)

        self._energies = tf.constant(showers.energies)
        self._alive = None if dead is None else tf.constant(~dead)
        self._incident = tf.constant(incident[:, None])
        self._inputs = tf.constant(inputs)
        layers = layer_sums(showers.energies, geometry, np)
        self._energy_features = tf.constant(
            self.preprocessing.energy_features(layers, incident[:, None], inputs, np)
        )
        functions = distribution(self._energy_features[:1])
        self._energy_marginals = Marginals(functions.shape[1], self.n_conditions, data.columns)
        self._columns = tf.constant(voxel_columns(geometry, self.generator.outputs[0].shape[-1]))
        self._symmetries = tf.constant(data.symmetries)
        # Compiled one by one: XLA on a processor runs the body of a loop several times slower.
        self._run = tf.function(self._next_update, jit_compile=training.jit)

    @property
    def update(self) -> int:
        """Generator updates done."""
        return int(self._update)

    def advance(self, updates: int) -> dict[str, float]:
        """Do `updates` generator updates; returns the means of the logged quantities."""
        total = sum(self._run().numpy() for _ in range(updates))
        return dict(zip(self.logged, (total / updates).tolist(), strict=True))

    def largest_weight(self) -> float:
        """Largest magnitude among the averaged weights; not finite once a training has diverged."""
        return float(np.max([np.abs(average.numpy()).max() for average in self._average]))

    @contextmanager
    def generating(self) -> Iterator[keras.Model]:
        """The generator as users get it: averaged weights, calibrated energy scale.

        After the block the generator has its own weights again, and training may go on.
        """
        variables = self.generator.weights
        raw = [variable.numpy() for variable in variables]
        try:
            for variable, average in zip(variables, self._average, strict=True):
                variable.assign(average)
            calibrate(
                self.generator,
                self.sample,
                self._sample_inputs,
                self._threshold,
                self.training.seed,
                self.columns,
            )
            yield self.generator
        finally:
            for variable, value in zip(variables, raw, strict=True):
                variable.assign(value)

    def showers_like(
        self, generator: keras.Model, showers: Showers, inputs: NDArray[np.float32], sample: int
    ) -> Showers:
        """Showers at the conditions of others; the same latents whenever `sample` is the same.

        Parameters
        ----------
        generator : as `generating` gives it
        inputs : the conditions of `showers` as the network sees them, (n, n_conditions)
        """
        incident = 1000 * showers.incident_energy
        rng = np.random.default_rng([self.training.seed, sample])
        latent = rng.standard_normal((len(showers), sum(self.latent_sizes)), np.float32)
        pieces = 1 + len(showers) // 1000
        energies = [
            voxel_fractions(generator, showers.geometry, z, c) * e[:, None]
            for z, c, e in zip(
                *(np.array_split(x, pieces) for x in (latent, inputs, incident)), strict=True
            )
        ]
        return Showers(
            np.concatenate(energies), showers.conditions, showers.geometry, labels=showers.labels
        )

    @abstractmethod
    def _one_update(self, seed: Any) -> Any:
        """One update of all networks, from a seed of its own; returns the logged quantities."""

    def _checkpoint(self, **more: Any) -> tf.train.Checkpoint:
        """What all trainings keep, and `more`."""
        return tf.train.Checkpoint(
            generator=self.generator,
            average=self._average,
            update=self._update,
            energy_marginals=self._energy_marginals,
            **more,
        )

    def _adam(self, variables: list[Any], updates: int) -> keras.optimizers.Adam:
        """The card's optimiser for variables that are updated `updates` times in all."""
        training = self.training
        optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(training.learning_rate, updates, alpha=0.01),
            beta_1=training.beta_1,
            beta_2=training.beta_2,
            epsilon=1e-8,
        )
        optimizer.build(variables)
        return optimizer

    def _next_update(self) -> Any:
        seed = tf.stack([tf.constant(self.training.seed, tf.int64), self._update])
        logged = self._one_update(seed)
        self._update.assign_add(1)
        return logged

    def _batch(self, seed: Any) -> Batch:
        """Random real showers, and latents."""
        n = self.training.batch_size
        seeds = tf.random.split(seed, 3)
        index = tf.random.stateless_uniform((n,), seeds[0], 0, len(self._energies), tf.int32)
        energies, alive = tf.gather(self._energies, index), self._living(index)
        if len(self._symmetries) > 1:
            which = tf.random.stateless_uniform((n,), seeds[1], 0, len(self._symmetries), tf.int32)
            image = tf.gather(self._symmetries, which)
            energies = tf.gather(energies, image, batch_dims=1)
            alive = None if alive is None else tf.gather(alive, image, batch_dims=1)
        latent = normal((n, sum(self.latent_sizes)), seeds[2])
        incident, inputs = tf.gather(self._incident, index), tf.gather(self._inputs, index)
        return Batch(energies, incident, inputs, alive, latent)

    def _living(self, index: Any) -> Any:
        """`Batch.alive` of the training showers at these positions."""
        if self._alive is None:
            return None
        return tf.cast(tf.gather(self._alive, index), tf.float32)

    def _generate(self, batch: Batch) -> Any:
        """Energies of showers like those of a batch, MeV, (n, n_voxels); dark where those are
        dead."""
        parts = tf.split(batch.latent, self.latent_sizes, axis=1)
        outputs = self.generator([*parts, batch.inputs], training=True)
        energies = tf.gather(outputs, self._columns, axis=1) * batch.incident
        return energies if batch.alive is None else energies * batch.alive

    def _energy_mismatch(self, seed: Any) -> Any:
        """Mismatch of response and layer energies, scalar; over many showers, as no cells are made
        but where some are dead.

        Zero, without any work, where the card gives it no weight.
        """
        if self.training.energy_marginals == 0:
            return tf.constant(0.0)
        made, real, inputs = self._energy_pairs(seed, ENERGY_SHOWERS)
        return self._energy_marginals.mismatch(distribution(made), distribution(real), inputs)

    def _energy_pairs(self, seed: Any, n: int) -> tuple[Any, Any, Any]:
        """Response and layer energies of n showers, generated and real, standardised as
        `Preprocessing.energy_features`, (n, 1 + n_layers) each; and their conditions."""
        seeds = tf.random.split(seed, 2)
        index = tf.random.stateless_uniform((n,), seeds[0], 0, len(self._energies), tf.int32)
        inputs, incident = tf.gather(self._inputs, index), tf.gather(self._incident, index)
        alive = self._living(index)
        if alive is None:
            latent = normal((n, self.latent_sizes[0]), seeds[1])
            part = self._layer_energy_part
            logits = part.logits([latent, inputs], training=True)
            layers = part.fractions(ops.cast(logits, "float32")) * incident
        else:
            # What of a layer's energy lies in living cells is known only once there are cells.
            latent = normal((n, sum(self.latent_sizes)), seeds[1])
            energies = self._generate(Batch(None, incident, inputs, alive, latent))
            layers = layer_sums(energies, self.preprocessing.geometry, ops)
        made = self.preprocessing.energy_features(layers, incident, inputs, ops)
        return made, tf.gather(self._energy_features, index), inputs

    def _views(self, energies: Any, incident: Any, inputs: Any) -> list[Any]:
        return [
            self.preprocessing.voxels(energies, inputs, ops),
            self.preprocessing.features(energies, incident, inputs, ops),
        ]

    def _average_weights(self) -> None:
        """Let the moving average follow the generator's weights by one update.

        Means and variances of batch normalization count among the weights.
        """
        decay = self.training.ema
        for average, variable in zip(self._average, self.generator.weights, strict=True):
            average.assign(decay * average + (1 - decay) * variable)
