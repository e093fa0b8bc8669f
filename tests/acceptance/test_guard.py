"""The guard of a PostgreSQL target: what it lets pass, refuses and records, and what the ledger says of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.acceptance.guarded import WITH_SUPERUSER, Place, made
from tests.support.alembic_projects import ADA, BEN, CARLA, edit, make_project, put_under_the_flow, table, write_script
from tests.support.postgres import PostgresServer

DRIVERS = [("psycopg2", "generic"), ("psycopg", "generic"), ("asyncpg", "async"), ("psycopg", "async")]
BLOCK = """\
op.create_table("before_block", sa.Column("id", sa.Integer))
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix_before ON before_block (id)")
op.create_table("t_aaaa02", sa.Column("id", sa.Integer))"""
INSTEAD = "migrate-flow new -m MESSAGE; then: migrate-flow apply --env dev"


@pytest.fixture(scope="module")
def prepared(postgres: PostgresServer, terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Applied up to aaaa01 of two revisions, without a guard."""
    place = made(postgres, terminal(tmp_path_factory.mktemp("guard") / "shop"))
    write_script(place.versions, "aaaa01")
    write_script(place.versions, "aaaa02", "aaaa01", upgrade=BLOCK)
    place.shell.flow("track", actor=ADA)
    place.shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    return place


@pytest.fixture
def bare(prepared: Place, tmp_path: Path) -> Iterator[Place]:
    """A copy without a guard."""
    place = prepared.copied(tmp_path / "shop")
    yield place
    place.drop()


@pytest.fixture(scope="module")
def prepared_block(prepared: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = prepared.copied(tmp_path_factory.mktemp("block") / "shop")
    place.install("block")
    return place


@pytest.fixture
def blocked(prepared_block: Place, tmp_path: Path) -> Iterator[Place]:
    place = prepared_block.copied(tmp_path / "shop")
    yield place
    place.drop()


@pytest.fixture
def audited(bare: Place) -> Place:
    bare.install("audit")
    return bare


@pytest.mark.parametrize(("driver", "template"), DRIVERS, ids=["-".join(pair) for pair in DRIVERS])
def test_what_we_run_ourselves_passes(
    postgres: PostgresServer, terminal: Terminal, tmp_path: Path, driver: str, template: str
) -> None:
    """env.py's own driver writes the permits: in transactions, in blocks, where a script fails, and down again."""
    place = made(postgres, terminal(tmp_path / "shop"), driver, template)
    shell = place.shell
    write_script(place.versions, "aaaa01")
    shell.flow("track", actor=ADA)
    shell.flow("apply", "--env", "dev", actor=ADA)
    place.install("block")
    write_script(place.versions, "aaaa02", "aaaa01", upgrade=BLOCK)
    write_script(place.versions, "aaaa03", "aaaa02", upgrade=table("half") + '\nop.execute("SELECT 1/0")')
    shell.flow("track", actor=ADA)
    report = shell.json("apply", "--env", "dev", actor=ADA, code=3)
    assert [step["outcome"] for step in report["steps"]] == ["applied", "failed"]
    assert "division by zero" in report["steps"][1]["error"]
    assert databases.tables(place.url()) == ["before_block", "t_aaaa01", "t_aaaa02"]
    assert place.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_before'::regclass") == [(True,)]
    shell.flow("rollback", "--env", "dev", "--to", "aaaa01", "-m", "a test", "--confirm", "dev", actor=ADA)
    assert databases.tables(place.url()) == ["before_block", "t_aaaa01"]
    assert (place.permits(), place.logged()) == (0, 0)
    assert shell.json("drift", "--env", "dev")["clean"] is True
    assert shell.json("guard", "status", "--env", "dev")["complete"] is True
    assert INSTEAD in place.refusal("CREATE TABLE by_hand (id int)")
    place.drop()


def test_plain_alembic_is_refused_and_told_what_to_use(blocked: Place) -> None:
    plain = blocked.shell.folder / "plain"
    shutil.copytree(blocked.shell.folder / "migrations", plain / "migrations")
    ini = (blocked.shell.folder / "alembic.ini").read_text()
    (plain / "alembic.ini").write_text(ini.replace("driver://user:pass@localhost/dbname", blocked.url()))
    plain_alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(plain_alembic, cwd=plain, env=blocked.shell.variables, capture_output=True, check=False)
    said = done.stderr.decode()
    assert done.returncode != 0
    assert "changes from outside migrate-flow are refused here: CREATE TABLE of table public.before_block" in said
    assert INSTEAD in said
    assert databases.heads(blocked.url()) == ["aaaa01"]
    blocked.shell.flow("apply", "--env", "dev", actor=ADA)
    assert blocked.logged() == 0


@pytest.mark.parametrize("place_of_death", ["step-begun", "segment-committed", "script-ended", "receipt-written"])
def test_a_permit_that_a_killed_apply_leaves_permits_nothing(blocked: Place, place_of_death: str) -> None:
    shell = blocked.shell
    shell.under(MIGRATE_FLOW_FAILPOINT=f"{place_of_death}:kill").flow("apply", "--env", "dev", actor=ADA, code=-9)
    assert blocked.permits() == 1
    assert INSTEAD in blocked.refusal("CREATE TABLE by_hand (id int)")
    assert INSTEAD in blocked.refusal("CREATE INDEX CONCURRENTLY by_hand ON t_aaaa01 (id)")
    in_part = place_of_death != "step-begun"
    shell.flow("recover", "--env", "dev", actor=ADA, code=6 if in_part else 0)
    assert blocked.permits() == 0
    if in_part:
        shell.flow("recover", "--env", "dev", "--resume", "-m", "goes on", actor=ADA)
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert "t_aaaa02" in databases.tables(blocked.url())
    assert (blocked.permits(), blocked.logged()) == (0, 0)


def test_a_script_that_commits_by_itself_is_told_so(blocked: Place) -> None:
    shell = blocked.shell
    blocked.versions.joinpath("aaaa02_script.py").unlink()
    body = 'op.execute("INSERT INTO t_aaaa01 VALUES (1)")\nop.execute("COMMIT")\n' + table("late")
    write_script(blocked.versions, "aaaa05", "aaaa01", upgrade=body)
    shell.flow("track", actor=ADA)
    report = shell.json("apply", "--env", "dev", actor=ADA, code=6)
    (step,) = report["steps"]
    assert "the script left its own transaction" in step["error"]
    assert "remove COMMIT or ROLLBACK from the script" in step["error"]
    assert (databases.tables(blocked.url()), blocked.permits()) == (["t_aaaa01"], 0)


def test_an_empty_database_that_has_a_guard_already(blocked: Place) -> None:
    """Our own tables and the version table are made under its eyes."""
    shell = blocked.shell
    own = ", ".join(f"migrate_flow.{name}" for name in ("target", "receipt", "journal"))
    triggers = [f"ALTER EVENT TRIGGER migrate_flow_guard_{name}" for name in ("start", "end", "drop")]
    for statement in (
        *(f"{trigger} DISABLE" for trigger in triggers),
        f"DROP TABLE t_aaaa01, alembic_version, {own}",
        *(f"{trigger} ENABLE ALWAYS" for trigger in triggers),
    ):
        blocked.sql(statement)
    shell.flow("adopt", "--env", "dev", "--new-target", "-m", "made anew", actor=CARLA)
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert databases.tables(blocked.url()) == ["before_block", "t_aaaa01", "t_aaaa02"]
    assert (blocked.permits(), blocked.logged()) == (0, 0)
    found = shell.json("guard", "status", "--env", "dev")
    assert (found["installed"], found["recorded"], found["mode"]) == (True, None, "block")
    assert found["hint"] == "migrate-flow guard install --env dev"


def test_audit_records_and_drift_tells_who(audited: Place) -> None:
    shell, role = audited.shell, audited.role
    assert shell.json("guard", "status", "--env", "dev")["ok"] is True
    audited.sql("ALTER TABLE t_aaaa01 ADD COLUMN note text", role)
    found = shell.json("drift", "--env", "dev", actor=BEN, code=1)
    (difference,), (row,) = found["differences"], found["log"]
    assert (difference["kind"], difference["change"]) == ("column", "added")
    assert (row["session_role"], row["client"], row["application"]) == (role, "local", "psql")
    assert row["statement"] == "ALTER TABLE t_aaaa01 ADD COLUMN note text"
    text = shell.flow("drift", "--env", "dev", code=1).out
    assert f"UTC, {role} (local, psql): ALTER TABLE t_aaaa01 ADD COLUMN note text" in text
    seen = shell.json("guard", "status", "--env", "dev", code=1)
    assert (seen["ok"], seen["complete"], [one["id"] for one in seen["log"]]) == (False, True, [row["id"]])
    assert "drift accept" in seen["hint"]
    accepted = shell.json("drift", "accept", "--env", "dev", "-m", "a hotfix", actor=CARLA)
    assert (accepted["differences"], accepted["log"]) == ([difference], [row])
    (entry,) = audited.entries("drift.accepted")
    assert entry["predicate"]["logged"] == row["id"]
    assert entry["predicate"]["log"][0]["session_role"] == role
    again = shell.json("drift", "--env", "dev")
    assert (again["clean"], again["log"]) == (True, [])
    assert shell.json("guard", "status", "--env", "dev")["ok"] is True
    assert "explained:" in shell.flow("guard", "status", "--env", "dev").out
    assert shell.json("ledger", "verify")["ok"]


def test_what_was_undone_by_hand_still_waits_for_a_word(audited: Place) -> None:
    shell = audited.shell
    audited.sql("CREATE TABLE by_hand (id int)")
    audited.sql("DROP TABLE by_hand")
    found = shell.json("drift", "--env", "dev")
    assert (found["clean"], [row["tag"] for row in found["log"]]) == (True, ["CREATE TABLE", "DROP TABLE"])
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert shell.json("drift", "--env", "dev")["log"] == []  # they came before the schema that is recorded now
    assert shell.json("guard", "status", "--env", "dev", code=1)["ok"] is False
    accepted = shell.json("drift", "accept", "--env", "dev", "-m", "a mistake", actor=ADA)
    assert (accepted["differences"], len(accepted["log"])) == ([], 2)
    assert shell.json("guard", "status", "--env", "dev")["ok"] is True
    assert "nothing to accept" in shell.flow("drift", "accept", "--env", "dev", "-m", "x", actor=ADA).out


@pytest.mark.parametrize(
    ("statements", "change", "observed"),
    [
        (("DROP EVENT TRIGGER migrate_flow_guard_end",), "changed", "migrate_flow_guard_end is missing"),
        (
            tuple(f"ALTER EVENT TRIGGER migrate_flow_guard_{name} DISABLE" for name in ("start", "end", "drop")),
            "removed",
            "is not ENABLE ALWAYS",
        ),
        (("UPDATE migrate_flow.guard SET mode = 'audit'",), "changed", "mode audit"),
    ],
    ids=["one-missing", "switched-off", "another-mode"],
)
def test_a_guard_that_is_not_as_installed_is_drift(
    blocked: Place, statements: tuple[str, ...], change: str, observed: str
) -> None:
    shell = blocked.shell
    for statement in statements:
        blocked.sql(statement)
    found = shell.json("drift", "--env", "dev", actor=ADA, code=1)
    (difference,) = found["differences"]
    assert (found["clean"], difference["object"], difference["kind"]) == (False, "guard", "guard")
    assert (difference["change"], "mode block" in difference["expected"]) == (change, True)
    assert observed in difference["observed"]
    assert shell.json("drift", "--env", "dev", actor=BEN, code=1)["seq"] is None  # recorded once
    verdict = blocked.gate()
    assert (verdict["passed"], observed in verdict["reason"]) == (False, True)
    assert "migrate-flow guard install --env dev" in verdict["hint"]
    assert "✗ drift-free: the guard " in shell.flow("apply", "--env", "dev", actor=ADA, code=1).out
    assert shell.json("guard", "status", "--env", "dev", code=1)["ok"] is False
    checks = shell.json("doctor", actor=ADA, code=1)["checks"]
    (told,) = (check for check in checks if check["area"] == "environment dev" and check["state"] == "problem")
    assert observed in told["message"]
    assert "migrate-flow guard install --env dev" in told["hint"]
    refused = shell.error("drift", "accept", "--env", "dev", "-m", "x", actor=ADA, code=1)
    assert "guard remove --env dev -m WHY" in refused["hint"]
    if change == "removed":
        shell.flow("guard", "remove", "--env", "dev", "-m", "not now", *WITH_SUPERUSER, actor=ADA)
    else:
        blocked.install("block")
    assert shell.json("drift", "--env", "dev")["clean"] is True
    shell.flow("apply", "--env", "dev", actor=ADA)


def test_drift_and_a_missing_guard_at_once(audited: Place) -> None:
    shell = audited.shell
    audited.sql("CREATE TABLE by_hand (id int)", audited.role)
    for name in ("start", "end", "drop"):
        audited.sql(f"DROP EVENT TRIGGER migrate_flow_guard_{name}")
    found = shell.json("drift", "--env", "dev", actor=ADA, code=1)
    assert [(one["kind"], one["change"]) for one in found["differences"]][:2] == [
        ("guard", "removed"),
        ("table", "added"),
    ]
    assert [row["tag"] for row in found["log"]] == ["CREATE TABLE"]
    assert "the guard is missing" in audited.gate()["reason"]
    assert "added table public.by_hand" in audited.gate()["reason"]
    done = shell.flow("drift", "accept", "--env", "dev", "-m", "kept", actor=ADA)
    assert "the guard is missing" in done.out
    left = shell.json("drift", "--env", "dev", code=1)
    assert [one["kind"] for one in left["differences"]] == ["guard"]


def test_installed_and_removed_on_the_record(bare: Place) -> None:
    shell = bare.shell
    assert "no guard" in shell.flow("guard", "status", "--env", "dev").out
    done = shell.json("guard", "install", "--env", "dev", *WITH_SUPERUSER, actor=ADA)
    assert (done["schema"], done["mode"], done["complete"]) == ("migrate-flow/guard/1", "audit", True)
    (entry,) = bare.entries("guard.installed")
    assert (entry["actor"], entry["predicate"]["mode"], entry["predicate"]["version"]) == (ADA, "audit", "1")
    bare.install("block")
    assert shell.json("guard", "status", "--env", "dev")["recorded"]["mode"] == "block"
    assert shell.error("guard", "remove", "--env", "dev", "-m", " ", *WITH_SUPERUSER, actor=ADA, code=2)
    refused = shell.error("guard", "remove", "--env", "dev", "-m", "x", actor=ADA, code=3)
    assert "takes a superuser" in refused["message"]
    shell.flow("guard", "remove", "--env", "dev", "-m", "an import", *WITH_SUPERUSER, actor=ADA)
    (entry,) = bare.entries("guard.removed")
    assert entry["predicate"]["comment"] == "an import"
    bare.sql("CREATE TABLE by_hand (id int)", bare.role)
    assert [one["kind"] for one in shell.json("drift", "--env", "dev", code=1)["differences"]] == ["table"]
    bare.sql("DROP TABLE by_hand", bare.role)
    assert "has no guard" in shell.flow("guard", "remove", "--env", "dev", "-m", "x", actor=ADA).out
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert shell.json("ledger", "verify")["ok"]


def test_who_may_install_and_with_what(bare: Place) -> None:
    shell = bare.shell
    install = ("guard", "install", "--env", "dev")
    refused = shell.error(*install, actor=ADA, code=3)
    assert f"to install the guard takes a superuser, and {bare.role} is none" in refused["message"]
    assert "--superuser-url env:SUPERUSER_URL" in refused["hint"]
    given = "postgresql://postgres:s3cret-of-boss@host/db"
    said = shell.flow(*install, "--superuser-url", given, "--format", "json", actor=ADA, code=2)
    assert "never a URL" in said.out
    assert "s3cret" not in said.text
    elsewhere = shell.under(SUPERUSER_URL=bare.server.url("postgres"))
    assert "another database" in elsewhere.error(*install, *WITH_SUPERUSER, actor=ADA, code=2)["message"]
    assert "NOWHERE" in shell.error(*install, "--superuser-url", "env:NOWHERE", actor=ADA, code=2)["message"]
    assert shell.error(*install, "--mode", "loud", *WITH_SUPERUSER, actor=ADA, code=2)["where"] == "--mode"
    toml = shell.folder / "migrate-flow.toml"
    edit(toml, r'(?m)^url = "env:DEV_URL"$', 'url = "env:DEV_URL"\napply_roles = ["backend-lead"]')
    shell.flow("policy", "record", actor=CARLA)
    assert CARLA in shell.error(*install, *WITH_SUPERUSER, actor=ADA, code=1)["hint"]
    assert CARLA in shell.error("guard", "remove", "--env", "dev", "-m", "x", actor=ADA, code=1)["hint"]
    assert not bare.entries("guard.installed")
    assert shell.json("guard", "status", "--env", "dev")["installed"] is False


def test_other_databases_have_no_guards(terminal: Terminal, tmp_path: Path) -> None:
    shell = terminal(tmp_path / "shop")
    make_project(shell)
    put_under_the_flow(shell)
    for words in (("install",), ("status",), ("remove", "-m", "x")):
        error = shell.error("guard", words[0], "--env", "dev", *words[1:], code=2)
        assert "no guard for sqlite" in error["message"]
        assert "postgresql" in error["hint"]


def test_a_role_that_may_not_write_permits_is_told_before_anything_runs(bare: Place) -> None:
    """Whoever may write receipts may; a right that was taken away is named."""
    other = f"other_{bare.role}"
    bare.sql(f"CREATE ROLE {other}")
    bare.sql(f"GRANT INSERT ON migrate_flow.receipt TO {other}")
    bare.install("audit")
    assert bare.sql(f"SELECT has_function_privilege('{other}', 'migrate_flow.let(text, boolean)', 'EXECUTE')") == [
        (True,)
    ]
    bare.sql(f"REVOKE EXECUTE ON FUNCTION migrate_flow.let FROM {bare.role}")
    intents = len(bare.entries("apply.intended"))
    bare.shell.json("drift", "--env", "dev")  # nothing of the guard changed: it is who looks that lacks a right
    said = bare.shell.flow("apply", "--env", "dev", actor=ADA, code=3).err
    assert f"the role {bare.role} may not write migrate_flow.permit" in said
    assert "migrate-flow guard install --env dev" in said
    assert "may not write" in bare.shell.json("guard", "status", "--env", "dev", code=1)["problem"]
    assert len(bare.entries("apply.intended")) == intents
    bare.install("audit")
    bare.shell.flow("apply", "--env", "dev", actor=ADA)
    bare.sql(f"DROP OWNED BY {other}")
    bare.sql(f"DROP ROLE {other}")
