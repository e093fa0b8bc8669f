"""The mapping of controls: one text for the report and the documentation, and true words in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate_flow.core.audit import CONTROLS
from migrate_flow.core.entry import Kind
from migrate_flow.exports.controls import FRAMEWORKS, Framework, markdown
from tests.exports.made import document, export
from tests.exports.page import Page

GUIDE = Path(__file__).parents[2] / "docs/how-to/audit.md"
BEGIN, END = "<!-- made of migrate_flow/exports/controls.py -->\n", "<!-- until here -->\n"


def test_the_guide_has_the_table_of_the_data() -> None:
    text = GUIDE.read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    table = text.partition(BEGIN)[2].partition(END)[0]
    assert table.strip() == "\n".join(markdown()).strip(), (
        "put `python -m migrate_flow.exports.controls` between the marks"
    )


def test_the_report_has_the_table_of_the_data() -> None:
    found = " ".join(Page(document(export(1))).text.split())
    for framework in FRAMEWORKS:
        assert f"{framework.name} {framework.clause} Source: {framework.source}" in found
        for one in framework.questions:
            for said in (one.asks, one.answer, one.gap, *one.kinds):
                assert said in found


@pytest.mark.parametrize(("field", "title", "meaning"), CONTROLS, ids=lambda one: one)
def test_the_guide_tells_each_control_as_the_report_does(field: str, title: str, meaning: str) -> None:
    assert f"* **{title}**: {meaning}" in GUIDE.read_text("utf-8"), field


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda one: one.name)
def test_each_question_has_an_answer_and_a_limit(framework: Framework) -> None:
    assert framework.url.startswith("https://")
    for one in framework.questions:
        assert one.asks
        assert one.answer
        assert one.gap
        assert one.kinds
        assert all(isinstance(kind, Kind) for kind in one.kinds)


def test_every_kind_of_entry_answers_something() -> None:
    named = {kind for framework in FRAMEWORKS for one in framework.questions for kind in one.kinds}
    assert named == set(Kind)
