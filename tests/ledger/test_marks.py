"""Whether the rows are still the same is found out on either database, and answered before any of them is given out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrate_flow.core.chain import Head
from migrate_flow.ledger.store import LedgerStore
from migrate_flow.services.marks import Mark, Rewritten
from tests.ledger.conftest import run
from tests.support.builders import Scribe


def _mark(store: LedgerStore) -> Mark:
    marks: list[Mark] = []
    assert len(list(store.entries_since(None, marks.append))) == 6
    return marks[0]


def test_what_came_since_is_what_a_mark_lacks(scribe: Scribe, store: LedgerStore) -> None:
    mark = _mark(store)
    assert mark.head == scribe.head
    marks: list[Mark] = []
    assert list(store.entries_since(mark, marks.append)) == []
    assert marks[0].rows == mark.rows
    fresh = [scribe.checked(), scribe.checked()]
    assert list(store.entries_since(mark, marks.append)) == fresh
    assert marks[1].head == scribe.head
    again: list[Mark] = []
    list(store.entries_since(None, again.append))
    assert again[0].rows == marks[1].rows


@pytest.mark.parametrize("other", ["head", "rows", "longer"])
def test_rows_that_were_not_marked_are_not_gone_on_from(scribe: Scribe, store: LedgerStore, other: str) -> None:
    mark = replace(_mark(store), state="")
    marked = {
        "head": replace(mark, head=Head(mark.head.seq, "ab" * 32)),
        "rows": replace(mark, rows="ab" * 32),
        "longer": replace(mark, head=Head(mark.head.seq + 1, mark.head.hash)),
    }[other]
    scribe.checked()
    with pytest.raises(Rewritten):
        list(store.entries_since(marked, lambda _mark: None))


COLUMNS = ("statement", "signature", "kind", "revision", "environment", "actor", "at", "hash", "prev")


@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_of_each_row_counts(
    scribe: Scribe, store: LedgerStore, url: str, tmp_path: Path, column: str
) -> None:
    mark = _mark(store)
    if url.startswith("sqlite"):
        names = [row[0] for row in run(url, tmp_path, "SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        run(url, tmp_path, *(f"DROP TRIGGER {name}" for name in names))
    else:
        run(url, tmp_path, "ALTER TABLE entry DISABLE TRIGGER USER")
    value = "CAST('other' AS bytea)" if column == "statement" and not url.startswith("sqlite") else "'other'"
    run(url, tmp_path, f"UPDATE entry SET {column} = {value} WHERE seq = 2")
    with pytest.raises(Rewritten):
        list(store.entries_since(mark, lambda _mark: None))
