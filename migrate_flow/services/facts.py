"""Collects what the gates look at, for one revision in one environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Set
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from migrate_flow.core.chain import Head
from migrate_flow.core.evidence import NOTHING, evidence_of
from migrate_flow.core.facts import Facts, Observation, Sighting
from migrate_flow.core.policy import EnvironmentRules, Level
from migrate_flow.core.traits import Traits
from migrate_flow.errors import LedgerError
from migrate_flow.services.ancestries import Ancestries
from migrate_flow.services.content import manifest_here, manifest_traits, standing_of
from migrate_flow.services.contributors import PlanAuthors
from migrate_flow.services.grounds import Grounds
from migrate_flow.services.schema import Live
from migrate_flow.services.upstreams import Upstreams

if TYPE_CHECKING:
    from migrate_flow.core.history import Application, TargetRecord
    from migrate_flow.core.revision import Manifest
    from migrate_flow.core.standing import Standing
    from migrate_flow.services.workspace import Workspace

WAIVER_LASTS = timedelta(hours=24)


@dataclass(frozen=True)
class Situation:
    """One environment as it is now: its rules, its database as observed, and what the ledger says of it.

    upstreams: the databases that come before it, authors: whose work the scripts are by git; each is asked once for a
    plan and its steps. live: the database's schema. deciding: positions of the entries that say where the target
    stands. signed: what is wrong with the signatures under each step of the plan so far. behaviours: of scripts that
    were read for that. ancestries: of the steps so far.
    """

    rules: EnvironmentRules
    observation: Observation
    target: TargetRecord | None
    upstreams: Upstreams
    authors: PlanAuthors
    live: Live
    deciding: tuple[int, ...] = ()
    signed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    behaviours: dict[str, str] = field(default_factory=dict)
    ancestries: Ancestries = field(default_factory=Ancestries)

    @cached_property
    def applied(self) -> frozenset[str]:
        return self.target.standing() if self.target else frozenset()

    @property
    def heads(self) -> tuple[str, ...]:
        return self.observation.heads or ()

    def behaviour(self, workspace: Workspace, revision: str) -> str:
        """Of the script in this checkout, read once for a plan; empty where it can't be read."""
        if revision not in self.behaviours:
            manifest = manifest_here(workspace, revision)
            self.behaviours[revision] = manifest.behaviour if manifest else ""
        return self.behaviours[revision]


def look(workspace: Workspace, environment: str) -> Situation:
    """Raises UsageError for an unknown environment, LedgerError where target and ledger contradict each other."""
    rules = workspace.rules(environment)
    observation = workspace.target(environment).observe()
    _require_same_past(workspace, observation, environment)
    known = target_record(workspace, environment, observation)
    live = Live(workspace, environment)
    return Situation(rules, observation, known, Upstreams(workspace), PlanAuthors(workspace), live, _deciding(known))


def _deciding(target: TargetRecord | None) -> tuple[int, ...]:
    """What was applied last, what stands at the version table's rows, what says whether a guard stands and what the
    schema is; adoptions and replacements decide for all."""
    if target is None or not target.applications:
        return ()
    newest = max(target.applications.values(), key=lambda application: application.seq)
    heads = [target.applications[head] for head in target.heads or () if head in target.applications]
    applied = [seq for found in (newest, *heads) for seq in (found.seq, found.stored)]
    schema = target.schema.seq if target.schema else 0
    return tuple(seq for seq in (*applied, target.guard.seq, schema) if seq)


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
    earlier: Set[str] = frozenset(),
    below: Grounds | None = None,
    conflicting_heads: tuple[str, ...] = (),
    direction: str = "upgrade",
    allow_ahead: bool = False,
) -> Facts:
    """earlier: revisions that come first in the same plan. below: the plan's grounds. allow_ahead: environments further
    down may keep it."""
    history, rules = workspace.history, situation.rules
    up = direction == "upgrade"
    below = (below or grounds(workspace, situation)) if up and revision else None
    checked = up and bool(revision) and asks_checks(rules)
    evidence = evidence_of(history.record(revision), manifest.digest) if manifest else NOTHING
    waived = _waived(workspace, revision, rules.name, manifest)
    upstream = _upstream(situation, revision, manifest.digest if manifest else "") if up and revision else {}
    return Facts(
        direction=direction,
        revision=revision,
        rules=rules,
        history=history,
        policy=workspace.policy,
        policy_file=workspace.policy_file(),
        standing=_standing(workspace, situation, revision, manifest, up=up),
        manifest=manifest.digest if manifest else "",
        behaviour=manifest.behaviour if manifest else "",
        actor=workspace.actor,
        now=workspace.book.clock(),
        observation=situation.observation,
        target=situation.target,
        earlier=earlier,
        missing_ancestors=below.missing(revision, earlier) if below else (),
        upstream={name: application for name, (application, _sighting) in upstream.items()},
        sightings={name: sighting for name, (_application, sighting) in upstream.items()},
        conflicting_heads=conflicting_heads,
        signature_problems=signature_problems(workspace, situation, revision, earlier),
        waived=waived | {"downstream-rolled-back"} if allow_ahead else waived,
        downstream=() if up else downstream(workspace, rules.name, revision),
        unknown_heads=tuple(head for head in situation.heads if up and head not in workspace.scripts.graph.revisions),
        drift=situation.live.drift(situation.target),
        evidence=evidence,
        ancestries=situation.ancestries.of(workspace, situation, revision, evidence) if checked else (),
        traits=manifest_traits(manifest, direction) if manifest else Traits(),
    )


def asks_checks(rules: EnvironmentRules) -> bool:
    """Whether the scripts must have been linted and rehearsed."""
    return rules.requires.rank >= Level.SELF_REVIEWED.rank


def _standing(
    workspace: Workspace, situation: Situation, revision: str, manifest: Manifest | None, *, up: bool
) -> Standing:
    """With the authors whom git names, where reviews are asked for: `review` and `approve` ask git before they sign,
    an entry made by hand did not."""
    rolled_back = _rolled_back(situation, revision)
    if not up or manifest is None or not asks_git(situation.rules):
        return standing_of(workspace, revision, manifest, rolled_back)
    found = situation.authors.of(manifest)
    standing = standing_of(workspace, revision, manifest, rolled_back, found.people)
    unknown = {*standing.unknown_authors, *found.unknown}
    return replace(standing, unknown_authors=tuple(sorted(unknown)))


def asks_git(rules: EnvironmentRules) -> bool:
    """Whether somebody else than the author must have agreed."""
    return rules.requires.rank >= Level.PEER_REVIEWED.rank


def _upstream(situation: Situation, revision: str, manifest: str) -> dict[str, tuple[Application | None, Sighting]]:
    return {name: situation.upstreams.latest(name, revision, manifest) for name in situation.rules.upstream}


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


def grounds(workspace: Workspace, situation: Situation) -> Grounds:
    """Only on the rows of the database that the ledger knows: a wrong one has heads of its own."""
    return Grounds(workspace.scripts.graph, situation.heads if situation.target else (), situation.applied)


def heads_meant(workspace: Workspace, applied: Set[str]) -> tuple[str, ...]:
    """By ``head``: of several branches those that were not withdrawn, if there are any."""
    graph, history = workspace.scripts.graph, workspace.history
    if len(graph.heads()) < 2:
        return graph.heads()
    out = {rev for rev in graph.revisions if rev not in applied and history.record(rev).withdrawn()}
    out -= graph.ancestors(graph.revisions.keys() - out)
    return graph.heads(frozenset(out)) or graph.heads()


def conflicting_heads(workspace: Workspace, applied: Set[str], pending: Collection[str], asked: str) -> tuple[str, ...]:
    """Several heads where REV is ``head``, or that one label (or the unlabelled graph) would have after the plan."""
    graph = workspace.scripts.graph
    if asked == "head" and len(meant := heads_meant(workspace, applied)) > 1:
        return meant
    heads = [head for head in graph.heads_after(applied | set(pending)) if head in graph.revisions]
    labels = {head: graph.labels(head) or ("",) for head in heads}
    counts = Counter(label for found in labels.values() for label in found)
    return tuple(head for head in heads if any(counts[label] > 1 for label in labels[head]))


def signature_problems(workspace: Workspace, situation: Situation, revision: str, earlier: Set[str]) -> tuple[str, ...]:
    """Verifies the signatures of every entry about the revision, of what decides for all (policies, revoked keys,
    adopted and replaced targets) and of what says where this target stands. With what was found so of the revisions
    that it stands on and that come earlier in the plan: each was judged by itself, and nothing is verified twice."""
    history, book = workspace.history, workspace.book
    own = book.signature_problems([*history.record(revision).seqs, *history.charter, *situation.deciding])
    parents = workspace.scripts.graph.parents(revision) if earlier and revision else ()
    below = {problem for parent in parents for problem in situation.signed.get(parent, ())}
    situation.signed[revision] = (*own, *sorted(below.difference(own)))
    return situation.signed[revision]


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
