"""Collects what the gates look at, for one revision in one environment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from migrate_flow.core.chain import Head
from migrate_flow.core.facts import Facts, Observation
from migrate_flow.core.history import TargetRecord
from migrate_flow.core.policy import EnvironmentRules, Level
from migrate_flow.core.revision import Manifest
from migrate_flow.core.traits import Traits
from migrate_flow.errors import LedgerError
from migrate_flow.services.content import manifest_traits, standing_of
from migrate_flow.services.workspace import Workspace

WAIVER_LASTS = timedelta(hours=24)


@dataclass(frozen=True)
class Situation:
    """One environment as it is now: its rules, its database as observed, and what the ledger says of it."""

    rules: EnvironmentRules
    observation: Observation
    target: TargetRecord | None

    @property
    def applied(self) -> frozenset[str]:
        return self.target.standing() if self.target else frozenset()

    @property
    def heads(self) -> tuple[str, ...]:
        return self.observation.heads or ()


def look(workspace: Workspace, environment: str) -> Situation:
    """Raises UsageError for an unknown environment, LedgerError where target and ledger contradict each other."""
    rules = workspace.rules(environment)
    observation = workspace.target(environment).observe()
    _require_same_past(workspace, observation, environment)
    return Situation(rules, observation, target_record(workspace, environment, observation))


def target_record(workspace: Workspace, environment: str, observation: Observation) -> TargetRecord | None:
    """What the ledger knows of the database that answered."""
    targets = workspace.history.environment(environment).targets
    if observation.identity is not None:
        return targets.get(observation.identity.uuid)
    return next(iter(targets.values())) if len(targets) == 1 and observation.problem else None


def _require_same_past(workspace: Workspace, observation: Observation, environment: str) -> None:
    """The target's newest receipt names a position of the ledger: the ledger must still hold exactly that."""
    receipt = observation.receipt
    if receipt is None or observation.identity is None or observation.identity.ledger != workspace.history.ledger:
        return
    seen = Head(receipt.ledger_seq, receipt.ledger_hash)
    if seen.seq > workspace.history.head.seq:
        workspace.book.catch_up()  # a runner that came before us may have appended since we read
    head = workspace.history.head
    found = workspace.book.entries([seen.seq]) if seen.seq <= head.seq else []
    if not found or found[0].hash != seen.hash:
        raise LedgerError(
            f"the ledger can't be trusted: {environment} has a receipt for entry {seen.seq} "
            f"(sha256:{seen.hash[:12]}…), which this ledger does not hold; it was restored, cut off or replaced",
            hint="restore the newest ledger, then: migrate-flow ledger verify",
            where=workspace.book.ledger.describe(),
        )


def collect(
    workspace: Workspace,
    situation: Situation,
    revision: str,
    manifest: Manifest | None,
    *,
    earlier: frozenset[str] = frozenset(),
    conflicting_heads: tuple[str, ...] = (),
    direction: str = "upgrade",
    allow_ahead: bool = False,
) -> Facts:
    """earlier: revisions that come first in the same plan. allow_ahead: environments further down may keep it."""
    history, rules = workspace.history, situation.rules
    up = direction == "upgrade"
    waived = _waived(workspace, revision, rules.name, manifest)
    return Facts(
        direction=direction,
        revision=revision,
        rules=rules,
        history=history,
        policy=workspace.policy,
        policy_file=workspace.policy_file(),
        standing=standing_of(workspace, revision, manifest, _rolled_back(situation, revision)),
        manifest=manifest.digest if manifest else "",
        behaviour=manifest.behaviour if manifest else "",
        actor=workspace.actor,
        now=workspace.book.clock(),
        observation=situation.observation,
        target=situation.target,
        earlier=earlier,
        missing_ancestors=_missing(workspace, situation, revision, earlier) if up and revision else (),
        upstream={
            name: history.environment(name).latest(revision, manifest.digest if manifest else "")
            for name in rules.upstream
        },
        conflicting_heads=conflicting_heads,
        signature_problems=signature_problems(workspace, revision),
        waived=waived | {"downstream-rolled-back"} if allow_ahead else waived,
        downstream=() if up else downstream(workspace, rules.name, revision),
        unknown_heads=tuple(head for head in situation.heads if up and head not in workspace.scripts.graph.revisions),
        traits=manifest_traits(manifest, direction) if manifest else Traits(),
    )


def _rolled_back(situation: Situation, revision: str) -> int:
    """Where the environment asks for approvals, those from before a rollback there do not count any more."""
    if situation.target is None or situation.rules.requires is not Level.APPROVED:
        return 0
    return situation.target.rolled_back.get(revision, 0)


def downstream(workspace: Workspace, environment: str, revision: str) -> tuple[str, ...]:
    """Environments that have this one upstream, directly or not, and in which the revision stands; nearest first."""
    below, todo = [], [environment]
    while todo:
        name = todo.pop(0)
        for other, rules in workspace.policy.environments.items():
            if name in rules.upstream and other not in below:
                below.append(other)
                todo.append(other)
    history = workspace.history
    return tuple(
        name for name in below if any(target.stands(revision) for target in history.environment(name).targets.values())
    )


def _missing(workspace: Workspace, situation: Situation, revision: str, earlier: frozenset[str]) -> tuple[str, ...]:
    """Unapplied ancestors that the plan does not bring, and the revision itself where it lies below an applied head.

    Alembic takes everything below a head for applied: it would plan nothing there, and never run it.
    """
    graph = workspace.scripts.graph
    # Only of the database that the ledger knows: a wrong one has heads of its own.
    heads = situation.heads if situation.target else ()
    below = graph.applied_from(head for head in heads if head in graph.revisions)
    gap = {revision} & below
    ancestors = graph.ancestors([revision])
    wanted = (ancestors - situation.applied - earlier) | gap
    return tuple(rev for rev in graph.order() if rev in wanted)


def conflicting_heads(workspace: Workspace, applied: frozenset[str], asked: str) -> tuple[str, ...]:
    """Several heads where REV is ``head``, or that one label (or the unlabelled graph) would have after the plan."""
    graph = workspace.scripts.graph
    if asked == "head" and len(graph.heads()) > 1:
        return graph.heads()
    heads = [head for head in graph.heads_after(applied) if head in graph.revisions]
    labels = {head: graph.labels(head) or ("",) for head in heads}
    counts = Counter(label for found in labels.values() for label in found)
    return tuple(head for head in heads if any(counts[label] > 1 for label in labels[head]))


def signature_problems(workspace: Workspace, revision: str) -> tuple[str, ...]:
    """Verifies the signatures of every entry about the revision, and of what decides for all: policies, revoked keys,
    replaced targets."""
    history, book = workspace.history, workspace.book
    return book.signature_problems([*history.record(revision).seqs, *history.charter])


def _waived(workspace: Workspace, revision: str, environment: str, manifest: Manifest | None) -> frozenset[str]:
    now = workspace.book.latest()
    return frozenset(
        said.fields["gate"]
        for said in workspace.history.record(revision).waivers
        if not said.flaw
        and said.fields["environment"] == environment
        and manifest is not None
        and said.manifest == manifest.digest
        and now - said.at <= WAIVER_LASTS
    )
