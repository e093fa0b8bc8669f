"""`guard install`, `guard status` and `guard remove`, and what a guard saw wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Document, Heading, Line, Tone
from migrate_flow.core.guard import LOG_ROWS, LoggedDdl, way_out
from migrate_flow.core.redaction import redact

if TYPE_CHECKING:
    from migrate_flow.core.snapshot import Difference
    from migrate_flow.services.guard import Guarded

_MOST = 20
_WIDEST = 160  # characters of a statement


def status(found: Guarded) -> Document:
    return Document("guard", _values(found, "status"), tuple(_status_blocks(found)))


def installed(done: Guarded) -> Document:
    said = f"{done.environment} has a guard in mode {done.seen.mode} (entry {done.seq})"
    audits = "schema changes from outside the flow are recorded; see them: migrate-flow guard status --env"
    blocks = "schema changes from outside the flow are refused; see what stands: migrate-flow guard status --env"
    means = f"{audits if done.seen.mode == 'audit' else blocks} {done.environment}"
    return Document("guard", _values(done, "install"), (Line(said, Tone.GOOD), Line(means, indent=1)))


def removed(done: Guarded) -> Document:
    gone = f"the guard of {done.environment} is gone (entry {done.seq}); its log stays"
    line = Line(gone, Tone.GOOD) if done.seq else Line(f"{done.environment} has no guard")
    return Document("guard", _values(done, "remove"), (line,))


def _values(found: Guarded, act: str) -> dict[str, Any]:
    seen, recorded = found.seen, found.recorded
    return {
        "environment": found.environment,
        "act": act,
        "ok": found.ok,
        "installed": seen.installed,
        "complete": seen.complete,
        "mode": seen.mode or None,
        "version": seen.version or None,
        "problem": found.differs.observed if found.differs else seen.problem or seen.barred if seen.installed else None,
        "recorded": {"mode": recorded.mode, "version": recorded.version, "seq": recorded.seq}
        if recorded.installed
        else None,
        "logged": seen.logged,
        "explained": found.explained or None,
        "log": log_values(found.log),
        "hint": _hint(found) or None,
        "seq": found.seq or None,
    }


def _hint(found: Guarded) -> str:
    if found.differs:
        return way_out(found.environment)
    if found.unexplained:
        return f"migrate-flow drift accept --env {found.environment} -m WHY"
    if found.seen.installed and not found.recorded.installed:
        return f"migrate-flow guard install --env {found.environment}"
    return ""


def _status_blocks(found: Guarded) -> Iterator[Block]:
    seen, name = found.seen, found.environment
    yield Heading(name)
    if found.differs:
        yield from guard_blocks(found.differs, name)
    elif seen.installed:
        yield Line(f"a guard in mode {seen.mode or 'unknown'}", Tone.GOOD if seen.complete else Tone.WARN, 1)
        if seen.problem or seen.barred:
            yield Line(seen.problem or seen.barred, Tone.WARN, 1)
        if not found.recorded.installed:
            placed = f", which was put there for {seen.environment}" if seen.environment else ""
            yield Line(f"the ledger does not know of it{placed}; next: {_hint(found)}", Tone.WARN, 1)
    else:
        yield Line(f"no guard; next: migrate-flow guard install --env {name}", Tone.FAINT, 1)
    new = tuple(row for row in found.log if row.id > found.explained)
    old = tuple(row for row in found.log if row.id <= found.explained)
    if found.unexplained:
        said = "from outside the flow, and not explained:" if new else "somebody is changing the schema now: look again"
        yield Line(said, Tone.BAD, 1)
        yield from log_blocks(new, 2)
        yield Line(f"next: migrate-flow drift --env {name}", indent=1)
        yield Line(f"where it is to stay: migrate-flow drift accept --env {name} -m WHY", indent=1)
    if len(found.log) == LOG_ROWS < seen.logged:
        yield Line(f"the log holds {seen.logged:,} rows, of which the newest {LOG_ROWS:,} are read", Tone.WARN, 1)
        if found.explained:
            prune = f"DELETE FROM migrate_flow.ddl_log WHERE id <= {found.explained}"  # noqa: S608 - shown, never sent
            yield Line(f"its owner may take away what is explained: {prune}", indent=1)
    if old:
        yield Line("explained:", Tone.FAINT, 1)
        yield from log_blocks(old, 2)


def guard_blocks(found: Difference, name: str) -> Iterator[Block]:
    """A guard that is not as it was installed, and what to do."""
    said = "is missing" if found.change == "removed" else "is not as it was installed"
    yield Line(f"the guard {said} ({found.expected}): {found.observed}", Tone.BAD, 1)
    yield Line(f"next: {way_out(name)}", indent=1)


def log_values(rows: Sequence[LoggedDdl]) -> list[dict[str, Any]]:
    """For documents: every row that was read."""
    return [
        {
            "id": row.id, "at": row.at, "session_role": row.session_role, "acting_role": row.acting_role,
            "client": row.client, "application": row.application, "event": row.event, "tag": row.tag,
            "objects": list(row.objects), "object_count": row.object_count, "statement": redact(row.statement),
        }
        for row in rows
    ]  # fmt: skip


def log_blocks(rows: Sequence[LoggedDdl], indent: int) -> Iterator[Block]:
    """The newest of them, oldest first."""
    if len(rows) > _MOST:
        yield Line(f"{len(rows) - _MOST} older ones (--format json)", Tone.FAINT, indent)
    for row in rows[-_MOST:]:
        role = row.session_role if row.acting_role == row.session_role else f"{row.session_role} as {row.acting_role}"
        where = f"{row.client}, {row.application}" if row.application else row.client
        yield Line(f"{row.at[:19].replace('T', ' ')} UTC, {role} ({where}): {_what(row)}", Tone.WARN, indent)


def _what(row: LoggedDdl) -> str:
    text = " ".join(redact(row.statement).split())
    if row.event == "sql_drop" or not text:
        more = f" and {row.object_count - 3} more" if row.object_count > 3 else ""
        return f"{row.tag}, dropped: {', '.join(row.objects[:3])}{more}"
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"
