"""Runs Alembic's own env.py on one target: first to see where it connects, then one revision at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from migrate_flow.alembic_adapter.step import StepRun, online
from migrate_flow.core.dialects import speaks
from migrate_flow.dialects import Dialect
from migrate_flow.dialects.dialect import Begun, StepFrame
from migrate_flow.dialects.engines import settled_in
from migrate_flow.errors import MigrateFlowError, TargetError, UsageError
from migrate_flow.services.ports import Probe, Running, Step, Supervisor

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.sealed import SealedDirectory

Body = Callable[[tuple[str, ...], MigrationContext], Sequence[Any]]


class Session:
    """Implements `MigrationSession`. folder: where Alembic is normally run, for env.py's relative paths. root: the
    project's, whose modules are sealed. held: what the target's lock gave."""

    def __init__(
        self, config: Config, directory: SealedDirectory, dialect: Dialect, folder: Path, root: Path, held: object
    ) -> None:
        self._config, self._directory, self._dialect = config, directory, dialect
        self._folder, self._root, self._held = folder, root, held
        self._step: StepRun | None = None

    @property
    def begun(self) -> Begun | None:
        return self._step.begun if self._step else None

    @property
    def digests(self) -> Mapping[str, str]:
        return self._directory.digests

    def probe(self) -> Probe:
        found: list[Probe] = []
        permits = _Permits(self._dialect, self._held)

        def look(heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
            self._refuse_surprises(context, calls=len(found))
            connection = online(context)
            schema, name = context.version_table_schema or "", connection.dialect.name
            if not speaks(name, self._dialect.name):
                found.append(Probe(tuple(sorted(heads)), context.version_table, schema, None, name))
                return []
            if obstacle := self._dialect.obstacle(connection):
                raise TargetError(obstacle, hint="let env.py connect to the primary server itself", where=self._env_py)
            identity = self._dialect.tables.read_identity(connection)
            name = self._dialect.observed_name(connection)
            here = self._dialect.holds(connection, self._held)
            if here:
                permits.end(connection)
            found.append(Probe(tuple(sorted(heads)), context.version_table, schema, identity, name, here))
            return []

        with env_errors(self._env_py):
            self._run_env(look, None, permits, dont_mutate=True)
        if not found:
            raise UsageError(
                "env.py ran, but never came to run_migrations()",
                hint="see that env.py calls context.configure() and context.run_migrations()",
                where=self._env_py,
            )
        return found[0]

    def run(self, step: Step, supervisor: Supervisor, running: Running) -> None:
        ran: list[bool] = []
        source = b"\n".join(file.content for file in step.manifest.files)
        frame = StepFrame(
            f"migrate-flow {step.attempt[:8]} {step.operator}",
            step.lock_timeout_s,
            step.statement_timeout_s,
            self._held,
            step.identity.uuid,
            source,
            step.attempt,
        )
        self._step = run = StepRun(self._dialect, self._directory, self._root, step, frame, supervisor, running)

        def once(heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
            self._refuse_surprises(context, calls=len(ran))
            ran.append(True)
            return run.prepare(heads, context)

        self._run_env(once, frame)

    def run_together(self, revision: str) -> None:
        """Everything up to a revision in one run, as `alembic upgrade` does it: for scratch databases alone."""

        def all_of_them(heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
            self._refuse_surprises(context, calls=0)
            return self._directory.upgrade_steps(revision, heads)

        self._run_env(all_of_them, None)

    def may_retry(self, error: BaseException) -> bool:
        # A lock may be met on our own connection too, which tells it in its own words.
        return self._dialect.may_retry(error) or (
            error.__cause__ is not None and self._dialect.may_retry(error.__cause__)
        )

    def _refuse_surprises(self, context: MigrationContext, calls: int) -> None:
        # NOTE: the multidb template begins a transaction on every database first, so that it would be refused for
        # that alone; its tokens tell it apart.
        if calls or context.opts.get("upgrade_token", "upgrades") != "upgrades":
            raise UsageError(
                "env.py migrates several databases in one run (the multidb template), which is not supported",
                hint="give each database its own Alembic environment and its own migrate-flow.toml",
                where=self._env_py,
            )
        if context._in_external_transaction:
            raise UsageError(
                "env.py opens a transaction before context.configure(): nothing it runs would be committed",
                hint="let env.py execute nothing on the connection before context.configure()",
                where=self._env_py,
            )

    def _run_env(self, body: Body, frame: StepFrame | None, permits: _Permits | None = None, **options: Any) -> None:
        context = EnvironmentContext(self._config, self._directory, fn=body, **self._dialect.context_options, **options)
        given = permits.given() if permits else nullcontext()
        with context, self._dialect.while_env_runs(frame), given, surroundings(self._folder):
            try:
                self._directory.run_env()
            except CommandError as error:
                raise TargetError(f"Alembic: {error}", hint="migrate-flow doctor", where=self._env_py) from error
            except Exception as error:
                guard = self._dialect.guard
                if guard is not None and (told := guard.no_permit(error)) is not None:
                    raise told from error
                raise

    @property
    def _env_py(self) -> str:
        return os.path.relpath(Path(self._directory.dir, "env.py"), self._folder)


class _Permits:
    """For env.py where it is only looked at: a guard would take it for a stranger if it changes the schema by itself.

    A step gets its own, by the dialect. held: what the target's lock gave; another database gets none.
    """

    def __init__(self, dialect: Dialect, held: object) -> None:
        self._dialect, self._held, self._guard = dialect, held, dialect.guard
        self._attempt = str(uuid4())
        self._stands = False

    def given(self) -> AbstractContextManager[None]:
        """Entered behind the dialect's own look at a connection, which refuses poolers."""
        return settled_in((self._dialect.name,), self._give) if self._guard is not None else nullcontext()

    def end(self, connection: Connection) -> None:
        """With a try, as a step will do it and as whoever env.py has become by now: who may get no permit is told
        before an intent stands. Raises TargetError."""
        if self._guard is not None and self._stands:
            self._guard.permit(connection, self._attempt)
            self._guard.release(connection, self._attempt)

    def _give(self, connection: Connection) -> None:
        guard = self._guard
        if guard is not None and guard.stands(connection) and self._dialect.holds(connection, self._held):
            self._stands = True
            connection.exec_driver_sql(f"SET application_name = 'migrate-flow {self._attempt[:8]} env.py'")
            guard.permit_session(connection, self._attempt)
        connection.commit()  # no transaction of env.py's begins here


@contextmanager
def env_errors(env_py: str) -> Iterator[None]:
    """Before anything was changed: whatever env.py raises, an exit included, as one error that names its line."""
    try:
        yield
    except (MigrateFlowError, CommandError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        original = getattr(error, "orig", None) or error
        said = " ".join(f"{type(original).__name__}: {original}".split()).removesuffix(":")
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f":{frame.lineno}" for frame in frames if Path(frame.filename).name == "env.py"]
        raise TargetError(
            f"env.py failed: {said}",
            hint="see that `alembic current` works, which runs the same env.py",
            where=env_py + (lines[-1] if lines else ""),
        ) from error


@contextmanager
def _empty_folder() -> Iterator[str]:
    """Where no byte code lies, so that none is trusted."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="migrate-flow-")
    except OSError as error:
        hint = "free some space there, or set TMPDIR to another folder"
        raise TargetError(f"no temporary folder can be made: {error.strerror}", hint=hint, where="TMPDIR") from error
    with folder as path:
        yield path


@contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """The current folder, output, logging and byte code caches as env.py may use them, put back afterwards."""
    here, prefix, no_bytecode = Path.cwd(), sys.pycache_prefix, sys.dont_write_bytecode
    root_logger = logging.getLogger()
    handlers, level = list(root_logger.handlers), root_logger.level
    loggers = {name: log.disabled for name, log in logging.root.manager.loggerDict.items() if hasattr(log, "disabled")}
    with _empty_folder() as empty, contextlib.redirect_stdout(sys.stderr):
        os.chdir(folder)
        sys.pycache_prefix, sys.dont_write_bytecode = empty, True
        try:
            yield
        finally:
            sys.pycache_prefix, sys.dont_write_bytecode = prefix, no_bytecode
            os.chdir(here)
            root_logger.handlers[:], root_logger.level = handlers, level
            for name, disabled in loggers.items():
                logging.getLogger(name).disabled = disabled
