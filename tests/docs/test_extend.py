"""The examples of docs/how-to/extend.md and lint.md do what the pages say."""

from __future__ import annotations

import importlib
import io
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.core.document import Document
from migrate_flow.core.traits import Traits
from migrate_flow.core.verdict import decide
from migrate_flow.formats import Medium
from tests.docs.site import DOCS, ROOT
from tests.lint.cases import script
from tests.support.builders import facts

PAGE = (DOCS / "how-to" / "extend.md").read_text(encoding="utf-8")
FRIDAY, MONDAY = datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC)


def example(name: str) -> dict[str, Any]:
    """The names that the block of this title defines."""
    source = re.search(rf'^```python title="{re.escape(name)}"\n(.*?)^```$', PAGE, re.M | re.S)
    assert source, name
    names: dict[str, Any] = {"__name__": name.removesuffix(".py")}
    exec(source[1], names)
    return names


@pytest.mark.parametrize(
    ("now", "risks", "passed"), [(FRIDAY, {"destructive"}, False), (MONDAY, {"destructive"}, True), (FRIDAY, (), True)]
)
def test_the_gate(now: datetime, risks: Any, passed: bool) -> None:
    gate = example("shop_gates.py")["GATE"]
    verdict = gate.judge(facts(now=now, traits=Traits(risks=frozenset(risks))))
    assert verdict.gate == gate.name
    assert decide([verdict]).allowed is passed
    assert bool(verdict.hint) is not passed


def test_the_format() -> None:
    out = io.StringIO()
    example("lines.py")["render"](Document("x", {"a": 1}, ()), Medium(out))
    assert out.getvalue() == "schema\tmigrate-flow/x/1\na\t1\n"


def test_the_rule_of_the_page_on_lint() -> None:
    page = (DOCS / "how-to" / "lint.md").read_text(encoding="utf-8")
    (source,) = [text for text in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "RULE" in text]
    names: dict[str, Any] = {}
    exec(source, names)
    table = 'op.create_table("t", sa.Column("id", sa.Integer){})'
    found = list(names["RULE"].check(script({"upgrade": table.format("")})))
    assert [hit.message for hit in found] == ["t has no owner"]
    assert not list(names["RULE"].check(script({"upgrade": table.format(', comment="owner: sales"')})))


def test_the_entry_points_are_those_that_are_read() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)
    groups = {group for text in blocks for group in tomllib.loads(text)["project"]["entry-points"]}
    catalogue, gates = (importlib.import_module(f"migrate_flow.{name}") for name in ("lint.catalogue", "gates"))
    read = {catalogue.GROUP, *re.findall(r'entry_points\(group="([^"]+)"\)', Path(gates.__file__).read_text())}
    assert groups == read


def test_the_files_that_the_page_names_are_there() -> None:
    named = [name for name in re.findall(r"`((?:migrate_flow|tests)/[\w/.-]+)`", PAGE) if "the_slug" not in name]
    assert len(named) > 8
    assert [name for name in named if "the-slug" not in name and not (ROOT / name).exists()] == []
