"""One side of `benchmarks.floor`, as its own process in the folder of an Alembic project: WAY SNAPSHOTS

WAY: `once` (env.py runs once for all, as Alembic's own does), `anew` (for each revision). SNAPSHOTS: `one`, `each`.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.dialects.snapshot_postgresql import queries

LEDGER = "floor.db"
TABLES = (
    "CREATE SCHEMA migrate_flow",
    "CREATE TABLE migrate_flow.receipt (attempt varchar(36) PRIMARY KEY, intent varchar(64) NOT NULL)",
)
FOUND = """SELECT (SELECT string_agg(version_num, ',') FROM public.alembic_version)
FROM migrate_flow.receipt WHERE attempt = %s"""


class Bare:
    """What a revision leaves behind. target: a connection of its own, on which each statement commits."""

    def __init__(self, ledger: sqlite3.Connection, target: psycopg.Connection[Any]) -> None:
        self._ledger, self._target = ledger, target
        self._key, self._head = Ed25519PrivateKey.generate(), "0" * 64
        # The quickest with which an answer means that the row survives a power cut. The ledger has a rollback journal.
        for text in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
            ledger.execute(text)
        ledger.execute("CREATE TABLE entry (hash text NOT NULL UNIQUE, statement blob NOT NULL, signature blob)")
        for text in TABLES:
            target.execute(text.encode())
        catalog = queries(target.info.server_version // 10_000)
        self._queries = [f"SELECT t::text FROM ({one}) t".encode() for one in catalog]

    def entry(self, **said: Any) -> None:
        """Signed, chained, and durable by itself."""
        statement = json.dumps({**said, "nonce": str(uuid4())}, sort_keys=True).encode()
        signature = self._key.sign(statement)
        self._head = hashlib.sha256(self._head.encode() + statement + signature).hexdigest()
        self._ledger.execute("BEGIN IMMEDIATE")
        self._ledger.execute("INSERT INTO entry VALUES (?, ?, ?)", (self._head, statement, signature))
        self._ledger.execute("COMMIT")

    def receipted(self, context: MigrationContext) -> str:
        """The next step writes a row in its own transaction, behind the version table. Returns the row's key."""
        attempt, intent, connection = str(uuid4()), self._head, context.connection
        assert connection is not None

        def receipt(**_: Any) -> None:
            connection.exec_driver_sql("INSERT INTO migrate_flow.receipt VALUES (%s, %s)", (attempt, intent))

        context.on_version_apply_callbacks = (receipt,)
        return attempt

    def look(self, attempt: str) -> str:
        """Whether it is there, seen from another connection. Returns the version table's row."""
        found = self._target.execute(FOUND, (attempt,)).fetchone()
        if not found:
            raise SystemExit("no receipt")
        return str(found[0])

    def snapshot(self) -> str:
        """A digest of what the server answers to all that a snapshot asks, in one go. Nothing is made of it."""
        digest, target = hashlib.sha256(), self._target
        with target.pipeline():
            target.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            target.execute("SELECT set_config('search_path', '', true)")
            asked = [target.cursor().execute(one, prepare=True) for one in self._queries]
            target.execute("COMMIT")
            for cursor in asked:
                for (text,) in cursor:
                    digest.update(text.encode())
        return digest.hexdigest()


def main(way: str, snapshots: str) -> None:
    gc.disable()
    config = Config("alembic.ini")
    scripts = ScriptDirectory.from_config(config)
    order = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    url = config.get_main_option("sqlalchemy.url", "").replace("postgresql+psycopg", "postgresql")
    with (
        closing(sqlite3.connect(LEDGER, isolation_level=None)) as ledger,
        psycopg.connect(url, autocommit=True) as target,
    ):
        bare = Bare(ledger, target)

        def steps(heads: Any, context: MigrationContext, wanted: Sequence[str]) -> Iterator[MigrationStep]:
            """Alembic asks for the next one once this one is committed."""
            for revision in wanted:
                bare.entry(kind="intended", revision=revision)
                step = MigrationStep.upgrade_from_script(scripts.revision_map, scripts.get_revision(revision))
                attempt = bare.receipted(context)
                yield step
                ended.append((revision, attempt))
                if way == "once":
                    record()

        def record() -> None:
            ((revision, attempt),) = ended
            ended.clear()
            heads = bare.look(attempt)
            schema = bare.snapshot() if snapshots == "each" or revision == order[-1] else ""
            bare.entry(kind="applied", revision=revision, heads=heads, schema=schema)

        ended: list[tuple[str, str]] = []
        for wanted in [order] if way == "once" else [[revision] for revision in order]:
            _run_env(config, scripts, lambda heads, context, wanted=wanted: steps(heads, context, wanted))
            if ended:
                record()


def _run_env(config: Config, scripts: ScriptDirectory, steps: Callable[..., Iterator[MigrationStep]]) -> None:
    with EnvironmentContext(config, scripts, fn=steps, destination_rev="head"):
        scripts.run_env()


if __name__ == "__main__":
    main(*sys.argv[1:])
