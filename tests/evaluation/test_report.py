"""The page: whole, alone, and of a sane size."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.evaluations import make_flat, quick, rings, without_classifiers

from calogan.errors import CaloganError
from calogan.evaluation import report
from calogan.evaluation.compare_evaluations import SideBySide, compare_evaluations
from calogan.evaluation.results import GROUPS

SCREEN = [f"talk-{name}" for name in ("response", "resolution", "visible", "width", "cells", "auc")]
SECTIONS = {
    *("talk", "summary", "response", "observables", "profiles", "average", "events"),
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
        *SCREEN,
        *("condition-energy", "condition-theta", "longitudinal", "transverse"),
        *("average", "events", "correlations", "roc"),
        *(f"group-{group}" for group in GROUPS),
    ]
    assert {f"figure-{name}" for name in figures} <= set(ids)
    assert page.count("<svg") == page.count('aria-label="') == len(figures)


def test_figures_as_files(tmp_path: Path) -> None:
    report.save_figures(quick(), tmp_path / "figures", "png")
    written = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert {f"{name}.png" for name in SCREEN} <= set(written)
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


def test_the_first_screen_says_what_was_found(page: str) -> None:
    screen = page[page.index('id="talk"') : page.index('id="summary"')]
    assert screen.count("<svg") == len(SCREEN)
    by_name = {c.name: c for c in quick().comparisons}
    assert f"separation power {by_name['response'].separation}" in screen
    ratios = quick().conditions[0].resolution_ratio
    assert f"× {max(ratios, key=lambda r: abs(r.value - 1))}" in screen
    assert (
        f"features {next(r.auc for r in quick().classifiers if r.name == 'quick_features')}"
        in screen
    )
    assert "arXiv:2410.21611" in screen and "by a small network" in screen


def test_text_is_escaped(page: str) -> None:
    assert "&lt;none&gt; &amp; nothing" in page and "<none>" not in page


def test_many_layers_keep_the_page_sane() -> None:
    geometry = rings(16)
    found = without_classifiers(make_flat(geometry, seed=1), make_flat(geometry, seed=2))
    text = report.render(found)
    assert len(text) < 5e6
    assert "4 of 16 layers are drawn: layer_0, layer_5, layer_10, layer_15" in text
    assert "layer_7: centre in x [mm]" in text  # in the table


def side_by_side(folder: Path, *changes: dict[str, object]) -> SideBySide:
    """Evaluations that differ from one another in these settings."""
    metrics = quick().to_dict()
    files = []
    for i, change in enumerate(changes):
        files.append(folder / f"run-{i}" / "evaluation" / "metrics.json")
        files[-1].parent.mkdir(parents=True)
        files[-1].write_text(json.dumps({**metrics, "settings": {**metrics["settings"], **change}}))
    return compare_evaluations([file.parents[1] for file in files])


def test_evaluations_beside_each_other_make_a_page(tmp_path: Path) -> None:
    found = side_by_side(tmp_path, {}, {"seed": 4, "classifier": "full"}, {"command": "a <b>"})
    assert found.names == ("run-0", "run-1", "run-2")  # not of the folder in the run
    page = report.render_comparison(found)
    reader = Reader(page)
    assert {f"figure-{name}" for name in SCREEN} | {"talk", "verdicts", "numbers"} <= set(
        reader.ids
    )
    assert len(reader.ids) == len(set(reader.ids))
    for reference in reader.references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference[:80]
    assert "They differ in seed, classifiers</strong>" in page
    assert "a &lt;b&gt;" in page and "currentColor" in page
    for line in quick().summary:
        assert page.count(f'<span class="floor">{line.where}</span>') >= 3
    for label, values, _ in found.rows:
        assert f"<th>{label}</th>" in page and str(values[0]) in page
    alone = report.render_comparison(side_by_side(tmp_path / "alone", {}))
    assert "beside each other" not in alone and "They differ" not in alone


def test_a_page_holds_six_evaluations_at_most(tmp_path: Path) -> None:
    found = side_by_side(tmp_path, *[{}] * 7)
    with pytest.raises(CaloganError, match="7 evaluations for one page, expected 6 at most"):
        report.render_comparison(found)


def test_a_single_layer_has_no_correlations() -> None:
    found = without_classifiers(make_flat(rings(1), seed=1), make_flat(rings(1), seed=2))
    ids = Reader(report.render(found)).ids
    assert SECTIONS - {"correlations"} <= set(ids)
    assert "correlations" not in ids and "figure-longitudinal" not in ids
