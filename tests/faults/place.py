"""One environment on a real database: commands as processes of their own, and a look at the database without us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, inspect, pool

from tests.acceptance import databases
from tests.support import proof
from tests.support.alembic_projects import ADA, write_script
from tests.support.shell import Done, Shell

FIRST, NEW = "aaaa01", "aaaa02"
PATIENCE_S = 60.0
# What the first revision leaves: a table, and one row in it.
BEFORE = {"t_aaaa01": ["{'id': 1, 'text': 'one'}"]}


@dataclass(frozen=True)
class Place:
    """A project whose dev stands at FIRST, on the record. dialect: sqlite, postgresql or mariadb."""

    dialect: str
    shell: Shell
    url: str

    # What a person does

    @property
    def versions(self) -> Path:
        return self.shell.folder / "migrations" / "versions"

    @property
    def env_py(self) -> Path:
        return self.shell.folder / "migrations" / "env.py"

    def second(self, upgrade: str, *, revision: str = NEW, down: str = FIRST, imports: str = "") -> Path:
        """The next revision, tracked, with this body of upgrade()."""
        path = write_script(self.versions, revision, down, upgrade=upgrade, imports=imports)
        self.shell.flow("track", actor=ADA)
        return path

    def flow(self, *words: str, code: int | None = 0, actor: str = ADA) -> Done:
        return self.shell.flow(*words, code=code, actor=actor)

    def json(self, *words: str, code: int = 0, actor: str = ADA) -> dict[str, Any]:
        return self.shell.json(*words, code=code, actor=actor)

    def error(self, *words: str, code: int, actor: str = ADA) -> dict[str, str]:
        return self.shell.error(*words, code=code, actor=actor)

    def apply(self, code: int = 0) -> dict[str, Any]:
        return self.json("apply", "--env", "dev", code=code)

    def recover(self, *words: str, code: int = 0) -> dict[str, Any]:
        return self.json("recover", "--env", "dev", *words, code=code)

    def under(self, **environ: str) -> Place:
        return replace(self, shell=self.shell.under(**environ))

    def failing(self, failpoint: str) -> Place:
        """The same, with an armed failpoint, such as ``receipt-written:kill``."""
        return self.under(MIGRATE_FLOW_FAILPOINT=failpoint)

    @contextmanager
    def started(self, *words: str, actor: str = ADA, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """The installed command in an interpreter of its own, to be sent signals; killed if it runs at the end."""
        command = [str(Path(sys.executable).parent / "migrate-flow"), "--as", actor, *words]
        process = subprocess.Popen(
            command,
            cwd=self.shell.folder,
            env={**self.shell.variables, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # As at a terminal: nohup, which CI may stand under, hands on that it is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    # What the database shows, asked by its own driver

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        engine = create_engine(self.url, poolclass=pool.NullPool)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def execute(self, *statements: str) -> None:
        with self.connected() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
            connection.commit()

    def prepared(self, *statements: str) -> None:
        """Statements that are no part of what is tried: the schema is right as they leave it."""
        self.execute(*statements)
        self.flow("drift", "accept", "--env", "dev", "-m", "the test needs it")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connected() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def heads(self) -> list[str]:
        return databases.heads(self.url)

    def tables(self) -> list[str]:
        with self.connected() as connection:
            names = inspect(connection).get_table_names()
        return sorted(name for name in names if not name.startswith(("migrate_flow_", "alembic_version")))

    def count(self, table: str) -> int:
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])

    @property
    def ours(self) -> str:
        """What stands before the names of our own tables."""
        return "migrate_flow." if self.dialect == "postgresql" else "migrate_flow_"

    def receipts(self, revision: str = NEW) -> int:
        """Final ones: how often the database says that it was applied."""
        return int(self.query(f"SELECT count(*) FROM {self.ours}receipt WHERE final AND revision = '{revision}'")[0][0])

    # What the ledger shows, read without us

    def kinds(self) -> list[str]:
        return proof.kinds(self.shell.folder)

    def last(self) -> dict[str, Any]:
        """The newest entry: kind and fields."""
        row = proof.rows(self.shell.folder)[-1]
        return {**proof.predicate(row), "kind": row["kind"]}

    def predicates(self) -> list[dict[str, Any]]:
        return [proof.predicate(row) for row in proof.rows(self.shell.folder)]

    def state(self, revision: str = NEW) -> str | None:
        there = self.json("status", revision)["migrations"][0]["applied"]["dev"]
        return str(there["state"]) if there else None

    # What must hold

    def as_before(self) -> None:
        """The second revision has left nothing."""
        assert self.heads() == [FIRST]
        assert databases.contents(self.url) == BEFORE
        assert self.receipts() == 0

    def agree(self) -> None:
        """Ledger and target tell the same, and the ledger is whole."""
        assert self.json("ledger", "verify")["ok"]
        stands = {m["revision"] for m in self.json("status")["migrations"] if _stands(m["applied"]["dev"])}
        assert set(self.heads()) <= stands
        for revision in stands:
            assert self.receipts(revision) == 1, revision

    def applied_once(self, check: Callable[[], None] | None = None) -> None:
        """The second revision stands, by one receipt and one good outcome; a further apply has nothing to do."""
        assert self.heads() == [NEW]
        assert self.receipts() == 1
        assert self.state() == "applied"
        if check is not None:
            check()
        self.agree()
        before = self.kinds()
        assert self.apply()["steps"] == []
        assert self.kinds() == before


def _stands(applied: Mapping[str, Any] | None) -> bool:
    return applied is not None and applied["state"] == "applied"


def wait_until(true: Callable[[], object], what: str, patience: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, f"waited {patience:.0f} s for: {what}"
        time.sleep(0.05)


def stopped(process: subprocess.Popen[str]) -> bool:
    """Whether the process has stopped itself at a failpoint; an end instead is an error."""
    assert process.poll() is None, process.communicate()
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


def go_on(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGCONT)
