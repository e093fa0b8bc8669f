"""The few things that a service needs from the world. Bootstrap hands the adapters in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from migrate_flow.services.authors import Author as Author
from migrate_flow.services.authors import Authors as Authors
from migrate_flow.services.authors import Authorship as Authorship

if TYPE_CHECKING:
    from migrate_flow.core.chain import Head, SeenHead, Signed
    from migrate_flow.core.entry import Entry
    from migrate_flow.core.facts import Activity, Identity, Observation, Remains
    from migrate_flow.core.graph import RevisionGraph
    from migrate_flow.core.guard import SeenGuard
    from migrate_flow.core.outline import Outline
    from migrate_flow.core.revision import Manifest, Revision, ScriptProblem
    from migrate_flow.core.snapshot import Snapshot
    from migrate_flow.core.trace import Durability, Journaled, Trace

Clock = Callable[[], datetime]


class Ledger(Protocol):
    """Append-only storage of entries and artifacts. Raises LedgerError, BusyError."""

    def entries(self, after: int = 0) -> Iterator[Entry]: ...

    def at(self, seqs: Sequence[int]) -> list[Entry]: ...

    def each(self, seqs: Sequence[int]) -> Iterator[Entry]: ...

    def signed(self, seqs: Sequence[int]) -> Iterator[Signed]:
        """What was signed at these positions, in order, each checked against its own hash alone."""

    def where(self, equal: Mapping[str, str], kind: str = "", last: int = 0) -> list[int]: ...

    def append(
        self,
        statement: bytes,
        signature: str,
        artifacts: Iterable[bytes],
        *,
        seen: Head,
        recheck: Callable[[Sequence[Entry]], None],
    ) -> Entry:
        """Append in one transaction. seen: the head that the caller knows; entries that came after it are given
        to recheck, inside the transaction, which raises to refuse."""

    def artifact(self, sha256: str) -> bytes | None: ...

    def raw_rows(self) -> Iterator[Sequence[Any]]:
        """Every entry's columns as stored, unchecked, in the order of the fields of `Entry`."""

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        """Every artifact: digest (hex) and content, unchecked."""

    def describe(self) -> str:
        """Where the ledger lies, without secrets."""

    def clock_offset(self) -> timedelta: ...  # how far its server's clock is ahead of this machine's; a file has none


class Heads(Protocol):
    """The newest head that this user's programs saw of the configured ledger."""

    def newest(self) -> SeenHead | None: ...  # at the place where it is configured to lie

    def of(self, ledger: str) -> SeenHead | None: ...  # of the ledger with this id, wherever it lay

    def note(self, ledger: str, head: Head) -> None:
        """Never raises."""


class Scripts(Protocol):
    """The migration scripts of this checkout, read without running any."""

    @property
    def revisions(self) -> Mapping[str, Revision]: ...

    @property
    def graph(self) -> RevisionGraph: ...

    @property
    def order(self) -> tuple[str, ...]:
        """All revisions, parents first. Raises ScriptError on a cycle."""

    @property
    def problems(self) -> tuple[ScriptProblem, ...]: ...

    def confirm(self, revisions: Iterable[str]) -> bool:
        """Whether the headers of these are what their bytes say now. False: all were read again, and the graph may be
        another."""

    @property
    def digests(self) -> Mapping[str, str]:
        """By revision, of the manifest; empty where `manifest` would raise. For showing alone."""

    def manifest(self, revision: str) -> Manifest:
        """Read and seal the bytes now. Raises ScriptError."""

    def digest_alone(self, revision: str) -> str:
        """The digest that the manifest has if the script imports nothing of the project; empty if it can't be read."""

    def outlines(self, revisions: Iterable[str]) -> Mapping[str, Outline | None]: ...  # for showing alone

    def reread(self) -> Scripts: ...  # the checkout as it is now


class Signer(Protocol):
    """A person's key. sign: armoured SSHSIG in the product's namespace."""

    @property
    def person(self) -> str: ...

    @property
    def public_key(self) -> str: ...

    def sign(self, message: bytes) -> str: ...


class Verifier(Protocol):
    """Reads signatures. Raises ValueError for one that is malformed or does not verify."""

    def key_of(self, signature: str) -> str: ...

    def verify(self, statement: bytes, signature: str) -> str:
        """The public key that made it."""


class Target(Protocol):
    """The database of one environment, on connections of our own."""

    @property
    def environment(self) -> str: ...

    @property
    def dialect(self) -> str: ...

    def keeping(self) -> AbstractContextManager[None]:
        """While it lasts our connections may be used again."""

    def connect_anew(self) -> None:
        """From now on on new connections, as after any error."""

    def observe(self) -> Observation:
        """Look, never write, never raise for a database that is out of reach."""

    def with_receipts(self) -> Remains:
        """As observe, with the receipts of every upgrade."""

    def claim(self, identity: Identity) -> None:
        """Write the identity row (replacing an earlier one) and make the tables for receipts. Raises TargetError."""

    def left_by(self, attempt: str) -> Remains:
        """What stands of an attempt. Never raises for a database that is out of reach."""

    def activity(self) -> tuple[Activity, ...]:
        """What the server does for us now. Raises TargetError."""

    def lock(self, *, end_orphans: bool = False) -> AbstractContextManager[object]:
        """The value proves the lock to a session. Raises BusyError if another process, or what one left behind in
        the server, holds it. end_orphans: end the latter."""

    def supervise(self, attempt: str) -> AbstractContextManager[Supervisor]:
        """A connection of our own beside a step."""

    def snapshot(self) -> Snapshot | None:
        """The schema as it is, without our tables and Alembic's; None where there is no database yet. Raises
        TargetError."""

    def unchanged(self, rows: str) -> bool:
        """Whether the schema is the one whose snapshot came with this digest of its rows. False tells nothing. Raises
        TargetError."""

    def row_estimates(self, relations: Sequence[str]) -> Mapping[str, int]:
        """About how many rows these tables hold, of those that are there and were ever counted. Never raises."""

    def guard(self, after: int = 0) -> SeenGuard:
        """What stands against schema changes from outside, and its log behind the row with this id. Raises TargetError;
        UsageError for a dialect that has no guards."""

    def install_guard(self, mode: Literal["audit", "block"], held: object, roles: tuple[str, ...]) -> None:
        """held: what the lock of the environment's target gave; this connection must be to the same database. roles:
        who migrates. Raises TargetError without the right, UsageError for another database, BusyError."""

    def remove_guard(self, held: object) -> None:
        """As install_guard."""

    def migration_url(self) -> str:
        """The URL with its secret, for Alembic's env.py alone."""


class Supervisor(Protocol):
    """Sees a step from outside. begun: as the session has it, None if the step never came that far."""

    def note(self, item: Journaled) -> None:
        """Durable when it returns."""

    def mark(self, n: int, state: Durability) -> None: ...

    def sees(self, n: int) -> bool:
        """Whether the journal's row of this number is durable."""

    def unchanged(self, item: Journaled) -> bool:
        """Whether a statement that failed left no trace."""

    def waits_for(self, begun: Any) -> str: ...

    def settle(self, begun: Any) -> bool:
        """Ends what the server still does for the step; False if it goes on all the same."""

    def trace(self) -> Trace:
        """What the step left, receipt or not."""


@dataclass(slots=True)
class Running:
    """A step as it runs: written by the session, read by whoever shows it, maybe in another thread.

    statement: shortened. since: monotonic seconds. waits_for: who keeps it waiting.
    """

    statement: str = ""
    since: float = 0.0
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What env.py's own connection shows before the first step. version_schema: empty for the default schema.

    locked: whether it is to the database that we hold the lock of.
    """

    heads: tuple[str, ...]
    version_table: str
    version_schema: str
    identity: Identity | None
    dialect: str
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One revision to run. manifest: the sealed bytes that run. identity: which database it must be.

    operator: who runs it where, for the server's list of processes. again: whether it was tried before, in the same
    attempt. resumed: what an earlier attempt made durable, so that it is passed over.
    """

    attempt: str
    revision: str
    direction: str
    manifest: Manifest
    from_heads: tuple[str, ...]
    identity: Identity
    intent: Entry
    operator: str
    lock_timeout_s: float
    statement_timeout_s: float
    again: bool = False
    resumed: tuple[Journaled, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedSql:
    """SQL of one revision without a database, or why there is none."""

    upgrade: str | None
    downgrade: str | None
    problem: str = ""


class MigrationSession(Protocol):
    """Alembic's env.py, bound to one locked target for a whole run.

    begun: what the supervisor must know of the last step, None before there was one. digests: of env.py and of
    Alembic's configuration, as they run.
    """

    @property
    def begun(self) -> Any: ...

    @property
    def digests(self) -> Mapping[str, str]: ...

    def probe(self) -> Probe:
        """Run env.py without changing anything. Raises TargetError, UsageError."""

    def run(self, step: Step, supervisor: Supervisor, running: Running) -> None:
        """Run one step and its receipt in one transaction. Whatever env.py or the script raises comes through:
        only evidence read back afterwards tells the outcome."""

    def may_retry(self, error: BaseException) -> bool:
        """Whether the step failed for something that passes: a lock held by an application, a deadlock."""


class Runner(Protocol):
    """The only door to Alembic."""

    def session(
        self,
        url: str,
        dialect: str,
        manifests: Sequence[Manifest],
        held: object,
        headers: Sequence[Revision] | None = None,
    ) -> AbstractContextManager[MigrationSession]:
        """held: what the target's lock gave. headers: the graph to run on; default, this checkout's, which must then
        be sound."""

    def render(self, manifest: Manifest, dialect: str) -> RenderedSql:
        """SQL by a child process, without a database or secrets."""

    def new_revision(self, request: NewRevision, url: str | None) -> str:
        """Write a script from the project's template; the path of the new file."""

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that run migrations."""

    def environment_digests(self) -> dict[str, str]:
        """Digests of env.py and of Alembic's configuration."""


@dataclass(frozen=True, slots=True)
class NewRevision:
    """What `new` asks for. heads: parents, empty for the head of the graph. rationale, rollback: texts of the
    docstring's sections, empty where the author has yet to write them. contract_tables: globs."""

    message: str
    rationale: str = ""
    rollback: str = ""
    contract_tables: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    autogenerate: bool = False
    branch_label: str = ""
    depends_on: tuple[str, ...] = ()
    version_path: str = ""
    revision_id: str = ""
    splice: bool = False
