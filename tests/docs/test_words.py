"""The picture shows every state, the decisions are all listed, and the glossary is in order."""

from __future__ import annotations

import re

from migrate_flow.core.standing import State
from tests.docs import lifecycle
from tests.docs.site import DOCS


def test_the_picture_is_what_the_script_draws() -> None:
    assert lifecycle.FILE.read_text(encoding="utf-8") == lifecycle.written(), "python -m tests.docs.lifecycle"


def test_the_picture_and_its_page_have_every_state() -> None:
    assert {box.name for box in lifecycle.STATES} == set(State)
    page = (DOCS / "explanation" / "lifecycle.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.M)) == set(State)


def test_each_decision_is_listed_with_its_title() -> None:
    index = (DOCS / "adr" / "index.md").read_text(encoding="utf-8")
    for path in sorted(DOCS.glob("adr/0*.md")):
        number, title = re.match(r"# (\d+)\. (.*)\n", path.read_text(encoding="utf-8")).groups()  # type: ignore[union-attr]
        assert f"| [{number}]({path.name}) | {title} |" in index
        assert path.name.startswith(f"{int(number):04}-")


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\*\*(.+)\*\*\n: ", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.M)
    assert len(words) > 30
    assert words == sorted(words, key=str.lower)
