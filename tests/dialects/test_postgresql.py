"""PostgreSQL as a target, through the command line and against a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migrate_flow.dialects.postgresql_locks import SPACE, SUPERVISOR
from tests.support.canary import CANARIES
from tests.support.postgres import PostgresServer, database_name
from tests.support.project import ADA, CARLA, Project, governed


@pytest.fixture
def urls(postgres: PostgresServer) -> Iterator[list[str]]:
    made = [postgres.create_database() for _ in range(2)]
    yield made
    for url in made:
        postgres.drop_database(url)


@pytest.fixture
def project(tmp_path: Path, urls: list[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return governed(tmp_path, (f"dev={urls[0]}", f"staging={urls[1]}"))


def tables(postgres: PostgresServer, url: str) -> set[str]:
    rows = postgres.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database=database_name(url))
    return {str(row[0]) for row in rows}


def test_promoted_with_receipts_in_a_schema_of_our_own(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    project.script("aaaa")
    project.approved("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)
    project.flow("apply", "--env", "staging", actor=ADA)
    for url in urls:
        assert tables(postgres, url) == {"alembic_version", "t_aaaa"}
        (receipt,) = postgres.execute(
            "SELECT revision, direction, manifest, to_heads, ledger_seq FROM migrate_flow.receipt",
            database=database_name(url),
        )
        digest = project.json("status")["migrations"][0]["digest"]
        assert receipt[:4] == ("aaaa", "upgrade", digest, '["aaaa"]')
        intent = [e for e in project.json("log", "--kind", "apply.intended")["entries"] if e["seq"] == receipt[4]]
        assert intent[0]["revision"] == "aaaa"


def test_a_server_that_ends_idle_sessions_does_not_take_the_lock(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    postgres.execute(f"ALTER DATABASE {database_name(urls[0])} SET idle_session_timeout = '400ms'")
    project.script(
        "aaaa", upgrade='op.execute("SELECT pg_sleep(1.5)"); op.create_table("slow", sa.Column("id", sa.Integer))'
    )
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    assert "slow" in tables(postgres, urls[0])


OURS_ASIDE = """SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
WHERE datname = current_database() AND application_name LIKE 'migrate-flow%' AND state = 'idle'
  AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'advisory')
  AND EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(2)')"""


def test_a_run_outlives_its_connections_beside_the_lock(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    """A firewall or an administrator ended them while a script ran: it was applied, and that is what is said."""
    project.script("aaaa", upgrade='op.execute("SELECT pg_sleep(2)")')
    project.script("bbbb", "aaaa")
    project.flow("track", actor=ADA)
    ended: list[int] = []

    def end() -> None:
        until = time.monotonic() + 30
        while not ended and time.monotonic() < until:
            ended.append(len(postgres.execute(OURS_ASIDE, database=database_name(urls[0]))))
            if not ended[-1]:
                ended.clear()
                time.sleep(0.05)

    beside = threading.Thread(target=end)
    beside.start()
    report = project.json("apply", "--env", "dev", actor=ADA)
    beside.join()
    assert sum(ended) >= 2, "the one that looks, and the one that supervises"
    assert [step["outcome"] for step in report["steps"]] == ["applied", "applied"]


def test_a_failing_script_leaves_nothing(project: Project, postgres: PostgresServer, urls: list[str]) -> None:
    project.script("aaaa", upgrade='op.create_table("half", sa.Column("id", sa.Integer)); op.execute("SELECT 1/0")')
    project.flow("track", actor=ADA)
    report = project.json("apply", "--env", "dev", actor=ADA, code=3)
    assert "division by zero" in report["steps"][0]["error"]
    assert tables(postgres, urls[0]) <= {"alembic_version"}


def test_a_script_that_commits_by_itself_is_partial_and_stops_everything(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    project.script("aaaa", upgrade='op.create_table("half", sa.Column("id", sa.Integer)); op.execute("COMMIT")')
    project.flow("track", actor=ADA)
    report = project.json("apply", "--env", "dev", actor=ADA, code=6)
    assert report["steps"][0]["outcome"] == "partial"
    assert "half" in tables(postgres, urls[0])
    assert project.json("status")["migrations"][0]["applied"]["dev"]["state"] == "partial"
    project.flow("apply", "--env", "dev", actor=ADA, code=6)
    project.flow("recover", "--env", "dev", actor=ADA, code=6)
    postgres.execute("DROP TABLE half", database=database_name(urls[0]))
    project.flow("recover", "--env", "dev", "--abandon", "-m", "dropped half by hand", actor=ADA)
    project.script("aaaa")
    project.flow("apply", "--env", "dev", actor=ADA)


def test_a_script_that_commits_and_then_fails_left_something(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    project.script("aaaa", upgrade='op.create_table("half", sa.Column("id", sa.Integer)); op.execute("COMMIT"); 1 / 0')
    project.flow("track", actor=ADA)
    report = project.json("apply", "--env", "dev", actor=ADA, code=6)
    assert report["steps"][0]["outcome"] == "partial"
    assert "ZeroDivisionError" in report["steps"][0]["error"]
    assert "half" in tables(postgres, urls[0])


BLOCK = (
    'op.create_table("half", sa.Column("id", sa.Integer)); op.execute("INSERT INTO half VALUES (1), (2)")\n'
    "    with op.get_context().autocommit_block():\n"
    '        op.execute("CREATE INDEX CONCURRENTLY ix ON half (id)")'
)


def test_an_index_is_built_concurrently_in_an_autocommit_block(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    project.script("aaaa", upgrade=BLOCK + '\n    op.execute("INSERT INTO half VALUES (3)")')
    project.flow("track", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    name = database_name(urls[0])
    assert postgres.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass", database=name) == [
        (True,)
    ]
    assert postgres.execute("SELECT count(*) FROM half", database=name) == [(3,)]
    receipts = postgres.execute("SELECT segment, final FROM migrate_flow.receipt ORDER BY segment", database=name)
    assert receipts == [(0, False), (1, True)]


def test_an_index_that_fails_is_partial_and_goes_on_after_a_decision(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    project.script(
        "aaaa",
        upgrade=BLOCK.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS")
        .replace("(2)", "(1)")
        .replace("CREATE INDEX", "CREATE UNIQUE INDEX"),
    )
    project.flow("track", actor=ADA)
    report = project.json("apply", "--env", "dev", actor=ADA, code=6)
    (step,) = report["steps"]
    assert step["outcome"] == "partial"
    assert any("left behind: the index ix is INVALID" in text for text in step["left"]), step
    name = database_name(urls[0])
    project.flow("apply", "--env", "dev", actor=ADA, code=6)
    postgres.execute("DROP INDEX ix", database=name)
    postgres.execute("DELETE FROM half WHERE ctid IN (SELECT min(ctid) FROM half)", database=name)
    project.flow("recover", "--env", "dev", "--resume", "-m", "the double row is gone", actor=ADA)
    project.flow("apply", "--env", "dev", actor=ADA)
    assert postgres.execute("SELECT count(*) FROM half", database=name) == [(1,)]
    assert postgres.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass", database=name) == [
        (True,)
    ]


def test_an_autocommit_block_that_the_text_hides_is_refused(
    project: Project, postgres: PostgresServer, urls: list[str]
) -> None:
    project.script(
        "aaaa",
        upgrade=BLOCK.replace(
            "op.get_context().autocommit_block()", 'getattr(op.get_context(), "autocommit" + "_block")()'
        ),
    )
    project.flow("track", actor=ADA)
    assert "autocommit" in project.json("apply", "--env", "dev", actor=ADA, code=3)["steps"][0]["error"]
    assert tables(postgres, urls[0]) <= {"alembic_version"}


def test_busy_names_the_holder(project: Project, urls: list[str]) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    with psycopg.connect(
        host=urls[0].split("host=")[1], user="postgres", dbname=database_name(urls[0]), application_name="somebody"
    ) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", (SPACE, SUPERVISOR))
        answer = project.flow("apply", "--env", "dev", actor=ADA, code=5)
    assert "somebody" in answer.err
    project.flow("apply", "--env", "dev", actor=ADA)


def test_a_read_only_database_is_refused_up_front(project: Project, postgres: PostgresServer, urls: list[str]) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    name = database_name(urls[0])
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    verdicts = project.json("apply", "--env", "dev", actor=ADA, code=1)["gates"]
    assert [v["reason"] for v in verdicts if not v["passed"]] == ["the database is read-only"]


def test_a_server_out_of_reach_is_one_clear_verdict(project: Project) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    file = project.folder / "migrate-flow.toml"
    head, tail = file.read_text().split("[environments.dev]")
    lines = tail.splitlines()
    lines[1] = 'url = "postgresql://nobody@127.0.0.1:1/nothing"'
    file.write_text(head + "[environments.dev]" + "\n".join(lines))
    plan = project.json("plan", "--env", "dev", actor=ADA, code=1)
    (verdict,) = [verdict for verdict in plan["gates"] if verdict["gate"] == "target-identified"]
    assert (verdict["passed"], verdict["checked"]) == (False, False)
    assert "can't be reached" in verdict["reason"]
    report = project.json("apply", "--env", "dev", actor=ADA, code=1)
    assert [step["outcome"] for step in report["steps"]] == ["blocked"]


def test_special_characters_in_a_password_reach_env_py_and_are_never_shown(
    project: Project, urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "p%40@/:#? w%25rd"
    quoted = "p%2540%40%2F%3A%23%3F%20w%2525rd"
    env_py = project.folder / "migrations" / "env.py"
    check = "\nfrom sqlalchemy.engine import make_url\nfound = make_url(config.get_main_option('sqlalchemy.url'))\n"
    check += f"assert found.password == {secret!r}, found.password\n"
    env_py.write_text(env_py.read_text().replace("config = context.config\n", "config = context.config\n" + check))
    CANARIES.own(env_py)
    url = urls[0].replace("postgres@", f"postgres:{quoted}@")
    monkeypatch.setenv("DEV_URL", url)
    file = project.folder / "migrate-flow.toml"
    file.write_text(file.read_text().replace(f'url = "{urls[0]}"', 'url = "env:DEV_URL"'))
    project.script("aaaa", upgrade='raise ValueError(__import__("os").environ["DEV_URL"])')
    project.flow("track", actor=ADA)
    answers = [project.run("apply", "--env", "dev", actor=ADA), project.run("log"), project.run("env", "list")]
    assert answers[0].code == 3
    assert "ValueError" in answers[0].out
    monkeypatch.setenv("DEV_URL", url.replace("/", "/no_such_", 3))
    answers += [project.run("env", "test", "dev"), project.run("--debug", "plan", "--env", "dev", actor=ADA)]
    ledger = (project.folder / ".migrate-flow" / "ledger.db").read_bytes()
    for text in (*(answer.out + answer.err for answer in answers), ledger.decode("latin-1")):
        assert secret not in text
        assert quoted not in text


def test_adoption_by_somebody_else_than_an_admin_is_refused(project: Project) -> None:
    project.flow("adopt", "--env", "staging", "-m", "why", actor=ADA, code=1)
    project.flow("adopt", "--env", "staging", "-m", "why", actor=CARLA, code=1)  # empty: nothing to adopt
