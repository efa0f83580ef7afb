"""Layout strings: read, written back, and every mistake shown where it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calogan.card.keys import Card, CriticCard, GeneratorCard
from calogan.card.layouts import (
    ACTIVATIONS,
    LWTNN_ACTIVATIONS,
    BatchNorm,
    Conv,
    Dense,
    Layout,
    Place,
    Reshape,
    Step,
)
from calogan.card.loading import load_card, shipped_card
from calogan.errors import CaloganError
from calogan.geometry import Geometry

CONV = "CONV|8|3|3|2|2|1|1|LEAKYRELU"


def test_the_syntax_of_tmva() -> None:
    assert Layout.parse("DENSE|256|SWISH,DENSE|512|SWISH", "generator").steps == (
        Dense(256, "SWISH"),
        Dense(512, "SWISH"),
    )
    # Order does not matter, DENSE may be left out, and so may the activation.
    loose = Layout.parse("DENSE|RELU|8,16|tanh,ELU|4,DENSE|2", "generator")
    assert loose.steps == (Dense(8, "RELU"), Dense(16, "TANH"), Dense(4, "ELU"), Dense(2, "TANH"))
    image = Layout.parse(
        " Conv|10|3|2|2 |1|1|0|relu,\n conv|4|1|1|1|1|0|0, reshape | flat , dense|64|GAUSS",
        "critic",
    )
    assert image.image_steps == (
        Conv(10, (3, 2), (2, 1), (1, 0), "RELU"),
        Conv(4, (1, 1), (1, 1), (0, 0), "TANH"),
    )
    assert image.vector_steps == (Dense(64, "GAUSS"),)
    norm = Layout.parse("BNORM,DENSE|2|LINEAR,BNORM|0.9,BNORM|0|1e-3", "generator").steps
    assert norm[0] == BatchNorm(0.99, 1e-4)
    assert norm[2:] == (BatchNorm(0.9, 1e-4), BatchNorm(0, 1e-3))


SIZES = st.integers(1, 100_000)


@st.composite
def convolutions(draw: st.DrawFn) -> Conv:
    kernel = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    stride = tuple(draw(st.integers(1, k)) for k in kernel)
    padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    activation = draw(st.sampled_from(ACTIVATIONS))
    return Conv(draw(SIZES), kernel, stride, padding, activation)  # type: ignore[arg-type]


def dense(activations: tuple[str, ...]) -> st.SearchStrategy[Dense]:
    # A linear layer of width 1 at the end of a critic is refused: it would be its output.
    return st.builds(Dense, st.integers(2, 100_000), st.sampled_from(activations))


NORM = st.builds(
    BatchNorm,
    st.floats(0, 1, exclude_max=True),
    st.floats(0, exclude_min=True, allow_infinity=False),
)
VECTORS = st.lists(dense(ACTIVATIONS), min_size=1, max_size=4)
IMAGES = st.builds(
    lambda first, convs, last: [*first, *convs, Reshape(), *last],
    st.lists(st.builds(Reshape, st.tuples(SIZES, SIZES, SIZES)), max_size=1),
    st.lists(convolutions(), min_size=1, max_size=3),
    VECTORS,
)
TRUNKS = st.lists(dense(LWTNN_ACTIVATIONS) | NORM, min_size=1, max_size=4)
LAYOUTS = st.tuples(st.just("critic"), VECTORS | IMAGES) | st.tuples(st.just("generator"), TRUNKS)


@given(LAYOUTS, st.booleans(), st.sampled_from(["", " ", "\t", " \n"]))
def test_what_is_written_reads_back_the_same(
    drawn: tuple[Place, list[Step]], small: bool, blank: str
) -> None:
    place, steps = drawn
    text = str(Layout(tuple(steps)))
    assert Layout.parse(text, place) == Layout(tuple(steps))
    assert str(Layout.parse(text, place)) == text
    loose = re.sub(r"([|,])", rf"{blank}\1{blank}", text.lower() if small else text)
    assert str(Layout.parse(f"{blank}{loose}{blank}", place)) == text


@given(st.text(alphabet="DENSCOVRHAPBM|,. 0123456789", max_size=40))
def test_any_text_is_read_or_refused_with_a_caret_in_it(text: str) -> None:
    try:
        layout = Layout.parse(text, "critic")
    except CaloganError as error:
        message, shown, caret = str(error).split("\n")
        at = int(message.split()[2])
        assert shown == "    " + text
        assert caret == " " * (3 + at) + "^"
        assert 1 <= at <= len(text) + 1
    else:
        assert Layout.parse(str(layout), "critic") == layout


@pytest.mark.parametrize(
    ("place", "text", "at", "message"),
    [
        ("generator", "", 1, "found nothing, expected a layer, one of DENSE, CONV, RESHAPE, BNORM"),
        ("generator", "DENSE|6,", 9, "found nothing, expected a layer"),
        ("generator", "DENSE|6,,DENSE|6", 9, "found nothing, expected a layer"),
        ("generator", "DENS|6|TANH", 1, "found 'DENS', expected a layer, .*; nearest: 'DENSE'"),
        ("generator", "DENSE|6|SWSH", 9, "found 'SWSH', expected an activation, .* 'SWISH'$"),
        ("generator", "DENSE|6|", 9, "found nothing, expected an activation, one of SWISH"),
        ("generator", "DENSE|6|ELU, DENSE|TANH", 24, "found nothing, expected the width, a whole"),
        ("generator", "DENSE|TANH|x", 12, "found 'x', expected the width, a whole number of 1 to"),
        ("generator", "DENSE|N+10", 7, r"found 'N\+10', expected the width, .* or an activation"),
        ("generator", "DENSE|0", 7, "found '0', expected the width, a whole number of 1 to 100000"),
        ("generator", "DENSE|6.5", 7, "found '6.5', expected the width, a whole number"),
        ("generator", "DENSE|100001", 7, "found '100001', expected the width"),
        ("generator", "DENSE|6|ELU|7", 13, r"found '7', expected the end of DENSE\|width\|activ"),
        ("generator", "6|TANH, BNORM|1", 15, "found '1', expected the momentum, a number of 0 to"),
        ("generator", "BNORM|x", 7, "found 'x', expected the momentum"),
        ("generator", "BNORM|0.9|0", 11, "found '0', expected epsilon, a number above 0"),
        ("generator", "BNORM|0.9|nan", 11, "found 'nan', expected epsilon"),
        ("generator", "BNORM|0.9|1e-3|1", 16, r"expected the end of BNORM\|momentum\|epsilon"),
        ("generator", "DENSE|6," + CONV, 9, "found CONV: lwtnn has no convolution over images"),
        ("generator", "RESHAPE|FLAT", 1, "found RESHAPE: there are no images here"),
        ("generator", "4|ELU,4|GAUSS", 7, "found the activation GAUSS, which lwtnn lacks"),
        ("generator", "MAXPOOL|2|2|1|1", 1, "'MAXPOOL', expected CONV with strides, as pooling"),
        ("features", CONV, 1, "found CONV: features are no image; use DENSE"),
        (
            "features",
            "DENSE|6|ELU,BNORM",
            13,
            "found BNORM: a critic must judge each shower by its",
        ),
        ("critic", "DENSE|6|ELU,BNORM", 13, "R1, R2, WGAN-GP: arXiv:1704.00028"),
        ("critic", "DENSE|6|ELU,DENSE|1|LINEAR", 13, "found an output layer: .* leave it out"),
        ("critic", "CONV|3|3", 9, r"expected the kernel width of CONV\|depth\|kernel height\|"),
        ("critic", "CONV|3|3|3|4|1|1|1", 12, "'4', expected the stride height, .* 1 to 3, as no "),
        ("critic", "CONV|3|3|3|1|1|1|3", 18, "'3', expected the padding width, .* of 0 to 2, less"),
        ("critic", "CONV|3|0|3|1|1|1|1", 8, "'0', expected the kernel height, a whole number"),
        ("critic", "CONV|3|3|3|1|1|1|1|", 20, "found nothing, expected an activation"),
        ("critic", CONV + "|2", 30, "found '2', expected the end of CONV"),
        ("critic", CONV, 29, r"found nothing, expected RESHAPE\|FLAT after the images"),
        ("critic", CONV + ",DENSE|4", 30, r"found DENSE, expected RESHAPE\|FLAT between it and"),
        ("critic", "DENSE|4," + CONV, 9, "found a layer for images after one for vectors"),
        ("critic", "RESHAPE|FLAT,DENSE|4", 1, r"found RESHAPE\|FLAT without an image before it"),
        ("critic", "RESHAPE", 8, "found nothing, expected the depth of RESHAPE"),
        ("critic", "RESHAPE|flut", 9, "found 'flut', expected the depth or FLAT, a whole number"),
        ("critic", "RESHAPE|FLAT|3", 14, r"found '3', expected the end of RESHAPE\|FLAT"),
        (
            "critic",
            "RESHAPE|1|1|64|FLAT",
            16,
            r"'FLAT', expected the end of .* counts the width by",
        ),
        ("critic", CONV + ",RESHAPE|1|2|2", 30, "found a second image; .* comes first"),
    ],
)
def test_mistakes_are_shown_where_they_are(place: Place, text: str, at: int, message: str) -> None:
    with pytest.raises(CaloganError) as caught:
        Layout.parse(text, place)
    first, shown, caret = str(caught.value).split("\n")
    assert re.search(message, first)
    assert first.startswith(f"at character {at} ")
    assert (shown, caret) == (f"    {text}", " " * (3 + at) + "^")


def _geometry(*shapes: tuple[int, int], turn: float | None = None) -> Geometry:
    axes = ("x", "y") if turn is None else ("r", "alpha")
    system = "cartesian" if turn is None else "cylindrical"
    layers = [
        {
            "system": system,
            axes[0]: {"low": 0, "high": 10, "n": n},
            axes[1]: {"low": 0, "high": turn or 10, "n": m},
        }
        for n, m in shapes
    ]
    return Geometry.from_dict({"layers": layers})


TURN = 6.283185307179586


def test_images_are_those_of_the_calorimeter() -> None:
    layout = Layout.parse(f"{CONV},{CONV},RESHAPE|FLAT", "critic")
    assert layout.images(_geometry((3, 96), (12, 6))) == [
        ("layer 'layer_0'", [(3, 96), (2, 48), (1, 24)]),
        ("layer 'layer_1'", [(12, 6), (6, 3), (3, 2)]),
    ]
    one = Layout.parse(f"RESHAPE|2|12|6,{CONV},RESHAPE|FLAT", "critic")
    assert one.images(_geometry((12, 6), (12, 6))) == [("all layers", [(12, 6), (6, 3)])]
    assert Layout.parse("DENSE|4|ELU", "critic").images(_geometry((2, 2))) == []


@pytest.mark.parametrize(
    ("text", "geometry", "message"),
    [
        (
            "RESHAPE|1|9|9,RESHAPE|FLAT",
            _geometry((3, 96), (12, 6)),
            "at character 1 2 layers of 3 x 96, 12 x 6 cells: which are no channels of one image",
        ),
        (
            "RESHAPE|1|9|9,RESHAPE|FLAT",
            _geometry((9, 9), (9, 9)),
            r"2 layers of 9 x 9 cells: expected RESHAPE\|2\|9\|9, the layers as channels",
        ),
        (
            "CONV|4|3|3|1|1|0|0,RESHAPE|FLAT",
            _geometry((9, 9), (2, 9)),
            "'layer_1' is here an image of 2 x 9, and along its height a kernel of 3 with padding",
        ),
        (
            "CONV|4|2|2|2|2|0|0,RESHAPE|FLAT",
            _geometry((4, 9)),
            "along its width a kernel of 2 with stride 2 and padding 0 leaves the last 1 unseen",
        ),
        (
            "CONV|4|1|5|1|1|0|2,RESHAPE|FLAT",
            _geometry((4, 1), turn=TURN),
            "a kernel of 5 with padding 2 goes round alpha more than once",
        ),
    ],
)
def test_images_that_do_not_fit_the_cells(text: str, geometry: Geometry, message: str) -> None:
    with pytest.raises(CaloganError, match=message):
        Layout.parse(text, "critic").images(geometry)


def test_the_card_takes_widths_or_a_layout() -> None:
    same = "DENSE|320|SWISH,DENSE|320|SWISH,DENSE|320|SWISH"
    assert GeneratorCard().trunk == GeneratorCard(layout=same).trunk
    assert GeneratorCard(layout=same).hidden is None
    assert str(GeneratorCard(layout=same).layer_trunk) == "DENSE|128|SWISH,DENSE|128|SWISH"
    assert CriticCard(activation="relu", layout="4|ELU").feature_layers.steps[0] == Dense(
        128, "RELU"
    )
    both = CriticCard(layout=f"{CONV},RESHAPE|FLAT", feature_layout="16|ELU")
    assert both.activation is None
    assert CriticCard.model_validate_json(both.model_dump_json()) == both


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"layout": "4|ELU", "hidden": [3]}, "hidden and layout are both given"),
        ({"layer_layout": "4|ELU", "layer_hidden": [3]}, "layer_hidden and layer_layout are both"),
        (
            {"layout": "4|ELU", "layer_layout": "4|ELU", "activation": "elu"},
            "activation has no use where layout and layer_layout give it",
        ),
        ({"hidden": None}, "hidden or layout is missing"),
        ({"activation": None}, "activation is missing"),
        ({"hidden": []}, "at least 1 item"),
    ],
)
def test_widths_and_layout_together_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeneratorCard.model_validate(keys)


def test_mistakes_in_a_card_name_the_key(tmp_path: Path) -> None:
    def load(text: str) -> Card:
        path = tmp_path / "card.toml"
        path.write_text(text, encoding="utf-8")
        return load_card(path)

    with pytest.raises(CaloganError) as caught:
        load(shipped_card() + "[generator]\nlayout = 'DENSE|256|SWSH'\n")
    lines = str(caught.value).split("\n")
    assert "card.toml: 'generator.layout': at character 11 found 'SWSH'" in lines[0]
    assert lines[1:] == ["    DENSE|256|SWSH", "              ^"]
    with pytest.raises(
        CaloganError, match=r"critic\.layout': at character 1 layer 'front' is here"
    ):
        load(shipped_card() + "[critic]\nlayout = 'CONV|4|5|5|1|1|0|0,RESHAPE|FLAT'\n")


def test_a_card_that_extends_another_may_replace_widths_by_a_layout(tmp_path: Path) -> None:
    base = shipped_card() + (
        "[generator]\nhidden = [7]\nlayer_hidden = [5]\nactivation = 'relu'\n"
        "[critic]\nlayout = '3|ELU'\n"
    )
    (tmp_path / "base.toml").write_text(base, encoding="utf-8")
    card = tmp_path / "card.toml"
    card.write_text(
        "extends = 'base.toml'\n[generator]\nlayout = '9|ELU'\n[critic]\nhidden = [2]\n"
    )
    found = load_card(card)
    assert str(found.generator.trunk) == "DENSE|9|ELU"
    assert str(found.generator.layer_trunk) == "DENSE|5|RELU"
    assert str(found.critic.voxel_layers) == "DENSE|2|LEAKYRELU"
    card.write_text(
        "extends = 'base.toml'\n[generator]\nlayout = '9|ELU'\nlayer_layout = '8|ELU'\n"
    )
    assert load_card(card).generator.activation is None
