"""The database that answers is not the one that was meant, or can't be written: refused before anything is changed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from tests.acceptance import databases
from tests.faults.conftest import copied, drop, new_database
from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import FIRST, NEW, Place
from tests.support.alembic_projects import CARLA, attest, edit, table
from tests.support.pgbouncer import Pgbouncer
from tests.support.postgres import PostgresServer, database_name
from tests.support.replica import Replica
from tests.support.small_disk import small_disk

Databases = Callable[[str], str]
SCRIPT = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")\n" + table("fresh")


@pytest.fixture
def another(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Iterator[Databases]:
    """``another("empty")`` or ``another("copy")``: the URL of one more database on the server of the place."""
    made: list[str] = []

    def make(kind: str) -> str:
        folder = tmp_path / f"other{len(made)}"
        folder.mkdir()
        url = copied(place, request, folder) if kind == "copy" else new_database(place.dialect, request, folder)
        made.append(url)
        return url

    yield make
    for url in made:
        drop(place.dialect, request, url)


def _everything(url: str) -> Any:
    """All tables, ours too, with their rows."""
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists():
        return None
    with databases.connected(url) as connection:
        names = inspect(connection).get_table_names()
        return databases.contents(url), sorted(names)


def _blocked(place: Place, environment: str = "dev") -> dict[str, str]:
    """`apply` is refused by this one gate, which `plan` and `env test` name too; the verdict."""
    plan = place.json("plan", "--env", environment, code=1)
    report = place.json("apply", "--env", environment, code=1)
    assert not report["allowed"]
    found = []
    for document in (plan, report):
        verdicts = [*document["gates"], *(verdict for step in document["steps"] for verdict in step["gates"])]
        found.append(next(v for v in verdicts if not v["passed"] and v["gate"] == "target-identified"))
    assert found[0]["reason"] == found[1]["reason"]
    assert found[0]["hint"]
    return dict(found[0])


# -- F72: the URL of one environment under the name of another


def _staging(place: Place, url: str) -> Place:
    """With a second environment behind dev, at this URL."""
    file = place.shell.folder / "migrate-flow.toml"
    section = '[environments.staging]\nurl = "env:STAGING_URL"\n'
    section += f'dialect = "{place.dialect}"\nupstream = ["dev"]\n\n[policy]\n'
    edit(file, r"(?m)^\[policy\]\n", section)
    place.flow("policy", "record", actor=CARLA)
    attest(place.shell, FIRST)
    return place.under(STAGING_URL=url)


@pytest.mark.fault("F72")
def test_the_url_of_one_environment_under_the_name_of_another(place: Place, another: Databases) -> None:
    staging = another("empty")
    place = _staging(place, staging)
    place.flow("apply", "--env", "staging", "--confirm", "staging")
    assert databases.heads(staging) == [FIRST]
    place.second(SCRIPT)
    before = [_everything(url) for url in (place.url, staging)]
    for name, url, is_really in (("dev", staging, "staging"), ("staging", place.url, "dev")):
        wrong = place.under(**{f"{name.upper()}_URL": url})
        verdict = _blocked(wrong, name)
        assert f"the database says that it is {is_really} of project" in verdict["reason"]
        assert f"[environments.{name}]" in verdict["hint"]
        (tested,) = wrong.json("env", "test", name, code=1)["environments"]
        assert "says that it is" in tested["problem"]
        for command in (("recover",), ("rollback", "--to", FIRST), ("adopt", "-m", "it is here")):
            code = wrong.shell.flow(command[0], "--env", name, *command[1:], actor=CARLA, code=None).code
            assert code in (0, 1, 2), command
    assert [_everything(url) for url in (place.url, staging)] == before
    assert place.kinds()[-2:] == ["apply.refused", "apply.refused"]


@pytest.mark.fault("F72")
def test_a_name_that_the_ledger_knows_with_another_database(place: Place, another: Databases) -> None:
    """An empty database is no new dev, and none of another project's either."""
    place.second(SCRIPT)
    empty = another("empty")
    verdict = _blocked(place.under(DEV_URL=empty))
    assert "no identity row, but the ledger knows a target of dev" in verdict["reason"]
    assert "--new-target" in verdict["hint"]
    assert _everything(empty) in (None, ({}, []))
    place.as_before()


# -- F76: env.py has an opinion of its own


ENV_PY = """\
from pathlib import Path
from alembic import context
from sqlalchemy import create_engine, pool

URL = {url}
with create_engine(URL, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def _env_py_connects_to(place: Place, url: str) -> None:
    place.env_py.write_text(ENV_PY.format(url=repr(url)))


@pytest.mark.fault("F76")
@pytest.mark.parametrize("kind", ["empty", "copy", "another kind"])
def test_env_py_connects_elsewhere(place: Place, another: Databases, tmp_path: Path, kind: str) -> None:
    """A copy has the very identity of the right one; all that tells them apart is where the lock is."""
    other = f"sqlite:///{tmp_path / 'mine.db'}" if kind == "another kind" else another(kind)
    place.second(SCRIPT)
    before = _everything(other)
    kinds = place.kinds()
    _env_py_connects_to(place, other)
    if kind == "another kind" and place.dialect != SQLITE:
        error = place.error("apply", "--env", "dev", code=2)
        assert "env.py connects to a sqlite database, the policy says" in error["message"]
    else:
        error = place.error("apply", "--env", "dev", code=3)
        assert error["message"] == "env.py connects to another database than the configuration says"
    assert "env.py makes its URL" in error["hint"]
    assert _everything(other) in (before, ({}, []))
    assert place.kinds() == kinds
    place.as_before()


@pytest.mark.fault("F76")
def test_env_py_changes_its_mind(place: Place, another: Databases) -> None:
    """The first look finds the right database; when the step begins, env.py connects to a copy of it."""
    other = another("copy")
    place.second(SCRIPT)
    before = _everything(other)
    chosen = f"{other!r} if Path('asked').exists() else {place.url!r}; Path('asked').touch()"
    place.env_py.write_text(ENV_PY.format(url=chosen))
    report = place.apply(code=3)
    assert [step["outcome"] for step in report["steps"]] == ["failed"]
    assert "env.py connects to another database" in report["steps"][0]["error"]
    assert _everything(other) == before
    place.as_before()


# -- F63: a pooler between us and the server


@pytest.mark.system
@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F63")
@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
@pytest.mark.parametrize("who", ["the configuration", "env.py"])
def test_a_transaction_pooler(place: Place, postgres: PostgresServer, who: str, pool_mode: str) -> None:
    place.second(SCRIPT)
    with Pgbouncer(postgres, pool_mode) as pooler:
        url = pooler.url(database_name(place.url))
        if who == "env.py":
            _env_py_connects_to(place, url)
            error = place.error("apply", "--env", "dev", code=3)
            said, hint = error["message"], error["hint"]
        else:
            verdict = _blocked(place.under(DEV_URL=url))
            said, hint = verdict["reason"], verdict["hint"]
            (tested,) = place.under(DEV_URL=url).json("env", "test", "dev", code=1)["environments"]
            assert "pooler" in tested["problem"]
    assert "PgBouncer" in said
    assert "locks that belong to a session" in said
    assert "server" in hint
    place.as_before()
    assert place.state() is None


# -- F74: what can't be written


@contextmanager
def _read_only_server(place: Place, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The database, or its server, takes no writes until the end of the block."""
    if place.dialect == POSTGRESQL:
        name = database_name(place.url)
        place.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            yield place
        finally:
            place.execute("SET TRANSACTION READ WRITE", f"ALTER DATABASE {name} RESET default_transaction_read_only")
    else:
        server = request.getfixturevalue("mariadb")
        server.execute("SET GLOBAL read_only = 1")
        try:
            yield place
        finally:
            server.execute("SET GLOBAL read_only = 0")


@pytest.mark.on(POSTGRESQL, MARIADB)
@pytest.mark.fault("F74")
def test_a_read_only_database(place: Place, request: pytest.FixtureRequest) -> None:
    place.second(SCRIPT)
    with _read_only_server(place, request):
        assert "read-only" in _blocked(place)["reason"]
        assert place.kinds()[-1] == "apply.refused"
        place.as_before()
    place.apply()
    place.applied_once()


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F74")
def test_a_replica(place: Place, postgres: PostgresServer) -> None:
    place.second(SCRIPT)
    with Replica(postgres) as replica:
        replica.catch_up()
        at_replica = replica.url(database_name(place.url))
        assert "replica" in _blocked(place.under(DEV_URL=at_replica))["reason"]
        kinds = place.kinds()
        _env_py_connects_to(place, at_replica)
        error = place.error("apply", "--env", "dev", code=3)
        assert "the server is a replica" in error["message"]
        assert place.kinds() == kinds
    place.as_before()


@pytest.mark.system
@pytest.mark.on(SQLITE)
@pytest.mark.fault("F74")
def test_a_file_on_a_read_only_disk(place: Place, tmp_path: Path) -> None:
    """Not a matter of permissions, which root does not ask for."""
    place.second(SCRIPT)
    with small_disk(tmp_path / "disk", 4096) as disk:
        there = disk / "dev.db"
        there.write_bytes(Path(place.url.removeprefix("sqlite:///")).read_bytes())
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
        verdict = _blocked(place.under(DEV_URL=f"sqlite:///{there}"))
        assert "read-only" in verdict["reason"]
        assert [path.name for path in disk.iterdir()] == ["dev.db"]
    place.as_before()


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F74")
def test_it_becomes_read_only_in_mid_run(place: Place) -> None:
    """After every check: the server refuses the first write, and nothing is claimed."""
    place.second("op.execute('SET TRANSACTION READ ONLY')\n" + SCRIPT)
    report = place.apply(code=3)
    assert "read-only transaction" in report["steps"][0]["error"]
    place.as_before()
    assert place.state(NEW) == "failed"
