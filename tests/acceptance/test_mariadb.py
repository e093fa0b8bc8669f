"""MariaDB, whose DDL commits by itself: what is durable is known, nothing runs twice, one runner at a time."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support import proof
from tests.support.alembic_projects import ADA, edit, make_project, put_under_the_flow, table, write_script
from tests.support.shell import Shell

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

pytestmark = pytest.mark.mariadb

NEW = "aaaa02"
ROW = "INSERT INTO t_aaaa01 VALUES ({0}, 'row {0}')"

# Longer than anything waits here. The server looks only between statements whether its client is still there.
SLOW = "CREATE TABLE slow AS SELECT seq, SLEEP(0.1) AS slept FROM seq_1_to_600"


@pytest.fixture(scope="module")
def prepared(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A project of which nothing was applied yet; its one database is named by a variable."""
    shell = terminal(tmp_path_factory.mktemp("prepared")).under(DEV_URL="mysql+pymysql://nobody@localhost/nothing")
    write_script(make_project(shell), "aaaa01")
    put_under_the_flow(shell, "dev=env:DEV_URL")
    edit(
        shell.folder / "migrate-flow.toml",
        r'dialect = "mysql"',
        'dialect = "mysql"\nlock_timeout = "1s"\nlock_retries = 1',
    )
    shell.flow("track")
    return shell


@pytest.fixture
def url(mariadb_url: str) -> str:
    return mariadb_url


@pytest.fixture
def execute(mariadb: MariadbServer, url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """Runs one statement in the target, past the product."""
    from tests.support.mariadb import database_name

    return lambda statement: mariadb.execute(statement, database=database_name(url))


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path, url: str) -> Shell:
    """dev stands at aaaa01, with one row."""
    shutil.copytree(prepared.folder, tmp_path / "shop")
    shell = prepared.at(tmp_path / "shop").under(DEV_URL=url)
    shell.flow("apply", "--env", "dev")
    databases.run(url, [ROW.format(1)])
    return shell


def second(shell: Shell, *statements: str) -> None:
    """The next revision, tracked, with this body."""
    write_script(shell.folder / "migrations" / "versions", NEW, "aaaa01", upgrade="\n".join(statements))
    shell.flow("track")


def sql(text: str) -> str:
    return f"op.execute({text!r})"


def rows(url: str) -> int:
    return len(databases.contents(url)["t_aaaa01"])


def in_dev(shell: Shell) -> str | None:
    there = shell.json("status", NEW)["migrations"][0]["applied"]["dev"]
    return str(there["state"]) if there else None


def killed(shell: Shell, place: str) -> None:
    shell.under(MIGRATE_FLOW_FAILPOINT=f"{place}:kill").flow("apply", "--env", "dev", code=-9)


def partly(shell: Shell) -> str:
    """What recovery says of an attempt that changed dev in part."""
    return shell.error("recover", "--env", "dev", code=6)["message"]


def goes_on(shell: Shell) -> None:
    """As a person lets it: resume, apply, and all is on record."""
    shell.flow("recover", "--env", "dev", "--resume", "-m", "seen to")
    report = shell.json("apply", "--env", "dev")
    assert [(step["revision"], step["outcome"]) for step in report["steps"]] == [(NEW, "applied")]
    assert in_dev(shell) == "applied"
    assert shell.json("ledger", "verify")["ok"]
    assert shell.json("recover", "--env", "dev")["recovered"] == []


def test_up_and_down(shell: Shell, url: str, execute: Callable[[str], list[tuple[Any, ...]]]):
    folder = shell.folder / "migrations" / "versions"
    write_script(folder, NEW, "aaaa01")
    data = 'op.bulk_insert(sa.table("t_aaaa01", sa.column("id"), sa.column("text")), [{"id": 2, "text": "žluť"}])'
    write_script(folder, "aaaa03", NEW, upgrade="\n".join((data, table("t_aaaa03"), sql(ROW.format(3)))))
    shell.flow("track")
    report = shell.json("apply", "--env", "dev")
    assert [step["outcome"] for step in report["steps"]] == ["applied", "applied"]
    assert databases.heads(url) == ["aaaa03"]
    assert databases.tables(url) == ["t_aaaa01", "t_aaaa02", "t_aaaa03"]
    assert rows(url) == 3
    found = execute("SELECT revision, segment, final FROM migrate_flow_receipt ORDER BY ledger_seq")
    assert found == [("aaaa01", 0, 1), (NEW, 0, 1), ("aaaa03", 0, 1)]
    engines = execute("SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()")
    assert engines == [("InnoDB",)]

    shell.flow("rollback", "--env", "dev", "--to", NEW, "-m", "not needed", "--confirm", "dev")
    assert databases.heads(url) == [NEW]
    assert databases.tables(url) == ["t_aaaa01", "t_aaaa02"]
    assert shell.json("apply", "--env", "dev", "--dry-run")["steps"][0]["revision"] == "aaaa03"


def test_statement_k_of_n_fails(shell: Shell, url: str):
    """F18. And then goes on exactly once."""
    second(shell, sql(ROW.format(2)), table("one"), sql("ALTER TABLE missing ADD n int"), table("two"))
    report = shell.json("apply", "--env", "dev", code=6)
    (step,) = report["steps"]
    assert step["outcome"] == "partial"
    assert "1146" in step["error"]
    left = iter(step["left"])
    for part in (
        "durable: statement 1 (INSERT",
        "durable: statement 2 (CREATE TABLE one",
        "failed: statement 3 (ALTER",
    ):
        assert next(left).startswith(part)
    assert in_dev(shell) == "partial"

    for command in ("apply", "recover"):
        assert "statement 2 (CREATE TABLE one" in shell.error(command, "--env", "dev", code=6)["message"]
    assert databases.tables(url) == ["one", "t_aaaa01"]
    assert rows(url) == 2

    databases.run(url, ["CREATE TABLE missing (id int)"])
    goes_on(shell)
    assert databases.tables(url) == ["missing", "one", "t_aaaa01", "two"]
    assert rows(url) == 2


def test_what_it_left_is_undone_by_hand(shell: Shell, url: str):
    second(shell, table("one"), sql("ALTER TABLE missing ADD n int"))
    shell.flow("apply", "--env", "dev", code=6)
    databases.run(url, ["DROP TABLE one"])
    shell.flow("recover", "--env", "dev", "--abandon", "-m", "dropped table one")
    assert in_dev(shell) == "failed"
    second(shell, table("one"))
    shell.flow("apply", "--env", "dev")
    assert databases.tables(url) == ["one", "t_aaaa01"]


@pytest.mark.parametrize("end", [sql("ALTER TABLE missing ADD n int"), 'raise ValueError("no")', sql("CREATE TABEL a")])
def test_nothing_is_durable_yet(shell: Shell, url: str, end: str):
    second(shell, end)
    report = shell.json("apply", "--env", "dev", code=3)
    assert [step["outcome"] for step in report["steps"]] == ["failed"]
    assert in_dev(shell) == "failed"
    second(shell, table("one"))
    shell.flow("apply", "--env", "dev")


def test_data_alone_is_rolled_back(shell: Shell, url: str):
    second(shell, sql(ROW.format(2)), 'raise ValueError("no")')
    shell.flow("apply", "--env", "dev", code=3)
    assert rows(url) == 1


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("statement-started@1", "failed: statement 1 (CREATE TABLE one"),
        ("statement-ended@1", "durable: statement 1 (CREATE TABLE one"),
        ("statement-journaled@1", "durable: statement 1 (CREATE TABLE one"),
        ("statement-started@2", "failed: statement 3 (ALTER TABLE one"),
        ("statement-ended@2", "durable: statement 3 (ALTER TABLE one"),
        ("statement-journaled@2", "durable: statement 3 (ALTER TABLE one"),
        ("script-ended", "durable: statement 3 (ALTER TABLE one"),
        ("receipt-written", "durable: statement 3 (ALTER TABLE one"),
    ],
)
def test_killed_between_statements(shell: Shell, url: str, place: str, told: str):
    """F19, F21. A table, a row, a column, a row: the catalog tells of the statement in doubt."""
    second(shell, table("one"), sql(ROW.format(2)), sql("ALTER TABLE one ADD n int"), sql(ROW.format(3)))
    killed(shell, place)
    assert in_dev(shell) == "open"
    if place == "statement-started@1":
        (settled,) = shell.json("recover", "--env", "dev")["recovered"]
        assert settled["outcome"] == "failed"
        shell.flow("apply", "--env", "dev")
    else:
        message = partly(shell)
        assert told in message
        assert in_dev(shell) == "partial"
        # The row before the column came with it, or not at all.
        durable = "durable: statement 2 (INSERT" in message
        assert durable == (told == "durable: statement 3 (ALTER TABLE one")
        assert rows(url) == (2 if durable else 1)
        shell.flow("apply", "--env", "dev", code=6)
        goes_on(shell)
    assert rows(url) == 3
    assert databases.tables(url) == ["one", "t_aaaa01"]
    kinds = proof.kinds(shell.folder)
    assert kinds.count("apply.partial") == (0 if place == "statement-started@1" else 1)


def test_killed_behind_the_commit(shell: Shell, url: str):
    second(shell, table("one"))
    killed(shell, "step-committed")
    assert [item["outcome"] for item in shell.json("recover", "--env", "dev")["recovered"]] == ["applied"]


def test_a_statement_that_nothing_can_tell_of(shell: Shell, url: str):
    """A person looks, and says so."""
    second(shell, table("one"), sql("CREATE VIEW v AS SELECT id FROM one"), table("two"))
    killed(shell, "statement-ended@2")
    assert "in doubt: statement 2 (CREATE VIEW v" in partly(shell)
    shell.flow("recover", "--env", "dev", "--resume", "-m", "why not", code=6)
    shell.flow("recover", "--env", "dev", "--statement", "2=done", "-m", "the view is there")
    goes_on(shell)


@contextmanager
def held_table(mariadb: MariadbServer, url: str) -> Iterator[Any]:
    """An application's transaction that has read t_aaaa01."""
    import pymysql

    from tests.support.mariadb import database_name

    made = pymysql.connect(unix_socket=str(mariadb.socket), user="root", database=database_name(url), autocommit=False)
    with closing(made) as connection:
        connection.cursor().execute("SELECT count(*) FROM t_aaaa01")
        yield connection


def test_an_application_holds_the_table(shell: Shell, url: str, mariadb: MariadbServer):
    """F38: tried again, not for ever, and said."""
    second(shell, sql("ALTER TABLE t_aaaa01 ADD n int"))
    with held_table(mariadb, url):
        begun = time.monotonic()
        report = shell.json("apply", "--env", "dev", code=3)
        assert time.monotonic() - begun < 20
    assert report["steps"][0]["outcome"] == "failed"
    assert "1205" in report["steps"][0]["error"]
    assert "tried 2 times" in report["steps"][0]["error"]
    shell.flow("apply", "--env", "dev")


@contextmanager
def stopped(shell: Shell, place: str) -> Iterator[subprocess.Popen[bytes]]:
    """An apply that stands still at a place."""
    words = [sys.executable, "-m", "migrate_flow", "apply", "--env", "dev"]
    environ = {**shell.variables, "MIGRATE_FLOW_FAILPOINT": f"{place}:stop"}
    with subprocess.Popen(words, cwd=shell.folder, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                assert process.poll() is None
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def test_two_at_once(shell: Shell, url: str):
    """F56: the other is told who works there, and changes nothing."""
    second(shell, table("one"), sql(ROW.format(2)))
    with stopped(shell, "statement-started") as first:
        before = proof.kinds(shell.folder)
        for command in ("apply", "recover"):
            message = shell.error(command, "--env", "dev", code=5)["message"]
            assert f"{ADA}@" in message
            assert f":{first.pid} (connection " in message
            assert ", since 20" in message
        assert proof.kinds(shell.folder) == before
        first.send_signal(signal.SIGCONT)
        assert first.wait(timeout=60) == 0
    assert in_dev(shell) == "applied"
    assert rows(url) == 2


def test_two_at_once_on_an_empty_database(prepared: Shell, tmp_path: Path, url: str):
    shutil.copytree(prepared.folder, tmp_path / "shop")
    shell = prepared.at(tmp_path / "shop").under(DEV_URL=url)
    with stopped(shell, "locked"):
        assert "root@localhost (connection " in shell.error("apply", "--env", "dev", code=5)["message"]
    shell.flow("apply", "--env", "dev")


def running(shell: Shell, mariadb: MariadbServer, statement: str) -> tuple[subprocess.Popen[bytes], int]:
    """An apply whose statement runs in the server, on the connection of this number."""
    words = [sys.executable, "-m", "migrate_flow", "apply", "--env", "dev"]
    process = subprocess.Popen(words, cwd=shell.folder, env=shell.variables, stdout=subprocess.DEVNULL)
    query = "SELECT id FROM information_schema.processlist WHERE info = %s"
    while not (found := mariadb.execute(query, statement)):
        assert process.poll() is None
        time.sleep(0.02)
    return process, int(found[0][0])


def test_the_client_is_killed_and_its_statement_goes_on(shell: Shell, url: str, mariadb: MariadbServer):
    """F60, F61: nobody else works there before the orphan has ended."""
    second(shell, table("one"), sql(SLOW), sql(ROW.format(2)))
    process, connection = running(shell, mariadb, SLOW)
    with process:
        process.kill()
    message = shell.error("recover", "--env", "dev", code=5)["message"]
    assert f"{ADA}@" in message
    assert f":{process.pid} left behind: connection {connection} runs for" in message
    assert SLOW in message
    assert str(connection) in shell.flow("status").text
    shell.flow("recover", "--env", "dev", "--terminate-orphan", "-m", "it must not wait", code=6)
    assert "in doubt: statement 2 (CREATE TABLE slow" in partly(shell)
    assert databases.tables(url) == ["one", "t_aaaa01"]

    shell.flow("recover", "--env", "dev", "--statement", "2=not-done", "-m", "there is no table slow")
    second(shell, table("one"), sql("CREATE TABLE fast (id int)"), sql(ROW.format(2)))
    assert rows(url) == 1


def test_the_statement_is_killed_in_the_server(shell: Shell, url: str, mariadb: MariadbServer):
    second(shell, table("one"), sql(SLOW))
    process, connection = running(shell, mariadb, SLOW)
    with process:
        mariadb.execute(f"KILL QUERY {connection}")
        assert process.wait(timeout=60) == 6
    assert "failed: statement 2 (CREATE TABLE slow" in partly(shell)


def test_the_connection_is_killed_in_the_server(shell: Shell, url: str, mariadb: MariadbServer):
    """F62: the lock goes with it, and so does the statement."""
    statement = "ALTER TABLE t_aaaa01 ADD n int, ALGORITHM=COPY"
    second(shell, table("one"), sql(statement))
    with held_table(mariadb, url):
        process, connection = running(shell.under(MIGRATE_FLOW_FAILPOINT=""), mariadb, statement)
        with process:
            mariadb.execute(f"KILL {connection}")
            assert process.wait(timeout=60) == 6
    assert "failed: statement 2 (ALTER TABLE t_aaaa01" in partly(shell)
    goes_on(shell)


def test_the_server_is_killed(prepared: Shell, tmp_path: Path):
    """F17: at most one statement in doubt."""
    from tests.support.mariadb import MariadbServer

    shutil.copytree(prepared.folder, tmp_path / "shop")
    with MariadbServer() as server:
        url = server.create_database()
        shell = prepared.at(tmp_path / "shop").under(DEV_URL=url)
        shell.flow("apply", "--env", "dev")
        second(shell, table("one"), sql(SLOW), table("two"))
        process, _connection = running(shell, server, SLOW)
        with process:
            server.kill()
            assert process.wait(timeout=60) == 6
        assert shell.error("recover", "--env", "dev", code=6)["message"]
        server.start()
        message = partly(shell)
        assert "durable: statement 1 (CREATE TABLE one" in message
        assert message.count("in doubt: ") == 1
        assert databases.tables(url) == ["one", "t_aaaa01"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("COMMIT", "ends the transaction by itself"),
        ("ROLLBACK", "ends the transaction by itself"),
        ("SET autocommit = 1", "switches autocommit on"),
        ("LOCK TABLES t_aaaa01 WRITE", "LOCK TABLES shuts out"),
        ("USE mysql", "changes the current database"),
        ("CREATE TABLE a (id int); CREATE TABLE b (id int)", "several statements at once"),
        ("DELETE FROM migrate_flow_holder", "touches migrate-flow's own tables"),
        ("INSERT INTO loose VALUES (1)", "loose has no transactions"),
        ("DO RELEASE_ALL_LOCKS()", "the lock on the target was lost"),
    ],
)
def test_what_a_script_may_not_send(shell: Shell, url: str, statement: str, told: str):
    databases.run(url, ["CREATE TABLE loose (id int) ENGINE=MyISAM"])
    shell.flow("drift", "accept", "--env", "dev", "-m", "the test needs it")
    second(shell, sql(statement))
    report = shell.json("apply", "--env", "dev", code=3)
    assert told in report["steps"][0]["error"]
    assert databases.contents(url)["loose"] == []


def test_an_error_that_leaves_a_part(shell: Shell, url: str):
    """MariaDB drops the first of these tables, and fails with the second: nobody claims to know."""
    databases.run(url, ["CREATE TABLE one (id int)"])
    shell.flow("drift", "accept", "--env", "dev", "-m", "the test needs it")
    second(shell, sql("DROP TABLE one, missing"))
    shell.flow("apply", "--env", "dev", code=6)
    assert databases.tables(url) == ["t_aaaa01"]
    assert "in doubt: statement 1 (DROP TABLE one, missing)" in partly(shell)


def test_the_lock_is_lost(shell: Shell, url: str, execute: Callable[[str], list[tuple[Any, ...]]]):
    """F62: what comes behind the statement that runs is not sent."""
    second(shell, table("one"), table("two"), table("three"))
    with stopped(shell, "statement-ended") as process:
        ((connection,),) = execute("SELECT connection FROM migrate_flow_holder WHERE name LIKE 'migrate_flow:test%'")
        execute(f"KILL {connection}")
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=60) == 6
    assert databases.tables(url) == ["one", "t_aaaa01"]
    assert "durable: statement 1 (CREATE TABLE one" in partly(shell)
    goes_on(shell)


def test_by_the_name_of_mariadb(terminal: Terminal, tmp_path: Path, url: str):
    shell = terminal(tmp_path / "shop").under(DEV_URL=url.replace("mysql+pymysql:", "mariadb+pymysql:"))
    write_script(make_project(shell), "aaaa01")
    put_under_the_flow(shell, "dev=env:DEV_URL")
    assert 'dialect = "mariadb"' in (shell.folder / "migrate-flow.toml").read_text()
    shell.flow("track")
    shell.flow("apply", "--env", "dev")
    assert databases.tables(url) == ["t_aaaa01"]


def test_a_script_that_commits_by_itself(shell: Shell, url: str):
    """F31: what it made durable is known."""
    second(shell, sql(ROW.format(2)), "op.get_bind().commit()", 'raise ValueError("no")')
    shell.flow("apply", "--env", "dev", code=6)
    assert rows(url) == 2
    assert "durable: statement 1 (INSERT" in partly(shell)


def test_an_autocommit_block(shell: Shell, url: str):
    """F27: each of its statements is durable at once."""
    block = f"with op.get_context().autocommit_block():\n    {sql(ROW.format(3))}"
    second(shell, sql(ROW.format(2)), block, sql(ROW.format(4)), sql("ALTER TABLE missing ADD n int"))
    shell.flow("apply", "--env", "dev", code=6)
    assert rows(url) == 4
    databases.run(url, ["CREATE TABLE missing (id int)"])
    goes_on(shell)
    assert rows(url) == 4
