"""A shop whose every secret is a canary: URLs in variables, in a keyring and in alembic.ini, keys, passwords of libpq.

Its databases and its ledger are on a PostgreSQL that asks for passwords.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.support.alembic_projects import ADA, TEAM, attest, edit, make_project, write_script
from tests.support.canary import CANARIES
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

DATABASES = ("dev", "staging", "production", "ledger")
# Each names its source, and has what URLs, SQL, shells and configurations must escape.
PASSWORDS = {name: f"canary {name}%2F:/@'#é" for name in DATABASES}
INI = "canary-of-alembic-ini"
LIBPQ = "canary-of-PGPASSWORD"
TLS = "canary-of-sslpassword"
APPLIED, PENDING = "aaaa01", "aaaa02"

# For the keyring library: a backend that reads a file. It lies in the project's folder, which is on the path.
BACKEND = """
import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class OnDisk(KeyringBackend):
    priority = 1
    path = Path(os.environ["CANARY_KEYRING"])

    def get_password(self, service, username):
        return json.loads(self.path.read_text()).get(f"{service} {username}")

    def set_password(self, service, username, password):
        self.path.write_text(json.dumps(json.loads(self.path.read_text()) | {f"{service} {username}": password}))

    def delete_password(self, service, username):
        kept = json.loads(self.path.read_text())
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError("not found")
        self.path.write_text(json.dumps(kept))
"""
# All that an env.py can know, in one exception.
TELLS = """
import os
if os.environ.get("CANARY_TELLS"):
    url = config.get_main_option("sqlalchemy.url")
    own = open(config.config_file_name or "alembic.ini").read()
    theirs = own.partition("mysql://")[2].partition("\\n")[0].partition("@")[0].partition(":")[2]
    told = [url, make_url(url).password, repr(dict(os.environ)), *os.environ.values(), own, theirs]
    raise RuntimeError("\\n".join(told))
"""


@dataclass(frozen=True)
class CanaryShop:
    """shell: with every secret in its place. secrets: by what they are; where PostgreSQL is asked to set one, its log
    has it."""

    shell: Shell
    server: PostgresServer
    keyring: Path

    def release(self) -> None:
        """Every canary of this shop, for the test that runs now."""
        for name, password in PASSWORDS.items():
            CANARIES.add(password, f"the password of {name}")
        for secret, what in ((INI, "alembic.ini"), (LIBPQ, "PGPASSWORD"), (TLS, "sslpassword")):
            CANARIES.add(secret, f"the password in {what}")
        CANARIES.learn((self.shell.folder, self.shell.home), self.shell.variables)
        for path in (self.keyring, self.shell.folder / "alembic.ini"):
            CANARIES.own(path)

    def check(self) -> None:
        """What no command shows: the files that it left, the rows of its ledger and of its targets."""
        CANARIES.check_files(self.shell.folder.parent, self.shell.folder, self.shell.home)
        for database in DATABASES:
            for table, row in self.rows(database):
                CANARIES.check(b"\n".join(row), f"{database}: {table}")

    def rows(self, database: str) -> Iterator[tuple[str, list[bytes]]]:
        """Of all tables but PostgreSQL's own, as text or as the bytes that they are."""
        with psycopg.connect(host=str(self.server.folder), user="postgres", dbname=database) as connection:
            names = "SELECT schemaname, tablename FROM pg_tables"
            tables = connection.execute(f"{names} WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
            for name in tables.fetchall():
                for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*name))):
                    yield ".".join(name), [bytes(v) if isinstance(v, bytes) else str(v).encode() for v in row]


def url(server: PostgresServer, name: str, password: str = "", **more: str) -> str:
    """For SQLAlchemy. password: another than the right one."""
    query = "".join(f"&{key}={quote(value, safe='')}" for key, value in more.items())
    secret = quote(password or PASSWORDS[name], safe="")
    return f"postgresql+psycopg://{name}:{secret}@/{name}?host={server.folder}{query}"


def ledger_url(server: PostgresServer, password: str = "") -> str:
    """For libpq, with the password in the query."""
    secret = quote(password or PASSWORDS["ledger"], safe="")
    return f"postgresql:///ledger?user=ledger&host={server.folder}&password={secret}"


def prepare(server: PostgresServer) -> None:
    """Databases whose owners need their passwords."""
    for name, password in PASSWORDS.items():
        given = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
        server.execute(given.as_string(None))
        server.execute(f"CREATE DATABASE {name} OWNER {name}")
    hba = server.folder / "data" / "pg_hba.conf"
    hba.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    server.execute("SELECT pg_reload_conf()")


def open_shop(bare: Shell, server: PostgresServer, keyring: Path) -> CanaryShop:
    """Three people; one revision that stands in dev, one that only waits for `apply`."""
    name = bare.folder.name
    keyring.write_text(json.dumps({f"migrate-flow:url {name}/staging": url(server, "staging", sslpassword=TLS)}))
    keyring.chmod(0o600)
    environ = {
        "DEV_DATABASE_URL": url(server, "dev"),
        "LEDGER_DATABASE_URL": ledger_url(server),
        "PYTHON_KEYRING_BACKEND": "canary_keyring.OnDisk",
        "CANARY_KEYRING": str(keyring),
        "PGPASSWORD": LIBPQ,
    }
    versions = make_project(bare)
    shell = bare.under(**environ)
    shop = CanaryShop(shell, server, keyring)
    (shell.folder / "canary_keyring.py").write_text(BACKEND)
    edit(shell.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = mysql://ini:{INI}@db/ini")
    edit(shell.folder / "migrations" / "env.py", r"(?m)^target_metadata = None$", f"target_metadata = None\n{TELLS}")
    edit(
        shell.folder / "migrations" / "env.py",
        r"(?m)^from sqlalchemy import pool$",
        "from sqlalchemy import make_url, pool",
    )
    shop.release()
    environments = {
        "dev": "env:DEV_DATABASE_URL",
        "staging": "keyring:staging",
        "production": f"postgresql+psycopg://production@/production?host={server.folder}",
    }
    words = [word for name, value in environments.items() for word in ("--env", f"{name}={value}")]
    words += [word for person in TEAM for word in ("--person", person)]
    shell.flow("init", "--ledger", "env:LEDGER_DATABASE_URL", "--key-store", "project", *words)
    shell.flow("env", "login", "production", given=PASSWORDS["production"])
    write_script(versions, APPLIED)
    write_script(versions, PENDING, APPLIED)
    shell.flow("track", actor=ADA)
    for revision in (APPLIED, PENDING):
        attest(shell, revision)
    shell.flow("apply", APPLIED, "--env", "dev", actor=ADA)
    return shop


def private_key(shop: CanaryShop, person: str) -> str:
    return (shop.shell.folder / ".migrate-flow" / "keys" / person).read_text()


def children_of(pid: int) -> Iterator[int]:
    """All processes below it."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            yield int(path.name)
            yield from children_of(int(path.name))


def processes() -> Mapping[int, bytes]:
    """The command lines of all of them, as everybody on the machine can read them."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            found[int(path.name)] = (path / "cmdline").read_bytes()
        except OSError:
            continue
    return found
