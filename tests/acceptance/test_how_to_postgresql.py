"""The pages about PostgreSQL, run against a server, with the client's programs of its version."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.acceptance import played
from tests.acceptance.conftest import Terminal
from tests.acceptance.played import Page, Seat, Shop
from tests.faults.place import wait_until
from tests.support.alembic_projects import ADA, CARLA, edit, make_project
from tests.support.postgres import PostgresServer, database_name

FIRST, SECOND = "1e5f0c8a9b2d", "3f2a91c04d7e"
SQL = re.compile(r"^```sql\n(.*?)^```$", re.M | re.S)
ORDERS = 'op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text))'
VARIABLE = "env:LEDGER_DATABASE_URL"
INSTALLED = "it is installed; tests/acceptance/test_tutorial.py runs it with the mark `real`"
PASSWORD = "canary of the page"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Served:
    """A team's project with databases on the server, and plain clients beside it."""

    shop: Shop
    server: PostgresServer
    urls: dict[str, str]

    def sql(self, statement: str, role: str = "postgres") -> list[tuple[Any, ...]]:
        """Into production, as somebody with a plain client."""
        host, name = str(self.server.folder), database_name(self.urls["production"])
        with psycopg.connect(host=host, user=role, dbname=name, autocommit=True, application_name="psql") as client:
            cursor = client.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def served(published: Terminal, tmp_path: Path, postgres: PostgresServer) -> Iterator[Served]:
    """dev and production, each migrated by a role that is no superuser; dba is one who changes things by hand."""
    role = f"migrator_of_{next(_NUMBERS)}"
    postgres.execute(f"CREATE ROLE {role} LOGIN")
    postgres.execute("CREATE ROLE dba LOGIN SUPERUSER")
    superusers = {name: postgres.create_database() for name in ("dev", "production")}
    urls = {name: url.replace("postgres@", f"{role}@") for name, url in superusers.items()}
    for url in superusers.values():
        postgres.execute(f'GRANT CREATE ON DATABASE "{database_name(url)}" TO {role}')
        postgres.execute(f"GRANT CREATE ON SCHEMA public TO {role}", database=database_name(url))
    variables = {f"{name.upper()}_URL": url for name, url in urls.items()}
    shell = published(Path("/")).under(**variables, SUPERUSER_URL=superusers["production"])
    shop = played.opened(shell, tmp_path, "dev=env:DEV_URL", "production=env:PRODUCTION_URL")
    shop.applied(FIRST, upgrade=ORDERS)
    yield Served(shop, postgres, urls)
    for url in superusers.values():
        postgres.drop_database(url)
    postgres.execute(f"DROP ROLE {role}, dba")


def test_drift(served: Served) -> None:
    served.sql("CREATE INDEX by_hand ON orders (note)")
    with Page("how-to/drift.md") as page:
        page.block(served.shop.seats[ADA])


def test_adopt_a_copy(served: Served) -> None:
    """What the page on adopting says of a database that is refreshed from production."""
    page = played.path("how-to/adopt.md").read_text(encoding="utf-8")
    (away,) = re.findall(r"^DROP SCHEMA migrate_flow CASCADE;", page, re.M)
    copied = served.server.create_database(database_name(served.urls["production"]))
    carla = served.shop.seats[CARLA].under(DEV_URL=copied)
    refresh = ("adopt", "--env", "dev", "--new-target", "-m", "refreshed from production")
    assert "says that it is production" in carla.flow(*refresh, code=1).err
    served.server.execute(away, database=database_name(copied))
    carla.flow(*refresh)
    carla.flow("plan", "--env", "dev")
    served.server.drop_database(copied)


def test_guard(served: Served) -> None:
    carla = served.shop.seats[CARLA]
    with Page("how-to/guard.md", {"10.0.0.7": "local"}) as page:
        page.block(carla)
        served.sql("CREATE INDEX by_hand ON orders (note)", role="dba")
        page.block(carla)
        carla.flow("drift", "accept", "--env", "production", "-m", "it stays")
        explained = carla.shell.json("guard", "status", "--env", "production")["explained"]
        served.sql(*[text.replace("4711", str(explained)) for text in SQL.findall(page.text)])
        assert not served.sql("SELECT * FROM migrate_flow.ddl_log")
        page.block(carla)


def test_recover(served: Served) -> None:
    shop, carla = served.shop, served.shop.seats[CARLA]
    apply = ("apply", "--env", "production")

    def next_one(revision: str, down: str, upgrade: str) -> None:
        shop.written(revision, down, upgrade=upgrade)
        shop.vouched(revision, *played.TEAM)
        carla.flow("apply", revision, "--env", "dev")

    said: dict[str, str] = {}
    with Page("how-to/recover.md", said) as page:
        next_one(SECOND, FIRST, 'op.add_column("orders", sa.Column("who", sa.Text))')
        carla.under(MIGRATE_FLOW_FAILPOINT="step-committed:kill").flow(*apply, code=-signal.SIGKILL)
        page.block(carla)

        next_one("aaaa01", SECOND, 'op.add_column("orders", sa.Column("how", sa.Text))')
        orphaned(served, carla)
        page.block(carla)
        carla.flow(*apply)

        next_one("aaaa02", "aaaa01", UNIQUE)
        served.sql("INSERT INTO orders (id, who) VALUES (1, 'me'), (2, 'me')")
        carla.flow(*apply, code=6)
        served.sql(*SQL.findall(page.text))
        served.sql("DELETE FROM orders")
        page.block(carla)
        next_one("aaaa03", "aaaa02", UNIQUE.replace("who", "how").replace("user_id", "how"))
        served.sql("INSERT INTO orders (id, how) VALUES (1, 'so'), (2, 'so')")
        carla.flow(*apply, code=6)
        served.sql("DROP INDEX ix_orders_how; ALTER TABLE orders DROP COLUMN t_how")
        page.block(carla)
        served.sql("DELETE FROM orders")
        carla.flow(*apply)

        next_one("aaaa04", "aaaa03", DOUBTFUL)
        orphaned(served, carla, "CREATE INDEX")
        hint = carla.shell.error("recover", "--env", "production", code=6)["hint"]
        page.block(carla, **{"3=done": re.search(r"\d+=done", hint)[0]})
        carla.flow("recover", "--env", "production", "--resume", "-m", "it is there")
        carla.flow(*apply)
        shop.written("aaaa05", "aaaa04")
        page.block(carla)
        page.block(carla)


UNIQUE = """\
op.add_column("orders", sa.Column("t_who", sa.Text))
with op.get_context().autocommit_block():
    op.execute("CREATE UNIQUE INDEX CONCURRENTLY ix_orders_user_id ON orders (who)")
"""

DOUBTFUL = """\
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY doubtful ON orders (who, how)")
"""


def orphaned(served: Served, seat: Seat, begins: str = "ALTER TABLE") -> None:
    """Kill an apply to production while its statement waits in the server for somebody's transaction."""
    waits = f"SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '{begins}%'"
    host, name = str(served.server.folder), database_name(served.urls["production"])
    with psycopg.connect(host=host, user="postgres", dbname=name) as application:
        application.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        program = ["migrate-flow", "apply", "--env", "production"]
        with subprocess.Popen(program, cwd=seat.shell.folder, env=seat.shell.variables) as client:
            wait_until(lambda: served.server.execute(waits), "the statement to wait for the application")
            client.kill()


PLACE = "owner:password@db.example.com/shop_ledger?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem"


def test_ledger(published: Terminal, tmp_path: Path, postgres: PostgresServer) -> None:
    """Without TLS, of which tests/ledger/test_tls.py tells; passwords are asked for, and the server trusts anybody."""
    path = os.pathsep.join([str(postgres.programs), *published(Path("/")).variables["PATH"].split(os.pathsep)])
    shell = published(tmp_path).under(PGHOST=str(postgres.folder), PGUSER="postgres", PATH=path)
    admin = Seat(shell, tmp_path / "session")
    postgres.execute(f"CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'")
    place = f"owner:{quote(PASSWORD)}@/shop_ledger?host={postgres.folder}"
    url = f"postgresql://{place}"
    team = played.opened(shell.under(LEDGER_DATABASE_URL=url), tmp_path / "team")
    carla = team.seats[CARLA]
    make_project(shell.at(tmp_path / "new"))
    edit(tmp_path / "new" / "alembic.ini", r"(?m)^sqlalchemy\.url = .*$", "sqlalchemy.url = sqlite:///shop.db")
    you = Seat(shell.at(tmp_path / "new"), tmp_path / "yours")
    with Page("how-to/ledger-on-postgresql.md", {PLACE: place}) as page:
        page.leave("pip install", INSTALLED)
        page.block(admin)
        owned(postgres)
        page.block(you)
        page.leave("keyring set", "a desktop's keyring: tests/bootstrap/test_keyring.py")
        page.block(you)

        admin.run("dropdb shop_ledger && createdb shop_ledger")
        owned(postgres)
        team.applied(FIRST)
        page.block(carla)
        edit(team.folder / "migrate-flow.toml", r'(?m)^url = "sqlite:///.migrate-flow.*"', f'url = "{VARIABLE}"')
        page.one(admin, given=f"{PASSWORD}\n{PASSWORD}\n")
        page.one(carla)
        rights = [f"has_table_privilege('migrate_flow', 'entry', '{right}')" for right in ("INSERT", "DELETE")]
        assert postgres.execute(f"SELECT {', '.join(rights)}", database="shop_ledger") == [(True, False)]
        page.block(carla)
        head = carla.shell.json("ledger", "info")
        page.one(carla)
        page.one(carla)
        restored = carla.under(LEDGER_DATABASE_URL=url.replace("shop_ledger", "shop_ledger_restored"))
        page.one(restored, **{"SEQ:HASH": f"{head['entries']}:{head['head']}"})
    for name in ("shop_ledger", "shop_ledger_restored"):
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    postgres.execute("DROP ROLE owner, migrate_flow")


def owned(postgres: PostgresServer) -> None:
    postgres.execute("ALTER DATABASE shop_ledger OWNER TO owner")
