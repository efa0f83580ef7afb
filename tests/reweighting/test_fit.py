"""What a refiner cannot be trained on; what one learns is tested in `test_refiner`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.refiners import RAW, reference, toy_refiner

from calogan.errors import CaloganError
from calogan.reweighting.fit import train_refiner
from calogan.reweighting.refiner import refined
from calogan.showers import Showers


def test_training_refuses_what_it_cannot_use() -> None:
    showers = reference(450, 1)
    with pytest.raises(CaloganError, match=r"clip is 0.2, expected a quantile above 0.5"):
        train_refiner(RAW, showers, 1, clip=0.2)
    without = Showers(showers.energies, {"energy": showers.incident_energy}, showers.geometry)
    with pytest.raises(CaloganError, match=r"no conditions \['theta'\], it has \['energy'\]"):
        train_refiner(RAW, without, 1)
    dead = np.zeros(showers.energies.shape, np.bool_)
    dead[:7, 0] = True
    with pytest.raises(CaloganError, match="7 of 450 reference showers have dead cells"):
        train_refiner(RAW, showers.without(dead), 1)
    with pytest.raises(CaloganError, match="300 reference points are too few"):
        train_refiner(RAW, showers.select(slice(300)), 1)
    # Of 450 showers even in log(energy), 112 lie in the band.
    with pytest.raises(CaloganError, match=r"3[2-5]\d reference points are too few"):
        train_refiner(replace(RAW, hold_out={"energy": (7.0, 18.6)}), showers, 1)


def test_what_is_refined_is_not_refined_again() -> None:
    with pytest.raises(CaloganError, match="refined already; train on the raw one"):
        train_refiner(refined(RAW, toy_refiner()), reference(500, 1), 1)
