"""The page in a browser: its numbers, its address, its keys, and that it needs nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from helpers.browser import browser
from helpers.samples import PARTICLES, make_card
from helpers.untrained import export_untrained
from lwtnn_converter import Graph

from calogan import runner
from calogan.card.loading import load_card
from calogan.exploring.explore import explore
from calogan.generating.cpp_library import load_library
from calogan.generating.model_file import ModelFile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DATA = Path(__file__).parents[2] / "data"
REFERENCE = DATA / "models/lar_photons/generator.json"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Model file and page of the reference generator, of one of 6480 cells, of two particles."""
    folder = tmp_path_factory.mktemp("pages")
    fine = export_untrained(load_card(DATA / "cards/par04_electrons.toml"), folder)
    (folder / "small").mkdir()
    labelled = export_untrained(
        make_card(conditions={"particle": {**PARTICLES, "values": ["e-", "e+"]}}), folder / "small"
    )
    models = {"lar": REFERENCE, "fine": fine, "labelled": labelled}
    for name, model in models.items():
        explore(model, folder / f"{name}.html")
    return {name: (model, folder / f"{name}.html") for name, model in models.items()}


class Opened:
    """A page that shows its generator, and what it complained of."""

    def __init__(self, chromium: Browser, path: Path, address: str = "", **options: Any) -> None:
        self.complaints: list[str] = []
        self.page: Page = chromium.new_context(offline=True, **options).new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: (
                self.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        self.page.goto(f"file://{path}{address}")
        self.page.wait_for_function("globalThis.calogan")

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        self.page.context.close()
        assert failed or not self.complaints, self.complaints

    def state(self, name: str) -> Any:
        return self.page.evaluate(f"calogan.state.{name}")

    def energies(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Of the shower that is shown, MeV."""
        return np.array(self.page.evaluate("[...calogan.shower]"))


@pytest.mark.parametrize("name", ["lar", "fine", "labelled"])
def test_latents_give_the_numbers_of_the_numpy_evaluator(
    chromium: Browser, pages: dict[str, tuple[Path, Path]], name: str
) -> None:
    model_file, page = pages[name]
    model = ModelFile.read(model_file)
    cases = model.block["self_test"]
    latents, values = (np.array([case[key] for case in cases]) for key in ("latent", "conditions"))
    variables = [c.to_variables(values[:, i]) for i, c in enumerate(model.conditions)]
    expected = model.outputs(latents, np.concatenate(variables, axis=1))
    with Opened(chromium, page) as opened:
        found = opened.page.evaluate(
            "([z, v]) => [...calogan.generator.outputs(z, v)].slice(0, v.length * "
            "calogan.generator.nOutputs)",
            [latents.tolist(), values.tolist()],
        )
        assert opened.page.evaluate("calogan.geometry.nVoxels") == model.geometry.n_voxels
    np.testing.assert_allclose(
        np.reshape(found, expected.shape), expected, rtol=1e-5, atol=1e-5 * expected.max() * 1e-4
    )


def test_every_layer_and_activation_is_that_of_the_numpy_evaluator(
    chromium: Browser, pages: dict[str, tuple[Path, Path]]
) -> None:
    rng = np.random.default_rng(3)
    plain = ["linear", "sigmoid", "rectified", "softmax", "tanh", "hard_sigmoid", "abs", "elu"]
    activations: list[Any] = [
        *plain,
        *({"function": name, "alpha": 0.3} for name in ("elu", "leakyrelu", "swish")),
    ]

    def affine(n_out: int, n_in: int, part: float = 1.0) -> dict[str, list[float]]:
        """Single precision, as the page keeps weights; `part` of them are not 0."""
        weights = 3 * rng.standard_normal((n_out, n_in)) * (rng.uniform(size=(n_out, n_in)) < part)
        bias = rng.standard_normal(n_out)
        return {
            "weights": weights.astype(np.float32).ravel().tolist(),
            "bias": bias.astype(np.float32).tolist(),
        }

    layers: list[dict[str, Any]] = [
        *({"architecture": "dense", **affine(5, 6), "activation": a} for a in activations),
        {"architecture": "dense", **affine(5, 6, 0.1), "activation": "linear"},
        {
            "architecture": "dense",
            "weights": [],
            "bias": affine(6, 1)["bias"],
            "activation": "tanh",
        },
        {
            "architecture": "normalization",
            "weights": affine(6, 1)["bias"],
            "bias": affine(6, 1)["bias"],
        },
        {"architecture": "maxout", "sublayers": [affine(5, 6) for _ in range(3)]},
        {
            "architecture": "highway",
            "components": {"t": affine(6, 6), "carry": affine(6, 6)},
            "activation": "tanh",
        },
    ]
    inputs = [
        {"name": "x", "variables": [{"name": f"x{i}", "offset": i, "scale": 0.5} for i in range(6)]}
    ]
    nodes: list[dict[str, Any]] = [{"type": "input", "sources": [0], "size": 6}]
    nodes += [
        {"type": "feed_forward", "sources": [0], "layer_index": i} for i in range(len(layers))
    ]
    last = len(nodes)
    nodes.append({"type": "add", "sources": [1, 2, 1]})
    nodes.append({"type": "concatenate", "sources": [*range(1, last + 1)]})
    graph = {"inputs": inputs, "input_sequences": [], "nodes": nodes, "layers": layers}
    width = 5 * (len(activations) + 2) + 6 * 3 + 5
    labels = [f"out_{i}" for i in range(width)]
    outputs = {"out": {"labels": labels, "node_index": last + 1}}
    x = rng.standard_normal((7, 6))
    expected = Graph({**graph, "outputs": outputs}).compute({"x": x})
    page_inputs = [{"name": "x", "offset": [*range(6)], "scale": [0.5] * 6}]
    with Opened(chromium, pages["lar"][1]) as opened:
        found = opened.page.evaluate(
            """([graph, target, rows]) => {
              const made = new calogan.Graph(graph, target, rows.length);
              return [...made.compute({ x: rows.flat() }, rows.length)];
            }""",
            [{**graph, "inputs": page_inputs}, last + 1, x.tolist()],
        )
    np.testing.assert_allclose(np.reshape(found, expected.shape), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["lar", "fine"])
def test_seed_and_event_give_the_shower_of_the_cpp_runner(
    chromium: Browser, pages: dict[str, tuple[Path, Path]], name: str
) -> None:
    load_library()  # from `make cpp`
    model, page = pages[name]
    generator = runner.Generator.load(model)
    seed, event = 2**40 + 5, 2**33 + 7  # of both words
    conditions = {c.name: c.low + 0.3 * (c.high - c.low) for c in generator.conditions}
    expected = generator.generate(conditions, seed=seed, first_event=event)[0]
    address = "&".join(f"{key}={value!r}" for key, value in conditions.items())
    with Opened(chromium, page, f"#{address}&seed={seed}&event={event}") as opened:
        found = opened.energies()
    lit = (found > 0) & (expected > 0)
    assert lit.sum() > 10
    np.testing.assert_allclose(found[lit], expected[lit], rtol=1e-3)
    # Only what is at the threshold may differ in being lit.
    edge = np.maximum(found, expected)[(found > 0) != (expected > 0)]
    np.testing.assert_allclose(edge, generator.readout_threshold, rtol=1e-3)


def test_a_label_is_a_choice(chromium: Browser, pages: dict[str, tuple[Path, Path]]) -> None:
    load_library()  # from `make cpp`
    model, page = pages["labelled"]
    generator = runner.Generator.load(model)
    asked = {"energy": 30, "theta": 0.2}
    with Opened(chromium, page, "#energy=30&theta=0.2&particle=e-&seed=5&event=3") as opened:
        choice = opened.page.get_by_label("particle", exact=True)
        assert choice.locator("option").all_inner_texts() == ["e-", "e+"]
        assert opened.page.get_by_role("slider", name="particle").count() == 0
        assert "particle e-, e+" in opened.page.inner_text("#about")
        shown = {}
        for name, code in (("e-", 11), ("e+", -11)):
            choice.select_option(name)
            assert opened.state("values") == [30, 0.2, code]
            shown[name] = opened.energies()
            expected = generator.generate({**asked, "particle": name}, seed=5, first_event=3)[0]
            np.testing.assert_allclose(shown[name], expected, rtol=1e-3, atol=1e-3)
            assert f"--particle={code} " in opened.page.text_content("#command")
            opened.page.wait_for_function(
                f"location.hash.includes('particle={name.replace('+', '%2B')}&')"
            )
        assert (shown["e-"] != shown["e+"]).any()
        opened.page.locator("input[value=range]").check()
        opened.page.wait_for_function("calogan.sample.n === 1000", timeout=120_000)
        drawn = opened.page.evaluate(
            """Array.from({ length: 400 }, (_, event) =>
              calogan.drawConditions(calogan.header.conditions, null, 1, event)[2])"""
        )
        assert set(drawn) == {11, -11} and 150 < drawn.count(-11) < 250
        spread = {"particle": {"edges": [-0.5, 0.5, 1.5], "counts": [1, 9]}}
        drawn = opened.page.evaluate(
            """(spread) => Array.from({ length: 400 }, (_, event) =>
              calogan.drawConditions(calogan.header.conditions, spread, 1, event)[2])""",
            spread,
        )
        assert 330 < drawn.count(-11) < 390
    for typed in ("-11", "e+", "e%2B"):
        with Opened(chromium, page, f"#particle={typed}") as opened:
            assert opened.state("values")[2] == -11
    with Opened(chromium, page, "#particle=pi%2B") as opened:
        assert "particle=pi+: it was trained on e-, e+" in opened.page.inner_text("#error")


def test_random_words_are_those_of_the_papers_authors(
    chromium: Browser, pages: dict[str, tuple[Path, Path]]
) -> None:
    """Known answers of Random123 for philox4x32-10."""
    with Opened(chromium, pages["lar"][1]) as opened:
        found = opened.page.evaluate(
            """() => [[[0, 0, 0, 0], 0, 0],
              [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], 0xa4093822, 0x299f31d0]].map(
                ([words, ...keys]) => {
                  const counter = Uint32Array.from(words);
                  calogan.philox(counter, ...keys);
                  return [...counter];
                })"""
        )
    assert found == [
        [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ]


@pytest.mark.parametrize("name", ["lar", "fine"])
def test_a_sample_fills_and_its_histogram_is_drawn(
    chromium: Browser, pages: dict[str, tuple[Path, Path]], name: str
) -> None:
    with Opened(chromium, pages[name][1], "#sample=fixed") as opened:
        opened.page.wait_for_function("calogan.sample.n === 1000", timeout=120_000)
        begin = time.monotonic()
        opened.page.keyboard.press("m")
        opened.page.wait_for_function("calogan.sample.n === 2000", timeout=120_000)
        seconds = time.monotonic() - begin
        busy = opened.page.evaluate("calogan.busy") / 2000
        print(f"{name}: 1000 showers in {seconds:.1f} s, {busy:.2f} ms each without the drawing")
        opened.page.wait_for_function("document.querySelector('#made').value.startsWith('2,000')")
        assert "2,000 generated" in opened.page.inner_text("#response-key")
        assert opened.page.locator("#response-chart path.generated").count() == 2
        mean, *_ = map(float, re.findall(r"\d\.\d+", opened.page.inner_text("#response-note")))
        responses = opened.page.evaluate("calogan.sample.responses")
        assert mean == pytest.approx(np.mean(responses), rel=2e-3)
        sums = np.array(opened.page.evaluate("[...calogan.sample.sums]"))
        energy = opened.state("values")[0]
        assert sums.sum() == pytest.approx(1000 * energy * np.sum(responses), rel=1e-6)


def test_the_reference_generator_agrees_with_geant4_of_its_report(
    chromium: Browser, pages: dict[str, tuple[Path, Path]]
) -> None:
    with Opened(chromium, pages["lar"][1]) as opened:
        opened.page.wait_for_function("calogan.sample.n === 1000", timeout=120_000)
        opened.page.wait_for_function("document.querySelector('#made').value.startsWith('1,000')")
        # The report's mean response is 0.2056 ± 0.0001; a thousand showers are known to 0.0003.
        assert np.mean(opened.page.evaluate("calogan.sample.responses")) == pytest.approx(
            0.2056, abs=0.001
        )
        assert "5,000 Geant4" in opened.page.inner_text("#response-key")
        assert opened.page.locator("#response-chart circle.geant4").count() > 20
        mean = np.array(opened.page.evaluate("[...calogan.sample.mean]"))
        full = np.array(opened.page.evaluate("[...calogan.header.reference.mean]"))
        assert np.corrcoef(mean, full)[0, 1] > 0.99
        opened.page.keyboard.press("w")
        opened.page.wait_for_function("calogan.sample.n === 1000", timeout=120_000)
        assert "Geant4, 4.78 to 10.5 GeV: mean 0.2061" in opened.page.inner_text("#response-note")


def test_a_link_shows_the_same_shower(
    chromium: Browser, pages: dict[str, tuple[Path, Path]]
) -> None:
    page = pages["lar"][1]
    with Opened(chromium, page) as opened:
        for key in "nn.vct":
            opened.page.keyboard.press(key)
        opened.page.get_by_label("energy", exact=True).first.fill("33.3")
        opened.page.get_by_label("energy", exact=True).first.press("Enter")
        opened.page.fill("#seed", "42")
        opened.page.press("#seed", "Enter")
        shower, state = opened.energies(), opened.page.evaluate("calogan.state")
        opened.page.wait_for_function("location.hash.includes('seed=42')")
        link = opened.page.url.partition("#")[2]
    assert (state["seed"], state["event"], state["values"][0]) == (42, 2, 33.3)
    assert (state["show"], state["colours"], state["theme"]) == ("mean", "cividis", "light")
    assert "energy=33.3&" in link and "&seed=42&event=2&" in link
    with Opened(chromium, page, f"#{link}") as again:
        assert again.page.evaluate("calogan.state") == state
        np.testing.assert_array_equal(again.energies(), shower)
        again.page.keyboard.press("p")
        assert (again.energies() != shower).any()
        # A link to the page in the same tab
        again.page.evaluate("link => { location.hash = link; }", "energy=33.3&seed=42&event=2")
        again.page.wait_for_function("calogan.state.event === 2 && calogan.state.show === 'shower'")
        assert again.state("values")[1] == 0.17


def test_what_an_address_may_not_hold_is_said(
    chromium: Browser, pages: dict[str, tuple[Path, Path]]
) -> None:
    address = "#energy=120&theta=abc&seed=-1&sample=some&energi=3&event=7"
    with Opened(chromium, pages["lar"][1], address) as opened:
        said = opened.page.inner_text("#error")
        for words in (
            "energy=120: it was trained on 1 to 50 GeV",
            "theta=abc",
            "seed=-1: expected a whole number",
            "sample=some: expected one of range, fixed",
            "energi: not known",
        ):
            assert words in said
        assert opened.state("event") == 7
        assert opened.state("values")[0] == 7.1


def test_keys_and_sliders(chromium: Browser, pages: dict[str, tuple[Path, Path]]) -> None:
    with Opened(chromium, pages["lar"][1]) as opened:
        page = opened.page
        layer, values = opened.state("layer"), opened.state("values")
        page.keyboard.press(".")
        assert opened.state("layer") == (layer + 1) % 3
        page.keyboard.press("w")
        assert opened.state("sample") == "fixed"
        before = page.evaluate("calogan.pictures.view.turning")
        page.keyboard.press("r")
        assert page.evaluate("calogan.pictures.view.turning") is not before
        page.get_by_role("slider", name="energy").focus()
        page.keyboard.press("ArrowRight")
        assert opened.state("values")[0] > values[0]
        assert opened.state("values")[1] == values[1]
        page.focus("#space")
        yaw = page.evaluate("calogan.pictures.view.yaw")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("calogan.pictures.view.yaw") < yaw
        page.locator("#layers button").nth(2).click()
        assert page.inner_text("#layer-name").startswith("back")


def test_cells_are_where_the_geometry_has_them(
    chromium: Browser, pages: dict[str, tuple[Path, Path]]
) -> None:
    for name, (model_file, page) in pages.items():
        geometry = ModelFile.read(model_file).geometry
        centres = geometry.centres
        with Opened(chromium, page) as opened:
            found = opened.page.evaluate(
                """centres => centres.flatMap((points, k) => points.map(([x, y]) => {
                  const layer = calogan.geometry.layers[k];
                  return layer.first + calogan.Geometry.cellAt(layer, x, y);
                }))""",
                [centres[part, :2].tolist() for part in geometry.slices],
            )
        assert found == list(range(geometry.n_voxels)), name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_pages_do_not_scroll_sideways(
    chromium: Browser, pages: dict[str, tuple[Path, Path]], scheme: Any
) -> None:
    size = {"width": 400, "height": 800}
    for _, page in pages.values():
        with Opened(chromium, page, viewport=size, color_scheme=scheme) as opened:
            assert opened.page.evaluate("document.documentElement.scrollWidth") == 400
            assert opened.page.evaluate("document.documentElement.dataset.theme") == scheme
            # Something lit is drawn in space.
            drawn = opened.page.evaluate(
                """() => { const { view } = calogan.pictures; view.stale = true; view.draw(0);
                  const [w, h] = [view.canvas.width, view.canvas.height];
                  const pixels = new Uint8Array(4 * w * h);
                  view.gl.readPixels(0, 0, w, h, view.gl.RGBA, view.gl.UNSIGNED_BYTE, pixels);
                  const inked = pixels.filter((value, i) => i % 4 === 3 && value > 0);
                  return inked.length / (w * h); }"""
            )
            assert 0.01 < drawn < 0.9


def test_a_damaged_page_shows_nothing_and_says_so(
    chromium: Browser, pages: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    text = pages["lar"][1].read_text(encoding="utf-8")
    at = text.index('id="data">') + 100_000
    (tmp_path / "damaged.html").write_text(text[:at] + "AAAAAAAA" + text[at + 8 :])
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"file://{tmp_path / 'damaged.html'}")
    page.wait_for_selector("#error:visible")
    assert "Nothing to show" in page.inner_text("#error")
    assert not page.is_visible("main")
    context.close()
