"""A ledger of the oldest format, as the first version of the program wrote it, in the hands of today's."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.project import ADA, Project

DATA = Path(__file__).parents[1] / "data" / "first_ledger"
REVISIONS = ("9cd910d1bc0c", "4092fc564c20", "a54b80a7c3d4")
LEDGER = Path(".migrate-flow", "ledger.db")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "shop"
    shutil.copytree(DATA, folder)
    (folder / LEDGER).parent.mkdir()
    (folder / LEDGER).write_bytes(gzip.decompress((folder / "ledger.db.gz").read_bytes()))
    monkeypatch.chdir(folder)
    return Project(folder)


def rows() -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(LEDGER)) as ledger:
        entries = ledger.execute("SELECT * FROM entry ORDER BY seq").fetchall()
        return [*entries, *ledger.execute("SELECT * FROM artifact ORDER BY sha256")]


def test_it_is_read_and_verified_as_it_is(shop: Project) -> None:
    before = LEDGER.read_bytes()
    with closing(sqlite3.connect(LEDGER)) as ledger:
        assert ledger.execute("SELECT version_num FROM ledger_version").fetchall() == [("0001",)]
    assert shop.json("ledger", "info")["entries"] == 41
    verified = shop.json("ledger", "verify")
    assert (verified["ok"], verified["entries"], verified["problems"]) == (True, 41, [])
    board = shop.json("status")
    assert [row["revision"] for row in board["migrations"]] == list(REVISIONS)
    for row in board["migrations"]:
        assert (row["state"], row["stale"], row["in_tree"]) == ("approved", False, True), "what was approved still is"
        assert {env: row["applied"][env]["state"] for env in board["environments"]} == dict.fromkeys(
            ("dev", "staging", "production"), "applied"
        )
    assert len(shop.json("log")["entries"]) == 41
    shop.flow("export", "--format", "bundle", "--output", "all.zip", "--no-record")
    assert shop.json("verify", "all.zip")["ok"] is True
    assert LEDGER.read_bytes() == before


def test_it_is_upgraded_without_a_byte_of_an_entry(shop: Project) -> None:
    before = rows()
    board = shop.json("status")
    upgraded = shop.json("ledger", "upgrade")
    assert upgraded["from"] == "0001"
    assert rows() == before
    assert shop.json("ledger", "verify")["ok"] is True
    assert shop.json("status") == board
    shop.flow("keys", "new", ADA, "--store", "file")
    shop.script("b00000000001", REVISIONS[-1])
    refused = shop.flow("track", actor=ADA, code=2)
    assert "key" in refused.err, "the policy of then still says whose key counts"


def test_it_is_copied_to_a_server(shop: Project, pg_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.flow("ledger", "upgrade")
    head = shop.json("ledger", "info")["head"]
    monkeypatch.setenv("TEAM_LEDGER", pg_url)
    shop.flow("ledger", "copy", "env:TEAM_LEDGER")
    toml = shop.folder / "migrate-flow.toml"
    toml.write_text(toml.read_text().replace('url = "sqlite:///.migrate-flow/ledger.db"', 'url = "env:TEAM_LEDGER"'))
    assert shop.json("ledger", "info")["head"] == head
    assert shop.json("ledger", "verify")["ok"] is True
