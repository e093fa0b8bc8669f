"""PgBouncer, from the system's packages, in front of a private PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psycopg

from tests.support.keeper import Kept, give_to_server, installed
from tests.support.postgres import PostgresServer

START_S = 20.0

# No listen_addr: the socket is the only way in. Its name is the one that libpq looks for without a port.
SETTINGS = """\
[databases]
* = host={server} user=postgres

[pgbouncer]
unix_socket_dir = {folder}
listen_port = 5432
auth_type = any
pool_mode = {pool_mode}
default_pool_size = 10
"""


class Pgbouncer:
    """``with Pgbouncer(server) as pooler``: the server's databases, through a pool. Gone at the end of the block."""

    def __init__(self, server: PostgresServer, pool_mode: str = "transaction") -> None:
        self.server = server
        self.pool_mode = pool_mode
        self.folder = Path()
        self._kept: Kept | None = None

    def __enter__(self) -> Pgbouncer:
        program = installed("pgbouncer", "pgbouncer")
        self.folder = Path(tempfile.mkdtemp(prefix="mfpb-", dir="/tmp"))
        try:
            settings = self.folder / "pgbouncer.ini"
            settings.write_text(
                SETTINGS.format(server=self.server.folder, folder=self.folder, pool_mode=self.pool_mode)
            )
            for path in (self.folder, settings):
                give_to_server(path)
            self._kept = Kept(self.folder, [program, str(settings)])
            self._wait(self._kept)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the pooler at once and remove its folder. Calling it again does nothing."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.kill(leave_folder=False)
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of the server's databases, through the pool."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def _wait(self, kept: Kept) -> None:
        limit = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres").close()
                return
            except psycopg.OperationalError as error:
                kept.require_running()
                if time.monotonic() > limit:
                    raise RuntimeError(f"PgBouncer does not answer: {error}\n{kept.log()[-4000:]}") from None
                time.sleep(0.02)
