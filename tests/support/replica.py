"""A running hot standby of a private PostgreSQL: it answers questions and refuses to write."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.postgres import PostgresServer

CATCH_UP_S = 30.0


class Replica(PostgresServer):
    """``with Replica(primary) as replica``: a server with its own folder, socket and URLs, which follows the primary.

    Its databases are the primary's; ``create_database`` and ``drop_database`` fail as every write does.
    """

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__(primary.settings)
        self.primary = primary

    def __enter__(self) -> Replica:
        super().__enter__()
        return self

    def catch_up(self) -> None:
        """Wait until everything that the primary has done so far is seen here."""
        ((position,),) = self.primary.execute("SELECT pg_current_wal_insert_lsn()::text")
        limit = time.monotonic() + CATCH_UP_S
        while self.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position) != [(True,)]:
            if time.monotonic() > limit:
                raise RuntimeError(f"the replica does not get to {position}:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.02)

    def _make_data(self, data: Path) -> None:
        how = ["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--username=postgres"]
        self.run("pg_basebackup", *how, f"--host={self.primary.folder}", f"--pgdata={data}")
