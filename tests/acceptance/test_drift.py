"""A schema that was changed by hand is noticed, named, refused, and explained: drift, drift accept, compare."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, BEN, CARLA, attest, edit, make_project, put_under_the_flow, write_script
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

Sql = Callable[..., None]  # (environment, *statements), as somebody with a plain client


def _sqlite(shell: Shell) -> tuple[tuple[str, ...], Sql]:
    def run(name: str, *statements: str) -> None:
        with sqlite3.connect(shell.folder / f"{name}.db") as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return ("dev=sqlite:///dev.db", "staging=sqlite:///staging.db"), run


def _postgresql(server: PostgresServer) -> tuple[tuple[str, ...], Sql]:
    urls = {name: server.create_database() for name in ("dev", "staging")}

    def run(name: str, *statements: str) -> None:
        for statement in statements:
            server.execute(statement, database=make_url(urls[name]).database or "")

    return tuple(f"{name}={url}" for name, url in urls.items()), run


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, terminal: Terminal, tmp_path: Path) -> tuple[Shell, Sql]:
    """Two environments, both at aaaa01 of two revisions, and a client that knows nothing of the flow."""
    shell = terminal(tmp_path / "shop")
    versions = make_project(shell)
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    environments, run = _postgresql(server) if server else _sqlite(shell)
    put_under_the_flow(shell, *environments, team=True)
    write_script(versions, "aaaa01")
    write_script(versions, "aaaa02", "aaaa01")
    shell.flow("track", actor=ADA)
    for revision in ("aaaa01", "aaaa02"):
        attest(shell, revision)
    for name in ("dev", "staging"):
        shell.flow("apply", "aaaa01", "--env", name, actor=ADA)
    return shell, run


def entries(shell: Shell, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in shell.json("log")["entries"] if entry["kind"] == kind]


def gate(shell: Shell, name: str, env: str = "staging") -> dict[str, Any]:
    done = shell.flow("plan", "--env", env, "--format", "json", actor=ADA, code=None)

    return next(verdict for verdict in json.loads(done.out)["gates"] if verdict["gate"] == name)


def test_manual_ddl_is_named_refused_and_explained(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    assert shell.json("drift", "--env", "staging")["clean"] is True
    run("staging", "CREATE INDEX by_hand ON t_aaaa01 (text)")
    found = shell.json("drift", "--env", "staging", actor=ADA, code=1)
    assert (found["clean"], found["environment"]) == (False, "staging")
    (difference,) = found["differences"]
    assert (difference["kind"], difference["change"]) == ("index", "added")
    assert "by_hand" in difference["object"]
    text = shell.flow("drift", "--env", "staging", actor=ADA, code=1).out
    assert "1 object was changed outside of the flow since entry" in text
    assert "migrate-flow drift accept --env staging -m WHY" in text
    refused = shell.flow("apply", "--env", "staging", actor=ADA, code=1).out
    assert "✗ drift-free: changed outside of the flow: added index" in refused
    assert shell.json("drift", "--env", "dev")["clean"] is True
    shell.flow("apply", "--env", "dev", actor=ADA)
    accepted = shell.json("drift", "accept", "--env", "staging", "-m", "a hotfix, OPS-7", actor=BEN)
    assert accepted["differences"] == [difference]
    assert shell.json("drift", "--env", "staging")["clean"] is True
    done = shell.flow("apply", "--env", "staging", actor=ADA)
    assert "not the schema of dev, which stands at the same revisions:" in done.out
    assert "by_hand" in done.out
    (entry,) = entries(shell, "drift.accepted")
    assert (entry["actor"], entry["predicate"]["comment"]) == (BEN, "a hotfix, OPS-7")
    assert shell.json("ledger", "verify")["ok"]


def test_what_is_found_is_recorded_once_and_only_with_a_key(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    run("staging", "ALTER TABLE t_aaaa01 ADD COLUMN note TEXT")
    assert shell.json("drift", "--env", "staging", code=1)["seq"] is None
    assert not entries(shell, "drift.found")
    first = shell.json("drift", "--env", "staging", actor=BEN, code=1)
    again = shell.json("drift", "--env", "staging", actor=CARLA, code=1)
    assert (bool(first["seq"]), again["seq"]) == (True, None)
    run("staging", "ALTER TABLE t_aaaa01 ADD COLUMN other TEXT")
    assert shell.json("drift", "--env", "staging", actor=BEN, code=1)["seq"]
    assert len(entries(shell, "drift.found")) == 2


def test_a_rollback_is_refused_too_and_undoing_by_hand_clears_it(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    run("staging", "CREATE TABLE by_hand (id INTEGER)")
    refused = shell.flow("rollback", "--env", "staging", "--to", "base", "-m", "no", actor=ADA, code=1).out
    assert "✗ drift-free" in refused
    run("staging", "DROP TABLE by_hand")
    shell.flow("rollback", "--env", "staging", "--to", "base", "-m", "a test", "--confirm", "staging", actor=ADA)
    assert shell.json("drift", "--env", "staging")["clean"] is True


def test_all_environments_at_once(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    run("dev", "DROP TABLE t_aaaa01")
    found = shell.json("drift", code=1)
    assert (found["environment"], found["clean"]) == (None, False)
    assert [one["clean"] for one in found["environments"]] == [False, True]
    assert {one["environment"] for one in found["differences"]} == {"dev"}


def test_what_the_policy_passes_over(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    edit(shell.folder / "migrate-flow.toml", r"(?m)^\[lint\]$", '[lint]\ndrift_ignore = ["tmp_*"]')
    shell.flow("policy", "record", actor=CARLA)
    run("staging", "CREATE TABLE tmp_load (id INTEGER)")
    assert shell.json("drift", "--env", "staging")["clean"] is True
    run("staging", "CREATE TABLE load (id INTEGER)")
    (one,) = shell.json("drift", "--env", "staging", code=1)["differences"]
    assert "tmp_" not in one["object"]


def test_two_environments(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    same = shell.json("compare", "dev", "staging")
    assert (same["equal"], same["differences"]) == (True, [])
    shell.flow("apply", "--env", "dev", actor=ADA)
    ahead = shell.json("compare", "dev", "staging", code=1)
    assert (ahead["equal"], ahead["revisions"]["dev"]["only"]) == (False, ["aaaa02"])
    done = shell.flow("apply", "--env", "staging", actor=ADA)
    assert "the same schema as in dev" in done.out
    run("staging", "CREATE INDEX by_hand ON t_aaaa01 (text)")
    apart = shell.flow("compare", "dev", "staging", code=1).out
    assert "one of them was changed by hand" in apart
    assert shell.error("compare", "dev", "dev", code=2)["hint"] == "name two environments"
    assert shell.error("compare", "dev", "nowhere", code=2)


def test_show_tells_what_each_application_changed(place: tuple[Shell, Sql]) -> None:
    shell, _run = place
    changed = shell.json("show", "aaaa01")["changed"]
    assert set(changed) == {"dev", "staging"}
    assert any(one["change"] == "added" and "t_aaaa01" in one["object"] for one in changed["dev"]["differences"])
    assert "what it changed in the schema" in shell.flow("show", "aaaa01").out


def test_accepting_needs_the_right_a_reason_and_something_to_accept(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    edit(
        shell.folder / "migrate-flow.toml",
        r"(?m)^upstream = \[\"dev\"\]$",
        'upstream = ["dev"]\napply_roles = ["backend-lead"]',
    )
    shell.flow("policy", "record", actor=CARLA)
    assert "nothing to accept" in shell.flow("drift", "accept", "--env", "staging", "-m", "x", actor=CARLA).out
    run("staging", "CREATE TABLE by_hand (id INTEGER)")
    refused = shell.error("drift", "accept", "--env", "staging", "-m", "x", actor=ADA, code=1)
    assert CARLA in refused["hint"]
    assert shell.error("drift", "accept", "--env", "staging", "-m", " ", actor=CARLA, code=2)
    assert not entries(shell, "drift.accepted")
    shell.flow("drift", "accept", "--env", "staging", "-m", "x", actor=CARLA)


def test_plain_alembic_is_named_for_what_it_is(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    run("staging", "UPDATE alembic_version SET version_num = 'aaaa02'")
    found = shell.json("drift", "--env", "staging", code=1)
    assert found["clean"] is False
    assert "its version table says aaaa02, the ledger says aaaa01" in found["reason"]
    assert "the schema is as it was, so a stamp, or an edited row" in found["reason"]
    assert found["hint"] == "migrate-flow adopt --env staging -m WHY"
    refused = shell.error("drift", "accept", "--env", "staging", "-m", "x", actor=CARLA, code=1)
    assert refused["hint"] == found["hint"]


def test_an_adopted_database_is_watched_from_then_on(terminal: Terminal, tmp_path: Path) -> None:
    shell = terminal(tmp_path / "shop")
    versions = make_project(shell)
    environments, run = _sqlite(shell)
    put_under_the_flow(shell, *environments, team=True)
    write_script(versions, "aaaa01")
    shell.under(DATABASE_URL="").alembic("-x", "nothing", "heads")
    run("staging", 'CREATE TABLE t_aaaa01 (id INTEGER PRIMARY KEY, text VARCHAR(50))',
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('aaaa01')")  # fmt: skip
    shell.flow("adopt", "--env", "staging", "-m", "in use since 2021", actor=CARLA)
    assert shell.json("drift", "--env", "staging")["clean"] is True
    run("staging", "ALTER TABLE t_aaaa01 ADD COLUMN note TEXT")
    (one,) = shell.json("drift", "--env", "staging", code=1)["differences"]
    assert (one["kind"], one["change"]) == ("column", "added")


def test_a_database_out_of_reach_is_neither_clean_nor_drift(terminal: Terminal, tmp_path: Path) -> None:
    shell = terminal(tmp_path / "shop")
    make_project(shell)
    put_under_the_flow(shell, "dev=postgresql://nobody@localhost:1/dev")
    found = shell.json("drift", "--env", "dev", code=1)
    assert (found["clean"], found["differences"]) == (None, [])
    assert "can't be reached" in found["reason"]


def test_an_adoption_names_what_it_takes_as_it_is(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    run("dev", "CREATE TABLE by_hand (id INTEGER)", "UPDATE alembic_version SET version_num = 'aaaa02'")
    adopted = shell.json("adopt", "--env", "dev", "-m", "in a hurry", actor=CARLA)
    assert any("by_hand" in one["object"] for one in adopted["differences"])
    (entry,) = entries(shell, "target.adopted")
    assert entry["predicate"]["differences"] == adopted["differences"]
    assert shell.json("drift", "--env", "dev")["clean"] is True


def test_what_one_environment_hides_does_not_keep_the_other_from_the_ledger(terminal: Terminal, tmp_path: Path) -> None:
    shell = terminal(tmp_path / "shop")
    versions = make_project(shell)
    environments, run = _sqlite(shell)
    put_under_the_flow(shell, *environments, team=True)
    write_script(versions, "aaaa01")
    shell.flow("track", actor=ADA)
    attest(shell, "aaaa01")
    for name in ("dev", "staging"):
        shell.flow("apply", "--env", name, actor=ADA)
    run("dev", "CREATE TABLE by_hand (id INTEGER)")
    run("staging", "UPDATE migrate_flow_receipt SET ledger_seq = 9999 WHERE final")
    assert "can't be trusted: staging has a receipt" in shell.flow("drift", actor=ADA, code=4).err
    assert [entry["environment"] for entry in entries(shell, "drift.found")] == ["dev"]


def test_a_snapshot_that_is_gone_is_missed(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    run("dev", "CREATE TABLE by_hand (id INTEGER)")
    shell.flow("drift", "accept", "--env", "dev", "-m", "a test", actor=ADA)
    (entry,) = entries(shell, "drift.accepted")
    snapshot = entry["predicate"]["schema"]["snapshot"].removeprefix("sha256:")
    with sqlite3.connect(shell.folder / ".migrate-flow" / "ledger.db") as ledger:
        for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f'DROP TRIGGER "{name}"')
        ledger.execute("DELETE FROM artifact WHERE sha256 = ?", (snapshot,))
    ledger.close()
    found = shell.json("ledger", "verify", code=4)["problems"]
    assert any(f"artifact {snapshot[:12]}… is gone" in one["problem"] for one in found), found


def test_plain_upgrades_and_downgrades_are_told_apart_and_recorded(place: tuple[Shell, Sql]) -> None:
    shell, run = place
    run("dev", "CREATE TABLE t_aaaa02 (id INTEGER)", "UPDATE alembic_version SET version_num = 'aaaa02'")
    found = shell.json("drift", "--env", "dev", actor=ADA, code=1)
    assert "the schema changed with it: plain alembic upgrade" in found["reason"]
    (entry,) = entries(shell, "drift.found")
    assert (entry["seq"], entry["predicate"]["elsewhere"]) == (found["seq"], found["reason"])
    assert shell.json("drift", "--env", "dev", actor=BEN, code=1)["seq"] is None
    run("staging", "DROP TABLE t_aaaa01", "DELETE FROM alembic_version")
    down = shell.json("drift", "--env", "staging", actor=ADA, code=1)
    assert "plain alembic downgrade" in down["reason"]
    run("staging", "INSERT INTO alembic_version VALUES ('cccc99')")
    assert "cccc99" in shell.json("drift", "--env", "staging", actor=ADA, code=1)["reason"]
    assert shell.json("ledger", "verify")["ok"]
