"""A private MariaDB for tests, from the system's packages.

It listens on a Unix socket in its own folder and on nothing else, runs as ``nobody`` when the tests run as root,
and ends with the process that started it, even if that one is killed.
"""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pymysql

from tests.support.keeper import Kept, as_server, give_to_server, installed

PACKAGE = "mariadb-server"
START_S = 60.0
# Nothing is synced: what a killed process has written stays in the system's cache, and only a machine that falls
# would lose it. The rest is as in production: the log is written at each commit, and the doublewrite buffer stays,
# because a kill can tear the page that is being written.
INNODB = ("--innodb-flush-method=nosync", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M")
# Debian's own settings, which --no-defaults leaves out, have this character set.
SETTINGS = (*INNODB, "--skip-networking", "--skip-name-resolve", "--character-set-server=utf8mb4")


class MariadbServer:
    """``with MariadbServer() as server``: a running server, gone at the end of the block.

    ``folder`` holds the data, the log and the socket. Raises RuntimeError if the packages are missing, or with the
    server's own words if it can't be started; nothing is left behind then.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self._command: list[str] = []
        self._kept: Kept | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> MariadbServer:
        server, install = installed("mariadbd", PACKAGE), installed("mariadb-install-db", PACKAGE)
        # Not below pytest's own folder, and closed to others: see PostgresServer.
        self.folder = Path(tempfile.mkdtemp(prefix="mfmy-", dir="/tmp"))
        self._command = [server, "--no-defaults", f"--datadir={self.folder}/data", *SETTINGS]
        self._command += [f"--socket={self.socket}", f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}"]
        try:
            give_to_server(self.folder)
            self._make_data(install)
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def socket(self) -> Path:
        return self.folder / "mysql.sock"

    @property
    def pid(self) -> int:
        """Of the server process itself."""
        assert self._kept is not None, "the server does not run"
        return self._kept.pid

    def start(self) -> None:
        """Start the server on its data, again after ``kill``. Returns when it answers."""
        assert self._kept is None, "the server runs already"
        self._kept = Kept(self.folder, self._command)
        limit = time.monotonic() + START_S
        while not self._listens():
            self._kept.require_running()
            if time.monotonic() > limit:
                raise RuntimeError(f"MariaDB does not answer:\n{self._kept.log()[-4000:]}")
            time.sleep(0.01)
        # Nothing is written before the server has said that its data folder is the one made here.
        ((told,),) = self.execute("SELECT @@datadir")
        if Path(told).resolve() != (self.folder / "data").resolve():
            raise RuntimeError(f"another server answers in {self.folder}: its data folder is {told}")

    def kill(self) -> None:
        """SIGKILL to the server; it is gone when this returns, its data stays for ``start``."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.kill(leave_folder=True)

    def stop(self) -> None:
        """End the server at once and remove its folder. Calling it again does nothing."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.kill(leave_folder=False)
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one database of this server."""
        return f"mysql+pymysql://root@localhost/{database}?unix_socket={self.socket}&charset=utf8mb4"

    def execute(self, statement: str, *values: Any, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement as root with autocommit; ``%s`` stands for a value. Returns its rows."""
        connected = pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database or None, charset="utf8mb4", autocommit=True
        )
        with closing(connected) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE `{name}`")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database by its URL, connections or not."""
        name = database_name(url)
        for (connection,) in self.execute("SELECT id FROM information_schema.processlist WHERE db = %s", name):
            # It may have ended meanwhile: error 1094, unknown thread.
            with suppress(pymysql.err.OperationalError, pymysql.err.InternalError):
                self.execute(f"KILL {connection}")
        # A lock that is left must not hang the run: the server's own limit is a day.
        self.execute(f"SET STATEMENT lock_wait_timeout=30 FOR DROP DATABASE IF EXISTS `{name}`")

    def _listens(self) -> bool:
        # Not by PyMySQL: it leaves its socket unclosed when it can't connect, a warning that fails a test.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def _make_data(self, install: str) -> None:
        # Two of them at once would meet in the system's own folder for temporary files.
        how = [
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--tmpdir={self.folder}",
            *INNODB,
            "--skip-name-resolve",
            "--skip-test-db",
        ]
        how += ["--auth-root-authentication-method=normal"]  # root has no password: the socket's folder is closed
        made = subprocess.run([install, *how], check=False, stdin=subprocess.DEVNULL, **as_server(self.folder))
        if made.returncode != 0:
            raise RuntimeError(f"mariadb-install-db failed:\n{made.stdout}")


def database_name(url: str) -> str:
    """The database in a URL that this server gave out."""
    return url.partition("@localhost/")[2].partition("?")[0]
