"""`calogan refine` and `calogan weigh`, and the option --refiner."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from helpers.refiners import RAW, SMALL, conditions, reference, toy_refiner
from typer.testing import CliRunner

from calogan import cli
from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.generating.output import generate_file
from calogan.reading import store
from calogan.reweighting import fit


def test_the_commands(tmp_path: Path) -> None:
    refiner = toy_refiner()
    real, made = tmp_path / "real.h5", tmp_path / "made.h5"
    store.save(reference(600, 1), real, provenance={})
    run = CliRunner()
    with (
        patch.object(Generator, "load", lambda path: RAW),
        patch("calogan.reweighting.fit.DEFAULT", SMALL),
        patch("calogan.reweighting.fit.train_refiner", lambda *_, **__: refiner),
    ):
        found = run.invoke(cli.app, ["refine", str(tmp_path / "toy.json"), "-r", str(real)])
        assert found.exit_code == 0, found.output
        path = tmp_path / "toy_refiner.h5"
        assert "toy_refiner.h5: trained on 5,000" in found.output
        assert "of proposals accepted" in found.output
        options = ["--refiner", str(path), "-o", str(made)]
        command = ["generate", "toy.json", "--energy", "10", "--theta", "0.1", "-n", "20"]
        found = run.invoke(cli.app, [*command, *options])
        assert found.exit_code == 0, found.output
        assert store.info(made).provenance["refiner_bound"] == refiner.bound
    assert fit.CLIP == 0.99  # as the command's help says
    generate_file(RAW, conditions(600, 2), real, 1)
    found = run.invoke(cli.app, ["weigh", str(real), *options])
    assert found.exit_code == 0 and store.load(made).weights is not None, found.output
    found = run.invoke(cli.app, ["evaluate", str(real), "-r", str(real), *options[:2]])
    assert isinstance(found.exception, CaloganError)
    assert "takes no --refiner" in str(found.exception)
