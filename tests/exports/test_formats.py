"""Text from scripts and people in csv, xlsx and Markdown: it stays text, whatever a reader's program makes of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import openpyxl
import pytest
from markdown_it import MarkdownIt

from migrate_flow.core.audit import Act, Change, Checked, Header, Selection
from migrate_flow.errors import UsageError
from migrate_flow.exports import FORMATS, require_format, write
from migrate_flow.exports.cells import neutral
from migrate_flow.exports.columns import COLUMNS, LAST

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1+1", "＝1+1", "=cmd|'/c calc'!A0")
HOSTILE = (
    *FORMULAS,
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://example.com/x.png)",
    "https://example.com",
    "# a heading",
    "1. a list",
    "a | b | c",
    "`code` *bold* _em_ ~~gone~~",
    "first\n\n# second\r\nthird",
    "\u202egnp.exe\u202c \u2066x\u2069",
    "bell \u0007 escape \u001b[31m nul \u0000",
    'quote " comma , semicolon ;',
    "&amp; &#60;b&#62;",
    "ends with a backslash \\",
)
INVISIBLE = "\u202e\u202c\u2066\u2069\u0007\u001b\u0000\t\r"
HEADER = Header(
    product="migrate-flow 1.0",
    project="shop",
    ledger="4b0d1e56-b9c0-497a-8a18-b99761c270c1",
    genesis="sha256:" + "1" * 64,
    by="ada@example.com",
    at="2026-11-22T13:20:00.000000Z",
    as_of=7,
    head="sha256:" + "2" * 64,
    selection=Selection(person="ada@example.com"),
    first=2,
    last=7,
    entries=5,
    counts={"migration.created": 5},
    left_out=2,
    gaps=((1, 1), (4, 4)),
    notices=("a notice | with a bar",),
)


@dataclass
class Few:
    """An `Exported` of rows alone."""

    rows: list[Change]
    header: Header = HEADER

    def changes(self) -> Iterator[Change]:
        return iter(self.rows)


def hostile(text: str) -> Change:
    """A change that says this wherever somebody could say it."""
    act = Act(3, "migration.reviewed", text, "2026-11-22T13:20:00.000000Z", (text,), text, text, text)
    values: dict[str, Any] = {}
    for item in fields(Change):
        kind = str(item.type)
        if kind == "str":
            values[item.name] = text
        elif kind == "tuple[str, ...]":
            values[item.name] = (text, text)
        elif kind.startswith("tuple[Act"):
            values[item.name] = (act, act)
        elif kind.startswith("tuple[Checked"):
            values[item.name] = (Checked(1, text, text, text, text, text),)
        elif kind.startswith("Act"):
            values[item.name] = act
        elif kind.startswith("Mapping"):
            values[item.name] = {text: text}
    return Change(**values)


def written(name: str, *rows: Change, header: Header = HEADER) -> bytes:
    out = io.BytesIO()
    write(Few(list(rows), header), name, out)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_csv_is_a_formula(text: str) -> None:
    (names, row) = csv.reader(io.StringIO(written("csv", hostile(text)).decode(), newline=""))
    assert len(names) == len(row) == len(COLUMNS) + len(LAST)
    assert all(not cell.lstrip().startswith(("=", "+", "-", "@", "＝")) for cell in row)
    assert not any(char in cell for cell in row for char in (*INVISIBLE, "\n"))


def test_what_a_later_unicode_calls_printable_is_written_alike() -> None:
    """No Python of today knows the first character; the second is known to all."""
    unknown, known = neutral("a  \U000323b0"), neutral("a  ü")
    assert (unknown, known) == ("a \U000323b0", "a ü")


def test_a_harmless_text_is_left_as_it_is() -> None:
    assert [neutral(text) for text in ("add orders", "Grüße: 50 % = halb", "")] == [
        "add orders",
        "Grüße: 50 % = halb",
        "",
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_cell_of_a_workbook_is_text(text: str) -> None:
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", hostile(text))))
    assert book.sheetnames == ["Changes", "Exceptions", "Export"]
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert not any(cell.hyperlink for cell in cells)
    row = {name.value: cell.value for name, cell in zip(*book["Changes"].iter_rows(), strict=True)}
    assert row["revision"] == neutral(text).removeprefix("'") or not text.startswith(FORMULAS)
    assert book["Exceptions"].max_row == 3


def test_a_text_longer_than_a_cell_is_cut_and_says_so() -> None:
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", replace(hostile("x"), rationale="y" * 40_000))))
    column = [column.name for column in COLUMNS].index("rationale")
    value = book["Changes"].cell(2, column + 1).value
    assert len(value) <= 32_767
    assert value.endswith("(cut: see jsonl or csv)")


def test_values_that_are_joined_can_be_told_apart() -> None:
    change = replace(hostile("x"), exceptions=("one; with a part", "two"))
    (row,) = csv.DictReader(io.StringIO(written("csv", change).decode(), newline=""))
    assert row["exceptions"].split("; ") == ["one, with a part", "two"]


def test_the_workbook_says_what_it_is() -> None:
    about = openpyxl.load_workbook(io.BytesIO(written("xlsx", hostile("x"))))["Export"]
    told = [(row[0].value, row[1].value) for row in about.iter_rows()]
    assert ("exported up to", f"7:{HEADER.head}") in told
    assert ("selection", "person ada@example.com") in told
    assert [value for name, value in told if name == "left out"] == ["1 to 1", "4 to 4"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_markup_in_markdown(text: str) -> None:
    made = written("md", hostile(text), hostile("plain")).decode()
    plain = written("md", hostile("word"), hostile("plain")).decode()
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    assert kinds(parser, made) == kinds(parser, plain)
    assert not any(char in made for char in INVISIBLE)


def kinds(parser: MarkdownIt, text: str) -> list[str]:
    """The blocks, and what is in them but for plain text."""
    harmless = ("text", "softbreak", "text_special", "html_entity")
    return [
        kind
        for token in parser.parse(text)
        for kind in (token.type, *(child.type for child in token.children or () if child.type not in harmless))
    ]


def test_markdown_counts_the_controls_and_has_exceptions_first() -> None:
    kept = Change("aaaa", "staging", approved_before=True, upstream_before=True, distinct_people=True)
    broken = Change("bbbb", "staging", approved_before=False, exceptions=("it was late (entry 9)",))
    made = written("md", kept, broken).decode()
    assert "| Approved before it was applied | 1 | 1 | 0 |" in made
    assert "| Stood upstream before | 1 | 0 | 1 |" in made
    assert made.index("it was late") < made.index("## Changes") < made.index("### aaaa")
    assert "Positions that are left out: 1, 4" in made


def test_without_changes_each_format_is_still_one() -> None:
    assert written("csv").decode().count("\r\n") == 1
    assert "None." in written("md").decode()
    assert openpyxl.load_workbook(io.BytesIO(written("xlsx")))["Changes"].max_row == 1


@pytest.mark.parametrize("name", FORMATS)
def test_only_what_is_text_goes_to_a_terminal(name: str) -> None:
    ask: Callable[[], None] = lambda: require_format(name, terminal=True)  # noqa: E731
    if name in ("xlsx", "bundle"):
        with pytest.raises(UsageError, match="not for a terminal"):
            ask()
    else:
        ask()
