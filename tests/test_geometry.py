from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calogan.card.loading import load_card
from calogan.errors import CaloganError
from calogan.features import moment_weights
from calogan.geometry import Geometry, Layer

CARTESIAN = {"name": "a", "x_edges": [-1, 0, 2], "y_edges": [0, 1, 2, 3], "z": [0, 10]}
RINGS = {
    "name": "b",
    "system": "cylindrical",
    "r_edges": [0, 5],
    "alpha": {"low": 0, "high": 2 * math.pi, "n": 4},
    "z": [10, 20],
}
XML = """<Bins>
  <Bin pid="22" etaMin="0" etaMax="1" name="photon">
    <Layer id="0" r_edges="0,5,10" n_bin_alpha="8" />
    <Layer id="1" r_edges="0" n_bin_alpha="1" />
    <Layer id="12" r_edges="0,1,5,20.5" n_bin_alpha="1" />
  </Bin>
  {more}
</Bins>"""


def build(*layers: Any, **more: Any) -> Geometry:
    return Geometry.from_dict({"name": "g", "layers": list(layers), **more})


def test_voxels_run_layer_by_layer_second_axis_fastest() -> None:
    geometry = build(CARTESIAN, RINGS)
    assert geometry.n_layers == 2
    assert geometry.n_voxels == 6 + 4
    assert geometry.slices == (slice(0, 6), slice(6, 10))
    assert geometry.layer_index.tolist() == [0] * 6 + [1] * 4
    centres = geometry.centres
    assert centres.shape == (10, 3)
    assert centres[:4].tolist() == [[-0.5, 0.5, 5], [-0.5, 1.5, 5], [-0.5, 2.5, 5], [1, 0.5, 5]]
    half = 2.5 / math.sqrt(2)
    assert np.allclose(
        centres[6:], [[half, half, 15], [-half, half, 15], [-half, -half, 15], [half, -half, 15]]
    )


def test_first_axis_fastest() -> None:
    geometry = build(CARTESIAN, fastest="first")
    assert geometry.centres[:3, :2].tolist() == [[-0.5, 0.5], [1, 0.5], [-0.5, 1.5]]


@pytest.mark.parametrize("fastest", ["last", "first"])
def test_grids_and_rings_follow_the_cells(fastest: str) -> None:
    wide = {**RINGS, "r_edges": [0, 2, 6], "z": [20, 30]}
    geometry = build(RINGS, wide, fastest=fastest)
    for layer, grid in zip(geometry.layers, geometry.grids, strict=True):
        assert grid.shape == layer.shape
        middles = 0.5 * (layer.first_edges[1:] + layer.first_edges[:-1])
        np.testing.assert_array_equal(geometry.radii[grid], np.outer(middles, np.ones(4)))
        # One quarter of a turn from cell to cell.
        x, y, _ = np.moveaxis(geometry.centres[grid], 2, 0)
        np.testing.assert_allclose(np.arctan2(y, x)[0] / np.pi, [0.25, 0.75, -0.75, -0.25])
    assert [geometry.rings[grid].tolist() for grid in geometry.grids] == [
        [[0] * 4],
        [[1] * 4, [2] * 4],
    ]


@pytest.mark.parametrize("fastest", ["last", "first"])
def test_a_ring_has_its_centre_on_the_axis(fastest: str) -> None:
    rings = {**RINGS, "r_edges": [0, 2, 6], "alpha": {"low": -2 * math.pi, "high": 0, "n": 1}}
    half = {"system": "cylindrical", "r_edges": [0, 2, 6], "alpha_edges": [0, math.pi]}
    geometry = build(rings, half, CARTESIAN, fastest=fastest)
    assert geometry.centres[:2].tolist() == [[0, 0, 15], [0, 0, 15]]
    assert not np.signbit(geometry.centres[:2]).any()  # no -0 in text files
    assert np.allclose(geometry.centres[2:4, :2], [[0, 1], [0, 4]])
    assert geometry.radii[:4].tolist() == [1, 4, 1, 4]
    assert np.allclose(geometry.radii[4:], np.hypot(*geometry.centres[4:, :2].T))
    assert geometry.radii.shape == (geometry.n_voxels,)
    x, _, r = moment_weights(geometry)[:2, 1:4].T
    assert x.tolist() == [0, 0]
    assert np.allclose(r, [0.01, 0.04])


def test_radii_in_both_orders() -> None:
    layer = {**RINGS, "r_edges": [0, 2, 6]}
    assert build(layer).radii.tolist() == [1, 1, 1, 1, 4, 4, 4, 4]
    assert build(layer, fastest="first").radii.tolist() == [1, 4] * 4


def test_depth_may_be_unknown() -> None:
    layer = {k: v for k, v in CARTESIAN.items() if k != "z"}
    geometry = build(layer)
    assert geometry.layers[0].z is None
    assert np.isnan(geometry.centres[:, 2]).all()


def test_a_run_of_equal_layers() -> None:
    geometry = build({**CARTESIAN, "z": {"low": 0, "high": 9, "n": 3}})
    assert [layer.name for layer in geometry.layers] == ["a0", "a1", "a2"]
    assert [layer.z for layer in geometry.layers] == [(0, 3), (3, 6), (6, 9)]


finite = st.floats(-1e6, 1e6)


@given(
    st.lists(finite, min_size=2, max_size=9, unique=True).map(sorted),
    st.lists(st.floats(0, 6), min_size=2, max_size=5, unique=True).map(sorted),
    st.sampled_from(["first", "last"]),
)
def test_dict_and_json_round_trip(x: list[float], alpha: list[float], fastest: str) -> None:
    geometry = build(
        {"x_edges": x, "y_edges": alpha, "z": [0, 1]},
        {"system": "cylindrical", "r_edges": alpha, "alpha_edges": alpha},
        fastest=fastest,
    )
    again = Geometry.from_dict(json.loads(json.dumps(geometry.to_dict())))
    assert again == geometry
    assert hash(again) == hash(geometry)
    assert again.to_dict() == geometry.to_dict()


def test_equal_if_the_cells_are() -> None:
    assert build(CARTESIAN) == build({**CARTESIAN, "name": "other"}, name="other")
    assert build(CARTESIAN) != build(CARTESIAN, fastest="first")
    assert build(CARTESIAN) != build({**CARTESIAN, "z": [0, 11]})
    assert build(CARTESIAN) != "geometry"


def test_edges_cannot_be_changed() -> None:
    edges = np.array([0.0, 1.0])
    layer = Layer("a", "cartesian", edges, edges)
    edges[0] = -7
    assert layer.first_edges[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        layer.first_edges[0] = 1


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"g.{ending}"
    if ending == "json":
        path.write_text(json.dumps({"geometry": build(CARTESIAN).to_dict()}))
    else:
        path.write_text(
            "[[layers]]\nx_edges = [-1, 0, 2]\ny = { low = 0, high = 3, n = 3 }\nz = [0, 10]\n"
        )
    assert Geometry.load(path) == build(CARTESIAN)


def test_shipped_geometries() -> None:
    par04 = Geometry.load(Path(__file__).parents[1] / "data" / "geometry" / "par04.toml")
    assert load_card(preset="par04").build_geometry() == par04
    assert (par04.n_layers, par04.n_voxels) == (45, 6480)
    assert np.allclose(par04.layers[7].first_edges, 4.65 * np.arange(10))
    assert par04.layers[44].z == pytest.approx((149.6, 153))
    sample = load_card().build_geometry()
    assert [layer.shape for layer in sample.layers] == [(3, 96), (12, 12), (12, 6)]


def test_calochallenge_xml(tmp_path: Path) -> None:
    """r runs fastest, and a layer of one edge has no voxel."""
    path = tmp_path / "binning.xml"
    path.write_text(XML.format(more=""))
    geometry = Geometry.load(path)
    assert geometry.fastest == "first"
    assert [layer.name for layer in geometry.layers] == ["layer_0", "layer_12"]
    assert [layer.shape for layer in geometry.layers] == [(2, 8), (3, 1)]
    assert geometry.layers[1].first_edges.tolist() == [0, 1, 5, 20.5]
    for layer in geometry.layers:  # as XMLHandler of the CaloChallenge has it
        assert layer.second_edges[[0, -1]] == pytest.approx([-np.pi, np.pi])


def test_xml_of_several_particles(tmp_path: Path) -> None:
    path = tmp_path / "binning.xml"
    pion = '<Bin pid="211" name="pion"><Layer id="0" r_edges="0,1" n_bin_alpha="1" /></Bin>'
    path.write_text(XML.format(more=pion))
    assert Geometry.load(path, particle="pion").n_voxels == 1
    with pytest.raises(CaloganError, match=r"no Bin named None, it has \['photon', 'pion'\]"):
        Geometry.load(path)


def test_voxels_of_the_same_cells_in_another_order() -> None:
    """Sectors that begin elsewhere, r fastest, depth that one does not know."""
    rng = np.random.default_rng(0)
    r = [0, 1, 5, 20.5]
    mine = build(
        {"system": "cylindrical", "r_edges": r, "alpha": {"low": 0, "high": 2 * np.pi, "n": 8}},
        CARTESIAN,
    )
    other = build(
        {
            "system": "cylindrical",
            "r_edges": r,
            "alpha": {"low": -np.pi, "high": np.pi, "n": 8},
            "z": [-30, -20],
        },
        CARTESIAN,
        fastest="first",
    )
    order = mine.voxels_of(other)
    assert sorted(order) == list(range(mine.n_voxels))
    np.testing.assert_allclose(mine.centres[order][:, :2], other.centres[:, :2], atol=1e-9)
    back = other.voxels_of(mine)
    energies = rng.random((5, mine.n_voxels))
    assert np.array_equal(energies[:, order][:, back], energies)
    assert np.array_equal(mine.voxels_of(mine), np.arange(mine.n_voxels))


def test_other_cells_have_no_common_order() -> None:
    rings = {"system": "cylindrical", "alpha": {"low": 0, "high": 2 * np.pi, "n": 8}}
    mine = build({**rings, "r_edges": [0, 1, 5]})
    for other, message in (
        (build(CARTESIAN, {**rings, "r_edges": [0, 1]}), "has 1 layers, 'g' has 2"),
        (build({**rings, "r_edges": [0, 1, 6]}), "or other edges: expected the same cells"),
        (build(CARTESIAN), "expected the same cells"),
        (
            build({**rings, "r_edges": [0, 1, 5], "alpha": {"low": 0.1, "high": 2 * np.pi + 0.1,
                                                           "n": 8}}),
            r"with an edge at 0\.1",
        ),
    ):  # fmt: skip
        with pytest.raises(CaloganError, match=message):
            mine.voxels_of(other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<Bins", "is not valid XML"),
        ("<Bins/>", "no Bin element below 'Bins'"),
        (XML.replace("0,5,10", "0,a"), r"Layer id=0: r_edges='0,a', .*expected numbers"),
        (XML.replace('"8"', '"0"'), "n_bin_alpha is 0"),
        (XML.replace('"8"', '"many"'), "n_bin_alpha='many': expected numbers"),
        (XML.replace('id="12"', 'id="0"'), r"have the ids \[.*expected one of its own each"),
        (XML.replace('id="12"', 'id="b"'), "Layer id=b: .*expected numbers"),
        (XML.replace("0,5,10", "0,5,5"), "edges must be finite and increase"),
        ('<Bins><Bin name="e"/></Bins>', "has no layers"),
    ],
)
def test_bad_xml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "binning.xml"
    path.write_text(text.replace("{more}", ""))
    with pytest.raises(CaloganError, match=message):
        Geometry.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_edges": [0, 1, 1]}, r"layers\[0\]\.x_edges: edges must be finite and increase"),
        ({"x_edges": [0]}, "expected two or more edges"),
        ({"x_edges": [0, math.nan]}, "edges must be finite"),
        ({"x_edges": [0, "a"]}, "expected a list of numbers"),
        ({"x": {"low": 0, "high": 1, "n": 2}}, r"expected either x_edges = \[...\] or x ="),
        ({"x_edges": None, "x": {"low": 0, "high": 1}}, r"\.x: expected \{low = ..., high"),
        ({"x_edges": None, "x": {"low": 1, "high": 1, "n": 2}}, "numbers low < high"),
        ({"x_edges": None, "x": {"low": 0, "high": 1, "n": 2.5}}, "a whole n > 0"),
        ({"x_edges": None, "x": {"low": 0, "high": math.inf, "n": 2}}, "numbers low < high"),
        ({"z": [1]}, r"layers\[0\]\.z: expected \[front, back\] in mm"),
        ({"z": [0, True]}, r"layers\[0\]\.z: expected \[front, back\] in mm"),
        ({"z": [2, 1]}, r"z is \[2, 1\] mm, expected low < high"),
        ({"system": "polar"}, "system is 'polar', expected one of"),
        ({"depth": 3}, r"layers\[0\]: unknown key 'depth', expected one of"),
    ],
)
def test_bad_layers(change: dict[str, Any], message: str) -> None:
    layer = {k: v for k, v in {**CARTESIAN, **change}.items() if v is not None}
    with pytest.raises(CaloganError, match=message):
        build(layer)


def test_bad_geometries(tmp_path: Path) -> None:
    with pytest.raises(CaloganError, match="'g' has no layers"):
        build()
    with pytest.raises(CaloganError, match="layers overlap in z, one ends at 10 mm and the next"):
        build(CARTESIAN, {**CARTESIAN, "z": [9, 12]})
    with pytest.raises(CaloganError, match="r_edges start at -1 mm"):
        build({**RINGS, "r_edges": [-1, 1]})
    with pytest.raises(CaloganError, match="expected at most one turn"):
        build({**RINGS, "alpha": {"low": 0, "high": 7, "n": 2}})
    with pytest.raises(CaloganError, match="fastest is 'middle'"):
        build(CARTESIAN, fastest="middle")
    with pytest.raises(CaloganError, match="geometry: expected a table, found list"):
        Geometry.from_dict([])
    with pytest.raises(CaloganError, match=r"geometry\.layers: expected a list"):
        Geometry.from_dict({"layers": 3})
    with pytest.raises(CaloganError, match=r"layers\[0\]: expected a table, found 3"):
        build(3)
    with pytest.raises(CaloganError, match=r"ending is '\.txt', expected \.toml, \.json or \.xml"):
        Geometry.load(tmp_path / "g.txt")
    with pytest.raises(CaloganError, match="cannot read geometry file"):
        Geometry.load(tmp_path / "g.toml")
    (tmp_path / "g.json").write_text("{")
    with pytest.raises(CaloganError, match="is not valid JSON"):
        Geometry.load(tmp_path / "g.json")
    (tmp_path / "g.toml").write_text("a =")
    with pytest.raises(CaloganError, match="is not valid TOML"):
        Geometry.load(tmp_path / "g.toml")
