from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from helpers.rootfiles import (
    SAMPLE,
    sample_arrays,
    write_fancy_tree,
    write_par04,
    write_sample,
    write_trees,
)
from pydantic import ValidationError

from calogan.card.conditions import ConditionCard, LabelCard
from calogan.card.frame import Frame
from calogan.card.keys import Input
from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.reading.hits import HitChunk, read_hits

CARDS = Path(__file__).parents[2] / "data" / "cards"
ENERGY = ConditionCard(unit="GeV", low=1, high=50, scale="log", branch="gen_energy")
THETA = ConditionCard(unit="rad", low=0, high=0.35, branch="gen_theta")


def read(files: Any, input: Input | None = None, conditions: Any = None, **options: Any) -> Any:
    files = files if isinstance(files, list) else [files]
    conditions = {"energy": ENERGY} if conditions is None else conditions
    return list(read_hits(files, input or Input(), conditions, **options))


def joined(chunks: list[HitChunk], role: str) -> np.ndarray:
    return np.concatenate(
        [c.hits.energy if role == "energy" else c.hits.coordinates[role] for c in chunks]
    )


def test_vectors_of_the_real_sample() -> None:
    card = load_card()
    (chunk,) = read(SAMPLE, card.input, card.conditions)
    with uproot.open(SAMPLE) as file:
        arrays = file["showers"].arrays()
    assert len(chunk.hits) == chunk.entries == 1000
    assert np.array_equal(np.diff(chunk.hits.offsets), ak.num(arrays.hit_energy).to_numpy())
    assert np.array_equal(chunk.hits.energy, ak.flatten(arrays.hit_energy).to_numpy())
    assert np.array_equal(chunk.hits.coordinates["y"], ak.flatten(arrays.hit_y).to_numpy())
    assert np.array_equal(chunk.conditions["energy"], arrays.gen_energy.to_numpy())
    assert np.array_equal(chunk.conditions["theta"], arrays.gen_theta.to_numpy())
    assert {v.dtype for v in chunk.conditions.values()} == {np.dtype(np.float32)}


def test_small_chunks_hold_the_same_events(tmp_path: Path) -> None:
    files = [write_sample(tmp_path / f"{i}.root", n=37, seed=i) for i in range(2)]
    whole, parts = read(files), read(files, chunk_bytes=2000)
    assert len(whole) == 2
    assert len(parts) > 6
    assert [p.start for p in parts[:2]] == [0, len(parts[0].hits)]
    for role in ("energy", "x", "y", "z"):
        assert np.array_equal(joined(whole, role), joined(parts, role))
    assert all(p.hits.offsets[0] == 0 for p in parts)
    energies = [np.concatenate([c.conditions["energy"] for c in some]) for some in (whole, parts)]
    assert np.array_equal(*energies)


def test_only_the_needed_branches_are_read(tmp_path: Path) -> None:
    words = ak.Array(["text"] * 40)
    path = write_sample(tmp_path / "a.root", hit_layer=None, gen_theta=None, note=words)
    (chunk,) = read(path)
    assert set(chunk.hits.coordinates) == {"x", "y", "z"}


def test_units(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    (plain,) = read(path)
    energy = ConditionCard(unit="GeV", low=1, high=50, branch="gen_energy", source_unit="MeV")
    (scaled,) = read(path, Input(energy_unit="GeV", length_unit="cm"), {"energy": energy})
    assert np.allclose(scaled.hits.energy, 1000 * plain.hits.energy, rtol=1e-6)
    assert np.allclose(scaled.hits.coordinates["x"], 10 * plain.hits.coordinates["x"], rtol=1e-6)
    assert np.allclose(1000 * scaled.conditions["energy"], plain.conditions["energy"], rtol=1e-6)


def test_cylindrical_positions_with_a_layer_branch(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    names = {"energy": "hit_energy", "r": "hit_x", "phi": "hit_y", "layer": "hit_layer"}
    (chunk,) = read(path, Input(layout="rphiz", branches=names, angle_unit="deg"))
    assert set(chunk.hits.coordinates) == {"r", "phi", "layer"}
    y = ak.flatten(sample_arrays()["hit_y"]).to_numpy()
    assert np.allclose(chunk.hits.coordinates["phi"], np.deg2rad(y), rtol=1e-6)


def test_par04(tmp_path: Path) -> None:
    card = load_card(preset="par04")
    path = write_par04(tmp_path / "e-_8GeV_theta60_1.root")
    chunks = read(path, card.input, card.conditions, chunk_bytes=5000)
    assert len(chunks) > 1
    assert set(chunks[0].hits.coordinates) == {"layer", "first", "second"}
    energy = np.concatenate([c.conditions["energy"] for c in chunks])
    with uproot.open(path) as file:
        assert np.allclose(1000 * energy, file["global"]["EnergyMC"].array(), rtol=1e-6)
    assert np.allclose(chunks[0].conditions["theta"], np.deg2rad(60), rtol=1e-6)


def test_an_override_takes_the_place_of_the_source(tmp_path: Path) -> None:
    card = load_card(preset="par04")
    path = write_par04(tmp_path / "no_angle_in_this_name.root")
    (chunk,) = read(path, card.input, card.conditions, overrides={"theta": 1.25})
    assert (chunk.conditions["theta"] == np.float32(1.25)).all()


def test_one_branch_per_cell(tmp_path: Path) -> None:
    card = load_card(preset="calogan_root")
    path = write_fancy_tree(tmp_path / "a.root")
    (chunk,) = read(path, card.input, card.conditions)
    dense = np.zeros((12, 507))
    event = np.repeat(np.arange(12), np.diff(chunk.hits.offsets))
    voxel = chunk.hits.coordinates["voxel"]
    dense[event, np.where(voxel >= 0, voxel, 503 - voxel)] = chunk.hits.energy
    with uproot.open(path) as file:
        tree = file["fancy_tree"].arrays(library="np")
    assert np.array_equal(dense, np.stack([tree[f"cell_{i}"] for i in range(507)], axis=1))


def test_a_vector_with_one_value_is_a_condition(tmp_path: Path) -> None:
    energy = ak.unflatten(np.linspace(1, 40, 40), 1)
    (chunk,) = read(write_sample(tmp_path / "a.root", gen_energy=ak.from_regular(energy)))
    assert np.allclose(chunk.conditions["energy"], np.linspace(1, 40, 40))


def test_rntuple(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    arrays = sample_arrays()
    with uproot.recreate(path) as file:
        file.mkrntuple("showers", arrays)
    chunks = read(path, chunk_bytes=2000)
    assert len(chunks) > 2
    assert np.array_equal(joined(chunks, "x"), ak.flatten(arrays["hit_x"]).to_numpy())


def test_missing_branch_and_tree(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "hits.root")
    with pytest.raises(
        CaloganError,
        match=r"no branch 'hit_E' in tree 'showers' of .*hits\.root; nearest: 'hit_energy'.*"
        r"set \[input\.branches\] energy = \.\.\.",
    ):
        read(path, Input(branches={"energy": "hit_E"}))
    with pytest.raises(
        CaloganError, match=r"no tree 'shower' .*nearest: 'showers'; set \[input\] tree"
    ):
        read(path, Input(tree="shower"))
    with pytest.raises(CaloganError, match=r"no tree 'global' .*set \[input\] condition_tree"):
        read(path, Input(condition_tree="global"))
    energy = ENERGY.model_copy(update={"branch": "gen_e"})
    with pytest.raises(
        CaloganError,
        match=r"no branch 'gen_e' .*'gen_energy'.*\[conditions\.energy\] branch.*--set",
    ):
        read(path, conditions={"energy": energy})
    with uproot.recreate(tmp_path / "none.root") as file:
        file["h"] = np.histogram([1.0, 2.0])
    with pytest.raises(CaloganError, match="the file has no trees"):
        read(tmp_path / "none.root")


@pytest.mark.parametrize(
    ("branch", "values", "message"),
    [
        ("hit_x", np.ones(40), r"'hit_x' in .* is 'float64' an event, expected a vector"),
        ("hit_x", ak.Array(["text"] * 40), r"'hit_x' in .* is 'string' an event"),
        ("gen_energy", ak.Array(["text"] * 40), r"'gen_energy' .*expected one number an event"),
        ("gen_energy", ak.Array([[1.0, 2.0]] * 40), r"'gen_energy' .* holds 2 values in event 0"),
        ("gen_energy", sample_arrays()["hit_x"], r"'gen_energy' in .* holds \d+ values in event"),
    ],
)
def test_wrong_types(tmp_path: Path, branch: str, values: Any, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        read(write_sample(tmp_path / "a.root", **{branch: values}))


def test_nested_vectors(tmp_path: Path) -> None:
    nested = ak.from_regular(ak.unflatten(sample_arrays()["hit_x"], 1, axis=1), axis=None)
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("showers", {**sample_arrays(), "hit_x": nested})
    with pytest.raises(CaloganError, match=r"'hit_x' in .* is 'var \* var \* float32' an event"):
        read(tmp_path / "a.root")


def test_indices_must_be_integers(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    names = {"energy": "hit_energy", "layer": "hit_x", "first": "hit_layer", "second": "hit_layer"}
    with pytest.raises(CaloganError, match=r"'hit_x' .*expected integers for .* layer"):
        read(path, Input(layout="indices", branches=names))


def test_vectors_that_disagree(tmp_path: Path) -> None:
    x = sample_arrays()["hit_x"].to_list()
    x[7] = [*x[7], 1.0]
    path = write_sample(tmp_path / "a.root", hit_x=ak.Array(x))
    n = len(x[7])
    with pytest.raises(
        CaloganError,
        match=rf"event 7 in .*a\.root has {n - 1} values in 'hit_energy' but {n} in 'hit_x'",
    ):
        read(path)
    with pytest.raises(CaloganError, match="event 7 in"):
        read(path, chunk_bytes=1000)


@pytest.mark.parametrize(
    ("branch", "bad", "message"),
    [
        ("hit_energy", np.nan, r"'hit_energy' in .* is nan in event 9 \(1 such"),
        ("hit_energy", -0.5, r"'hit_energy' in .* is -0\.5 in event 9"),
        ("hit_energy", np.inf, r"'hit_energy' in .* is inf in event 9"),
        ("hit_y", np.nan, r"'hit_y' in .* is nan in event 9 .*finite positions \(y\)"),
        ("hit_z", -np.inf, r"'hit_z' in .* is -inf in event 9"),
    ],
)
def test_bad_numbers(tmp_path: Path, branch: str, bad: float, message: str) -> None:
    values = sample_arrays()[branch].to_list()
    assert values[9]
    values[9][-1] = bad
    path = write_sample(
        tmp_path / "a.root", **{branch: ak.values_astype(ak.Array(values), "float32")}
    )
    with pytest.raises(CaloganError, match=message):
        read(path)
    with pytest.raises(CaloganError, match="in event 9"):
        read(path, chunk_bytes=1000)


@pytest.mark.parametrize("bad", [0.0, -3.0, np.nan, np.inf])
def test_bad_incident_energy(tmp_path: Path, bad: float) -> None:
    energy = sample_arrays()["gen_energy"]
    energy[11] = bad
    path = write_sample(tmp_path / "a.root", gen_energy=energy)
    with pytest.raises(
        CaloganError, match=r"condition 'energy' is \S+ GeV in event 11 of .*finite value above 0"
    ):
        read(path)


def test_an_angle_may_be_negative(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root", gen_theta=np.linspace(-1, 1, 40))
    (chunk,) = read(path, conditions={"energy": ENERGY, "theta": THETA})
    assert chunk.conditions["theta"][0] == -1


def test_negative_cells(tmp_path: Path) -> None:
    cells = {f"cell_{i}": np.ones(3) for i in range(4)}
    cells["cell_2"][1] = -1
    path = write_trees(tmp_path / "a.root", showers={**cells, "gen_energy": np.ones(3)})
    with pytest.raises(CaloganError, match=r"cells 'cell_\{\}' in .* is -1 in event 1"):
        read(path, Input(layout="cells"))


def test_cells_must_be_complete(tmp_path: Path) -> None:
    cells = {f"cell_{i}": np.ones(3) for i in (0, 1, 3)}
    path = write_trees(tmp_path / "a.root", showers={**cells, "gen_energy": np.ones(3)})
    with pytest.raises(CaloganError, match=r"no branch 'cell_2' .*though there is 'cell_3'"):
        read(path, Input(layout="cells"))
    with pytest.raises(CaloganError, match=r"no branch like 'voxel_\{\}'.*nearest"):
        read(path, Input(layout="cells", cells="voxel_{}"))
    with pytest.raises(CaloganError, match=r"no branch 'over' .*overflow_cells"):
        read(path, Input(layout="cells", overflow_cells=["over"]))


def test_empty_tree(tmp_path: Path) -> None:
    arrays = {k: v[:0] for k, v in sample_arrays().items()}
    path = write_trees(tmp_path / "a.root", showers=arrays)
    assert read(path) == []
    (chunk,) = read([path, write_sample(tmp_path / "b.root")])
    assert chunk.path == tmp_path / "b.root"


def test_condition_tree_of_another_length(tmp_path: Path) -> None:
    path = write_trees(
        tmp_path / "a.root", showers=sample_arrays(), truth={"gen_energy": np.ones(39)}
    )
    with pytest.raises(CaloganError, match="has 39 entries, but 'showers' has 40"):
        read(path, Input(condition_tree="truth"))


def test_sources_of_conditions(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "run_12.5deg.root")

    def theta(**source: Any) -> Any:
        card = ConditionCard(unit="rad", low=0, high=1, source_unit="deg", **source)
        (chunk,) = read(path, conditions={"energy": ENERGY, "theta": card})
        return chunk.conditions["theta"]

    assert np.allclose(theta(pattern=r"_([0-9.]+)deg"), np.deg2rad(12.5))
    assert np.allclose(theta(value=30), np.pi / 6)
    with pytest.raises(
        CaloganError,
        match=r"pattern 'theta\(.*\)' does not match the file name 'run_12\.5deg\.root'",
    ):
        theta(pattern="theta([0-9]+)")
    with pytest.raises(CaloganError, match="finds 'run', which is no number"):
        theta(pattern="^([a-z]+)")
    with pytest.raises(CaloganError, match=r"condition 'theta' has no source; .*--set theta=VALUE"):
        theta()


def test_override_of_an_unknown_condition(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "a.root")
    with pytest.raises(CaloganError, match=r"--set thet=1: no such condition; nearest: 'theta'"):
        read(path, conditions={"energy": ENERGY, "theta": THETA}, overrides={"thet": 1.0})


def test_layers_have_the_numbers_of_the_file(tmp_path: Path) -> None:
    layers = ak.Array([[0, 12, 1, 7, -3, 2]] * 40)
    same = {f"hit_{k}": ak.Array([[1.0] * 6] * 40) for k in ("energy", "x", "y")}
    path = write_sample(tmp_path / "a.root", hit_layer=layers, **same)
    branches = {"layer": "hit_layer"}
    for numbers, expected in (
        ([], [0, 12, 1, 7, -3, 2]),
        ([0, 1, 2, 3, 12], [0, 4, 1, -1, -1, 2]),
        ([12, 2, 0], [2, 0, -1, -1, -1, 1]),
    ):
        (chunk,) = read(path, Input(branches=branches, layer_numbers=numbers))
        assert chunk.hits.coordinates["layer"][:6].tolist() == expected
    with pytest.raises(CaloganError, match=r"a\.root: \[input\] layer_numbers is given, but hits"):
        read(write_sample(tmp_path / "a.root"), Input(layer_numbers=[1, 2]))


def test_a_particle_is_whole() -> None:
    momentum = {"px": "a", "py": "b", "pz": "c"}
    for particle, missing in (
        ({"px": "a", "py": "b"}, "pz"),
        ({"energy": "e"}, "px"),
        ({**momentum, "x": "d"}, "y"),
        ({**momentum, "entry_phi": "d"}, "entry_r"),
    ):
        with pytest.raises(ValidationError, match=rf"particle has .*, expected \['{missing}'"):
            Input(particle=particle)


def test_particles_of_branches(tmp_path: Path) -> None:
    """One number an event, or a vector of primaries; with units, and a vertex."""
    unit = {"px": np.full(40, 3e3), "py": np.zeros(40), "pz": np.full(40, 4e3)}
    vertex = {k: np.full(40, 1.5) for k in "xyz"}
    card = {name: ConditionCard(unit="GeV", low=1, high=50, particle=name) for name in ("energy",)}
    card["theta"] = ConditionCard(unit="rad", low=0, high=3, particle="theta")
    roles = {k: k for k in (*unit, *vertex)}
    options = {"particle": roles, "particle_unit": "MeV", "length_unit": "cm"}
    frame = Frame(plane_point=(0, 0, 95), entry_at=(0, 0, 10))
    single = write_sample(tmp_path / "a.root", **unit, **vertex)
    pairs = {
        k: ak.Array(np.stack([0.5 * v, v] if k[0] == "p" else [v, v], axis=1)).tolist()
        for k, v in {**unit, **vertex}.items()
    }
    several = write_sample(tmp_path / "b.root", **{k: ak.Array(v) for k, v in pairs.items()})
    (one,) = read(single, Input(**options), card, frame=frame)
    (two,) = read(several, Input(**options, primaries="hardest"), card, frame=frame)
    (none,) = read(several, Input(**options), card)
    assert (one.several, two.several, none.several) == (0, 40, 40)
    assert len(none.hits) == 0
    for chunk in (one, two):
        assert np.allclose(chunk.conditions["energy"], 5)
        assert np.allclose(chunk.conditions["theta"], np.arctan2(3, 4))
        for role in "xyz":
            assert np.allclose(chunk.hits.coordinates[role], one.hits.coordinates[role])
    with uproot.open(single) as file:
        x, z = (10 * ak.flatten(file["showers"][f"hit_{k}"].array()).to_numpy() for k in "xz")
    # From (15, 15, 15) along (0.6, 0, 0.8): the plane z = 95 is met 100 mm on, at x = 75.
    along = 0.6 * (x - 75) + 0.8 * (z - 95)
    assert np.allclose(one.hits.coordinates["z"], along + 10, atol=1e-3)


def labelled(**source: Any) -> dict[str, Any]:
    return {"energy": ENERGY, "particle": LabelCard(values=["e-", "gamma"], **source)}


def test_labels_come_from_branches(tmp_path: Path) -> None:
    codes = np.array([11, 22] * 20, np.int32)
    path = write_sample(tmp_path / "a.root", pdg=codes)
    (chunk,) = read(path, conditions=labelled(branch="pdg"))
    assert (chunk.conditions["particle"] == codes).all()
    codes[7] = 13
    path = write_sample(tmp_path / "b.root", pdg=codes)
    with pytest.raises(
        CaloganError, match=r"'particle' is 13 in event 7 of .*b.root \(1 such.*e- \(11\), gamma"
    ):
        read(path, conditions=labelled(branch="pdg"))


@pytest.mark.parametrize(
    ("source", "overrides", "code"),
    [
        ({"pattern": "([^_]+)_"}, {}, 22),
        ({"pattern": "_([0-9]+)"}, {}, 11),
        ({"value": "gamma"}, {}, 22),
        ({"value": 11}, {"particle": "gamma"}, 22),
        ({}, {"particle": 11.0}, 11),
    ],
)
def test_labels_of_whole_files(
    tmp_path: Path, source: dict[str, Any], overrides: dict[str, Any], code: int
) -> None:
    path = write_sample(tmp_path / "gamma_11.root")
    (chunk,) = read(path, conditions=labelled(**source), overrides=overrides)
    assert (chunk.conditions["particle"] == code).all()


def test_labels_that_are_none(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "muon_1.root")
    with pytest.raises(CaloganError, match="finds 'muon', which is no value of it, in the file na"):
        read(path, conditions=labelled(pattern="([^_]+)_"))
    with pytest.raises(CaloganError, match="'particle' is 'mu-', expected among e-"):
        read(path, conditions=labelled(), overrides={"particle": "mu-"})
    with pytest.raises(CaloganError, match=r"'particle' is 13 in event 0"):
        read(path, conditions=labelled(), overrides={"particle": 13.0})
