"""Reviews and approvals by people who can't reach the ledger: signed into a file there, submitted by somebody else.

The file is the statement and its signature, nothing more. Whoever submits it can change neither, and their own name
does not matter: the entry is its signer's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Draft, Entry, Kind, format_time, parse_time, project, statement
from migrate_flow.core.lifecycle import fold
from migrate_flow.core.standing import stand
from migrate_flow.errors import ConfigError, Refused, UsageError
from migrate_flow.services.approve import last_rollback
from migrate_flow.services.book import TOLERANCE
from migrate_flow.services.content import manifest_here, standing_of, subjects
from migrate_flow.services.contributors import (
    contribution,
    contribution_fields,
    require_another,
    require_known_authors,
)
from migrate_flow.services.review import Attested, ask, require_comment

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.history import History
    from migrate_flow.core.policy import Policy
    from migrate_flow.services.ports import Authors, Clock, Scripts, Signer
    from migrate_flow.services.workspace import Workspace

SCHEMA = "migrate-flow/detached/1"
_KINDS = {Kind.REVIEWED: "reviewed", Kind.APPROVED: "approved"}


@dataclass(frozen=True)
class Apart:
    """What is there without a ledger: the checkout, the file's policy, a key."""

    config: Config
    scripts: Scripts
    authors: Authors
    signer: Callable[[], Signer]
    clock: Clock

    @property
    def policy(self) -> Policy:
        """The file's: what is in force is known where the ledger is."""
        return self.config.policy

    @property
    def claims(self) -> Mapping[str, Collection[str]]:
        """As policy: earlier ones are known where the ledger is."""
        return {}


@dataclass(frozen=True, slots=True)
class Detached:
    """text: what the file holds. manifest: of the bytes that were looked at. notices: about their authors."""

    revision: str
    actor: str
    manifest: str
    said: str
    text: str
    notices: tuple[str, ...] = ()


def review_apart(apart: Apart, text: str, verdict: str, comment: str = "") -> Detached:
    """As `review`, for the bytes of this checkout. Raises Refused (role), UsageError, IdentityError."""
    require_comment(comment, needed=verdict == "request-changes")
    signer, policy = apart.signer(), apart.config.policy
    if not policy.has_role(signer.person, policy.review_roles):
        raise Refused(
            f"{signer.person} may not review: the role {' or '.join(sorted(policy.review_roles))} is needed",
            hint=ask(policy.holders(policy.review_roles), f"review {text} --approve"),
        )
    return _signed(apart, signer, Kind.REVIEWED, text, {"verdict": verdict}, comment)


def approve_apart(apart: Apart, text: str, role: str = "", comment: str = "") -> Detached:
    """As `approve`, for the bytes of this checkout. role: default, the one of the policy that the signer holds."""
    require_comment(comment, needed=False)
    signer, policy = apart.signer(), apart.config.policy
    asked = {*policy.approvals, *(name for rule in policy.escalations for name in rule.approvals)}
    held = policy.people[signer.person].roles if signer.person in policy.people else frozenset()
    chosen = role or next((name for name in (*policy.approvals, *sorted(asked)) if name in held), "")
    if chosen not in held:
        raise Refused(
            f"{signer.person} may not approve: the role {role or ' or '.join(sorted(asked))} is needed",
            hint=ask(policy.holders([role] if role else asked), f"approve {text}"),
        )
    return _signed(apart, signer, Kind.APPROVED, text, {"role": chosen}, comment)


def _signed(apart: Apart, signer: Signer, kind: Kind, text: str, fields: dict[str, str], comment: str) -> Detached:
    config, found = apart.config, apart.scripts.graph.resolve(text)
    if len(found) != 1:
        raise UsageError(f"{text!r} means {', '.join(found) or 'nothing'}", hint="name one revision", where="REV")
    if not config.ledger.id or not config.ledger.genesis:
        raise ConfigError(
            "the configuration does not say which ledger this is for",
            hint="pull the migrate-flow.toml that init wrote id and genesis into",
            where="[ledger] id",
        )
    manifest = apart.scripts.manifest(found[0])
    authors = contribution(apart, manifest)
    others = f"another person of the policy runs: migrate-flow review {found[0]} --approve"
    deed = "reviews" if kind is Kind.REVIEWED else "approves"
    require_another(found[0], signer.person, authors, None, deed, others)
    require_known_authors(apart.policy, found[0], authors.unknown)
    said = {"revision": found[0], "manifest": manifest.digest, **fields, **({"comment": comment} if comment else {})}
    seen = contribution_fields(authors) if kind is Kind.REVIEWED else {}
    signed = statement(
        Draft(kind, subjects(manifest), {**said, **seen}),
        ledger=config.ledger.id,
        nonce=str(uuid4()),
        at=format_time(apart.clock()),
        actor=signer.person,
        after=Head(1, config.ledger.genesis.removeprefix("sha256:")),  # all that can be known of it from afar
        policy=config.policy.digest,
    )
    document = {"schema": SCHEMA, "statement": signed.decode(), "signature": signer.sign(signed)}
    what = fields.get("verdict") or f"approve as {fields['role']}"
    text = json.dumps(document, indent=1) + "\n"
    return Detached(found[0], signer.person, manifest.digest, what, text, authors.notices)


def submit(workspace: Workspace, data: bytes, where: str) -> Attested:
    """Append what somebody signed apart. Needs the right to write to the ledger, and no key.

    Raises UsageError (no such file of ours), Refused (it would not count).
    """
    signed, signature = _read(data, where)
    try:
        workspace.verifier.verify(signed, signature)
        entry = project(workspace.history.head.seq + 1, workspace.history.head.hash, signed, signature)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"its signature or statement is not right: {error}", hint=_AGAIN, where=where) from error
    if entry.kind not in _KINDS or not isinstance(entry.revision, str):
        raise UsageError(f"{entry.kind} is signed at the ledger, not apart", hint=_AGAIN, where=where)
    if parse_time(entry.at) > workspace.book.clock() + TOLERANCE:
        raise Refused("it was signed at a time to come", hint="set the clock there, and sign again", where=where)
    authors = contribution(workspace, manifest_here(workspace, entry.revision))
    require_another(entry.revision, entry.actor, authors, None, "reviews or approves", "migrate-flow show")
    _require_counts(workspace, entry, list(workspace.book.ledger.entries()), where)

    def recheck(history: History) -> None:
        if entry.predicate["nonce"] in history.nonces:
            raise Refused("it was submitted already", hint="migrate-flow log", where=where)

    made = workspace.book.append_signed(signed, signature, recheck)
    workspace.book.require_counts(made)
    after = standing_of(workspace, entry.revision, manifest_here(workspace, entry.revision))
    return Attested(entry.revision, made.seq, entry.actor, f"{_KINDS[Kind(entry.kind)]}, as signed apart", after)


_AGAIN = "migrate-flow review REV --approve --detached FILE, or approve REV --detached FILE, makes such a file"


def _read(data: bytes, where: str) -> tuple[bytes, str]:
    try:
        document = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError("another schema")
        return document["statement"].encode(), str(document["signature"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError("this is no detached review or approval", hint=_AGAIN, where=where) from error


def _require_counts(workspace: Workspace, entry: Entry, entries: Sequence[Entry], where: str) -> None:
    """Whoever signed it would want to know now, and an entry that does not count can't be taken out again."""
    key_of = workspace.verifier.key_of
    trial = fold([*entries, entry], key_of)
    said = next((item for item in trial.attestations() if item.seq == entry.seq), None)
    if said is None or said.flaw:
        flaw = said.flaw if said else "it is not understood"
        raise Refused(f"it would not count: {flaw}", hint="migrate-flow show " + str(entry.revision), where=where)
    after = last_rollback(workspace, said.revision)
    now = workspace.book.latest()
    standing = stand(trial.record(said.revision), said.manifest, trial.policy, now=now, approvals_after=after)
    for item, why in standing.uncounted:
        if item.seq == entry.seq:
            raise Refused(f"it would not count: {why}", hint=f"migrate-flow show {said.revision}", where=where)
