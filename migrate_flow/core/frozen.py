"""What a fold came to as plain JSON values, and back. A part each: the outline, each revision's record, the
applications of each target; so that a reader thaws no more than it looks at.

Nothing is judged here, and nothing that depends on the clock is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple
from datetime import datetime
from typing import Any

from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Entry, Kind, Subject
from migrate_flow.core.guard import RecordedGuard
from migrate_flow.core.history import (
    Application,
    Applied,
    Attempt,
    Attestation,
    EnvironmentRecord,
    History,
    PolicyVersion,
    Proposal,
    RevisionRecord,
    Revocation,
    Succession,
    TargetRecord,
)
from migrate_flow.core.place import Place
from migrate_flow.core.policy import Policy
from migrate_flow.core.snapshot import RecordedSchema

FORMAT = 3  # of everything below
_LISTS = ("created", "checks", "self_reviews", "reviews", "approvals", "waivers", "withdrawals")

Fetch = Callable[[int], Entry]
Address = tuple[str, bool, str]  # environment, whether retired, target


def freeze_outline(history: History) -> dict[str, Any]:
    """All but the records, the applications, the hashes and the nonces."""
    succeeds = history.succeeds
    return {
        "ledger": history.ledger,
        "project": history.project,
        "seq": history.seq,
        "hash": history.hash,
        "genesis": history.genesis,
        "last_at": _when(history.last_at),
        "policies": [[v.seq, v.number, v.policy.document, v.by, _when(v.at)] for v in history.policies],
        "proposals": [
            [p.seq, p.policy.document, p.base, p.by, _when(p.at), p.keys] for p in history.proposals.values()
        ],
        "revoked": [[r.seq, r.key, r.by, r.since, r.why] for r in history.revoked.values()],
        "charter": history.charter,
        "succeeds": succeeds and [succeeds.ledger, succeeds.head.seq, succeeds.head.hash, succeeds.why],
        "claims": {address: sorted(people) for address, people in history.claims.items()},
        "environments": [
            [known.name, *([_target(target) for target in part.values()] for part in (known.targets, known.retired))]
            for known in history.environments.values()
        ],
        "places": history.places,
        "flawed": [_attestation(said) for said in history.flawed],
    }


def thaw_outline(outline: Mapping[str, Any], history: History, fetch: Fetch) -> History:
    """Into a history whose records, hashes and nonces are there already. fetch: the entry at a position.
    Raises ValueError, KeyError or TypeError for what `freeze_outline` did not write."""
    for name in ("ledger", "project", "seq", "hash", "genesis"):
        setattr(history, name, outline[name])
    history.last_at = _moment(outline["last_at"])
    history.policies += (
        PolicyVersion(seq, number, Policy.from_document(document), by, _time(at))
        for seq, number, document, by, at in outline["policies"]
    )
    for seq, document, base, by, at, keys in outline["proposals"]:
        history.proposals[seq] = Proposal(seq, Policy.from_document(document), base, by, _time(at), keys)
    history.revoked.update(
        (key, Revocation(seq, key, by, since, why)) for seq, key, by, since, why in outline["revoked"]
    )
    history.charter += outline["charter"]
    if outline["succeeds"]:
        ledger, seq, digest, why = outline["succeeds"]
        history.succeeds = Succession(ledger, Head(seq, digest), why)
    history.claims.update((address, set(people)) for address, people in outline["claims"].items())
    for name, targets, retired in outline["environments"]:
        known = history.environments[name] = EnvironmentRecord(name)
        for part, rows in ((known.targets, targets), (known.retired, retired)):
            part.update((row[0], _thawed_target(row, fetch)) for row in rows)
    history.places.update(outline["places"])
    history.flawed += map(_thawed_attestation, outline["flawed"])
    return history


def freeze_record(record: RevisionRecord) -> list[Any]:
    return [
        *([_attestation(said) for said in getattr(record, name)] for name in _LISTS),
        record.adopted,
        [[_attestation(by), meant.seq] for by, meant in record.taken_back],
        record.seqs,
    ]


def thaw_record(revision: str, row: list[Any], claims: Mapping[str, set[str]]) -> RevisionRecord:
    """claims: the history's. Raises ValueError, KeyError or TypeError for what `freeze_record` did not write."""
    *lists, adopted, taken_back, seqs = row
    record = RevisionRecord(revision, adopted=adopted, seqs=seqs, claims=claims)
    for name, said in zip(_LISTS, lists, strict=True):
        getattr(record, name).extend(map(_thawed_attestation, said))
    for by, seq in taken_back:
        meant = record.attestation(seq)
        if meant is None:
            raise ValueError(f"{revision}: nothing at position {seq} to take back")
        record.taken_back.append((_thawed_attestation(by), meant))
    return record


def targets_of(history: History) -> dict[Address, TargetRecord]:
    return {
        (known.name, retired, uuid): target
        for known in history.environments.values()
        for retired, part in ((False, known.targets), (True, known.retired))
        for uuid, target in part.items()
    }


def freeze_application(found: Application) -> list[Any]:
    """Without its place, which the entry that stored it has."""
    return [
        found.revision,
        found.state.value,
        _when(found.at),
        found.by,
        found.seq,
        found.manifest,
        found.behaviour,
        found.attempt,
        found.stored,
    ]


def thaw_application(row: list[Any], fetch: Fetch) -> Application:
    revision, state, at, by, seq, manifest, behaviour, attempt, stored = row
    place = Place(fetch, stored, revision)
    return Application(revision, _APPLIED[state], _time(at), by, seq, manifest, behaviour, attempt, stored, place)


def _attestation(said: Attestation) -> list[Any]:
    return [
        said.seq,
        said.kind,
        said.actor,
        said.key,
        said.at.isoformat(),
        said.revision,
        said.manifest,
        said.fields,
        [[subject.name, subject.sha256] for subject in said.subjects],
        said.flaw,
        said.undone,
        said.seen,
    ]


def _thawed_attestation(row: list[Any]) -> Attestation:
    seq, kind, actor, key, at, revision, manifest, fields, subjects, flaw, undone, seen = row
    files = tuple(Subject(name, sha256) for name, sha256 in subjects)
    return Attestation(
        seq, _KINDS[kind], actor, key, _time(at), revision, manifest, fields, files, flaw, undone, seen
    )  # fmt: skip


def _target(target: TargetRecord) -> list[Any]:
    schema, guard = target.schema, target.guard
    return [
        target.uuid,
        target.heads,
        target.version_table,
        target.attempt and _attempt(target.attempt),
        target.receipt,
        target.adopted_at,
        target.rolled_back,
        schema
        and [schema.seq, schema.fingerprint, schema.snapshot, schema.normaliser, schema.server_major, schema.rows],
        target.unread,
        target.drift,
        list(astuple(guard)),
    ]


def _thawed_target(row: list[Any], fetch: Fetch) -> TargetRecord:
    uuid, heads, version_table, attempt, receipt, adopted_at, rolled_back, schema, unread, drift, guard = row
    return TargetRecord(
        uuid,
        heads=None if heads is None else tuple(heads),
        version_table=version_table,
        attempt=attempt and _thawed_attempt(attempt, fetch),
        receipt=receipt,
        adopted_at=adopted_at,
        rolled_back=rolled_back,
        schema=schema and RecordedSchema(*schema),
        unread=unread,
        drift=drift,
        guard=RecordedGuard(*guard),
    )


def _attempt(attempt: Attempt) -> list[Any]:
    return [
        attempt.id,
        attempt.seq,
        attempt.revision,
        attempt.direction,
        attempt.manifest,
        attempt.behaviour,
        attempt.from_heads,
        attempt.by,
        _when(attempt.at),
        attempt.operator,
        attempt.before and freeze_application(attempt.before),
        attempt.resumes and _attempt(attempt.resumes),
        attempt.may_resume,
        list(attempt.stated.items()),
    ]


def _thawed_attempt(row: list[Any], fetch: Fetch) -> Attempt:
    id_, seq, revision, direction, manifest, behaviour, heads, by, at, operator, before, resumes, may, stated = row
    return Attempt(
        id_,
        seq,
        revision,
        direction,
        manifest,
        behaviour,
        tuple(heads),
        by,
        _time(at),
        operator,
        before and thaw_application(before, fetch),
        Place(fetch, seq, revision),
        resumes and _thawed_attempt(resumes, fetch),
        may,
        dict(stated),
    )


def _when(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _moment(text: str | None) -> datetime | None:
    return _time(text) if text else None


_KINDS = {kind.value: kind for kind in Kind}
_APPLIED = {state.value: state for state in Applied}
