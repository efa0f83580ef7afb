"""The keys of the sections [training] and [selection]: defaults, what each means and may be."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

LABELLED_LOSSES = ("minimax", "non_saturating", "least_squares")
"""Losses whose critic learns to give labels."""


class Training(BaseModel, extra="forbid", frozen=True, use_attribute_docstrings=True):
    """The training loop."""

    method: Literal["gan", "vae"] = "gan"
    """Adversarial, or as the decoder of a variational autoencoder."""
    updates: int = Field(20_000, ge=1)
    """Generator updates."""
    batch_size: int = Field(256, ge=2)
    """Showers for each update of the generator; each update of the critic sees as many real and as
    many generated ones."""
    loss: Literal[
        "relativistic", "minimax", "non_saturating", "least_squares", "hinge", "wasserstein"
    ] = "relativistic"
    """The adversarial loss; their formulas and papers are in `training.losses`. All keys below go
    with every loss, unless they name theirs; the defaults are those of "relativistic". Usual for
    "wasserstein": gradient_penalty = 10, critic_steps = 5, r1 = r2 = 0, learning_rate = 1e-4,
    beta_2 = 0.9 (arXiv:1704.00028), for showers beta_1 = 0.5 too; for "hinge":
    spectral_normalization = true, learning_rate = 2e-4, beta_2 = 0.9 (arXiv:1802.05957)."""
    critic_steps: int = Field(1, ge=1)
    """Critic updates for each generator update."""
    learning_rate: float = Field(5e-4, gt=0)
    """Adam's, cosine-decayed to a hundredth."""
    beta_1: float = Field(0.0, ge=0, lt=1)
    """Adam's memory of gradients; adversarial training bears little."""
    beta_2: float = Field(0.95, ge=0, lt=1)
    """Adam's memory of squared gradients."""
    r1: float = Field(1.0, ge=0)
    """Gradient penalty on real showers, towards a flat critic (arXiv:1801.04406); 0: none."""
    r2: float = Field(1.0, ge=0)
    """Gradient penalty on generated showers; 0: none."""
    gradient_penalty: float = Field(0.0, ge=0)
    """Loss "wasserstein": gradient penalty between real and generated showers, towards slope 1
    (arXiv:1704.00028); 0: none, and then r1 and r2 or spectral_normalization must hold the
    critic."""
    spectral_normalization: bool = False
    """Divide each kernel of the critic by its largest singular value (arXiv:1802.05957). The
    critic's saved weights are those before the division."""
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """Losses "minimax", "non_saturating", "least_squares": the critic's label of real showers is
    less than 1 by this (one-sided, arXiv:1606.03498); usual: 0.1."""
    label_flipping: float = Field(0.0, ge=0, lt=0.5)
    """The same losses: probability that a shower shown to the critic has the other's label."""
    count_levels: int = Field(14, ge=1)
    """Energies at which each layer's cells are counted, for the critic's features (a VAE's too)."""
    feature_limit: float | None = Field(None, gt=0)
    """Standard deviations beyond which a feature enters the critic by its logarithm: in a layer
    that is hardly ever lit, the rare hit would else outweigh all other features. None: as it is."""
    shape_floor: float = Field(0.0, ge=0)
    """MeV, added to a layer's energy where the critic's features divide by it. What is far below it
    has no centre and no width: else the critic would tell a layer that is dark, but for energies
    far below the readout threshold, from one without any energy."""
    random_turns: float = Field(0.0, ge=0, lt=1)
    """Method "gan": probability that a shower, real or generated, is turned about the axis by a
    random number of cells in alpha before the critic sees it. It keeps a critic from knowing few
    training showers by heart, as `[data] turn` does, but teaches the generator no symmetry that is
    not there, for some showers are seen as they are (arXiv:2006.06676)."""
    instance_noise: float = Field(0.0, ge=0)
    """Standard deviation of the noise on all that the critic sees of a shower, in units of the
    spread of each number, at the first update; it falls linearly to zero (arXiv:1610.04490)."""
    energy_marginals: float = Field(10.0, ge=0)
    """Weight of the loss that matches the distributions of the response and of the layer energies
    at all conditions (`training.marginals`)."""
    energy_steps: int = Field(0, ge=0)
    """Method "gan": updates of the layer energies, for each update of the cells, against a critic
    of their own, and then only so: without cells they cost little, and a calorimeter of many layers
    needs many. 0: layer energies are trained with the cells."""
    energy_penalty: float | None = Field(None, ge=0)
    """Of that critic, in place of r1 and r2: a few numbers bear a sharper one. None: those."""
    cell_marginals: float = Field(0.3, ge=0)
    """Method "gan": the same for the energy of every cell."""
    ring_marginals: float = Field(0.0, ge=0)
    """Method "gan": the same for the energy of each ring of cells around the axis and the number of
    its cells that are lit: for fine cylindrical meshes, whose single cells are hardly ever lit."""
    ema: float = Field(0.995, ge=0, lt=1)
    """Moving average of the generator's weights, per update; this is what generates."""
    updates_per_call: int = Field(40, ge=1)
    """Updates from one line of the log to the next."""
    checkpoint_minutes: float = Field(2.0, gt=0)
    """Minutes from one checkpoint to the next: what an interrupted training loses at most."""
    mixed_precision: bool = False
    """Products in bfloat16; faster on hardware that has them."""
    jit: bool = True
    """Compile the step with XLA."""
    seed: int = Field(1, ge=0, lt=2**31)
    """Of the weights' start, the validation showers and every random number of the training."""

    @model_validator(mode="after")
    def _meaningful(self) -> Training:
        for key in ("label_smoothing", "label_flipping"):
            value = getattr(self, key)
            if value > 0 and self.loss not in LABELLED_LOSSES:
                raise ValueError(
                    f"{key} is {value:g}, but loss '{self.loss}' has no labels; "
                    f"leave {key} out, or take one of the losses {', '.join(LABELLED_LOSSES)}"
                )
        if self.gradient_penalty > 0 and self.loss != "wasserstein":
            raise ValueError(
                f"gradient_penalty is {self.gradient_penalty:g}, but loss '{self.loss}' does not "
                "ask for slope 1; use r1 and r2, or take loss 'wasserstein'"
            )
        bounded = self.gradient_penalty or self.r1 or self.r2 or self.spectral_normalization
        if self.loss == "wasserstein" and not bounded:
            raise ValueError(
                "loss 'wasserstein' has no minimum while nothing bounds the critic's slope; "
                "set gradient_penalty = 10 (or r1, r2, or spectral_normalization)"
            )
        energies_bounded = (
            self.r1 or self.r2 if self.energy_penalty is None else self.energy_penalty
        )
        if self.loss == "wasserstein" and self.energy_steps and not energies_bounded:
            raise ValueError(
                "loss 'wasserstein' has no minimum while nothing bounds the slope of the layer "
                "energies' own critic; set energy_penalty, or energy_steps = 0"
            )
        return self


class SelectionCard(BaseModel, extra="forbid", frozen=True, use_attribute_docstrings=True):
    """Scores on validation showers during training; the best generator is the one that is kept."""

    every: int = Field(1000, ge=1)
    """Updates from one score to the next; the last update is scored too."""
    showers: int = Field(2000, ge=10)
    """Validation showers to score on, at most."""
