"""The same schema in every environment: two that stand at the same revisions must have the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate_flow.services.schema import LOST, Schema, stored_snapshot, unlike

if TYPE_CHECKING:
    from migrate_flow.core.policy import EnvironmentRules
    from migrate_flow.core.snapshot import Difference, RecordedSchema, Snapshot
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Unlike:
    """The schema beside that of another environment. equal: None where that can't be told, then unknown says why.
    differences: what that one has, and what this one."""

    environment: str
    differences: tuple[Difference, ...] = ()
    unknown: str = ""

    @property
    def equal(self) -> bool | None:
        return None if self.unknown else not self.differences

    def fields(self) -> dict[str, Any]:
        """For the entry of an outcome: names, not definitions."""
        said: dict[str, Any] = {"environment": self.environment, "equal": self.equal}
        if self.differences:
            said["objects"] = [f"{one.change} {one.object}" for one in self.differences]
        return said if not self.unknown else {**said, "unknown": self.unknown}


def beside_upstream(
    workspace: Workspace, rules: EnvironmentRules, standing: frozenset[str], schema: Schema
) -> tuple[Unlike, ...]:
    """Beside the recorded schema of each upstream environment that speaks the same dialect and stands at the same
    revisions; nothing is said of others. standing: revisions here."""
    found = []
    for name in rules.upstream:
        other = workspace.policy.environments.get(name)
        if other is None or other.dialect != rules.dialect or schema.snapshot is None:
            continue
        for target in workspace.history.environment(name).targets.values():
            if target.standing() == standing and target.schema is not None:
                found.append(_unlike(workspace, name, target.schema, schema.snapshot))
    return tuple(found)


def _unlike(workspace: Workspace, name: str, recorded: RecordedSchema, here: Snapshot) -> Unlike:
    if recorded.fingerprint == here.fingerprint:
        return Unlike(name)
    there = stored_snapshot(workspace, recorded.snapshot)
    return Unlike(name, unknown=LOST) if there is None else beside(workspace, name, there, here)


def beside(workspace: Workspace, name: str, there: Snapshot, here: Snapshot) -> Unlike:
    """there: the schema of the environment of this name."""
    found = unlike(workspace, there, here)
    return Unlike(name, unknown=found) if isinstance(found, str) else Unlike(name, found)
