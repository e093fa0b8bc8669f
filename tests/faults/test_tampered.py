"""Ledger or database is not the one that it was: restored, cut off, edited. The other one knows, and says so."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.faults.conftest import copied, drop
from tests.faults.matrix import SQLITE
from tests.faults.place import BEFORE, FIRST, NEW, Place
from tests.support import proof
from tests.support.alembic_projects import ADA, CARLA, table, write_script

SCRIPT = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")\n" + table("t_aaaa02")
THIRD = "aaaa03"
COMMANDS = (
    ("apply", "--env", "dev"),
    ("plan", "--env", "dev"),
    ("rollback", "--env", "dev", "--to", FIRST, "--confirm", "dev", "-m", "WHY"),
    ("adopt", "--env", "dev", "-m", "WHY"),
)


def _ledger(place: Place) -> Path:
    return place.shell.folder / proof.LEDGER


def _applied_and_more_to_come(place: Place) -> None:
    """The second stands, and there is a third to apply."""
    place.second(SCRIPT)
    place.apply()
    write_script(place.versions, THIRD, NEW)
    place.flow("track", THIRD)


def _tamper(place: Place, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """What the owner of the file can do: with the triggers away, and back again afterwards."""
    with closing(sqlite3.connect(_ledger(place))) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _sql in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement, values in statements:
            connection.execute(statement, values)
        for _name, sql in triggers:
            connection.execute(sql)


def _on_another_machine(place: Place) -> Place:
    """Where nothing was seen of the ledger before: what this machine noted is for tests/faults/test_seen_heads.py."""
    return place.under(XDG_STATE_HOME=str(place.shell.folder.parent / "another machine"))


def _alarm(place: Place, about: str) -> None:
    """Every command that would touch the database stops with the cause, and leaves both as they are."""
    place = _on_another_machine(place)
    seen = databases.contents(place.url), databases.heads(place.url), _ledger(place).read_bytes()
    for command in COMMANDS:
        error = place.error(*command, code=4, actor=CARLA)
        assert error["code"] == "ledger"
        assert re.search(about, error["message"]), error
        assert "ledger verify" in error["hint"]
    assert (databases.contents(place.url), databases.heads(place.url), _ledger(place).read_bytes()) == seen


GONE = r"dev has a receipt for entry \d+ \(sha256:[0-9a-f]{12}…\), which this ledger does not hold; it was restored"


@pytest.mark.fault("F80")
def test_the_ledger_is_restored_from_a_backup(place: Place, tmp_path: Path) -> None:
    """A whole, valid, signed ledger; but an older one. Only the database knows."""
    place.second(SCRIPT)
    shutil.copy(_ledger(place), tmp_path / "backup.db")
    place.apply()
    newest = _ledger(place).read_bytes()
    shutil.copy(tmp_path / "backup.db", _ledger(place))
    _alarm(place, GONE)
    _ledger(place).write_bytes(newest)
    place.applied_once()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F80")
def test_the_restored_ledger_has_grown_since(place: Place, tmp_path: Path) -> None:
    """At the position of the receipt there is an entry again, but another one: a fork."""
    place.second(SCRIPT)
    shutil.copy(_ledger(place), tmp_path / "backup.db")
    place.apply()
    shutil.copy(tmp_path / "backup.db", _ledger(place))
    place = _on_another_machine(place)
    write_script(place.versions, THIRD, NEW)
    write_script(place.versions, "aaaa04", THIRD)
    place.flow("track", actor=CARLA)
    place.flow("self-review", THIRD, actor=CARLA)
    problems = place.json("ledger", "verify", code=4)["problems"]
    assert "the newest receipt of dev" in problems[0]["problem"]
    _alarm(place, GONE)


@pytest.mark.fault("F81")
def test_the_tail_is_deleted(place: Place) -> None:
    """The last intent, and what came after it."""
    _applied_and_more_to_come(place)
    last = max(row["seq"] for row in proof.rows(place.shell.folder) if row["kind"] == "apply.intended")
    _tamper(place, ("DELETE FROM entry WHERE seq >= ?", (last,)))
    _alarm(place, GONE)


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F81")
def test_only_the_outcome_is_deleted(place: Place) -> None:
    """The intent still stands, so the receipt tells again what became of it: nothing runs twice."""
    place.second(SCRIPT)
    place.apply()
    last = proof.rows(place.shell.folder)[-1]
    assert last["kind"] == "apply.applied"
    _tamper(place, ("DELETE FROM entry WHERE seq = ?", (last["seq"],)))
    place = _on_another_machine(place)
    report = place.apply()
    assert (report["steps"], [item["outcome"] for item in report["recovered"]]) == ([], ["applied"])
    assert place.kinds()[-2:] == ["apply.intended", "apply.recovered"]
    place.applied_once()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F81")
def test_an_entry_is_deleted_from_the_middle(place: Place) -> None:
    _applied_and_more_to_come(place)
    middle = len(place.kinds()) // 2
    _tamper(place, ("DELETE FROM entry WHERE seq = ?", (middle,)))
    _alarm(place, f"the ledger can't be trusted: entry {middle} is missing")
    problems = place.json("ledger", "verify", code=4)["problems"]
    assert f"entry {middle} is missing" in {item["problem"] for item in problems}


def _edited(place: Place, seq: int, change: Callable[[dict[str, Any]], None]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The entry with another statement under its old signature, and every hash from there on computed anew."""
    link = b"\0" * 32
    for row in proof.rows(place.shell.folder):
        statement = row["statement"]
        if row["seq"] == seq:
            document = json.loads(statement)
            change(document["predicate"])
            statement = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            assert statement != row["statement"]
        prev, signature = link, hashlib.sha256(row["signature"].encode()).digest()
        link = hashlib.sha256(link + hashlib.sha256(statement).digest() + signature).digest()
        said = json.loads(statement)["predicate"]
        if row["seq"] >= seq:
            yield (
                "UPDATE entry SET prev = ?, hash = ?, statement = ?, actor = ?, at = ? WHERE seq = ?",
                (f"moved{row['seq']}", f"moved{row['seq']}", statement, said["actor"], said["at"], row["seq"]),
            )
            yield (
                "UPDATE entry SET prev = ?, hash = ? WHERE seq = ?",
                (prev.hex(), link.hex(), row["seq"]),
            )


def _another_actor(said: dict[str, Any]) -> None:
    said["actor"] = CARLA if said["actor"] == ADA else ADA


def _another_time(said: dict[str, Any]) -> None:
    said["at"] = "2020-02-20T20:20:20.000000Z"


@pytest.mark.fault("F84")
def test_an_entry_is_edited_and_all_hashes_computed_anew(place: Place) -> None:
    """The chain is whole again. The signature is not, and the receipt knows the hash that was."""
    _applied_and_more_to_come(place)
    kinds = place.kinds()
    edited = kinds.index("migration.created") + 1
    _tamper(place, *_edited(place, edited, _another_actor))
    proof.head(proof.rows(place.shell.folder))
    _alarm(place, f"{GONE}|entry {edited}")
    problems = place.json("ledger", "verify", code=4)["problems"]
    assert {item["seq"] for item in problems} >= {edited}
    assert any("signature" in item["problem"] for item in problems if item["seq"] == edited), problems
    assert place.kinds() == kinds


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F84")
def test_an_entry_behind_the_last_receipt_is_edited(place: Place) -> None:
    """No database knows of it yet; its signature still tells."""
    _applied_and_more_to_come(place)
    last = proof.rows(place.shell.folder)[-1]
    assert (last["kind"], last["revision"]) == ("migration.created", THIRD)
    _tamper(place, *_edited(place, last["seq"], _another_time))
    proof.head(proof.rows(place.shell.folder))
    place.json("ledger", "verify", code=4)
    seen = databases.contents(place.url)
    place = _on_another_machine(place)
    answer = place.shell.flow("apply", "--env", "dev", actor=ADA, code=None)
    assert answer.code in (1, 4), answer
    assert "signature" in answer.text
    assert databases.contents(place.url) == seen
    assert databases.heads(place.url) == [NEW]


@pytest.mark.fault("F83")
def test_the_target_is_restored_from_an_old_backup(
    place: Place, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The ledger says that the second stands; the database has never heard of it."""
    place.second(SCRIPT)
    (tmp_path / "backup").mkdir()
    backup = copied(place, request, tmp_path / "backup")
    place.apply()
    restored = Place(place.dialect, place.shell.under(DEV_URL=backup), backup)
    report = restored.apply(code=1)
    found = {gate["gate"]: gate for gate in report["gates"] if not gate["passed"]}
    assert set(found) == {"target-identified", "drift-free"}
    assert f"its version table says {FIRST}, the ledger says {NEW}" in found["target-identified"]["reason"]
    assert {gate["hint"] for gate in found.values()} == {"migrate-flow adopt --env dev -m WHY"}
    restored.as_before()
    assert restored.json("adopt", "--env", "dev", "-m", "restored after the fire")["gone"] == [NEW]
    first = [proof.predicate(row)["attempt"] for row in proof.rows(place.shell.folder) if _intent(row)]
    restored.apply()
    intents = [proof.predicate(row)["attempt"] for row in proof.rows(place.shell.folder) if _intent(row)]
    assert len(intents) == len(set(intents)) == len(first) + 1
    restored.applied_once()
    drop(place.dialect, request, backup)


def _intent(row: dict[str, Any]) -> bool:
    return bool(row["kind"] == "apply.intended")


@pytest.mark.fault("F83")
def test_the_backup_is_from_the_middle_of_an_attempt(
    place: Place, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Restored to before an attempt whose outcome is not known yet: recovery finds it clean, and it runs anew."""
    place.second(SCRIPT)
    (tmp_path / "backup").mkdir()
    backup = copied(place, request, tmp_path / "backup")
    place.failing("step-committed:kill").flow("apply", "--env", "dev", code=-9)
    restored = Place(place.dialect, place.shell.under(DEV_URL=backup), backup)
    assert databases.contents(backup) == BEFORE
    report = restored.apply()
    assert [item["outcome"] for item in report["recovered"]] == ["failed"]
    restored.applied_once()
    drop(place.dialect, request, backup)
