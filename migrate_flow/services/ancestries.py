"""What stands below the steps of a plan, as the digests that their rehearsals are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.ancestry import Ancestry

if TYPE_CHECKING:
    from migrate_flow.core.evidence import Evidence
    from migrate_flow.services.facts import Situation
    from migrate_flow.services.workspace import Workspace

# Where nothing was rehearsed there is nothing to compare: thousands of scripts can be pending.
_NOT_COMPARED = ("",)


class Ancestries:
    """Of one plan. Each step's are made once: apply asks again right before it runs a step."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, ...]] = {}
        self._stood: Ancestry | None = None
        self._here: Ancestry | None = None

    def of(self, workspace: Workspace, situation: Situation, revision: str, evidence: Evidence) -> tuple[str, ...]:
        """Of what stands below the revision once the plan has come there: the bytes that were applied here, else those
        of this checkout, which the gates of the ancestors' own steps judge; and, where nothing was rehearsed on that,
        all of this checkout's (a module that an applied script imports goes on to change). None where one can't be
        read."""
        if revision not in self._found:
            stood = self._walk(workspace, situation)
            if not evidence.rehearsals:
                return _NOT_COMPARED if stood.known(revision) else ()
            self._found[revision] = (stood.digest(revision),) if stood.known(revision) else ()
        found = self._found[revision]
        if len(found) == 1 and not any(one.ancestry in found for one in evidence.rehearsals):
            here = self._checkout(workspace, situation)
            found = self._found[revision] = (*found, *([here.digest(revision)] if here.known(revision) else []))
        return found

    def _walk(self, workspace: Workspace, situation: Situation) -> Ancestry:
        applications = situation.target.applications if situation.target else {}

        def behaviour(revision: str) -> str:
            application = applications.get(revision)
            known = application.behaviour if application and application.stands else ""
            return known or situation.behaviour(workspace, revision)

        if self._stood is None:
            self._stood = Ancestry(workspace.scripts.graph, behaviour)
        return self._stood

    def _checkout(self, workspace: Workspace, situation: Situation) -> Ancestry:
        if self._here is None:
            self._here = Ancestry(workspace.scripts.graph, lambda one: situation.behaviour(workspace, one))
        return self._here
