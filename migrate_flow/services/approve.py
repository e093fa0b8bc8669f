"""An approver releases the bytes that were reviewed; or, on a bad night, waives a soak or a window for a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.entry import Draft, Kind
from migrate_flow.errors import Refused, UsageError
from migrate_flow.gates import all_gates
from migrate_flow.services.content import manifest_here, resolve_one, standing_of
from migrate_flow.services.contributors import Contribution, contribution, require_another, require_known_authors
from migrate_flow.services.review import Attested, ask, require_comment, self_reviewed
from migrate_flow.services.status import row_of

if TYPE_CHECKING:
    from migrate_flow.core.standing import Standing
    from migrate_flow.services.workspace import Workspace


def approve(workspace: Workspace, text: str, role: str = "", comment: str = "") -> Attested:
    """role: default, the missing role that the signer holds. Raises Refused, UsageError, IdentityError."""
    workspace.require_current_policy()
    revision = resolve_one(workspace, text)
    signer = workspace.signer()
    reviewed = self_reviewed(workspace, revision)
    require_comment(comment, needed=False)
    manifest = manifest_here(workspace, revision)
    authors = contribution(workspace, manifest)
    standing = standing_of(workspace, revision, manifest, last_rollback(workspace, revision), authors.people)
    _require_order(revision, standing)
    chosen = _role(workspace, revision, signer.person, role, standing)
    _require_distance(workspace, revision, signer.person, authors, standing)
    require_known_authors(workspace.policy, revision, (*authors.unknown, *standing.unknown_authors))
    fields = {"revision": revision, "manifest": reviewed.manifest, "of": reviewed.seq, "role": chosen}
    if comment:
        fields["comment"] = comment
    entry = workspace.book.append(Draft(Kind.APPROVED, reviewed.subjects, fields))
    after = standing_of(workspace, revision, manifest)
    said = f"approved as {chosen}"
    command = row_of(workspace, revision, manifest).next
    return Attested(revision, entry.seq, signer.person, said, after, notices=authors.notices, next=command)


def last_rollback(workspace: Workspace, revision: str) -> int:
    """After a rollback the same people may, and must, approve again."""
    targets = (t for environment in workspace.history.environments.values() for t in environment.targets.values())
    return max((target.rolled_back.get(revision, 0) for target in targets), default=0)


def waive(workspace: Workspace, text: str, gate: str, environment: str, why: str) -> Attested:
    """Pass one waivable gate for 24 hours, in one environment. Raises Refused, UsageError."""
    workspace.require_current_policy()
    revision = resolve_one(workspace, text)
    rules = workspace.rules(environment)
    waivable = [found.name for found in all_gates() if found.waivable]
    if gate not in waivable:
        raise UsageError(f"the gate {gate!r} can't be waived", hint=f"one of: {', '.join(waivable)}", where="--waive")
    require_comment(why, needed=True)
    signer = workspace.signer()
    approvers = workspace.policy.approvals
    if not workspace.policy.has_role(signer.person, approvers):
        raise Refused(
            f"{signer.person} may not waive a gate: the role {' or '.join(approvers)} is needed",
            hint=ask(workspace.holders(approvers), f"approve {revision} --waive {gate} --env {rules.name} -m WHY"),
        )
    reviewed = self_reviewed(workspace, revision)
    fields = {
        "revision": revision, "manifest": reviewed.manifest, "environment": rules.name, "gate": gate, "comment": why,
    }  # fmt: skip
    entry = workspace.book.append(Draft(Kind.GATE_WAIVED, reviewed.subjects, fields))
    after = standing_of(workspace, revision, manifest_here(workspace, revision))
    return Attested(revision, entry.seq, signer.person, f"waived {gate} in {rules.name} for 24 hours", after)


def _require_order(revision: str, standing: Standing) -> None:
    if standing.objections:
        who = ", ".join(said.actor for said in standing.objections)
        raise Refused(f"{who} asked for changes to {revision}", hint=f"migrate-flow show {revision}")
    if standing.reviews_missing:
        raise Refused(
            f"{revision} is not peer-reviewed yet",
            hint=ask(standing.may_review, f"review {revision} --approve"),
        )


def _role(workspace: Workspace, revision: str, person: str, role: str, standing: Standing) -> str:
    held = workspace.policy.people[person].roles
    if role:
        if role not in held:
            raise Refused(
                f"{person} does not hold the role {role}",
                hint=ask(workspace.holders([role]), f"approve {revision} --role {role}"),
            )
        asked = {*workspace.policy.approvals, *standing.missing_roles}
        asked.update(name for rule in workspace.policy.escalations for name in rule.approvals)
        if role not in asked:
            hint = f"one of: {', '.join(sorted(asked))}"
            raise Refused(f"no approval is asked for in the role {role}", hint=hint, where="--role")
        return role
    missing = [name for name in standing.missing_roles if name in held]
    if missing:
        return missing[0]
    needed = list(standing.missing_roles) or list(workspace.policy.approvals)
    if not standing.missing_roles and set(needed) & held:
        return next(name for name in needed if name in held)
    raise Refused(
        f"{person} may not approve: the role {' or '.join(needed)} is needed",
        hint=ask(standing.may_approve, f"approve {revision}"),
    )


def _require_distance(
    workspace: Workspace, revision: str, person: str, authors: Contribution, standing: Standing
) -> None:
    others = ask(tuple(name for name in standing.may_approve if name != person), f"approve {revision}")
    require_another(revision, person, authors, standing, "approves", others)
    if workspace.policy.separation == "strict" and any(said.actor == person for said in standing.reviews):
        raise Refused(f"{person} reviewed {revision}: author, reviewer and approver are three people", hint=others)
    done = next((said for said in standing.approvals if said.actor == person), None)
    if done is not None:
        raise Refused(f"{person} approved {revision} already, as {done.fields['role']}", hint=others)
