"""The fold: entries in, history out. State is never stored; this is the only place that derives it.

An entry that its signer had no right to make is kept, with its flaw, and does not count. Authority is judged by
the policy in force at the entry's own position, never by a clock and never by a later policy.
Signatures are not verified here (`ledger verify` and the gate `signatures-valid` do that); the key that a
signature names is read with `key_of` and must belong to the actor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import zip_longest
from sys import intern
from typing import Any

from migrate_flow.core import policy_entries, schema_entries, target_entries
from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Entry, Kind, Subject, parse_time
from migrate_flow.core.fields import OF_TEXT, malformed, not_of_its_files
from migrate_flow.core.history import Attestation, History, Proposal, Succession
from migrate_flow.core.policy import POLICY_ADMIN, RECOVERY, Policy, unsound
from migrate_flow.core.policy_entries import GOVERNING, enact
from migrate_flow.core.standing import contributors, own_work, progress
from migrate_flow.core.target_entries import record_of

KeyOf = Callable[[str], str]


def fold(entries: Iterable[Entry], key_of: KeyOf, history: History | None = None) -> History:
    """Replay entries onto history (default: an empty one). Raises ValueError for an entry that is not ours."""
    history = history or History()
    for entry in entries:
        add(history, entry, key_of)
    return history


def add(history: History, entry: Entry, key_of: KeyOf) -> None:
    """Take in the next entry. Raises ValueError if it is not ours."""
    said = _read(history, entry, key_of)
    if history.empty and entry.kind == Kind.LEDGER_OPENED:
        _open(history, said)
    else:
        said.flaw = said.flaw or _unfit(history, said)
        _handle(history, said)
    history.nonces.add(str(said.fields.get("nonce", "")))  # of whatever type a keyholder signed
    history.hashes[entry.seq] = entry.hash
    history.seq, history.hash = entry.seq, entry.hash
    if not history.genesis:
        history.genesis = entry.hash
    # Nobody's clock but those of the policy's people moves the ledger's.
    if not said.flaw and (history.last_at is None or said.at > history.last_at):
        history.last_at = said.at
    if history.lean:
        said.fields = _lasting(said.fields) if said.kind in _ATTESTING and not said.flaw else _NOTHING
    else:
        said.fields = _unframed(said, history.repeated)


def _lasting(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is asked of an attestation after its own entry: see `standing`. Most say the same, which is kept once."""
    if "contributors" in fields or "git" in fields:
        return {name: fields[name] for name in _LASTING if name in fields}
    return _shared(fields.get("verdict"), fields.get("role"))


def _unframed(said: Attestation, repeated: dict[str, Any]) -> Mapping[str, Any]:
    """What only this kind of entry says: what each says of its own place was judged, and takes half of the memory.
    repeated: by name, what the entry before said of its revision, which is kept once if this one says it again."""
    fields = {name: value for name, value in said.fields.items() if name not in _FRAME}
    if not said.revision or said.flaw:
        return fields
    own = {"revision": said.revision, "manifest": said.manifest}
    for name, value in fields.items():
        known = own.get(name) or repeated.get(name)
        # NOTE: for Python 1 is True.
        if known is not None and known == value and (name in OF_TEXT or repr(known) == repr(value)):
            fields[name] = known
        elif name not in own:
            repeated[name] = value
    return fields


@lru_cache(maxsize=256)
def _shared(verdict: str | None, role: str | None) -> Mapping[str, Any]:
    return {name: value for name, value in (("verdict", verdict), ("role", role)) if value is not None}


def _read(history: History, entry: Entry, key_of: KeyOf) -> Attestation:
    """The entry as a statement by somebody, with its flaw where it can't be read as one. Raises ValueError for a first
    entry like that: there is no ledger then."""
    fields, actor, key = entry.predicate, entry.actor, ""
    flaw = malformed(fields)
    revision, manifest = fields.get("revision", ""), fields.get("manifest", "")
    if flaw:
        revision, manifest = str(revision), str(manifest)
    subjects: tuple[Subject, ...] = ()
    at = None
    try:
        at = parse_time(fields["at"])
        subjects = _subjects(entry.document["subject"], history.files.get(manifest))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        flaw = flaw or f"malformed: {type(error).__name__} {error}"
    try:
        key = key_of(entry.signature)
    except ValueError as error:
        flaw = flaw or f"its signature can't be read: {error}"
    if flaw and history.empty:
        raise ValueError(f"entry {entry.seq}: {flaw}")
    return Attestation(
        entry.seq,
        entry.kind,
        intern(actor) if type(actor) is str else actor,
        key,
        at or history.last_at or datetime.fromtimestamp(0, UTC),
        intern(revision),
        intern(manifest),
        fields,
        subjects,
        flaw,
        seen=_seen(fields.get("after")),
    )


def _subjects(items: Any, known: tuple[Subject, ...] | None) -> tuple[Subject, ...]:
    """What a statement speaks of. known: of this manifest; the same files are named again and again."""
    if known is not None and len(known) == len(items):
        for item, subject in zip(items, known, strict=True):
            if item["name"] != subject.name or item["digest"]["sha256"] != subject.sha256:
                break
        else:
            return known
    return tuple(Subject(_text(item["name"]), _text(item["digest"]["sha256"])) for item in items)


def _seen(after: Any) -> int:
    seq = after.get("seq") if isinstance(after, dict) else 0
    return seq if type(seq) is int else 0


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text is expected")
    return value


def _handle(history: History, said: Attestation) -> None:
    """An entry that lacks what its kind needs is kept and does not count: it must not make the rest unreadable."""
    try:
        _HANDLERS[said.kind](history, said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said.flaw = said.flaw or f"malformed: {type(error).__name__} {error}"
        if not any(known is said for known in history.flawed):
            history.flawed.append(said)


def _unfit(history: History, said: Attestation) -> str:
    """Why the signer could not say this, whatever it is; empty if they could."""
    policy, fields = history.policy, said.fields
    keys = policy.keys_of(said.actor)
    if said.key not in keys:
        if not keys and said.actor not in policy.people:
            return f"{said.actor} is not in the policy"
        return f"signed with a key that is not {said.actor}'s"
    if revocation := history.revoked.get(said.key):
        return f"signed with a key that entry {revocation.seq} revoked"
    if said.actor == RECOVERY and said.kind not in GOVERNING:
        return "a recovery key signs policies and revocations, and nothing else"
    if fields.get("ledger") != history.ledger:
        return "made for another ledger"
    if fields.get("nonce", "") in history.nonces:
        return "a copy of an earlier entry"
    if not follows(history, fields.get("after")):
        return "made after an entry that this ledger does not hold"
    if fields.get("policy") != policy.digest and not _known_policy(history, said):
        return "made under a policy that was not in force"
    if said.kind in _OF_FILES and (said.manifest or said.kind != Kind.APPLY_REFUSED):
        return _bind(history, said)
    return ""


def _bind(history: History, said: Attestation) -> str:
    """Why its manifest is not that of its files. The same files are named again and again: judged and kept once."""
    if history.files.get(said.manifest) is said.subjects:
        return ""
    problem = not_of_its_files(said.manifest, said.subjects)
    if not problem:
        history.files[said.manifest] = said.subjects
    return problem


def _known_policy(history: History, said: Attestation) -> bool:
    """Whether it names a policy that was in force at some time since the entry that its signer saw."""
    after = said.fields["after"]["seq"]
    ends = [version.seq for version in history.policies[1:]]
    return any(
        version.policy.digest == said.fields.get("policy") and (end is None or end > after)
        for version, end in zip_longest(history.policies, ends)
    )


def follows(history: History, after: Any) -> bool:
    """The chain is not signed, but this is: nobody can take an entry out and link the later ones anew."""
    if not isinstance(after, dict):
        return False
    seq, known = after.get("seq"), None
    if type(seq) is int:
        known = history.hash if seq == history.seq else history.hashes.get(seq)
    return known is not None and after.get("hash") == f"sha256:{known}"


def _open(history: History, said: Attestation) -> None:
    history.ledger = said.fields["ledger"]
    history.project = said.fields["project"]
    history.charter.append(said.seq)
    policy = Policy.from_document(said.fields["document"])
    if said.key not in policy.keys_of(said.actor) or not policy.has_role(said.actor, [POLICY_ADMIN]):
        raise ValueError(f"entry {said.seq}: {said.actor} opens a ledger whose policy does not let them")
    if problem := unsound(policy):
        raise ValueError(f"entry {said.seq}: {problem}")
    enact(history, Proposal(said.seq, policy, "", said.actor, said.at, {said.actor: said.key}), said.seq)
    if old := said.fields.get("succeeds"):
        head = Head(int(old["seq"]), str(old["hash"]).removeprefix("sha256:"))
        history.succeeds = Succession(str(old["ledger"]), head, str(old.get("comment", "")))


def _opened_again(history: History, said: Attestation) -> None:
    said.flaw = said.flaw or "it opens a ledger that is open already"
    history.flawed.append(said)


def _created(history: History, said: Attestation) -> None:
    record_of(history, said).created.append(said)


def _checked(history: History, said: Attestation) -> None:
    record_of(history, said).checks.append(said)


def _self_reviewed(history: History, said: Attestation) -> None:
    record_of(history, said).self_reviews.append(said)


def _reviewed(history: History, said: Attestation) -> None:
    roles = history.policy.review_roles
    if not said.flaw and said.fields["verdict"] not in ("approve", "request-changes"):
        said.flaw = "a review approves or requests changes, and nothing else"
    if not said.flaw and not history.policy.has_role(said.actor, roles):
        said.flaw = f"{said.actor} has no role that may review ({', '.join(sorted(roles))})"
    said.flaw = said.flaw or _unseen(history, said) or _own_work(history, said)
    record_of(history, said).reviews.append(said)


def _unseen(history: History, said: Attestation) -> str:
    """Why nobody can review or approve these bytes: their author never vouched for them as this revision's."""
    if any(item.manifest == said.manifest and item.was_valid for item in history.record(said.revision).self_reviews):
        return ""
    return "it speaks of bytes that were not self-reviewed as this revision's"


def _own_work(history: History, said: Attestation) -> str:
    record = history.record(said.revision)
    return own_work(record, said.actor) if said.actor in contributors(record, history.policy) else ""


def _too_early(history: History, said: Attestation) -> str:
    """Why an approval came before its turn, by the policy at its own position."""
    found = progress(history.record(said.revision), said.manifest, history.policy)
    if found.tally.objections:
        return f"approved while {', '.join(found.tally.objections)} asked for changes"
    return "approved before it was peer-reviewed" if found.reviews_missing else ""


def _approved(history: History, said: Attestation) -> None:
    role = said.fields["role"]
    if not said.flaw and not history.policy.has_role(said.actor, [role]):
        said.flaw = f"{said.actor} has not the role {role}"
    said.flaw = said.flaw or _unseen(history, said) or _own_work(history, said) or _too_early(history, said)
    record_of(history, said).approvals.append(said)


def _withdrawn(history: History, said: Attestation) -> None:
    record = history.revisions.get(said.revision)
    if not said.flaw and (record is None or said.actor not in contributors(record, history.policy)):
        said.flaw = f"{said.actor} contributed nothing to it, and so can't withdraw it"
    record_of(history, said).withdrawals.append(said)


def _revoked(history: History, said: Attestation) -> None:
    """By position: what the attestation allowed before stays as it is; from here on it does not count."""
    record = history.revisions.get(said.revision)
    meant = record.attestation(said.fields["of"]) if record else None
    if not said.flaw and (meant is None or meant.actor != said.actor):
        said.flaw = "only the signer of an attestation takes it back"
    record_of(history, said)
    if not said.flaw and meant is not None:
        meant.undo(f"taken back by {said.actor} (entry {said.seq})")
        record_of(history, said).taken_back.append((said, meant))


def _waived(history: History, said: Attestation) -> None:
    if not said.flaw and not history.policy.has_role(said.actor, history.policy.approvals):
        said.flaw = f"{said.actor} has no approver's role"
    said.flaw = said.flaw or _unseen(history, said) or _own_work(history, said)
    record_of(history, said).waivers.append(said)


def _exported(history: History, said: Attestation) -> None:
    """Who took what out, for an auditor to see: anybody in the policy may, and nothing changes by it."""
    if not said.flaw and not follows(history, said.fields["as_of"]):
        said.flaw = "it tells of an export up to an entry that this ledger does not hold"
    if said.flaw:
        history.flawed.append(said)


_HANDLERS: dict[Any, Callable[[History, Attestation], None]] = {
    Kind.LEDGER_OPENED: _opened_again,
    Kind.LEDGER_EXPORTED: _exported,
    Kind.MIGRATION_CREATED: _created,
    Kind.CHECKED: _checked,
    Kind.SELF_REVIEWED: _self_reviewed,
    Kind.REVIEWED: _reviewed,
    Kind.APPROVED: _approved,
    Kind.WITHDRAWN: _withdrawn,
    Kind.REVOKED: _revoked,
    Kind.GATE_WAIVED: _waived,
    **policy_entries.HANDLERS,
    **target_entries.HANDLERS,
    **schema_entries.HANDLERS,
}
_NOTHING: Mapping[str, Any] = {}
_FRAME = frozenset({"ledger", "nonce", "at", "actor", "after", "policy"})
_LASTING = ("contributors", "git", "verdict", "role")
_ATTESTING = frozenset({Kind.MIGRATION_CREATED, Kind.SELF_REVIEWED, Kind.REVIEWED, Kind.APPROVED, Kind.GATE_WAIVED})
_OF_FILES = frozenset(
    {
        Kind.MIGRATION_CREATED, Kind.CHECKED, Kind.SELF_REVIEWED, Kind.REVIEWED, Kind.APPROVED, Kind.WITHDRAWN,
        Kind.REVOKED, Kind.GATE_WAIVED, Kind.APPLY_INTENDED, Kind.APPLY_APPLIED, Kind.APPLY_FAILED, Kind.APPLY_PARTIAL,
        Kind.APPLY_RECOVERED, Kind.APPLY_REFUSED,
    }
)  # fmt: skip
