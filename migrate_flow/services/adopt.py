"""Declares what already stands in an existing database, honestly: grandfathered, never approved."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from migrate_flow.core.entry import Draft, Kind, Subject
from migrate_flow.core.facts import Identity
from migrate_flow.core.history import Applied, TargetRecord
from migrate_flow.core.policy import POLICY_ADMIN, Level
from migrate_flow.core.target_entries import adoption_state
from migrate_flow.errors import Refused
from migrate_flow.services.content import describe
from migrate_flow.services.facts import Situation, look
from migrate_flow.services.recover import settle_open
from migrate_flow.services.review import ask, require_comment
from migrate_flow.services.schema import MOST_RECORDED, difference_fields, drift_of, read_schema, schema_fields

if TYPE_CHECKING:
    from migrate_flow.core.revision import Manifest
    from migrate_flow.core.snapshot import Difference
    from migrate_flow.services.ports import Probe
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Adopted:
    """out_of_band: what a second adoption of a known target found. seq: 0 if there was nothing to record.
    differences: of the schema from what was recorded before, which the adoption takes as it is."""

    environment: str
    target: str
    heads: tuple[str, ...]
    grandfathered: tuple[str, ...]
    out_of_band: tuple[str, ...]
    gone: tuple[str, ...]
    seq: int
    differences: tuple[Difference, ...] = ()


def adopt(
    workspace: Workspace, environment: str, why: str, to: Sequence[str] = (), *, new_target: bool = False
) -> Adopted:
    """to: heads that the version table is asserted to hold. Raises Refused, UsageError, BusyError, TargetError."""
    workspace.require_current_policy()
    require_comment(why, needed=True)
    situation = look(workspace, environment)
    _require_right(workspace, situation, new_target=new_target)
    _require_reachable(situation)
    if situation.observation.identity is None and not situation.observation.tables and not new_target:
        raise Refused(
            f"{environment} is empty: there is nothing to adopt",
            hint=f"migrate-flow apply --env {environment}",
            where=environment,
        )
    target = workspace.target(environment)
    with ExitStack() as stack:
        held = stack.enter_context(target.lock())
        workspace.book.catch_up()
        if not new_target:
            settle_open(workspace, environment)
        session = stack.enter_context(workspace.runner.session(target.migration_url(), target.dialect, (), held))
        probe = session.probe()
        _require_assertion(workspace, probe, to)
        _require_known(workspace, situation, probe)
        identity = _identity(workspace, situation, probe, new_target=new_target)
        if new_target and identity.uuid not in workspace.history.environment(environment).targets:
            _replace(workspace, situation, identity, why)
        if identity != situation.observation.identity:
            target.claim(identity)
        return _record(workspace, situation, identity, probe, why)


def _require_right(workspace: Workspace, situation: Situation, *, new_target: bool) -> None:
    rules, signer = situation.rules, workspace.signer()
    strict = rules.requires is Level.APPROVED or (new_target and not rules.personal)
    if strict and not workspace.policy.has_role(signer.person, [POLICY_ADMIN]):
        raise Refused(
            f"adopting {rules.name} needs the role {POLICY_ADMIN}, which {signer.person} does not hold",
            hint=ask(workspace.holders([POLICY_ADMIN]), f"adopt --env {rules.name} -m WHY"),
        )


def _require_reachable(situation: Situation) -> None:
    seen, rules = situation.observation, situation.rules
    if seen.problem or seen.obstacle or seen.dialect != rules.dialect:
        problem = seen.problem or seen.obstacle or f"it is a {seen.dialect} database, the policy says {rules.dialect}"
        raise Refused(problem, hint=f"migrate-flow env test {rules.name}", where=f"[environments.{rules.name}]")
    if seen.identity is not None and seen.identity.environment != rules.name:
        raise Refused(
            f"the database says that it is {seen.identity.environment} of project {seen.identity.project}",
            hint=f"correct url of [environments.{rules.name}]",
            where=rules.name,
        )


def _require_assertion(workspace: Workspace, probe: Probe, to: Sequence[str]) -> None:
    if not to:
        return
    graph = workspace.scripts.graph
    asserted = {revision for text in to for revision in graph.resolve(text)}
    if asserted != set(probe.heads):
        raise Refused(
            f"the version table says {_names(probe.heads)}, not {_names(asserted)}",
            hint=f"migrate-flow adopt without --to; or: alembic stamp {' '.join(sorted(asserted))}, then adopt",
            where=probe.version_table,
        )


def _require_known(workspace: Workspace, situation: Situation, probe: Probe) -> None:
    unknown = [head for head in probe.heads if head not in workspace.scripts.graph.revisions]
    if unknown:
        raise Refused(
            f"the version table holds {_names(unknown)}, which this checkout does not know",
            hint="check out the branch that holds it",
            where=probe.version_table,
        )
    others = [name for name in situation.observation.tables if name.rpartition(".")[2] != probe.version_table]
    if not probe.heads and others:
        tables = ", ".join(others[:3])
        raise Refused(
            f"there are tables ({tables}), but Alembic's version table is empty: what stands there is not known",
            hint="alembic stamp REV, with the revision whose schema this is; then adopt",
            where=situation.rules.name,
        )


def _identity(workspace: Workspace, situation: Situation, probe: Probe, *, new_target: bool) -> Identity:
    """The row that the target is to hold: its own if the ledger may know it, else a new one."""
    row, name = situation.observation.identity, situation.rules.name
    known = workspace.history.environment(name).targets
    if probe.identity != row or not probe.locked:
        raise Refused(
            "env.py connects to another database than the configuration says",
            hint="see how env.py makes its URL; [project] url_env hands it over in a variable",
            where=f"[environments.{name}] url",
        )
    if row is not None and row.ledger == workspace.history.ledger and (row.uuid in known or not known):
        return row
    if known and not new_target and not situation.rules.personal:
        raise Refused(
            f"the ledger knows another database as {name}",
            hint=f"correct url of [environments.{name}], or: migrate-flow adopt --env {name} --new-target -m WHY",
            where=name,
        )
    return Identity(
        uuid=str(uuid4()),
        project=workspace.history.project,
        environment=name,
        ledger=workspace.history.ledger,
        version_table=probe.version_table,
        version_schema=probe.version_schema,
    )


def _replace(workspace: Workspace, situation: Situation, identity: Identity, why: str) -> None:
    name = situation.rules.name
    fields = {
        "environment": name,
        "target": identity.uuid,
        "replaces": sorted(workspace.history.environment(name).targets),
        "comment": why,
    }
    workspace.book.append(Draft(Kind.TARGET_REPLACED, (), fields))


def _record(workspace: Workspace, situation: Situation, identity: Identity, probe: Probe, why: str) -> Adopted:
    name, graph = situation.rules.name, workspace.scripts.graph
    target = workspace.history.environment(name).targets.get(identity.uuid) or TargetRecord(identity.uuid)
    there = graph.applied_from(probe.heads)
    fresh = [revision for revision in graph.order() if revision in there and not target.stands(revision)]
    gone = sorted(revision for revision in target.standing() if revision not in there)
    first = target.heads is None
    if not fresh and not gone and not first:
        return Adopted(name, identity.uuid, probe.heads, (), (), (), 0)
    manifests = {revision: workspace.scripts.manifest(revision) for revision in fresh}
    environment = workspace.history.environment(name)
    states = {
        revision: adoption_state(workspace.history, environment, identity.uuid, revision, manifest.digest)
        for revision, manifest in manifests.items()
    }
    read = read_schema(workspace, name)
    schema, stored = schema_fields(read)
    found = drift_of(workspace, target.schema, read)
    fields = {
        "environment": name,
        "target": identity.uuid,
        "heads": sorted(probe.heads),
        "version_table": {"name": identity.version_table, "schema": identity.version_schema},
        "revisions": [_item(workspace, revision, manifests[revision], states[revision]) for revision in fresh],
        "gone": gone,
        "server": situation.observation.server,
        "schema": schema,
        "differences": difference_fields(found.differences[:MOST_RECORDED]) or None,
        "comment": why,
    }
    files = {file.path: file for manifest in manifests.values() for file in manifest.files}
    subjects = [Subject(file.path, file.sha256) for file in files.values()]
    entry = workspace.book.append(
        Draft(Kind.TARGET_ADOPTED, subjects, fields, [*(file.content for file in files.values()), *stored])
    )
    old = tuple(revision for revision in fresh if states[revision] is Applied.GRANDFATHERED)
    new = tuple(revision for revision in fresh if states[revision] is Applied.OUT_OF_BAND)
    return Adopted(name, identity.uuid, probe.heads, old, new, tuple(gone), entry.seq, found.differences)


def _item(workspace: Workspace, revision: str, manifest: Manifest, state: Applied) -> dict[str, Any]:
    """All that a later rollback needs, should the script be gone by then: its place in the graph, and its files."""
    return {
        **describe(workspace.scripts.revisions[revision], manifest),
        "files": [{"path": file.path, "sha256": file.sha256} for file in manifest.files],
        "state": state.value,
    }


def _names(revisions: Sequence[str] | set[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(revisions)) or "nothing"
