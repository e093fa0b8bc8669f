"""The guard where env.py is more than a connection, or another role than the environment's; and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.acceptance.guarded import WITH_SUPERUSER, Place, made
from tests.support.alembic_projects import ADA, write_script
from tests.support.postgres import PostgresServer

BLOCK = """\
op.create_table("before_block", sa.Column("id", sa.Integer))
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix_before ON before_block (id)")
op.create_table("t_aaaa02", sa.Column("id", sa.Integer))"""
CONNECTED = "with connectable.connect() as connection:\n"


@pytest.fixture(scope="module")
def prepared(postgres: PostgresServer, terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Nothing applied yet, of two revisions."""
    place = made(postgres, terminal(tmp_path_factory.mktemp("roles") / "shop"))
    write_script(place.versions, "aaaa01")
    write_script(place.versions, "aaaa02", "aaaa01", upgrade=BLOCK)
    place.shell.flow("track", actor=ADA)
    return place


@pytest.fixture
def bare(prepared: Place, tmp_path: Path) -> Iterator[Place]:
    place = prepared.copied(tmp_path / "shop")
    yield place
    place.drop()


@pytest.fixture
def owner(bare: Place) -> Iterator[str]:
    """A role without a login that the one of the environment may become."""
    name = f"owner_of_{bare.database}"
    bare.sql(f"CREATE ROLE {name}")
    bare.sql(f"GRANT {name} TO {bare.role}")
    bare.sql(f"GRANT CREATE ON SCHEMA public TO {name}")
    bare.sql(f'GRANT CREATE ON DATABASE "{bare.database}" TO {name}')
    yield name
    for event in ("start", "end", "drop"):
        bare.sql(f"DROP EVENT TRIGGER IF EXISTS migrate_flow_guard_{event}")
    bare.sql(f"REASSIGN OWNED BY {name} TO {bare.role}")
    bare.sql(f"DROP OWNED BY {name}")
    bare.sql(f"DROP ROLE {name}")


def in_env_py(place: Place, *statements: str) -> None:
    """Run and committed before context.configure()."""
    path = place.shell.folder / "migrations" / "env.py"
    lines = "".join(f"        connection.exec_driver_sql({text!r}); connection.commit()\n" for text in statements)
    assert CONNECTED in path.read_text()
    path.write_text(path.read_text().replace(CONNECTED, CONNECTED + lines, 1))


@pytest.mark.parametrize("mode", ["audit", "block"])
@pytest.mark.parametrize("way", ["login role", "env.py"])
def test_a_role_that_becomes_another_one(bare: Place, owner: str, way: str, mode: str) -> None:
    """`ALTER ROLE … SET role`, as a credential broker does it, or `SET ROLE` in env.py: the server hides from the role
    when the session of the other one began."""
    shell = bare.shell
    if way == "login role":
        bare.sql(f"ALTER ROLE {bare.role} IN DATABASE {bare.database} SET role = '{owner}'")
        shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    else:
        shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
        bare.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {owner}")
        bare.sql(f"GRANT USAGE ON SCHEMA migrate_flow TO {owner}")
        bare.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA migrate_flow TO {owner}")
        shell.flow("drift", "accept", "--env", "dev", "-m", "another owner", actor=ADA)
        in_env_py(bare, f"SET ROLE {owner}")
    bare.install(mode)
    assert shell.json("guard", "status", "--env", "dev")["complete"] is True
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert databases.tables(bare.url()) == ["before_block", "t_aaaa01", "t_aaaa02"]
    assert bare.sql("SELECT tableowner FROM pg_tables WHERE tablename = 't_aaaa02'") == [(owner,)]
    assert (bare.permits(), bare.logged()) == (0, 0)


def test_who_can_get_no_permit_is_told_before_an_intent_stands(bare: Place, owner: str) -> None:
    shell = bare.shell
    shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    bare.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {owner}")
    bare.sql(f"GRANT USAGE ON SCHEMA migrate_flow TO {owner}")
    bare.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA migrate_flow TO {owner}")
    shell.flow("drift", "accept", "--env", "dev", "-m", "another owner", actor=ADA)
    in_env_py(bare, f"SET ROLE {owner}")
    bare.install("audit")
    bare.sql(f"REVOKE EXECUTE ON FUNCTION migrate_flow.let FROM {owner}")
    bare.sql(f"REVOKE DELETE ON migrate_flow.permit FROM {owner}")
    intents = len(bare.entries("apply.intended"))
    refused = shell.error("apply", "--env", "dev", actor=ADA, code=3)
    assert f"the role {owner} may not write migrate_flow.permit" in refused["message"]
    assert refused["hint"] == "migrate-flow guard install --env dev"
    assert len(bare.entries("apply.intended")) == intents
    assert bare.permits() <= 1  # of env.py's session, which has ended
    bare.install("audit")
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert bare.permits() == 0


@pytest.mark.parametrize("mode", ["audit", "block"])
def test_env_py_may_change_the_schema_by_itself(bare: Place, mode: str) -> None:
    """Also where it is only looked at, before an intent stands."""
    shell = bare.shell
    shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    bare.install(mode)
    in_env_py(
        bare,
        "CREATE OR REPLACE FUNCTION tenant() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE IF NOT EXISTS seen_by AS SELECT current_setting('application_name') AS name",
    )
    shell.flow("apply", "--env", "dev", actor=ADA)
    assert (bare.permits(), bare.logged()) == (0, 0)
    ((name,),) = bare.sql("SELECT name FROM seen_by")
    assert name.startswith("migrate-flow ")


def test_a_long_log_is_read_in_part_and_masked(bare: Place) -> None:
    shell = bare.shell
    shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    bare.install("audit")
    bare.sql(
        "INSERT INTO migrate_flow.ddl_log (session_role, acting_role, client, application, event, tag, objects, "
        "object_count, statement) SELECT 'a', 'a', 'local', 'cron', 'ddl_command_end', 'CREATE TABLE', '{}', 0, "
        "'SELECT ''postgresql://me:swordfish@host/db'', ' || n FROM generate_series(1, 1005) n"
    )
    done = shell.flow("guard", "status", "--env", "dev", code=1)
    assert "the log holds 1,005 rows, of which the newest 1,000 are read" in done.out
    assert "swordfish" not in done.text
    found = shell.json("guard", "status", "--env", "dev", code=1)
    assert (found["logged"], len(found["log"]), found["log"][0]["id"], found["log"][-1]["id"]) == (1005, 1000, 6, 1005)
    assert found["log"][0]["statement"] == "SELECT 'postgresql://me:***@host/db', 6"
    shell.flow("drift", "accept", "--env", "dev", "-m", "a night's work", actor=ADA)
    assert shell.json("guard", "status", "--env", "dev")["explained"] == 1005


def test_what_is_wrong_with_the_superuser_s_url_is_said_of_it(bare: Place) -> None:
    shell = bare.shell
    shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    install = ("guard", "install", "--env", "dev", *WITH_SUPERUSER)
    for url, code, told in (
        (bare.url("nobody_at_all"), 3, "nobody_at_all"),
        ("postgresql://postgres@127.0.0.1:1/x", 3, "connection failed"),
        ("mysql://root@127.0.0.1/x", 2, "leads to a mysql database, and dev is a postgresql one"),
        ("sqlite:///x.db", 2, "leads to a sqlite database"),
        (bare.url(), 3, f"takes a superuser, and {bare.role} is none"),
    ):
        refused = shell.under(SUPERUSER_URL=url).error(*install, actor=ADA, code=code)
        assert told in refused["message"]
        assert refused["where"] == "--superuser-url"
        assert "env test" not in refused["hint"]
        assert "[environments.dev] url" in refused["hint"] or "the URL of a superuser" in refused["hint"]
    assert not bare.entries("guard.installed")


def test_the_ledger_s_log_shows_the_mode(bare: Place) -> None:
    bare.shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    bare.install("block")
    bare.shell.flow("guard", "remove", "--env", "dev", "-m", "an import", *WITH_SUPERUSER, actor=ADA)
    lines = [line for line in bare.shell.flow("log").out.splitlines() if " guard." in line]
    assert [line.split()[-1] for line in lines] == ["block", "import"]
