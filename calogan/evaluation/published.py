"""What generators of the field reached, as published: AUCs of the CaloChallenge's classifier."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "CaloChallenge, arXiv:2410.21611"


@dataclass(frozen=True, slots=True)
class Published:
    """One submission, judged by the CaloChallenge's classifier: three hidden layers of 2048."""

    name: str
    kind: str
    dataset: str
    voxels: float
    """AUC by all voxels, the low-level classifier."""
    features: float
    """AUC by high-level features."""

    @property
    def label(self) -> str:
        """Its name with its kind; the dataset stands there where it is not the first."""
        other = "" if self.dataset == PHOTONS else f", {self.dataset.partition(',')[0]}"
        return f"{self.name} ({self.kind}{other})"


PHOTONS = "dataset 1, photons"
ELECTRONS = "dataset 2, electrons"
SUBMISSIONS = (
    Published("BoloGAN", "GAN", PHOTONS, 0.927, 0.966),
    Published("CaloShowerGAN", "GAN", PHOTONS, 0.928, 0.947),
    Published("CaloVAE+INN", "VAE and flow", PHOTONS, 0.889, 0.966),
    Published("CaloINN", "flow", ELECTRONS, 0.74, 0.87),
    Published("CaloFlow student", "flow", PHOTONS, 0.761, 0.667),
    Published("CaloINN", "flow", PHOTONS, 0.626, 0.638),
    Published("CaloDiffusion", "diffusion", PHOTONS, 0.635, 0.536),
)
"""368 voxels in dataset 1, 6480 in dataset 2; other detectors and other numbers of showers than
anyone's own: beside an AUC of one's own they give the scale, not a ranking."""
