"""Each format opened by a program that is not ours, and held against the ledger's own table."""

from __future__ import annotations

import csv
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from markdown_it import MarkdownIt

from migrate_flow.core.entry import Kind
from migrate_flow.exports import FORMATS
from tests.exports import ledger_rows
from tests.exports.conftest import Exported
from tests.exports.ledger_rows import as_in_csv
from tests.support.audited import Audited, make
from tests.support.shell import make_home

Row = dict[str, str]
FORMULAS = ("=", "+", "-", "@")
# Column separator, quote, UTF-8, from the first line; every column as text is not asked for: that is the hard case.
CSV_IN = "CSV:44,34,76,1"
# As above; text as it is shown, no quotes around all of it, and every sheet in a file of its own.
CSV_OUT = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"


@pytest.fixture
def places(exported: Exported) -> set[ledger_rows.Place]:
    return ledger_rows.places(exported.made)


def told(rows: list[Row]) -> set[ledger_rows.Place]:
    found = [(row["revision"], row["environment"]) for row in rows]
    assert len(found) == len(set(found))
    return set(found)


def text_rows(heading: list[str], rows: Iterator[Any] | list[Any]) -> list[Row]:
    return [dict(zip(heading, ("" if cell is None else cell for cell in row), strict=True)) for row in rows]


# The ledger itself


def test_the_ledger_has_every_kind_of_entry(exported: Exported) -> None:
    made = exported.made
    kinds = {kind for (kind,) in ledger_rows.ask(made, "SELECT DISTINCT kind FROM entry")}
    assert kinds == set(map(str, Kind))
    assert len(made.revisions) == made.migrations
    assert exported.shell.json("--config", str(made.folder / "migrate-flow.toml"), "ledger", "verify")["ok"]


def test_the_story_is_the_same_in_every_run(audited: Audited, tmp_path: Path) -> None:
    """Who did what to which migration, where and when."""
    query = "SELECT seq, kind, revision, environment, actor, at FROM entry ORDER BY seq"
    again = make(tmp_path / "shop", audited.migrations, audited.seed)
    assert ledger_rows.ask(again, query) == ledger_rows.ask(audited, query)
    assert (list(again.revisions), again.marks) == (list(audited.revisions), audited.marks)


# csv


def test_csv_in_duckdb(exported: Exported, places: set[ledger_rows.Place]) -> None:
    with duckdb.connect() as database:
        path = str(exported.file("csv"))
        read = database.read_csv(path, header=True, all_varchar=True, sep=",", quotechar='"', escapechar='"')
        rows = text_rows(read.columns, read.fetchall())
        by_environment = database.sql("SELECT environment, count(*) FROM read GROUP BY ALL").fetchall()
    assert told(rows) == places
    assert {name or "": count for name, count in by_environment} == Counter(name for _revision, name in places)
    _says_what_the_ledger_says(exported, rows, as_in_csv)


@pytest.mark.system
def test_csv_in_sqlite(exported: Exported, places: set[ledger_rows.Place], tmp_path: Path) -> None:
    """With the shell that everybody has, which reads every value as text."""
    asked = [f".import --csv {exported.file('csv')} changes", ".mode json", "SELECT * FROM changes;"]
    done = subprocess.run(
        ["sqlite3", str(tmp_path / "read.db")], input="\n".join(asked), capture_output=True, text=True, check=True
    )
    rows: list[Row] = json.loads(done.stdout)
    assert (done.stderr, told(rows)) == ("", places)
    _says_what_the_ledger_says(exported, rows, as_in_csv)


@pytest.mark.system
def test_csv_in_libreoffice_calculates_nothing(exported: Exported, tmp_path: Path) -> None:
    office(tmp_path, exported.file("csv"), "xlsx", f"--infilter={CSV_IN}")
    with exported.file("csv").open(newline="") as file:
        expected = list(csv.reader(file))
    sheet = openpyxl.load_workbook(tmp_path / "changes.xlsx").active
    cells = [list(row) for row in sheet.iter_rows()]
    assert not [cell.coordinate for row in cells for cell in row if cell.data_type == "f"]
    hostile = 0
    for row, wanted in zip(cells, expected, strict=True):
        for cell, text in zip(row, wanted, strict=True):
            if text.startswith("'"):
                hostile += 1
                assert cell.value == text
    assert hostile > len(expected) / 10


def _says_what_the_ledger_says(exported: Exported, rows: list[Row], spelt: Any) -> None:
    """Chosen cells of every row."""
    made = exported.made
    stands, messages = ledger_rows.applied(made), ledger_rows.messages(made)
    assert any(text.startswith("=") for text in messages.values())
    standing = [row for row in rows if row["outcome"] in ("applied", "grandfathered", "out-of-band")]
    assert {(row["revision"], row["environment"]): row["applied at"] for row in standing} == {
        place: at for place, (at, _by) in stands.items()
    }
    for row in rows:
        assert row["message"] == spelt(messages[row["revision"]])
        assert not row["message"].startswith(FORMULAS) or spelt is str
    grandfathered = {row["revision"] for row in rows if row["grandfathered"] == "yes" and row["environment"] == "dev"}
    assert grandfathered == set(made.marks["grandfathered"])
    for mark, column, words in (
        ("waived:production", "waivers", "orders stand still"),
        ("failed:staging", "failed", "IntegrityError"),
        ("partial:dev", "failed", "ended the transaction by itself"),
        ("rolled-back:production", "rollbacks", ""),
        ("refused:production", "refused", ""),
    ):
        environment = mark.partition(":")[2]
        found = {row["revision"]: row[column] for row in rows if row["environment"] == environment and row[column]}
        lost = mark.endswith(":staging") and made.marks["replaced:staging"]
        assert lost or set(made.marks[mark]) <= set(found), mark
        assert all(words in found[revision] for revision in made.marks[mark] if revision in found), mark


# xlsx


def test_xlsx_in_openpyxl(exported: Exported, places: set[ledger_rows.Place]) -> None:
    book = openpyxl.load_workbook(exported.file("xlsx"))
    assert book.sheetnames == ["Changes", "Exceptions", "Export"]
    for sheet in book:
        kinds = {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None}
        assert kinds <= {"s", "inlineStr"}, sheet.title
    rows = sheet_rows(book["Changes"])
    assert told(rows) == places
    _says_what_the_ledger_says(exported, rows, str)


def sheet_rows(sheet: Any) -> list[Row]:
    heading, *rows = sheet.iter_rows(values_only=True)
    return text_rows(heading, rows)


@pytest.mark.system
def test_xlsx_in_libreoffice(exported: Exported, places: set[ledger_rows.Place], tmp_path: Path) -> None:
    """What it shows is what was written: formulas stay text."""
    office(tmp_path, exported.file("xlsx"), CSV_OUT)
    book = openpyxl.load_workbook(exported.file("xlsx"))
    for sheet in book.sheetnames:
        with (tmp_path / f"changes-{sheet}.csv").open(newline="") as file:
            heading, *rows = csv.reader(file)
        shown = text_rows(heading, rows)
        assert shown == sheet_rows(book[sheet]), sheet
        if sheet == "Changes":
            assert told(shown) == places
            assert any(row["message"].startswith("=1+1") for row in shown)


def office(folder: Path, file: Path, to: str, *options: str) -> None:
    """LibreOffice without a window, with a profile of its own."""
    profile = f"-env:UserInstallation=file://{folder / 'profile'}"
    words = ["soffice", profile, "--headless", *options, "--convert-to", to, "--outdir", str(folder), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=250)
    assert "Error" not in done.stdout + done.stderr, done


# jsonl


def test_jsonl_in_json(exported: Exported) -> None:
    """Every entry, byte for byte."""
    first, *lines = exported.file("jsonl").read_text().split("\n")[:-1]
    columns = "seq, prev, hash, statement, signature, kind, revision, environment, actor, at"
    stored = ledger_rows.ask(exported.made, f"SELECT {columns} FROM entry ORDER BY seq")
    written = [json.loads(line) for line in lines]
    assert [list(entry) for entry in written] == [columns.split(", ")] * len(stored)
    for entry, row in zip(written, stored, strict=True):
        assert (*list(entry.values())[:3], entry["statement"].encode(), *list(entry.values())[4:]) == row
    header = json.loads(first)
    assert header["schema"] == "migrate-flow/export/1"
    assert header["header"]["entries"] == len(stored) == header["header"]["as_of"]
    assert header["header"]["head"] == f"sha256:{stored[-1][2]}"


def test_jsonl_in_duckdb(exported: Exported) -> None:
    with duckdb.connect() as database:
        path = str(exported.file("jsonl"))
        counted = database.execute(
            "SELECT kind, count(*), max(seq) FROM read_json(?, format='newline_delimited', union_by_name=true,"
            " maximum_object_size=100000000) WHERE seq IS NOT NULL GROUP BY kind ORDER BY kind",
            [path],
        ).fetchall()
    assert counted == ledger_rows.ask(
        exported.made, "SELECT kind, count(*), max(seq) FROM entry GROUP BY kind ORDER BY kind"
    )


# md


def test_markdown_in_markdown_it(exported: Exported, places: set[ledger_rows.Place]) -> None:
    """A section for each migration and each place, and no markup but our own."""
    tokens = MarkdownIt("commonmark").enable("table").parse(exported.file("md").read_text())
    inside = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in (*tokens, *inside)}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "code_block", "fence"}, kinds
    headings: dict[str, list[str]] = {"h3": [], "h4": []}
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.tag in headings:
            headings[opening.tag].append(_plain(inline))
    messages = ledger_rows.messages(exported.made)
    assert Counter(headings["h3"]) == Counter(
        f"{revision}: {messages[revision]}" for revision in {revision for revision, _environment in places}
    )
    assert Counter(headings["h4"]) == Counter(environment or "applied nowhere yet" for _revision, environment in places)


def _plain(inline: Any) -> str:
    return "".join(child.content for child in inline.children)


# All of them


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_bytes(exported: Exported, name: str, tmp_path: Path) -> None:
    """From another place, in another time zone, with another locale and other hashes."""
    shell = exported.shell.at(tmp_path).under(
        TZ="Pacific/Chatham", LC_ALL="POSIX", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONHASHSEED="4711",
        HOME=str(make_home(tmp_path / "another home")),
    )  # fmt: skip
    again = exported.anew(name, tmp_path / "again", shell)
    assert again.read_bytes() == exported.file(name).read_bytes()
