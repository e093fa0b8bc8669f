"""Child process of a rehearsal: the project's env.py and scripts run here, so that nothing they do ends the parent.

Reads one JSON object (`Job`) on the first line of stdin, writes one a line on stdout; whatever a script prints goes to
stderr, and what it reads is empty. The end of stdin is the end of the parent, and of this process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from migrate_flow.alembic_adapter.recording import recorded
from migrate_flow.bootstrap.project import checkout, load_config, runner
from migrate_flow.core.dialects import KINDS
from migrate_flow.core.entry import Entry
from migrate_flow.core.facts import Identity
from migrate_flow.core.redaction import redact
from migrate_flow.core.rehearsal import Attempted, Part, Rehearsal, Seen, to_document
from migrate_flow.database import DatabaseTarget
from migrate_flow.dialects import dialect_for
from migrate_flow.errors import MigrateFlowError, ScriptError, TargetError, UsageError
from migrate_flow.rehearsal.baseline import lay
from migrate_flow.rehearsal.children import NEXT_STEP, Job
from migrate_flow.rehearsal.scratch_server import on_server
from migrate_flow.rehearsal.scratch_sqlite import SqliteScratch
from migrate_flow.rehearsal.walk import Walk
from migrate_flow.services.attempt import cause
from migrate_flow.services.ports import Running, Step

if TYPE_CHECKING:
    from migrate_flow.core.revision import Manifest
    from migrate_flow.rehearsal.scratch import Scratch

NAME = "rehearsal"
STATEMENT_TIMEOUT_S, LOCK_TIMEOUT_S = 900.0, 10.0
# A receipt names the intent that it belongs to; here there is none.
_NO_INTENT = Entry(0, "0" * 64, "0" * 64, b"", "", "apply.intended", None, None, "", "")


class ScratchScene:
    """Implements `Scene`: applies to the scratch database just as `apply` does to a target, receipts included."""

    def __init__(self, job: Job, scratch: Scratch) -> None:
        config = load_config(Path(job.config))
        self._job, self._scratch = job, scratch
        self._checkout = checkout(config)
        self._runner = runner(config, self._checkout)
        self._root = config.root
        self._manifests = {revision: self._sealed(revision) for revision in job.order}
        self._dialect = dialect_for(job.dialect)
        self._open = ExitStack()
        self._process = os.getpid()
        self._applied: list[str] = []
        self._heads: tuple[str, ...] = ()
        self._sure = False  # whether these were compared with what was applied
        self._kept: tuple[list[str], tuple[str, ...]] = [], ()
        self._engine: Engine | None = None
        self.server = ""

    @property
    def dialect(self) -> str:
        return self._job.dialect

    @property
    def copies(self) -> bool:
        return self._scratch.copies

    @property
    def cheap(self) -> bool:
        return not self._scratch.exclusive

    def start(self, applied: Sequence[str]) -> int:
        self._open.close()
        keys = self._keys(applied)
        found = self._scratch.fetch(list(reversed(keys)))
        if found < 0:
            self._lay_out()
        stands = len(keys) - found if found >= 0 else 0
        self._applied = list(applied[:stands])
        self._enter()
        return stands

    def run(self, revision: str, part: Part) -> Attempted:
        direction = "downgrade" if part is Part.DOWNGRADE else "upgrade"
        manifest, attempt = self._manifests[revision], str(uuid4())
        problem = ""
        path, begun = str(self._root / manifest.script.path), time.perf_counter()
        with recorded(path, self._identity.version_table) as recording, self._target.supervise(attempt) as supervisor:
            step = Step(
                attempt, revision, direction, manifest, self._heads, self._identity, _NO_INTENT, NAME,
                LOCK_TIMEOUT_S, STATEMENT_TIMEOUT_S,
            )  # fmt: skip
            try:
                self._session.run(step, supervisor, Running())
            except (Exception, SystemExit) as error:
                problem = cause(error)
            finally:
                if os.getpid() != self._process:
                    os._exit(0)  # a script forked, and this is the copy
        if not problem:
            up = direction == "upgrade"
            self._applied = [*self._applied, revision] if up else self._applied[:-1]
            problem = self._astray(self._next_heads(revision) if up else frozenset())
            if problem:
                problem = f"env.py ended without an error, but {problem}"
        seconds = round(time.perf_counter() - begun, 4)
        return Attempted(problem, tuple(recording.sent), tuple(recording.locks), seconds)

    def together(self, applied: Sequence[str]) -> str:
        self._open.close()
        self._lay_out()
        self._applied = []
        self._enter()
        try:
            self._session.run_together(applied[-1])
        except (Exception, SystemExit) as error:
            return cause(error)
        self._applied = list(applied)
        return self._astray()

    def look(self) -> Seen:
        try:
            with self._connected() as connection:
                leave_out = frozenset({self._identity.version_table})
                schema = self._dialect.snapshot(connection, leave_out)
                return Seen(schema, self._dialect.row_counts(connection, leave_out))
        except SQLAlchemyError as error:
            raise TargetError(
                f"the schema of the scratch database can't be read: {cause(error)}", hint="migrate-flow doctor"
            ) from error

    def keep(self) -> None:
        with self._left():
            self._scratch.keep()
        self._kept = list(self._applied), self._heads

    def back(self) -> None:
        with self._left():
            self._scratch.back()
        self._applied, self._heads, self._sure = list(self._kept[0]), self._kept[1], False

    def store(self, applied: Sequence[str]) -> None:
        if applied:
            with self._left():
                self._scratch.store(self._keys(applied)[-1])

    def close(self) -> None:
        self._open.close()
        self._scratch.close()

    @contextlib.contextmanager
    def _left(self) -> Iterator[None]:
        """With nobody on the database, where copying asks for it."""
        if not self._scratch.exclusive:
            yield
            return
        self._open.close()
        try:
            yield
        finally:
            self._enter()

    def _lay_out(self) -> None:
        self._scratch.empty()
        if self._job.baseline:
            lay(self._job.baseline, self._scratch.url, self._root)

    def _enter(self) -> None:
        self._engine = None
        url = self._scratch.url
        migrating = url.set(drivername=self._job.driver) if self._job.driver else url
        self._target = DatabaseTarget(NAME, self._job.dialect, self._root, "", lambda: migrating)
        held = self._open.enter_context(self._target.lock())
        manifests = list(self._manifests.values())
        session = self._runner.session(self._target.migration_url(), self._job.dialect, manifests, held)
        self._session = self._open.enter_context(session)
        self._identity = self._identified()
        if not self.server:
            self.server = self._target.observe().server

    def _identified(self) -> Identity:
        """Whether env.py comes to the scratch database, and nowhere else, is known before anything is changed."""
        probe = self._session.probe()
        if probe.dialect != self._job.dialect or not probe.locked:
            raise UsageError(
                "env.py does not connect to the scratch database that it is given, so nothing was run",
                hint="let env.py take its URL from config.get_main_option('sqlalchemy.url'), "
                "or name the variable that it reads: [project] url_env",
                where="env.py",
            )
        self._heads, self._sure = probe.heads, False
        if probe.identity is not None:
            return probe.identity
        identity = Identity(str(uuid4()), NAME, NAME, NAME, probe.version_table, probe.version_schema)
        self._target.claim(identity)
        return identity

    def _connected(self) -> Connection:
        """Beside env.py's. One engine, each connection a new one."""
        if self._engine is None:
            url = self._scratch.url
            self._engine = self._dialect.creating_engine(url, self._root, f"migrate-flow {NAME}")
        return self._engine.connect()

    def _next_heads(self, revision: str) -> Set[str]:
        """What an upgrade makes of heads that are right. Nothing where they may not be."""
        above = self._checkout.graph.parents(revision)
        return {*self._heads, revision}.difference(above) if self._sure else frozenset()

    def _astray(self, expected: Set[str] = frozenset()) -> str:
        """What is wrong with the version table, which now has to say what was applied; empty if nothing is. expected:
        heads that are right, so that all that lies below need not be walked after each of thousands of steps."""
        try:
            with self._connected() as connection:
                self._heads = self._dialect.tables.read_heads(connection, self._identity)
        except SQLAlchemyError as error:
            return f"the version table can't be read: {cause(error)}"
        self._sure = bool(expected) and expected == set(self._heads)
        self._sure = self._sure or self._checkout.graph.applied_from(self._heads) == set(self._applied)
        return "" if self._sure else f"the version table says {', '.join(self._heads) or 'nothing'}"

    def _keys(self, applied: Sequence[str]) -> list[str]:
        """Of each prefix: the scripts' bytes in order, and all else that the schema depends on."""
        salt = [self._job.salt, self._job.dialect, self._runner.environment_digests(), self._runner.versions()]
        chain = hashlib.sha256(json.dumps(salt, sort_keys=True).encode())
        keys = []
        for revision in applied:
            chain.update(self._manifests[revision].digest.encode())
            keys.append(chain.hexdigest())
        return keys

    def _sealed(self, revision: str) -> Manifest:
        manifest = self._checkout.manifest(revision)
        if manifest.digest != self._job.manifests[revision]:
            raise ScriptError(f"{manifest.script.path} changed while it was rehearsed", hint="run the command again")
        return manifest


def _scratch(job: Job) -> Scratch:
    if KINDS[job.dialect].file:
        folder = Path(job.folder, "database")
        folder.mkdir(exist_ok=True)
        scratch = SqliteScratch(folder)
        scratch.never_sync()
        return scratch
    return on_server(job.dialect, job.server, job.name)


def _job() -> Job:
    """What stands on stdin. Afterwards stdin is empty for whoever reads it, and its end ends us."""
    parent = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    job = Job(**json.loads(parent.readline()))

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):
            parent.read()
        # All that can be done: a database on a server is dropped a day later.
        shutil.rmtree(job.folder, ignore_errors=True)
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
    return job


def main() -> int:
    answer_to = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    noise = os.dup(2)
    os.dup2(2, 1)
    job = _job()
    sys.path[:] = [*job.path]
    if hasattr(os, "register_at_fork"):
        # A copy that a script makes of us must not keep the parent waiting for its end.
        os.register_at_fork(after_in_child=lambda: os.dup2(2, answer_to.fileno()))

    def say(**values: Any) -> None:
        answer_to.write(json.dumps(values, ensure_ascii=False) + "\n")
        answer_to.flush()

    scene: ScratchScene | None = None
    scratch: Scratch | None = None
    try:
        scratch = _scratch(job)
        scene = ScratchScene(job, scratch)
        walk = Walk(scene, job.order, frozenset(job.wanted), job.manifests, job.bases, job.parents, job.broken)
        for event in walk.events():
            if isinstance(event, Rehearsal):
                say(rehearsal=to_document(event))
            else:
                os.write(noise, NEXT_STEP)
                say(now=asdict(event))
        say(end=True)
    except MigrateFlowError as error:
        said = {"message": redact(error.message), "hint": redact(error.hint), "where": str(error.where)}
        say(error={"kind": type(error).__name__, **said})
    except Exception as error:
        hint = "run it again with --processes 1, and report what it says"
        say(
            error={
                "kind": "MigrateFlowError",
                "message": f"a bug in migrate-flow: {cause(error)}",
                "hint": hint,
                "where": "",
            }
        )
    finally:
        with contextlib.suppress(TargetError):
            if scene is not None:
                scene.close()
            elif scratch is not None:
                scratch.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
