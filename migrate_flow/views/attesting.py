"""`new`, `track`, `self-review`, `review`, `approve` and `log`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Cell, Document, Line, Members, Table, Tone
from migrate_flow.core.fields import malformed
from migrate_flow.core.standing import State
from migrate_flow.views.checking import check_values, lint_blocks
from migrate_flow.views.rehearsing import rehearsal_blocks

if TYPE_CHECKING:
    from migrate_flow.core.entry import Entry
    from migrate_flow.services.detached import Detached
    from migrate_flow.services.log import Found
    from migrate_flow.services.review import Attested
    from migrate_flow.services.self_review import Examined, SelfReviewed
    from migrate_flow.services.track import Tracked


def new(made: Tracked) -> Document:
    data = {"revision": made.revision, "path": made.path, "seq": made.seq}
    blocks: list[Block] = [
        Line(f"wrote {made.path}", Tone.GOOD),
        Line(f"recorded created {made.revision} (entry {made.seq})"),
        Line(f"next: edit the script, then migrate-flow self-review {made.revision}"),
    ]
    return Document("new", data, tuple(blocks))


def tracked(found: Sequence[Tracked]) -> Document:
    notices = list(dict.fromkeys(notice for t in found for notice in t.notices))
    data = {"tracked": [{"revision": t.revision, "path": t.path, "seq": t.seq} for t in found], "notices": notices}
    blocks: list[Block] = [
        Line(f"{t.revision}  created (entry {t.seq})", Tone.GOOD) if t.seq else Line(f"{t.revision}  tracked already")
        for t in found
    ]
    return Document(
        "track", data, (*_notices(notices), *(blocks or [Line("every script of this checkout is tracked")]))
    )


def _notices(notices: Iterable[str]) -> list[Block]:
    return [Line(f"! {notice}", Tone.WARN) for notice in notices]


def self_reviewed(examined: Examined, done: SelfReviewed | None = None) -> Document:
    """done: None where the checks refuse it; seq is null then, and nothing was recorded."""
    checked = check_values(examined.checked)
    data = {
        "revision": examined.revision,
        "seq": done.seq if done else None,
        "digest": examined.manifest.digest,
        "risks": list(done.risks) if done else [],
        "sql": {
            dialect: {"upgrade": sql.upgrade, "downgrade": sql.downgrade, "problem": sql.problem}
            for dialect, sql in (done.sql.items() if done else ())
        },
        "notices": list(examined.authors.notices),
        "findings": checked["findings"],
        "rehearsals": checked["rehearsals"],
        "known": [{"seq": one.seq, "dialect": one.dialect, "grade": one.grade, "by": one.by} for one in examined.known],
    }
    blocks = [*_notices(examined.authors.notices), *_checked(examined)]
    blocks += _self_reviewed(examined, done) if done else _refused(examined)
    return Document("self-review", data, tuple(blocks))


def _checked(examined: Examined) -> Iterator[Block]:
    yield from lint_blocks(examined.checked.linted)
    if examined.checked.rehearsed.rehearsals:
        yield from rehearsal_blocks(examined.checked.rehearsed)
    for one in examined.known:
        yield Line(f"rehearsed on {one.server} by {one.by}: {one.grade} (entry {one.seq})", Tone.GOOD)


def _self_reviewed(examined: Examined, done: SelfReviewed) -> list[Block]:
    blocks: list[Block] = [Line(f"{examined.revision} self-reviewed (entry {done.seq})", Tone.GOOD)]
    if examined.again:
        blocks.append(Line("these bytes were self-reviewed before", Tone.FAINT, 1))
    if done.risks:
        blocks.append(Line(f"risks: {', '.join(done.risks)}", Tone.WARN, 1))
    for dialect, sql in done.sql.items():
        stored = "SQL stored for the reviewers" if not sql.problem else f"no SQL: {sql.problem}"
        blocks.append(Line(f"{dialect}: {stored}", Tone.FAINT, 1))
    blocks.append(Line(f"next: ask a peer for migrate-flow review {examined.revision}"))
    return blocks


def _refused(examined: Examined) -> list[Block]:
    again = f"migrate-flow self-review {examined.revision}"
    return [
        Line(""),
        Line(f"{examined.revision} is not self-reviewed: nothing was recorded", Tone.BAD),
        Line(f"next: mend what is marked error or NO above (or waive it, with a reason, in the script), then {again}"),
    ]


def attested(done: Attested, name: str) -> Document:
    standing = done.standing
    data = {
        "revision": done.revision,
        "seq": done.seq,
        "by": done.actor,
        "said": done.said,
        "state": standing.state.value,
        "digest": standing.manifest,
        "missing": dict(standing.missing_roles),
        "changes": list(done.changes),
        "notices": list(done.notices),
    }
    blocks = _notices(done.notices)
    blocks.append(Line(f"{done.revision}: {done.said}, by {done.actor} (entry {done.seq})", Tone.GOOD))
    blocks.append(Line(f"state: {standing.state.value}"))
    if standing.state is State.WITHDRAWN:
        blocks.append(Line(f"to take it up again: migrate-flow self-review {done.revision}"))
    elif standing.state is State.CREATED:
        blocks.append(Line(f"next: migrate-flow self-review {done.revision}"))
    elif standing.objections:
        blocks.append(Line(f"next: new bytes, then migrate-flow self-review {done.revision}"))
    elif standing.reviews_missing:
        blocks.append(Line(_ask("review", standing.may_review, f"review {done.revision}")))
    elif standing.missing_roles:
        missing = ", ".join(f"{count} × {role}" for role, count in sorted(standing.missing_roles.items()))
        blocks.append(Line(f"missing: {missing}"))
        blocks.append(Line(_ask("approval", standing.may_approve, f"approve {done.revision}")))
    else:
        blocks.append(Line(f"next: {done.next or 'migrate-flow status'}"))
    return Document(name, data, tuple(blocks))


def detached(done: Detached, path: Path) -> Document:
    data = {
        "revision": done.revision,
        "by": done.actor,
        "said": done.said,
        "digest": done.manifest,
        "file": str(path),
        "notices": list(done.notices),
    }
    blocks: list[Block] = [
        Line(f"{done.revision}: {done.said}, signed by {done.actor} into {path}", Tone.GOOD),
        Line(f"for the bytes {done.manifest}", indent=1),
        *(Line(f"! {text}", Tone.WARN, 1) for text in done.notices),
        Line(f"next: somebody who reaches the ledger runs migrate-flow ledger submit {shlex.quote(str(path))}"),
    ]
    return Document("detached", data, tuple(blocks))


def _ask(what: str, people: tuple[str, ...], command: str) -> str:
    if not people:
        return f"nobody is left who may give the {what}: migrate-flow people add EMAIL --role ROLE --key 'KEY'"
    return f"next: ask {' or '.join(people)} for migrate-flow {command}"


def entry_values(entry: Entry) -> dict[str, Any]:
    """One entry, for documents and hooks."""
    return {
        "seq": entry.seq,
        "hash": f"sha256:{entry.hash}",
        "kind": entry.kind,
        "at": entry.at,
        "actor": entry.actor,
        "revision": entry.revision,
        "environment": entry.environment,
        "predicate": entry.predicate,
    }


def log(entries: Found | Sequence[Entry]) -> Document:
    data = {"entries": Members(lambda: map(entry_values, entries))}
    if not len(entries):
        return Document("log", data, (Line("no entry matches"),))
    columns = ("SEQ", "AT (UTC)", "KIND", "REVISION", "ENVIRONMENT", "BY", "DETAIL")
    return Document("log", data, (Table(columns, Members(lambda: map(_row, entries)), flexible=6),))


def _row(entry: Entry) -> tuple[Cell, ...]:
    return (
        Cell(str(entry.seq), Tone.FAINT),
        Cell(f"{entry.at[:10]} {entry.at[11:19]}"),
        Cell(entry.kind, _tone(entry.kind)),
        Cell(entry.revision or "-"),
        Cell(entry.environment or "-"),
        Cell(entry.actor),
        Cell(_detail(entry)),
    )


def _tone(kind: str) -> Tone:
    if kind in ("apply.failed", "apply.partial", "apply.refused"):
        return Tone.BAD
    return Tone.GOOD if kind in ("apply.applied", "migration.approved") else Tone.PLAIN


def _detail(entry: Entry) -> str:
    fields = entry.predicate
    if malformed(fields):
        return "malformed"
    if entry.kind == "apply.refused":
        return ", ".join(str(item["gate"]) for item in fields.get("gates", ()))
    for name in ("verdict", "role", "gate", "outcome", "mode"):
        if name in fields:
            return f"{fields[name]} {fields.get('comment', '')}".strip()
    return str(fields.get("error") or fields.get("comment") or "")
