"""Model files of generators that were never trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calogan.card.keys import Card
from calogan.conditions import input_columns
from calogan.files import write_json
from calogan.training.run import Run


def export_untrained(card: Card, folder: Path) -> Path:
    """A model file of a generator that starts from showers round the axis, with random weights."""
    from calogan.exporting.native import export_run
    from calogan.networks.generator import build_generator

    geometry = card.build_geometry()
    depth = geometry.layer_index / geometry.n_layers
    mean = np.exp(-geometry.radii / np.mean(geometry.radii) - 8 * (depth - 0.3) ** 2)
    model = build_generator(
        card.generator,
        geometry,
        sum(input_columns(card.condition_list)),
        (0.3 * mean / mean.sum()).astype(np.float32),
        np.clip(mean, 0.01, 0.9),
    )
    run = Run(folder / "run")
    run.path.mkdir()
    run.card_file.write_text(card.model_dump_json(), encoding="utf-8")
    model.save_weights(run.generator_weights)
    write_json(run.training_file, {"store_provenance": {}})
    export_run(run.path, folder / "model.json", digits=4)
    return folder / "model.json"
