"""The part of the fold that is about targets: intents, outcomes, refusals, adoptions, replacements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from migrate_flow.core.entry import Kind, Subject
from migrate_flow.core.fields import interned, not_of_its_files
from migrate_flow.core.history import (
    Application,
    Applied,
    Attempt,
    Attestation,
    EnvironmentRecord,
    History,
    RevisionRecord,
    TargetRecord,
)
from migrate_flow.core.place import kept_once, place_adopted, place_of
from migrate_flow.core.policy import POLICY_ADMIN, EnvironmentRules, Level
from migrate_flow.core.schema_entries import environment_of, leave, recorded_schema
from migrate_flow.core.standing import progress
from migrate_flow.core.trace import Durability


def record_of(history: History, said: Attestation) -> RevisionRecord:
    record = history.keep(said.revision)
    record.seqs.append(said.seq)
    if said.flaw:
        history.flawed.append(said)
    return record


def _intended(history: History, said: Attestation) -> None:
    environment = environment_of(history, said)
    rules = history.policy.environments.get(environment.name)
    if not said.flaw and rules is None:
        said.flaw = f"the policy has no environment {environment.name}"
    if not said.flaw and rules and rules.apply_roles and not history.policy.has_role(said.actor, rules.apply_roles):
        said.flaw = f"{said.actor} may not apply to {environment.name}"
    said.flaw = said.flaw or _misses(history, environment, said, rules)
    if not said.flaw and rules is not None:
        known = environment.targets.get(said.fields["target"])
        said.flaw = _open_already(known.attempt if known else None, said) or _not_ready(
            history, environment, said, rules
        )
    if said.flaw:
        history.flawed.append(said)
        return
    target = _place(history, environment, said)
    target.attempt = _attempt(history, said, target.applications.get(said.revision), target.attempt)
    target.version_table = said.fields.get("version_table", target.version_table)
    if target.heads is None:
        target.heads = tuple(said.fields["from_heads"])
    target.schema = target.schema or recorded_schema(said)
    record_of(history, said)


def _open_already(attempt: Attempt | None, said: Attestation) -> str:
    """Why an intent can't be: only the one that goes on with an open attempt may come while it is open."""
    if attempt is None:
        return "" if not said.fields.get("resumes") else "there is no open attempt to go on with"
    same = (attempt.revision, attempt.manifest, attempt.direction)
    goes_on = said.fields.get("resumes") == attempt.id and attempt.may_resume
    if goes_on and same == (said.revision, said.manifest, said.fields["direction"]):
        return ""
    return "an attempt is open on this target already"


def _not_ready(history: History, environment: EnvironmentRecord, said: Attestation, rules: EnvironmentRules) -> str:
    """Why an upgrade could not be meant: what the environment asks for was not there at this position.

    Derived again from the entries, so that nobody who may apply can sign what the gates would have refused. What needs
    the clock, the script's risks or the checkout is for the gates alone.
    """
    direction, record = said.fields["direction"], history.record(said.revision)
    known = environment.targets.get(said.fields["target"])
    if direction not in ("upgrade", "downgrade"):
        return "it goes neither up nor down"
    if said.fields.get("resumes"):
        return ""
    if direction == "downgrade":
        return "" if known and known.stands(said.revision) else f"{said.revision} did not stand there"
    rolled_back = known.rolled_back.get(said.revision, 0) if known and rules.requires is Level.APPROVED else 0
    state = progress(record, said.manifest, history.policy, approvals_after=rolled_back).state
    if not state.reaches(rules.requires):
        return f"{said.revision} was {state}, {environment.name} asks for {rules.requires}"
    for name in rules.upstream:
        stood = history.environment(name).latest(said.revision, said.manifest)
        if stood is None or stood.state not in (Applied.APPLIED, Applied.GRANDFATHERED) or not _same(stood, said):
            return f"{said.revision} did not stand in {name} with these bytes"
    return ""


def _same(stood: Application, said: Attestation) -> bool:
    behaviour = said.fields.get("behaviour")
    return stood.manifest == said.manifest or bool(behaviour and stood.behaviour == behaviour)


def _place(history: History, environment: EnvironmentRecord, said: Attestation) -> TargetRecord:
    """The target that an entry speaks of, from now on this environment's."""
    uuid = said.fields["target"]
    history.places.setdefault(uuid, environment.name)
    return environment.target(uuid)


def _misses(history: History, environment: EnvironmentRecord, said: Attestation, rules: EnvironmentRules | None) -> str:
    """Why an entry can't speak of its target: a second database under one name comes in by `target.replaced` alone,
    and no database is two environments'."""
    known = environment.targets
    place = history.places.get(said.fields["target"], environment.name)
    if place != environment.name:
        return f"speaks of the database that is known as {place}"
    if not known or said.fields["target"] in known or (rules and rules.personal):
        return ""
    return f"speaks of another database than the one known as {environment.name}"


def _attempt(history: History, said: Attestation, before: Application | None, earlier: Attempt | None) -> Attempt:
    fields = said.fields
    return Attempt(
        id=fields["attempt"],
        seq=said.seq,
        revision=said.revision,
        direction=fields["direction"],
        manifest=said.manifest,
        behaviour=fields.get("behaviour", ""),
        from_heads=tuple(fields["from_heads"]),
        by=said.actor,
        at=said.at,
        operator=fields.get("operator", {}),
        before=earlier.before if earlier else before,
        place=kept_once(history, said.revision, place_of(fields)),
        resumes=earlier,
    )


def _outcome(history: History, said: Attestation) -> None:
    environment = environment_of(history, said)
    target = environment.targets.get(said.fields["target"])
    attempt = target.attempt if target else None
    if not said.flaw and (attempt is None or attempt.id != said.fields["attempt"]):
        said.flaw = "an outcome without an open attempt of that number"
    if not said.flaw and target is not None and attempt is not None:
        said.flaw = _no_outcome(history, environment, target, said, attempt)
    if said.flaw or target is None or attempt is None:
        history.flawed.append(said)
        return
    record_of(history, said)
    state = _OUTCOMES.get(said.kind) or Applied(said.fields["outcome"])
    if state is Applied.PARTIAL:
        # A partial change stays an open attempt: nothing else may run before somebody settles it.
        target.put(_application(history, said, attempt, state))
        target.attempt = _decided(said, attempt)
        return
    if attempt.direction == "downgrade" and state is Applied.APPLIED:
        state = Applied.ROLLED_BACK
        target.rolled_back[attempt.revision] = said.seq
    target.attempt = None
    target.heads = tuple(said.fields["heads"])
    if state in (Applied.APPLIED, Applied.ROLLED_BACK):
        target.receipt = attempt.id
        leave(target, said)  # what failed left the schema as it was
    if state is Applied.FAILED and attempt.before and attempt.before.stands:
        target.put(attempt.before)  # it failed and left no trace: what stood, stands
    else:
        target.put(_application(history, said, attempt, state))


def _no_outcome(
    history: History, environment: EnvironmentRecord, target: TargetRecord, said: Attestation, attempt: Attempt
) -> str:
    """Why an entry is no outcome of this attempt; empty if it is. Evidence may be recorded by anybody in the policy, a
    decision only by who may apply there."""
    kind, fields = said.kind, said.fields
    if (said.revision, said.manifest, fields["direction"]) != (attempt.revision, attempt.manifest, attempt.direction):
        return "it speaks of another act than the one that was meant"
    if said.actor != attempt.by and kind in (Kind.APPLY_APPLIED, Kind.APPLY_FAILED):
        return f"{said.actor} did not make this attempt: what another finds is a recovery"
    outcome = _OUTCOMES.get(kind) or fields.get("outcome")  # the kind says it, but for a recovery
    if outcome not in _RECOVERED:
        return f"{outcome!r} is no outcome"
    stated = fields.get("statements")
    if stated and not all(
        str(n).isdigit() and state in (Durability.DONE, Durability.NOT_DONE) for n, state in stated.items()
    ):
        return "what it states of statements can't be understood"
    known = target.applications.get(attempt.revision)
    partial = known is not None and known.state is Applied.PARTIAL and known.attempt == attempt.id
    closes = partial and outcome == Applied.FAILED
    decides = closes or bool(stated) or bool(fields.get("decision")) or bool(fields.get("ended_orphans"))
    rules = history.policy.environments.get(environment.name)
    if decides and rules and rules.apply_roles and not history.policy.has_role(said.actor, rules.apply_roles):
        return f"{said.actor} may not decide on an attempt in {environment.name}"
    return ""


def _decided(said: Attestation, attempt: Attempt) -> Attempt:
    """The attempt with what was stated of it."""
    stated = {int(n): state for n, state in said.fields.get("statements", {}).items()}
    may_resume = attempt.may_resume or said.fields.get("decision") == "resume"
    return replace(attempt, stated={**attempt.stated, **stated}, may_resume=may_resume)


def _not_before(history: History, said: Attestation) -> datetime:
    """Nobody who applies says that it was before it was approved: a soak counts from there."""
    approvals = history.record(said.revision).approvals
    return max([said.at, *[item.at for item in approvals if not item.flaw]])


def _application(history: History, said: Attestation, attempt: Attempt, state: Applied) -> Application:
    return Application(
        attempt.revision,
        state,
        _not_before(history, said),
        attempt.by,
        said.seq,
        attempt.manifest,
        attempt.behaviour,
        attempt.id,
        attempt.seq,
        attempt.place,
    )


def _refused(history: History, said: Attestation) -> None:
    if said.flaw:
        history.flawed.append(said)
    elif said.revision:
        record_of(history, said)


def _adopted(history: History, said: Attestation) -> None:
    history.charter.append(said.seq)
    environment = environment_of(history, said)
    if not said.flaw:
        said.flaw = _may_adopt(history, environment, said)
    if said.flaw:
        history.flawed.append(said)
        return
    target = _place(history, environment, said)
    target.heads = tuple(said.fields["heads"])
    target.version_table = said.fields.get("version_table", target.version_table)
    target.adopted_at = said.seq
    target.receipt = ""
    leave(target, said)
    for revision in said.fields.get("gone", ()):
        target.applications.pop(revision, None)
    for item in said.fields["revisions"]:
        _adopt_one(history, environment, target, said, item)


def _adopt_one(
    history: History, environment: EnvironmentRecord, target: TargetRecord, said: Attestation, item: Mapping[str, Any]
) -> None:
    revision, manifest, behaviour = map(interned, (item["revision"], item["manifest"], item.get("behaviour", "")))
    state = Applied(item["state"])
    target.put(
        Application(
            revision,
            state,
            _not_before(history, said),
            said.actor,
            said.seq,
            manifest,
            behaviour,
            stored=said.seq,
            place=kept_once(history, revision, place_adopted(item)),
        )
    )
    record = history.keep(revision)
    record.seqs.append(said.seq)
    if state is Applied.GRANDFATHERED:
        record.adopted[environment.name] = manifest


def _may_adopt(history: History, environment: EnvironmentRecord, said: Attestation) -> str:
    rules = history.policy.environments.get(environment.name)
    if rules is None:
        return f"the policy has no environment {environment.name}"
    if rules.requires is Level.APPROVED and not history.policy.has_role(said.actor, [POLICY_ADMIN]):
        return f"adopting {environment.name} needs a {POLICY_ADMIN}"
    if missed := _misses(history, environment, said, rules):
        return missed
    files = set(said.subjects)
    for item in said.fields["revisions"]:
        state = adoption_state(history, environment, said.fields["target"], item["revision"], item["manifest"])
        if item["state"] != state:
            return f"{item['revision']} is {state} there, and nothing else"
        own = [Subject(file["path"], file["sha256"]) for file in item["files"]]
        if not files.issuperset(own) or not_of_its_files(item["manifest"], own):
            return f"{item['revision']}: the manifest is not the digest of the files that it names"
    return ""


def adoption_state(
    history: History, environment: EnvironmentRecord, target: str, revision: str, manifest: str
) -> Applied:
    """What an adoption may call a revision that it finds. Grandfathered is only what was there before the flow, or
    stood with these bytes in the database that this one replaces: a version row set by hand is no application."""
    known = environment.targets.get(target)
    if known is not None and known.heads is not None:
        return Applied.OUT_OF_BAND
    stood = (retired.applications.get(revision) for retired in environment.retired.values())
    if any(found is not None and found.stands and found.manifest == manifest for found in stood):
        return Applied.GRANDFATHERED
    created = any(not said.flaw for said in history.record(revision).created)
    return Applied.OUT_OF_BAND if created else Applied.GRANDFATHERED


def _replaced(history: History, said: Attestation) -> None:
    history.charter.append(said.seq)
    environment = environment_of(history, said)
    rules = history.policy.environments.get(environment.name)
    if not said.flaw and history.places.get(said.fields["target"], environment.name) != environment.name:
        said.flaw = "speaks of the database of another environment"
    if not said.flaw and not (rules and rules.personal) and not history.policy.has_role(said.actor, [POLICY_ADMIN]):
        said.flaw = f"replacing {environment.name}'s target needs a {POLICY_ADMIN}"
    if said.flaw:
        history.flawed.append(said)
        return
    if not (rules and rules.personal):
        rolled_back = [target.rolled_back for target in environment.targets.values()]
        environment.retire_all()  # the databases of other developers are not this one's to retire
        for known in rolled_back:
            _place(history, environment, said).rolled_back.update(known)
    _place(history, environment, said)


_OUTCOMES: dict[str, Applied] = {
    Kind.APPLY_APPLIED: Applied.APPLIED,
    Kind.APPLY_FAILED: Applied.FAILED,
    Kind.APPLY_PARTIAL: Applied.PARTIAL,
}
_RECOVERED = (Applied.APPLIED, Applied.FAILED, Applied.PARTIAL)
HANDLERS: dict[Any, Callable[[History, Attestation], None]] = {
    Kind.APPLY_INTENDED: _intended,
    Kind.APPLY_APPLIED: _outcome,
    Kind.APPLY_FAILED: _outcome,
    Kind.APPLY_PARTIAL: _outcome,
    Kind.APPLY_RECOVERED: _outcome,
    Kind.APPLY_REFUSED: _refused,
    Kind.TARGET_ADOPTED: _adopted,
    Kind.TARGET_REPLACED: _replaced,
}
