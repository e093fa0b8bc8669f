"""Text for people: never markup, never an escape sequence from data, nothing lost where it counts."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from migrate_flow.core.document import Block, Cell, Code, Document, Fields, Heading, Line, Table, Tone
from migrate_flow.errors import UsageError
from migrate_flow.formats import Medium, _drawn, render
from migrate_flow.formats.table import columns

NASTY = "a [/x] [bold]b[/bold] :warning: \x1b[31mred\x1b]0;title\x07 \u202eevil\u2066 \r\n end"


def text(*blocks: Block, width: int = 0, color: bool = False) -> str:
    buffer = io.StringIO()
    render(Document("test", {}, blocks), "table", Medium(buffer, width, color))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "block",
    [
        Heading(NASTY),
        Line(NASTY, Tone.BAD, 1),
        Fields((("label", Cell(NASTY)),)),
        Table(("A", "B"), ((Cell(NASTY), Cell("x")),), flexible=0),
        Code(NASTY, "sql"),
        Code(NASTY),
    ],
    ids=lambda block: type(block).__name__,
)
@pytest.mark.parametrize("width", [0, 40])
@pytest.mark.parametrize("color", [False, True])
def test_nothing_from_data_controls_the_terminal(block: Block, width: int, color: bool) -> None:
    shown = text(block, width=width, color=color)
    assert "\x1b]" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "\u2066" not in shown
    if not color:
        assert "\x1b" not in shown
        assert "\r" not in shown
    if not width and not color:
        assert "[/x] [bold]b[/bold] :warning:" in shown


def test_without_a_width_every_line_stays_whole() -> None:
    long = "word " * 200
    assert len(text(Line(long.strip())).splitlines()) == 1
    table = Table(("A", "B"), ((Cell("x" * 300), Cell("y" * 300)),), flexible=1)
    assert "x" * 300 + "  " + "y" * 300 in text(table)


def test_at_80_columns_the_flexible_column_gives_way() -> None:
    row = (
        Cell("64e78e345691"),
        Cell("a message " * 12),
        Cell("changes-requested"),
        Cell("grandfathered"),
        Cell("applied"),
    )
    lines = text(
        Table(("REVISION", "MESSAGE", "STATE", "dev", "production"), (row,), flexible=1), width=80
    ).splitlines()
    assert all(len(line) <= 80 for line in lines)
    for whole in ("64e78e345691", "changes-requested", "grandfathered", "applied", "…"):
        assert whole in lines[1]


def test_prose_wraps_with_a_hanging_indent() -> None:
    lines = text(Line("one two three four five six seven eight nine ten eleven", indent=2), width=30).splitlines()
    assert len(lines) > 1
    assert all(line.startswith("    ") and len(line) <= 30 for line in lines)


def test_json_is_ascii_and_carries_its_schema() -> None:
    buffer = io.StringIO()
    render(Document("status", {"a": "ü\u202e"}), "json", Medium(buffer))
    assert buffer.getvalue().isascii()
    assert json.loads(buffer.getvalue()) == {"schema": "migrate-flow/status/1", "a": "ü\u202e"}


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="yaml"):
        render(Document("status", {}), "yaml", Medium(io.StringIO()))


# Narrow, wide and no columns; breaks, tabs and escapes; joined, combined and turned round.
TEXTS = st.text("ab \t\n\r\x1b\x85\u00ad→…é漢😀\u0301\u202e\u200d", max_size=12)
CELLS = st.builds(Cell, TEXTS, st.sampled_from(Tone))
BLOCKS = st.one_of(
    st.builds(Heading, TEXTS),
    st.builds(Line, TEXTS, st.sampled_from(Tone), st.integers(0, 2)),
    st.builds(Code, TEXTS),
    st.lists(st.tuples(st.text("abc ", min_size=1, max_size=9), CELLS), max_size=3).map(tuple).map(Fields),
    st.integers(1, 3).flatmap(
        lambda width: st.builds(
            Table,
            st.tuples(*[TEXTS] * width),
            st.lists(st.tuples(*[CELLS] * width), max_size=3).map(tuple),
        )
    ),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(st.lists(BLOCKS, max_size=3))
def test_plain_lines_are_what_would_be_drawn_without_a_width(blocks: list[Block]) -> None:
    document = Document("test/1", {}, tuple(blocks))
    plain, drawn = io.StringIO(), io.StringIO()
    render(document, "table", Medium(plain))
    _drawn.render(document, Medium(drawn))
    assert plain.getvalue() == drawn.getvalue()


def test_what_is_taken_for_narrow_is() -> None:
    characters = map(chr, (*range(0x20, 0xD800), *range(0xE000, 0x20000)))
    assert [char for char in characters if columns(char) != cell_len(char)] == []


IDS = ("64e78e345691", "3f2a91c04d7e")
BOARD = Table(
    ("REVISION", "MESSAGE", "STATE", "dev", "staging", "production-eu", "production-us"),
    tuple(
        (
            Cell(revision), Cell("顧客の住所テーブルに郵便番号の列を追加する " * 2), Cell("changes-requested"),
            Cell("applied", brief="✓"), Cell("failed", brief="✗"), Cell("-", brief="-"), Cell("-", brief="-"),
        )
        for revision in IDS
    ),
    flexible=1,
)  # fmt: skip


def test_a_board_that_is_too_wide_shows_marks_and_says_what_they_mean() -> None:
    lines = text(BOARD, width=80).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert [line.split()[-1] for line in lines[:4]] == ["dev", "staging", "production-eu", "production-us"]
    assert [line.split()[0] for line in lines[4:6]] == list(IDS)
    assert all(line.endswith("✓ ✗ - -") and "changes-requested" in line for line in lines[4:6])
    assert {cell_len(line) for line in lines[4:6]} == {len(lines[0]) - len("dev") + len("✓ ✗ - -")}
    assert lines[-1] == "✓ applied  ✗ failed"
    assert "applied  failed" in text(BOARD, width=200)


@pytest.mark.parametrize("width", [30, 50, 80])
def test_a_row_that_does_not_fit_goes_on_below_and_loses_nothing(width: int) -> None:
    row = ("76", "migration.self-reviewed", "64e78e345691", "production-eu", "ada@example.com", "small and reversible")
    shown = text(Table(("SEQ", "KIND", "REVISION", "ENV", "BY", "DETAIL"), (tuple(map(Cell, row)),), 5), width=width)
    assert max(map(len, shown.splitlines())) <= width
    for word in " ".join(row).split():
        assert word in shown.split()


@pytest.mark.parametrize("color", [False, True])
def test_what_is_copied_is_one_line(color: bool) -> None:
    command = "migrate-flow recover --env production --statement 12=done --statement 13=not-done -m 'the log says so'"
    digest = "sha256:" + "0123456789abcdef" * 4
    shown = text(
        Line(f"hint: {command}", indent=2), Line(f"ask one of them: {command}"),
        Fields((("contributors", Cell(digest)),)),
        Code(f'keys = ["{digest}", "a long line of a file, which is not to be broken"]', "toml"), width=80, color=color,
    )  # fmt: skip
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert plain[0] == f"    hint: {command}"
    assert plain[1:3] == ["ask one of them:", command]
    assert plain[3].endswith(digest)
    assert plain[4].endswith('not to be broken"]')


@pytest.mark.parametrize("language", ["sql", "python"])
def test_code_can_be_read_on_light_and_on_dark(language: str) -> None:
    """Yellow and white are not seen on white, blue and black not on black."""
    code = "SELECT 'a', 1 -- why" if language == "sql" else "@one\ndef two(x: int) -> str:\n    return f'{x}'  # why"
    tones = tuple(Line(tone, tone) for tone in Tone)
    used = re.findall(r"\x1b\[([0-9;]*)m", text(Code(code, language), *tones, width=80, color=True))
    assert used
    assert not {"30", "33", "34", "37", "90", "93", "94", "97"} & {part for one in used for part in one.split(";")}


def test_a_first_word_that_is_too_long_is_not_lost() -> None:
    rows = ((Cell("sha256:" + "a" * 64), Cell("https://tracker.example.com/" + "x" * 60 + " hello")),)
    shown = text(Table(("DIGEST", "DETAIL"), rows, flexible=1), width=40)
    assert "x" * 60 in shown
    assert "hello" in shown
