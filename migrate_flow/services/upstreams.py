"""What an upstream database itself shows of what the ledger says stands in it. Each is looked at once, when a plan
first asks; one that is out of reach leaves the ledger's word alone, and the gate says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.facts import Observation, Remains, Sighting
from migrate_flow.core.history import Application, Applied, EnvironmentRecord

if TYPE_CHECKING:
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Look:
    """remains: what was read there. problem: why nothing was. seq: the ledger's newest entry then. standing: the
    revisions at or below the version table's rows, as far as this checkout knows them; unknown: the other rows."""

    remains: Remains
    problem: str
    seq: int
    standing: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()

    @property
    def observation(self) -> Observation:
        return self.remains.observation


class Upstreams:
    """The databases of other environments, as they were when this plan was made."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._looks: dict[str, _Look] = {}

    def latest(self, name: str, revision: str, manifest: str) -> tuple[Application | None, Sighting]:
        """The ledger's latest word on a revision there, and what the database shows of it. Only asked where the ledger
        says that it stands: there is nothing to contradict otherwise. Never raises."""
        record = self._workspace.history.environment(name)
        application = record.latest(revision, manifest)
        if application is None or not application.stands:
            return application, Sighting()
        look = self._look(name)
        if look.problem:
            return application, Sighting(unseen=look.problem)
        identity = look.observation.identity
        personal = self._workspace.policy.environments[name].personal
        if identity is None and not personal:
            return application, _nobody_s(name, application)
        known = record.targets.get(identity.uuid) if identity else None
        if known is None or known.applications.get(revision) is not application:
            return application, Sighting(unseen="the one that answers is not the one that it was applied to")
        sighting = _sighting(name, application, look)
        others = {uuid: target for uuid, target in record.targets.items() if target is not known}
        elsewhere = EnvironmentRecord(name, others).latest(revision, manifest)
        if sighting.contradicts and elsewhere is not None and elsewhere.stands:
            return elsewhere, Sighting(unseen="the one that answers is not the one that it was applied to")
        return application, sighting

    def _look(self, name: str) -> _Look:
        if name not in self._looks:
            self._looks[name] = self._seen(name)
        return self._looks[name]

    def _seen(self, name: str) -> _Look:
        workspace, seq = self._workspace, self._workspace.history.head.seq
        nothing = Remains(Observation())
        if name not in workspace.config.environments:
            return _Look(nothing, "this file does not say how to reach it", seq)
        try:
            remains = workspace.target(name).with_receipts()
        except Exception as error:  # whatever stands in a database that is not the one to be changed
            return _Look(nothing, f"what stands in it can't be read ({type(error).__name__})", seq)
        seen, rules = remains.observation, workspace.policy.environments[name]
        problem = seen.problem
        if not problem and seen.dialect != rules.dialect:
            problem = f"its url leads to a {seen.dialect} database, the policy says {rules.dialect}"
        if not problem and seen.absent:
            problem = "there is no such file here"
        graph, heads = workspace.scripts.graph, seen.heads or ()
        standing = graph.applied_from(head for head in heads if head in graph.revisions)
        return _Look(remains, problem, seq, frozenset(standing), tuple(h for h in heads if h not in graph.revisions))


def _nobody_s(name: str, application: Application) -> Sighting:
    hint = f"migrate-flow log --env {name}; correct its url, or: migrate-flow adopt --env {name} --new-target -m WHY"
    why = "was never claimed for it, and has no receipt of anything"
    return Sighting(f"{_said(name, application)}, but the database there {why}", hint)


def _sighting(name: str, application: Application, look: _Look) -> Sighting:
    """The version table decides; where it stands at what this checkout lacks, the receipt does."""
    if application.seq > look.seq:
        newer = f"{_said(name, application)}, after {name}'s database was looked at"
        return Sighting(newer, "run the command again")
    receipt = (application.attempt, application.revision, application.manifest) in look.remains.upgrades
    if application.revision in look.standing or (look.unknown and receipt):
        return Sighting()
    if look.unknown and not application.attempt:
        return Sighting(unseen=f"it stands at {', '.join(look.unknown)}, which this checkout does not hold")
    heads = ", ".join(look.observation.heads or ()) or "nothing"
    found = "" if receipt or not application.attempt else "shows no receipt of it, and "
    hint = f"migrate-flow log --env {name}; migrate-flow adopt --env {name} -m WHY records what stands there"
    return Sighting(f"{_said(name, application)}, but {name}'s own database {found}stands at {heads}", hint)


_DEEDS: Mapping[Applied, str] = {Applied.APPLIED: "applied", Applied.GRANDFATHERED: "adopted"}


def _said(name: str, application: Application) -> str:
    deed = _DEEDS.get(application.state, application.state.value)
    return f"the ledger says {deed} in {name} by {application.by} (entry {application.seq})"
