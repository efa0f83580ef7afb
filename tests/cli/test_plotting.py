"""`calogan plot`: which showers it draws, from where, over which threshold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.programs import GATED_MODEL
from helpers.samples import make_labelled, make_showers
from typer.testing import CliRunner

from calogan import cli, plots
from calogan.errors import CaloganError
from calogan.generating.generator import Generator
from calogan.generating.reference import sample_like
from calogan.reading import store
from calogan.showers import Showers


def calogan(*arguments: str | Path) -> Any:
    return CliRunner().invoke(cli.app, ["plot", *map(str, arguments)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the gated model's geometry, of showers that it did not make."""
    model = Generator.load(GATED_MODEL)
    rng = np.random.default_rng(3)
    energy = np.geomspace(1, 50, 60).astype(np.float32)
    cells = rng.gamma(0.5, 2.0, (60, model.geometry.n_voxels)) * energy[:, None]
    conditions = {"energy": energy, "theta": np.full(60, 0.1, np.float32)}
    path = tmp_path_factory.mktemp("plots") / "real.h5"
    showers = Showers(cells.astype(np.float32), conditions, model.geometry)
    store.save(showers, path, [("energy", "GeV"), ("theta", "rad")])
    return path


def drawn(monkeypatch: pytest.MonkeyPatch, kind: str) -> list[dict[str, Showers]]:
    """What the function behind the command was given, which still draws."""
    calls: list[dict[str, Showers]] = []
    function = getattr(plots, kind)

    def spy(samples: dict[str, Showers], *arguments: object, **options: object) -> object:
        calls.append(samples)
        return function(samples, *arguments, **options)

    monkeypatch.setattr(plots, kind, spy)
    return calls


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("event", "svg"), ("averages", "png"), ("spectra", "pdf"), ("profiles", "svg")],
)
def test_real_beside_generated(
    kind: str, ending: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = drawn(monkeypatch, kind)
    file = tmp_path / f"figure.{ending}"
    found = calogan(kind, made, GATED_MODEL, "--name", "Geant4", "--name", "GAN", "-o", file)
    assert found.exit_code == 0, found.output
    threshold = Generator.load(GATED_MODEL).readout_threshold
    assert f"60 of Geant4, 60 of GAN, cells over {threshold:g} MeV" in found.output
    assert file.stat().st_size > 1000
    ((real, fake),) = (samples.values() for samples in calls)
    np.testing.assert_array_equal(fake.conditions["energy"], real.conditions["energy"])
    assert threshold > 0
    assert min(s.energies[s.energies > 0].min() for s in (real, fake)) >= np.float32(threshold)


def test_a_model_alone_draws_its_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = drawn(monkeypatch, "spectra")
    options = ["--where", "energy=10:20", "-n", "50", "--style", "ATLAS", "-o", tmp_path / "a.svg"]
    found = calogan("spectra", GATED_MODEL, "--where", "theta=0.1", *options)
    assert found.exit_code == 0, found.output
    (showers,) = calls[0].values()
    assert len(showers) == 50 and set(showers.conditions["theta"]) == {np.float32(0.1)}
    assert 10 <= showers.incident_energy.min() < 12 < showers.incident_energy.max() <= 20


def test_where_and_number_choose_showers_of_a_store(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = drawn(monkeypatch, "averages")
    monkeypatch.setattr("calogan.cli.plotting.ROWS", 7)
    options = ["--where", "energy=5:20", "--where", "theta=0.1", "-o", tmp_path / "a.png"]
    everything = store.load(made)
    inside = (everything.incident_energy >= 5) & (everything.incident_energy <= 20)
    for n, expected in (("1000", int(inside.sum())), ("9", 9)):
        found = calogan("averages", made, "-n", n, *options)
        assert found.exit_code == 0, found.output
        (showers,) = calls[-1].values()
        wanted = everything.incident_energy[inside][:expected]
        np.testing.assert_array_equal(showers.incident_energy, wanted)


def test_a_bare_file_takes_the_geometry_of_a_model_or_a_file(made: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.h5"
    with h5py.File(made) as whole, h5py.File(bare, "w") as file:
        for name in ("incident_energies", "showers"):
            file[name] = whole[name][()]
    store.save(make_showers(20), tmp_path / "other.h5")
    model = Generator.load(GATED_MODEL)
    layer = model.geometry.layers[0].name
    options = ["-o", tmp_path / "bare.svg"]
    found = calogan("averages", bare, *options)
    assert isinstance(found.exception, CaloganError) and "without its geometry" in str(
        found.exception
    )
    (tmp_path / "geometry.json").write_text(json.dumps(model.geometry.to_dict()))
    found = calogan(
        "averages", bare, "--show", layer, "--geometry", tmp_path / "geometry.json", *options
    )
    assert found.exit_code == 0, found.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["spectra", "real.h5", "-o", "a.jpg"], "ending is '.jpg', expected .pdf, .png, .svg"),
        (["spectra", "real.h5", "--name", "a", "--name", "b"], "found 2 names .* for 1 sources"),
        (["spectra", "real.h5", "other/real.h5", "--name", "a", "--name", "a"], "not all differ"),
        (["spectra", "real.h5", "--style", "NOVA"], "mplhep has no style 'NOVA'"),
        (["spectra", "real.h5", "--show", "energy"], "no observable 'energy'; nearest: "),
        (["averages", "real.h5", "--show", "frnt"], "--show frnt: geometry .* no such layer"),
        (["spectra", "real.h5", "--where", "eta=1"], "--where eta: .*real.h5 has no such cond"),
        (["spectra", "model", "--where", "eta=1"], "--where eta: generator .* no such condition"),
        (["spectra", "real.h5", "--where", "energy=100:200"], "no shower of .*energy=100:200"),
        (["spectra", "model", "--where", "energy=20:8"], "energy=20:8: found 20 before 8, expec"),
        (["spectra", "real.h5", "--where", "energy=a"], "NAME=LOW:HIGH or NAME=VALUE, such as --w"),
        (["event", "real.h5", "--event", "60"], "real has 60 showers, so there is no event 60"),
        (["spectra", "showers.csv"], "showers.csv is CSV, which says neither"),
        (["spectra", "real.h5", "--where", "theta=0", "--where", "theta=1"], "asked for already"),
        (["spectra", "nowhere.h5"], "no file"),
    ],
)
def test_errors_say_what_to_do(
    arguments: list[str],
    message: str,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other").mkdir()
    for name in ("real.h5", "other/real.h5"):
        Path(name).symlink_to(made)
    given = [str(GATED_MODEL) if a == "model" else a for a in arguments]
    found = calogan(*given, *([] if "-o" in given else ["-o", "a.svg"]))
    assert isinstance(found.exception, CaloganError), found.output
    with pytest.raises(CaloganError, match=message):
        raise found.exception
    assert not Path("a.svg").exists()


def test_help_shows_its_examples_as_they_are_typed() -> None:
    found = calogan("--help")
    assert "--show 'width_x[front]' --where" in " ".join(found.output.split())


def test_labels_are_chosen_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(make_labelled(60, seed=3), tmp_path / "real.h5")
    calls = drawn(monkeypatch, "event")
    for asked, codes in (("gamma", {22}), ("22", {22}), ("e-,gamma", {11, 22}), ("11:11", {11})):
        options = ["--where", f"particle={asked}", "-o", tmp_path / "a.svg"]
        assert calogan("event", tmp_path / "real.h5", *options).exit_code == 0
        assert set(calls[-1]["real"].conditions["particle"]) == codes
    found = calogan(
        "event", tmp_path / "real.h5", "--where", "particle=pi+", "-o", tmp_path / "b.svg"
    )
    assert re.search(
        r"'particle' is .*pi\+.*, expected among e- \(11\), gamma", str(found.exception)
    )
    found = calogan(
        "event", tmp_path / "real.h5", "--where", "particle=13", "-o", tmp_path / "b.svg"
    )
    assert re.search(r"no shower of .*real.h5 has particle=13;", str(found.exception))


def test_a_model_is_as_dark_as_the_store(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    showers = store.load(made)
    dead = np.zeros(showers.energies.shape, np.bool_)
    dead[::2, :3] = True
    store.save(showers.without(dead), tmp_path / "dead.h5")
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(
        plots.panels, "averages", lambda figure, grid, means, *rest: kept.append(means)
    )
    options = ["--threshold", "0", "-o", tmp_path / "a.svg"]
    found = calogan("averages", tmp_path / "dead.h5", GATED_MODEL, *options)
    assert found.exit_code == 0, found.exception
    generated = kept[0][Path(GATED_MODEL).stem][0]
    like = sample_like(Generator.load(GATED_MODEL), store.load(tmp_path / "dead.h5"), 1)
    expected = np.where(dead, 0, like.energies).mean(axis=0)
    np.testing.assert_allclose(generated, expected, rtol=1e-5)
    assert (expected < like.energies.mean(axis=0)).any()
