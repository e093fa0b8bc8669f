"""Runs Alembic's own env.py on one target: first to see where it connects, then one revision at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from migrate_flow.alembic_adapter.sealed import SealedDirectory, only_sealed
from migrate_flow.core.entry import format_time
from migrate_flow.core.facts import Receipt
from migrate_flow.dialects import Dialect
from migrate_flow.dialects.dialect import StepFrame
from migrate_flow.errors import MigrateFlowError, TargetError, Terminated, UsageError
from migrate_flow.services.ports import Probe, Step

Body = Callable[[tuple[str, ...], MigrationContext], Sequence[Any]]


class Session:
    """Implements `MigrationSession`. folder: where Alembic is normally run, for env.py's relative paths. root: the
    project's, whose modules are sealed."""

    def __init__(self, config: Config, directory: SealedDirectory, dialect: Dialect, folder: Path, root: Path) -> None:
        self._config, self._directory, self._dialect = config, directory, dialect
        self._folder, self._root = folder, root
        self.begun: object = None

    def probe(self) -> Probe:
        found: list[Probe] = []

        def look(heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
            self._refuse_surprises(context, calls=len(found))
            connection = _online(context)
            name = connection.dialect.name
            identity = self._dialect.tables.read_identity(connection) if name == self._dialect.name else None
            schema = context.version_table_schema or ""
            found.append(Probe(tuple(sorted(heads)), context.version_table, schema, identity, name))
            return []

        with env_errors(self._env_py):
            self._run_env(look, dont_mutate=True)
        if not found:
            raise UsageError(
                "env.py ran, but never came to run_migrations()",
                hint="see that env.py calls context.configure() and context.run_migrations()",
                where=self._env_py,
            )
        return found[0]

    def run(self, step: Step) -> None:
        ran: list[bool] = []
        self.begun = None

        def once(heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
            self._refuse_surprises(context, calls=len(ran))
            ran.append(True)
            return self._prepare(step, heads, context)

        self._run_env(once)

    def _prepare(self, step: Step, heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
        connection = _online(context)
        tables = self._dialect.tables
        if tables.read_identity(connection) != step.identity:
            raise TargetError(
                "env.py connects to another database than the configuration says",
                hint=f"see how {self._env_py} makes its URL; [project] url_env hands it over in a variable",
                where=step.identity.environment,
            )
        if set(heads) != set(step.from_heads):
            raise TargetError("the version table changed in between", hint="run the command again")
        self.begun = begun = self._dialect.begin_step(
            connection, StepFrame(f"migrate-flow {step.attempt[:8]}", step.lock_timeout_s, step.statement_timeout_s)
        )

        def receipt(*, heads: Any, **_: Any) -> None:
            tables.write_receipt(connection, _receipt(step, tuple(heads)))
            self._dialect.end_step(connection, begun)

        # NOTE: runs after the version table was changed and before the commit. Set here, behind configure(), so
        # that env.py's own callback neither replaces it nor comes later.
        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, receipt)
        context.autocommit_block = _refuse_autocommit  # type: ignore[method-assign]
        return [self._confined(found) for found in self._steps(step, heads)]

    def _confined(self, step: Any) -> Any:
        """The same step, whose function imports nothing of the project that was not reviewed."""
        function = step.migration_fn

        def run(**keywords: Any) -> None:
            with only_sealed(self._root):
                function(**keywords)

        step.migration_fn = run
        return step

    def _steps(self, step: Step, heads: tuple[str, ...]) -> Sequence[Any]:
        """Exactly one step. Alembic's planner is asked for an upgrade; it can't name the downgrade of one revision
        where branches meet, so that step is made as its planner makes each of its own."""
        revisions = self._directory.revision_map
        if step.direction == "downgrade":
            script = self._directory.get_revision(step.revision)
            return [MigrationStep.downgrade_from_script(revisions, script)]
        # The one private call into Alembic's planner lives here and nowhere else.
        steps = self._directory._upgrade_revs(step.revision, heads)  # type: ignore[arg-type]
        if [found.revision.revision for found in steps] != [step.revision]:
            names = ", ".join(found.revision.revision for found in steps) or "nothing"
            raise TargetError(f"Alembic would run {names} instead of {step.revision}", hint="migrate-flow doctor")
        return steps

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

    def _run_env(self, body: Body, **options: Any) -> None:
        context = EnvironmentContext(self._config, self._directory, fn=body, **self._dialect.context_options, **options)
        with context, self._dialect.while_env_runs(), surroundings(self._folder):
            try:
                self._directory.run_env()
            except CommandError as error:
                raise TargetError(f"Alembic: {error}", hint="migrate-flow doctor", where=self._env_py) from error

    @property
    def _env_py(self) -> str:
        return os.path.relpath(Path(self._directory.dir, "env.py"), self._folder)


@contextmanager
def env_errors(env_py: str) -> Iterator[None]:
    """Before anything was changed: whatever env.py raises, an exit included, as one error that names its line."""
    try:
        yield
    except (MigrateFlowError, CommandError, KeyboardInterrupt, Terminated, GeneratorExit):
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


def _online(context: MigrationContext) -> Connection:
    if context.connection is None:
        raise UsageError("env.py runs in offline mode", hint="let env.py follow context.is_offline_mode()")
    return context.connection


def _receipt(step: Step, to_heads: tuple[str, ...]) -> Receipt:
    return Receipt(
        attempt=step.attempt,
        revision=step.revision,
        direction=step.direction,
        manifest=step.manifest.digest,
        from_heads=step.from_heads,
        to_heads=to_heads,
        ledger_seq=step.intent.seq,
        ledger_hash=step.intent.hash,
        intent_hash=step.intent.hash,
        at=format_time(datetime.now(UTC)),
    )


def _refuse_autocommit() -> NoReturn:
    raise TargetError(
        "the script asks for an autocommit block, which this version can't apply safely",
        hint="leave what needs it (CREATE INDEX CONCURRENTLY, …) to a later version of migrate-flow",
    )


@contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """The current folder, output, logging and byte code caches as env.py may use them, put back afterwards."""
    here, prefix, no_bytecode = Path.cwd(), sys.pycache_prefix, sys.dont_write_bytecode
    root_logger = logging.getLogger()
    handlers, level = list(root_logger.handlers), root_logger.level
    loggers = {name: log.disabled for name, log in logging.root.manager.loggerDict.items() if hasattr(log, "disabled")}
    with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(sys.stderr):
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
