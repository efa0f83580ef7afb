"""The page: whole, alone, and of a sane size."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.evaluations import make_flat, quick, rings, without_classifiers

from calogan.evaluation import report
from calogan.evaluation.results import GROUPS

SECTIONS = {
    *("summary", "response", "observables", "profiles", "average", "events"),
    *("correlations", "distances", "classifiers", "all", "made"),
}


class Reader(HTMLParser):
    """Ids, references and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            elif name in ("href", "src", "xlink:href", "srcset", "data", "action"):
                self.references.append(str(value))


@pytest.fixture(scope="module")
def page() -> str:
    note = "Left out: <none> & nothing."
    return report.render(replace(quick(), settings={**quick().settings, "note": note}))


def test_every_section_and_figure_is_there(page: str) -> None:
    ids = Reader(page).ids
    assert set(ids) >= SECTIONS
    figures = [
        *("condition-energy", "condition-theta", "longitudinal", "transverse"),
        *("average", "events", "correlations", "roc"),
        *(f"group-{group}" for group in GROUPS),
    ]
    assert {f"figure-{name}" for name in figures} <= set(ids)
    assert page.count("<svg") == page.count('aria-label="') == len(figures)


def test_figures_as_files(tmp_path: Path) -> None:
    report.save_figures(quick(), tmp_path / "figures", "png")
    written = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert {"roc.png", "condition-energy.png", "group-width.png"} <= set(written)
    assert all(content.startswith(b"\x89PNG") for content in written.values())


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    for reference in Reader(page).references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference[:80]
    assert not re.search(r"<(link|script|iframe|img)\b|@import|url\((?!#)", page)


def test_references_inside_the_page_resolve_and_ids_are_unique(page: str) -> None:
    found = Reader(page)
    assert len(found.ids) == len(set(found.ids))
    inside = {r[1:] for r in found.references if r.startswith("#")}
    inside |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert inside <= set(found.ids)


def test_it_has_the_verdicts_and_follows_the_theme(page: str) -> None:
    for line in quick().summary:
        assert f"<th>{line.name}</th>" in page
        assert f'<span class="level {line.level}">{line.level}</span>' in page
    assert "prefers-color-scheme: dark" in page
    assert "currentColor" in page and "#0b0b0c" not in page


def test_every_measure_stands_beside_its_floor(page: str) -> None:
    for m in quick().measures:
        row = page[page.index(f"<strong>{m.found}</strong>") :][:200]
        assert f'<td class="n floor">{m.floor}</td>' in row, m.name
    for r in quick().classifiers:
        for value, floor in ((r.auc, r.floor), (r.jsd, r.jsd_floor)):
            assert f'<strong>{value}</strong></td><td class="n floor">{floor}</td>' in page


def test_text_is_escaped(page: str) -> None:
    assert "&lt;none&gt; &amp; nothing" in page and "<none>" not in page


def test_many_layers_keep_the_page_sane() -> None:
    geometry = rings(16)
    found = without_classifiers(make_flat(geometry, seed=1), make_flat(geometry, seed=2))
    text = report.render(found)
    assert len(text) < 5e6
    assert "4 of 16 layers are drawn: layer_0, layer_5, layer_10, layer_15" in text
    assert "layer_7: centre in x [mm]" in text  # in the table


def test_a_single_layer_has_no_correlations() -> None:
    found = without_classifiers(make_flat(rings(1), seed=1), make_flat(rings(1), seed=2))
    ids = Reader(report.render(found)).ids
    assert SECTIONS - {"correlations"} <= set(ids)
    assert "correlations" not in ids and "figure-longitudinal" not in ids
