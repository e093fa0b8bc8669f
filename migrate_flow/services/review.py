"""A peer says what they think of the bytes that were last self-reviewed."""

from __future__ import annotations

from dataclasses import dataclass

from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.history import Attestation
from migrate_flow.core.standing import Standing
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.content import manifest_here, resolve_one, same_bytes, standing_of
from migrate_flow.services.workspace import Workspace

LONGEST_COMMENT = 10_000
_DEEDS = {"approve": "reviewed and found right", "request-changes": "changes requested"}


@dataclass(frozen=True, slots=True)
class Attested:
    """What was recorded, and how the migration stands after it."""

    revision: str
    seq: int
    actor: str
    said: str
    standing: Standing


def review(workspace: Workspace, text: str, verdict: str, comment: str = "") -> Attested:
    """verdict: ``approve`` or ``request-changes``. Raises Refused (own work, missing role, order), UsageError."""
    workspace.require_current_policy()
    revision = resolve_one(workspace, text)
    signer = workspace.signer()
    reviewed = self_reviewed(workspace, revision)
    require_comment(comment, needed=verdict == "request-changes")
    policy, standing = workspace.policy, standing_of(workspace, revision, manifest_here(workspace, revision))
    if not policy.has_role(signer.person, policy.review_roles):
        roles = " or ".join(sorted(policy.review_roles))
        raise Refused(
            f"{signer.person} may not review: the role {roles} is needed",
            hint=ask(standing.may_review, f"review {revision} --approve"),
        )
    if signer.person in standing.contributors:
        raise Refused(
            f"{signer.person} contributed to {revision}: nobody reviews their own work",
            hint=ask(standing.may_review, f"review {revision} --approve"),
        )
    approved = any(said.actor == signer.person for said in standing.approvals)
    objects = any(said.actor == signer.person for said in standing.objections)  # theirs to take back
    if verdict == "approve" and policy.separation == "strict" and approved and not objects:
        raise Refused(
            f"{signer.person} approved {revision}: author, reviewer and approver are three people",
            hint=ask(standing.may_review, f"review {revision} --approve"),
        )
    fields = {"revision": revision, "manifest": reviewed.manifest, "of": reviewed.seq, "verdict": verdict}
    if comment:
        fields["comment"] = comment
    entry = workspace.book.append(Draft(Kind.REVIEWED, reviewed.subjects, fields))
    after = standing_of(workspace, revision, manifest_here(workspace, revision))
    return Attested(revision, entry.seq, signer.person, _DEEDS[verdict], after)


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
        raise UsageError("a comment is needed: say what has to change", hint="-m TEXT", where="-m")
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
