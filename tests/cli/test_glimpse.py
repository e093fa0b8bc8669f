"""A SQLite database looked at with the standard library alone shows what it shows on SQLAlchemy's connections."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.bootstrap import wiring
from migrate_flow.bootstrap.glimpse import glimpse
from migrate_flow.database import DatabaseTarget
from migrate_flow.services.ports import Target
from tests.dialects.sqlite_zoo import ZOO
from tests.support.project import ADA, Project

ENV = "dev"
Prepare = Callable[[Path], object]


def _sql(*statements: str) -> Prepare:
    def run(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            for statement in statements:
                connection.executescript(statement)

    return run


FILES: dict[str, Prepare] = {
    "applied": lambda file: None,
    "not there": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "no database": lambda file: file.write_bytes(b"something else " * 1000),
    "of somebody else": lambda file: (
        file.unlink(),
        _sql("CREATE TABLE t (id INTEGER); CREATE VIEW v AS SELECT 1")(file),
    ),
    "the zoo": _sql(ZOO),
    "no version table": _sql("DROP TABLE alembic_version"),
    "no receipts": _sql("DROP TABLE migrate_flow_receipt"),
    "no identity": _sql("DELETE FROM migrate_flow_target"),
    "another ledger": _sql("UPDATE migrate_flow_target SET ledger = 'other'"),
    "several heads": _sql("INSERT INTO alembic_version VALUES ('bbbb01'), ('aaaa99')"),
    "an odd version table": _sql(
        'ALTER TABLE alembic_version RENAME TO "odd "" name"',
        "UPDATE migrate_flow_target SET version_table = 'odd \" name'",
    ),
    "a schema for it": _sql("UPDATE migrate_flow_target SET version_schema = 'main'"),
    "a rollback": _sql("UPDATE migrate_flow_receipt SET direction = 'downgrade' WHERE revision = 'aaaa02'"),
    "not final": _sql("UPDATE migrate_flow_receipt SET final = 0 WHERE revision = 'aaaa02'"),
    "read-only": lambda file: file.chmod(0o444),
}


@pytest.fixture
def file(project: Project) -> Path:
    project.script("aaaa01")
    project.script("aaaa02", "aaaa01")
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", ENV, actor=ADA)
    return project.folder / "dev.db"


def _both() -> tuple[Target, Target]:
    config = wiring.load_config(None)

    def whole() -> Target:
        return wiring.target(config, ENV, ADA)

    return glimpse(config, ENV, whole), whole()


@pytest.mark.parametrize("prepare", FILES.values(), ids=FILES)
def test_both_show_the_same(file: Path, prepare: Prepare) -> None:
    prepare(file)
    glance, whole = _both()
    assert not isinstance(glance, DatabaseTarget)
    assert glance.observe() == whole.observe()
    assert glance.with_receipts() == whole.with_receipts()
    assert _schema(glance) == _schema(whole)


def _schema(target: Target) -> object:
    try:
        found = target.snapshot()
    except Exception as error:
        return type(error), str(error)
    return found and (found.fingerprint, found.column_order, found.server_major, found.normaliser)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///dev.db?timeout=3",
        "sqlite+pysqlite:///dev.db",
        "sqlite:///%64ev.db",
        "sqlite:///:memory:",
        "env:NOTHING",
    ],
)
def test_a_url_that_could_mean_more_is_left_to_sqlalchemy(project: Project, url: str) -> None:
    config = project.folder / "migrate-flow.toml"
    config.write_text(config.read_text().replace("sqlite:///dev.db", url))
    glance, _whole = _both()
    assert isinstance(glance, DatabaseTarget)


def test_a_url_in_a_variable(file: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    config = project.folder / "migrate-flow.toml"
    config.write_text(config.read_text().replace("sqlite:///dev.db", "env:DEV_URL"))
    monkeypatch.setenv("DEV_URL", f"sqlite:///{file}")
    glance, whole = _both()
    assert not isinstance(glance, DatabaseTarget)
    assert glance.observe() == whole.observe()
    assert glance.observe().heads == ("aaaa02",)


def test_a_look_makes_no_file(file: Path) -> None:
    file.unlink()
    glance, _whole = _both()
    assert glance.observe().absent
    assert not file.exists()


def test_a_locked_file_is_not_waited_for_twice(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    glance, _whole = _both()
    waits: list[float] = []
    plain = sqlite3.connect

    def impatient(*words: Any, timeout: float, **more: Any) -> sqlite3.Connection:
        waits.append(timeout)
        return plain(*words, timeout=0, **more)

    monkeypatch.setattr(sqlite3, "connect", impatient)
    with closing(plain(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in glance.observe().problem
    assert len(waits) == 2
    assert waits[0] < 1 < waits[1]
