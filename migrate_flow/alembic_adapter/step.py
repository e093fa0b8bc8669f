"""One revision on env.py's connection: locks, the script's function, the version table, the receipt, one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from migrate_flow.alembic_adapter.sealed import SealedDirectory, only_sealed
from migrate_flow.alembic_adapter.statements import Statements
from migrate_flow.core.entry import format_time
from migrate_flow.core.facts import Receipt
from migrate_flow.dialects.tables import says_no_table
from migrate_flow.errors import TargetError, UnsettledError, UsageError
from migrate_flow.failpoint import Failpoint, passing

if TYPE_CHECKING:
    from migrate_flow.dialects import Dialect
    from migrate_flow.dialects.dialect import Begun, StepFrame
    from migrate_flow.services.ports import Running, Step, Supervisor


class StepRun:
    """begun: None until the migration's connection holds its locks. frame: what the step asks of its connection."""

    def __init__(
        self,
        dialect: Dialect,
        directory: SealedDirectory,
        root: Path,
        step: Step,
        frame: StepFrame,
        supervisor: Supervisor,
        running: Running,
    ) -> None:
        self._dialect, self._directory, self._root = dialect, directory, root
        self._step, self._frame = step, frame
        self._supervisor, self._running = supervisor, running
        self.begun: Begun | None = None

    def prepare(self, heads: tuple[str, ...], context: MigrationContext) -> Sequence[Any]:
        """Everything before the script: the body of Alembic's run."""
        step, dialect = self._step, self._dialect
        connection = online(context)
        if not self._is_the_target(connection) or not dialect.holds(connection, self._frame.held):
            raise elsewhere(step.identity.environment)
        self.begun = begun = dialect.begin_step(connection, self._frame)
        passing(Failpoint.STEP_BEGUN)
        # Again behind the lock: what Alembic read before it may be old.
        if set(heads) != set(step.from_heads) or set(self._heads(connection, heads)) != set(heads):
            raise TargetError("the version table changed in between", hint="run the command again")
        if not dialect.journals:
            dialect.tables.begin_segment(connection, self._receipt(()), 0, again=step.again)
        statements = Statements(connection, dialect, begun, step, self._supervisor, self._running)

        def receipt(*, heads: Any, **_: Any) -> None:
            self._finish(connection, begun, tuple(heads))

        # NOTE: runs after the version table was changed and before the commit. Set here, behind configure(), so
        # that env.py's own callback neither replaces it nor comes later.
        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, receipt)
        self._wrap_blocks(context, begun, statements)
        return [self._confined(found, connection, begun, statements) for found in self._steps(heads)]

    def _is_the_target(self, connection: Connection) -> bool:
        """The table was there when we looked, on a connection of our own: where it is not, env.py went elsewhere."""
        try:
            return self._dialect.tables.read_identity(connection, sure=True) == self._step.identity
        except DBAPIError as error:
            if not says_no_table(error):
                raise
            raise elsewhere(self._step.identity.environment) from error

    def _heads(self, connection: Connection, known: tuple[str, ...]) -> tuple[str, ...]:
        """known: as Alembic read them, so that there is a table if there are any."""
        return self._dialect.tables.read_heads(connection, self._step.identity, sure=bool(known))

    def _confined(self, found: Any, connection: Connection, begun: Begun, statements: Statements) -> Any:
        """The same step, whose function imports nothing of the project that was not reviewed, and is watched."""
        function = found.migration_fn

        def run(**keywords: Any) -> None:
            try:
                with only_sealed(self._root), statements.watched():
                    function(**keywords)
            except Exception as error:
                if self._dialect.refused(error):
                    raise _left_its_transaction() from error
                raise
            passing(Failpoint.SCRIPT_ENDED)
            # Before the version table is touched: a script that ended its transaction must not commit that too.
            self._dialect.end_segment(connection, begun)

        found.migration_fn = run
        return found

    def _finish(self, connection: Connection, begun: Begun, heads: tuple[str, ...]) -> None:
        tables, receipt = self._dialect.tables, self._receipt(heads)
        if self._dialect.journals:
            tables.begin_segment(connection, receipt, begun.blocks, again=self._step.again)
        if not tables.write_receipt(connection, receipt, begun.blocks):
            raise UnsettledError(
                "the script ended the transaction by itself", hint="remove COMMIT or ROLLBACK from the script"
            )
        self._dialect.end_step(connection, begun)
        passing(Failpoint.RECEIPT_WRITTEN)

    def _wrap_blocks(self, context: MigrationContext, begun: Begun, statements: Statements) -> None:
        alembics_own = context.autocommit_block

        @contextmanager
        def autocommit_block() -> Iterator[None]:
            self._allow_block()
            connection = online(context)
            statements.close_transaction()
            with statements.unheard():
                self._dialect.end_segment(connection, begun)
                self._dialect.tables.close_segment(connection, self._step.attempt, begun.blocks)
                self._dialect.enter_block(connection, begun)
            begun.blocks += 1
            with alembics_own():
                passing(Failpoint.SEGMENT_COMMITTED)
                statements.in_block = True
                try:
                    yield
                finally:
                    statements.in_block = False
            with statements.unheard():
                self._dialect.begin_segment(connection, begun)
                if not self._dialect.journals:
                    tables, receipt = self._dialect.tables, self._receipt(())
                    tables.begin_segment(connection, receipt, begun.blocks, again=self._step.again)
            statements.open_transaction()
            passing(Failpoint.SEGMENT_BEGUN)

        context.autocommit_block = autocommit_block  # type: ignore[method-assign]

    def _allow_block(self) -> None:
        if not self._dialect.blocks:
            raise TargetError(
                f"the script asks for an autocommit block, which {self._dialect.name} has no use for",
                hint="take context.autocommit_block() out, or ask for the dialect first",
            )
        if not self._step.manifest.in_blocks:
            raise TargetError(
                "the script enters an autocommit block that its text does not show, so nobody reviewed it as one",
                hint="write it out: with op.get_context().autocommit_block():",
            )

    def _steps(self, heads: tuple[str, ...]) -> Sequence[Any]:
        """Exactly one step. Alembic's planner can't name the downgrade of one revision where branches meet, so that
        step is made as its planner makes each of its own."""
        step, revisions = self._step, self._directory.revision_map
        if step.direction == "downgrade":
            return [MigrationStep.downgrade_from_script(revisions, self._directory.get_revision(step.revision))]
        steps = self._directory.next_step(step.revision, heads)
        if [found.revision.revision for found in steps] != [step.revision]:
            names = ", ".join(found.revision.revision for found in steps) or "nothing"
            raise TargetError(f"Alembic would run {names} instead of {step.revision}", hint="migrate-flow doctor")
        return steps

    def _receipt(self, to_heads: tuple[str, ...]) -> Receipt:
        step = self._step
        return Receipt(
            attempt=step.attempt,
            revision=step.revision,
            direction=step.direction,
            manifest=step.manifest.digest,
            from_heads=step.from_heads,
            to_heads=to_heads,
            ledger=self._step.identity.ledger,
            ledger_seq=step.intent.seq,
            ledger_hash=step.intent.hash,
            intent_hash=step.intent.hash,
            at=format_time(datetime.now(UTC)),
        )


def online(context: MigrationContext) -> Connection:
    if context.connection is None:
        raise UsageError("env.py runs in offline mode", hint="let env.py follow context.is_offline_mode()")
    return context.connection


def _left_its_transaction() -> UnsettledError:
    return UnsettledError(
        "the script left its own transaction, so the guard of the target refused what came then",
        hint="remove COMMIT or ROLLBACK from the script, and what connects to the database anew",
    )


def elsewhere(environment: str) -> TargetError:
    return TargetError(
        "env.py connects to another database than the configuration says, or the lock on it was lost",
        hint="see how env.py makes its URL; [project] url_env hands it over in a variable",
        where=f"[environments.{environment}] url",
    )
