"""A peer says what they think of the bytes that were last self-reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Draft, Kind
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.changes import changed_since
from migrate_flow.services.content import manifest_here, resolve_one, same_bytes, standing_of
from migrate_flow.services.contributors import (
    contribution,
    contribution_fields,
    require_another,
    require_known_authors,
)

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation
    from migrate_flow.core.revision import Manifest
    from migrate_flow.core.standing import Standing
    from migrate_flow.services.contributors import Contribution
    from migrate_flow.services.workspace import Workspace

LONGEST_COMMENT = 10_000
_DEEDS = {"approve": "reviewed and found right", "request-changes": "changes requested"}


@dataclass(frozen=True, slots=True)
class Attested:
    """What was recorded, and how the migration stands after it. changes: since somebody last vouched for it, before
    this. notices: about its authors. next: the command that moves it on, where that is known."""

    revision: str
    seq: int
    actor: str
    said: str
    standing: Standing
    changes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    next: str = ""


def review(workspace: Workspace, text: str, verdict: str, comment: str = "") -> Attested:
    """verdict: ``approve`` or ``request-changes``. Raises Refused (own work, missing role, order), UsageError."""
    workspace.require_current_policy()
    revision = resolve_one(workspace, text)
    require_comment(comment, needed=verdict == "request-changes")
    manifest = manifest_here(workspace, revision)
    authors = contribution(workspace, manifest)
    reviewed, standing, signer = _reviewable(workspace, revision, manifest, authors)
    approved = any(said.actor == signer for said in standing.approvals)
    objects = any(said.actor == signer for said in standing.objections)  # theirs to take back
    if verdict == "approve" and workspace.policy.separation == "strict" and approved and not objects:
        raise Refused(
            f"{signer} approved {revision}: author, reviewer and approver are three people",
            hint=ask(standing.may_review, f"review {revision} --approve"),
        )
    fields = {"revision": revision, "manifest": reviewed.manifest, "of": reviewed.seq, "verdict": verdict}
    fields |= contribution_fields(authors)
    if comment:
        fields["comment"] = comment
    changes = changed_since(workspace, revision)
    entry = workspace.book.append(Draft(Kind.REVIEWED, reviewed.subjects, fields))
    after = standing_of(workspace, revision, manifest)
    return Attested(revision, entry.seq, signer, _DEEDS[verdict], after, changes, authors.notices)


def require_reviewable(workspace: Workspace, revision: str) -> None:
    """Whoever may not review need not read first. Raises Refused, as `review`."""
    workspace.require_current_policy()
    manifest = manifest_here(workspace, revision)
    _reviewable(workspace, revision, manifest, contribution(workspace, manifest))


def _reviewable(
    workspace: Workspace, revision: str, manifest: Manifest | None, authors: Contribution
) -> tuple[Attestation, Standing, str]:
    """What is reviewed, how it stands, and who reviews it. Raises Refused."""
    signer, policy = workspace.signer().person, workspace.policy
    reviewed = self_reviewed(workspace, revision)
    standing = standing_of(workspace, revision, manifest, also=authors.people)
    others = ask(standing.may_review, f"review {revision} --approve")
    if not policy.has_role(signer, policy.review_roles):
        roles = " or ".join(sorted(policy.review_roles))
        raise Refused(f"{signer} may not review: the role {roles} is needed", hint=others)
    require_another(revision, signer, authors, standing, "reviews", others)
    require_known_authors(policy, revision, (*authors.unknown, *standing.unknown_authors))
    return reviewed, standing, signer


def self_reviewed(workspace: Workspace, revision: str) -> Attestation:
    """The newest self-review, whose bytes this checkout holds too (or does not hold at all). Raises Refused."""
    reviewed = workspace.history.record(revision).last_self_review()
    if reviewed is None:
        tracked = bool(workspace.history.record(revision).created)
        step = "self-review" if tracked else "track"
        raise Refused(f"{revision} is not self-reviewed yet", hint=f"its author runs: migrate-flow {step} {revision}")
    same_bytes(workspace, revision, reviewed)
    return reviewed


def require_comment(comment: str, *, needed: bool) -> None:
    if needed and not comment.strip():
        raise UsageError("a comment is needed: say why", hint="-m TEXT", where="-m")
    if len(comment) > LONGEST_COMMENT:
        raise UsageError(
            f"the comment has {len(comment)} characters, {LONGEST_COMMENT} is the most",
            hint="put the details into the ticket, and name it here",
            where="-m",
        )


def ask(people: tuple[str, ...], command: str) -> str:
    """A command that somebody else has to run."""
    if not people:
        return "nobody is left who may: migrate-flow people add EMAIL --role ROLE --key 'KEY'"
    return f"ask {' or '.join(people)}: migrate-flow {command}"
