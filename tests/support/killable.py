"""A PostgreSQL that a test may kill and start again: what it has committed is still there (Linux only: /proc)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.support.postgres import PostgresServer

# As in production: fsync, full pages and synchronous commits are on. Shared memory is kept in the data folder, so
# that a killed server leaves none of it in the machine's.
SETTINGS = "-c dynamic_shared_memory_type=mmap -c listen_addresses='' -c log_statement=ddl"
LOCK_FILES = ("data/postmaster.pid", ".s.PGSQL.5432.lock")
END_S = 30.0


class KillablePostgres(PostgresServer):
    """``with KillablePostgres() as server``: then ``server.kill()`` and ``server.start()``, as often as needed."""

    def __init__(self, settings: str = SETTINGS) -> None:
        super().__init__(settings)
        self._segment = ""

    def __enter__(self) -> KillablePostgres:
        super().__enter__()
        return self

    @property
    def pid_of_postmaster(self) -> int:
        return int(self._lock_file()[0])

    def kill(self) -> None:
        """SIGKILL to the postmaster and all of its processes; they are gone when this returns."""
        postmaster = self.pid_of_postmaster
        self._segment = self._lock_file()[6].split()[1]
        # Each backend is a process group of its own. A stopped postmaster starts no more of them.
        os.kill(postmaster, signal.SIGSTOP)
        everyone = [*_children(postmaster), postmaster]
        for pid in everyone:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        limit = time.monotonic() + END_S
        while alive := [pid for pid in everyone if _state(pid)[0] not in ("", "Z", "X")]:
            if time.monotonic() > limit:
                raise RuntimeError(f"processes of PostgreSQL survived SIGKILL: {alive}")
            time.sleep(0.005)
        # A dead postmaster that nobody collects (a container without an init) would look alive to its successor.
        for name in LOCK_FILES:
            (self.folder / name).unlink()

    def start(self) -> None:
        """Start the server again on the same data. Returns when it has recovered and answers."""
        data, log = self.folder / "data", self.folder / "log"
        try:
            self.run("pg_ctl", "start", "-w", "-t", "60", "-s", "-D", data, "-l", log, "-o", self.options)
        except RuntimeError as error:
            raise RuntimeError(f"{error}{log.read_text()[-4000:]}") from None
        self._segment = ""
        self._require_own_server(data)

    def stop(self) -> None:
        super().stop()
        segment, self._segment = self._segment, ""
        if segment:  # the few bytes that a successor would have taken over
            subprocess.run(["ipcrm", "-m", segment], check=False, capture_output=True)

    def _lock_file(self) -> list[str]:
        return (self.folder / LOCK_FILES[0]).read_text().splitlines()


def _children(parent: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _state(pid)[1] == parent]


def _state(pid: int) -> tuple[str, int]:
    """The process's state letter and its parent; "" and 0 when it is gone."""
    try:
        letter, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return letter, int(parent)
