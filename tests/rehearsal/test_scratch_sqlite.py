"""Scratch databases of SQLite and their templates: found by key, bounded, and nothing that was tampered with."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migrate_flow.rehearsal import scratch_sqlite
from migrate_flow.rehearsal.scratch_sqlite import SqliteScratch

ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cäche with spaces"


@pytest.fixture
def scratch(tmp_path: Path, cache: Path) -> SqliteScratch:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return SqliteScratch(folder, cache)


def tables(scratch: SqliteScratch, make: str = "") -> list[str]:
    with sqlite3.connect(str(scratch.url.database)) as connection:
        if make:
            connection.execute(f"CREATE TABLE {make} (id INTEGER)")
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master ORDER BY 1")]


def test_the_first_key_that_is_there_counts(scratch: SqliteScratch) -> None:
    assert scratch.fetch([ONE, TWO]) == -1
    tables(scratch, "a")
    scratch.store(ONE)
    tables(scratch, "b")
    scratch.store(TWO)
    scratch.empty()
    assert tables(scratch) == []
    assert scratch.fetch([THREE, ONE, TWO]) == 1
    assert tables(scratch) == ["a"]
    assert scratch.fetch([TWO, ONE]) == 0
    assert tables(scratch) == ["a", "b"]


def test_back_is_what_was_kept(scratch: SqliteScratch) -> None:
    tables(scratch, "a")
    scratch.keep()
    tables(scratch, "b")
    scratch.back()
    assert tables(scratch) == ["a"]
    scratch.close()
    assert not list(Path(str(scratch.url.database)).parent.iterdir())


def test_a_template_that_was_changed_is_thrown_away(scratch: SqliteScratch, cache: Path) -> None:
    tables(scratch, "a")
    scratch.store(ONE)
    (path,) = cache.iterdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE slipped_in (id INTEGER)")
    scratch.empty()
    assert scratch.fetch([ONE]) == -1
    assert list(cache.iterdir()) == []
    tables(scratch, "a")
    scratch.store(ONE)
    assert scratch.fetch([ONE]) == 0


def test_a_key_has_one_template_and_a_broken_one_is_replaced(scratch: SqliteScratch, cache: Path) -> None:
    tables(scratch, "a")
    scratch.store(ONE)
    (path,) = cache.iterdir()
    tables(scratch, "b")  # a script that puts the time of day in: other content under the same key
    scratch.store(ONE)
    assert list(cache.iterdir()) == [path]
    path.write_bytes(b"half")
    scratch.store(ONE)
    assert len(list(cache.iterdir())) == 1
    assert scratch.fetch([ONE]) == 0
    assert tables(scratch) == ["a", "b"]


def test_number_and_size_are_bounded_and_the_oldest_goes(
    scratch: SqliteScratch, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch_sqlite, "MOST_TEMPLATES", 3)
    tables(scratch, "a")
    keys = [f"{n}" * 64 for n in range(5)]
    for age, key in enumerate(keys):
        scratch.store(key)
        for path in cache.glob(f"{key}-*"):
            os.utime(path, (1000 + age, 1000 + age))
    assert [key for key in keys if scratch.fetch([key]) == 0] == keys[2:]
    size = Path(str(scratch.url.database)).stat().st_size
    monkeypatch.setattr(scratch_sqlite, "MOST_BYTES", 2 * size)
    scratch.store(keys[4])
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setattr(scratch_sqlite, "MOST_BYTES", size - 1)
    scratch.store("f" * 64)  # too large by itself
    assert scratch.fetch(["f" * 64]) == -1


def test_what_a_killed_run_was_writing_is_no_template_and_goes_later(scratch: SqliteScratch, cache: Path) -> None:
    tables(scratch, "a")
    scratch.store(ONE)
    old, young = cache / f"{TWO}-abc.4711", cache / f"{THREE}-abc.4712"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * scratch_sqlite.HALF_WRITTEN_S,) * 2)
    assert scratch.fetch([TWO, THREE]) == -1
    scratch.store(ONE)
    assert not old.exists()
    assert young.exists()


def test_without_a_cache_it_works_all_the_same(scratch: SqliteScratch, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    tables(scratch, "a")
    scratch.store(ONE)
    assert scratch.fetch([ONE]) == -1
    assert tables(scratch) == ["a"]


def test_a_connection_to_another_database_is_left_alone(scratch: SqliteScratch, pg_url: str) -> None:
    """Of the process that rehearses: env.py may connect to PostgreSQL too."""
    code = f"""
from pathlib import Path
from sqlalchemy import create_engine
from migrate_flow.rehearsal.scratch_sqlite import SqliteScratch
scratch = SqliteScratch(Path({str(scratch.url.database)!r}).parent)
scratch.never_sync()
with create_engine({pg_url!r}).connect() as other, create_engine(scratch.url).connect() as own:
    print(other.exec_driver_sql("SELECT 1").scalar(), own.exec_driver_sql("PRAGMA synchronous").scalar())
"""
    tables(scratch, "t")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "1 0\n", done.stderr
