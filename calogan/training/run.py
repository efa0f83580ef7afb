"""The run directory: what a training leaves, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calogan.card.keys import Card
from calogan.errors import CaloganError
from calogan.files import read_text

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Run:
    """Paths and contents of a run directory; self-contained once training has begun."""

    path: Path

    @property
    def card_file(self) -> Path:
        """The resolved card, geometry included, as JSON."""
        return self.path / "card.json"

    @property
    def generator_weights(self) -> Path:
        """The weights that generate, averaged and calibrated: of the best update scored so far.

        Before the first score, those of the last checkpoint.
        """
        return self.path / "generator.weights.h5"

    @property
    def critic_weights(self) -> Path:
        """Of a GAN's last checkpoint, for other programs: a resumed run reads `checkpoints`.

        A VAE's encoder is in `checkpoints` alone.
        """
        return self.path / "critic.weights.h5"

    @property
    def checkpoints(self) -> Path:
        """Everything needed to resume: weights, optimisers, averages, update count."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """One JSON object a line: update, losses, rate, validation scores."""
        return self.path / "metrics.jsonl"

    @property
    def seen_events(self) -> Path:
        """Fingerprints of all training and validation showers, never to be tested on.

        Showers of a held-out band are not among them.
        """
        return self.path / "seen_events.npy"

    @property
    def training_file(self) -> Path:
        """Data set and versions, updates done, the best one with its scores, warnings."""
        return self.path / "training.json"

    def card(self) -> Card:
        if not self.card_file.is_file():
            raise CaloganError(
                f"{self.path} is not a run directory: no {self.card_file.name} in it; "
                "make one with `calogan train CARD --out RUN`"
            )
        try:
            return Card.model_validate(json.loads(read_text(self.card_file, "resolved card")))
        except ValueError as error:  # broken JSON, or not a card of this version
            raise CaloganError(
                f"{self.card_file} is damaged or from another version of calogan: {error}"
            ) from error

    def training(self) -> dict[str, Any]:
        """What `training_file` holds.

        "updates": of the last checkpoint; "best": the line of `metrics` whose generator is kept,
        None before the first score; "warnings": update and words of each.
        """
        try:
            found: dict[str, Any] = json.loads(read_text(self.training_file, "training record"))
        except json.JSONDecodeError as error:
            raise CaloganError(f"{self.training_file} is damaged: {error}") from error
        return found

    @property
    def curves(self) -> Path:
        """Plot of the losses and scores, drawn when training ends or stops."""
        return self.path / "training.png"

    def history(self) -> list[dict[str, Any]]:
        """The lines of `metrics`, oldest first; one that a crash cut short is left out."""
        lines = read_text(self.metrics, "metrics").splitlines() if self.metrics.is_file() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return found

    def load_seen_events(self) -> NDArray[np.uint64]:
        """Sorted fingerprints of the training and validation showers, (n,)."""
        try:
            found: NDArray[np.uint64] = np.load(self.seen_events, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CaloganError(f"cannot read {self.seen_events}: {error}") from error
        return found

    def load_generator(self) -> keras.Model:
        """The generator with the weights of `generator_weights`."""
        from calogan.networks.generator import build_generator

        card = self.card()
        if not self.generator_weights.is_file():
            raise CaloganError(
                f"{self.path} has no {self.generator_weights.name} yet: training stopped before "
                "its first checkpoint; go on with `calogan train CARD --resume --out RUN`"
            )
        geometry = card.build_geometry()
        model = build_generator(
            card.generator,
            geometry,
            card.n_inputs,
            np.full(geometry.n_voxels, 1.0 / geometry.n_voxels, np.float32),
        )
        try:
            model.load_weights(self.generator_weights)
        except (OSError, ValueError, KeyError) as error:
            raise CaloganError(
                f"{self.generator_weights} does not fit the card of its run: {error}"
            ) from error
        return model
