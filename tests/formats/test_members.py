"""What is made part by part is written as if it were a list."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.cli.output import emit
from migrate_flow.core.document import Cell, Document, Line, Members, Table
from migrate_flow.formats import Medium, render

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def _written(document: Document, name: str, width: int = 0) -> str:
    stream = io.StringIO()
    render(document, name, Medium(stream, width))
    return stream.getvalue()


@given(st.lists(PLAIN), PLAIN)
def test_json(values: list[Any], other: Any) -> None:
    made = Document("status", {"before": other, "members": Members(lambda: iter(values)), "after": other})
    whole = {"schema": "migrate-flow/status/1", "before": other, "members": values, "after": other}
    assert _written(made, "json") == json.dumps(whole, indent=2) + "\n"
    assert made.values == whole


@pytest.mark.parametrize("width", [0, 60])
@given(st.lists(st.tuples(st.text(), st.text())))
def test_table(width: int, rows: list[tuple[str, str]]) -> None:
    cells = tuple((Cell(one), Cell(other)) for one, other in rows)
    plain = Document("log", {}, (Table(("A", "B"), cells, 1), Line("end")))
    made = Document("log", {}, Members(lambda: iter([Table(("A", "B"), Members(lambda: iter(cells)), 1), Line("end")])))
    assert _written(made, "table", width) == _written(plain, "table", width)


def test_nothing_is_written_of_what_ends_with_an_error() -> None:
    def members() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    stream = io.StringIO()
    with pytest.raises(ValueError, match="broken"):
        render(Document("log", {"members": Members(members)}), "json", Medium(stream))
    assert stream.getvalue() == ""


def test_without_a_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    made = Document("status", {"members": Members(lambda: iter(range(9)))})
    assert json.loads(_written(made, "json"))["members"] == list(range(9))
    assert made.parts != made.values


def test_an_error_of_who_makes_it_is_not_taken_for_one_of_who_reads(capsys: pytest.CaptureFixture[str]) -> None:
    def members() -> Iterator[Any]:
        yield from ()
        raise OSError("the disk is gone")

    for name in ("json", "table"):
        with pytest.raises(OSError, match="the disk is gone"):
            emit(cast("Any", None), Document("log", {"m": Members(members)}, Members(members)), name)
    assert capsys.readouterr().out == ""
