"""The schema of a target: read, put into entries, and held against what an entry says that it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from migrate_flow.core import canonical
from migrate_flow.core import guard as guards
from migrate_flow.core.facts import Drift
from migrate_flow.core.snapshot import Difference, Indeterminate, RecordedSchema, Snapshot, difference, from_document
from migrate_flow.errors import MigrateFlowError

if TYPE_CHECKING:
    from migrate_flow.core.guard import RecordedGuard, SeenGuard
    from migrate_flow.core.history import TargetRecord
    from migrate_flow.services.workspace import Workspace

MOST_RECORDED = 200  # differences in an entry, and rows of the guard's log; the snapshot holds all differences
NOT_THERE = "there is no database yet"
LOST = "the ledger has lost the recorded snapshot"


@dataclass(frozen=True, slots=True)
class Schema:
    """snapshot: None where it could not be read, then problem says why. logged: id of the newest row that the guard's
    log had before, 0 where there is none."""

    snapshot: Snapshot | None
    problem: str = ""
    logged: int = 0


class Live:
    """A target's schema, read when somebody first asks, and held against what is recorded once."""

    def __init__(self, workspace: Workspace, environment: str, schema: Schema | None = None) -> None:
        self._workspace, self._environment, self._schema = workspace, environment, schema
        self._drifts: dict[tuple[RecordedSchema | None, RecordedGuard], Drift] = {}
        self._guard: SeenGuard | None = None
        self._same: RecordedSchema | None = None
        self._logged = 0

    def schema(self) -> Schema:
        if self._schema is None:
            self._schema = read_schema(self._workspace, self._environment, self._guard)
        return self._schema

    def guard(self) -> SeenGuard:
        """With its whole log that nobody explained yet. Raises TargetError, UsageError."""
        if self._guard is None:
            self._guard = read_guard(self._workspace, self._environment)
        return self._guard

    def drift(self, target: TargetRecord | None) -> Drift:
        """Of the schema, and of the guard where one was installed. target: None for one that the ledger does not
        know."""
        if target is None:
            return Drift()
        key = (target.schema, target.guard)
        if key not in self._drifts:
            # In this order: what the guard logs later must not count as part of this schema.
            guard, problem = self._of_guard(target)
            found = self._of_schema(target.schema) if target.schema else _nothing(target)
            differences = (guard, *found.differences) if guard else found.differences
            self._drifts[key] = replace(found, differences=differences, unknown=found.unknown or problem)
        return self._drifts[key]

    def _of_schema(self, recorded: RecordedSchema) -> Drift:
        if self._schema is None and recorded.rows and self._unchanged(recorded):
            return Drift(recorded, now=recorded.fingerprint)
        return drift_of(self._workspace, recorded, self.schema())

    def _unchanged(self, recorded: RecordedSchema) -> bool:
        """As far as the server's own digest tells, which is quick where nothing changed."""
        try:
            logged = _logged(self._workspace, self._environment, self._guard)
            if self._workspace.target(self._environment).unchanged(recorded.rows):
                self._same, self._logged = recorded, logged
                return True
        except MigrateFlowError:
            pass  # the look at the schema says why
        return False

    def fields(self) -> tuple[dict[str, str], list[bytes]]:
        """The field ``schema`` of an entry, and the snapshot to store with it, unless it is stored already."""
        if self._same is None or self._schema is not None:
            return schema_fields(self.schema())
        return _fields(self._same, self._logged), []

    def _of_guard(self, target: TargetRecord) -> tuple[Difference | None, str]:
        """How the guard is not as it was installed, and why that can't be told."""
        if not target.guard.seq:
            return None, ""
        try:
            return guards.difference(target.guard, self.guard().status, self._environment), ""
        except MigrateFlowError as error:
            return None, f"the guard can't be looked at: {error.message}" if target.guard.installed else ""


def _nothing(target: TargetRecord) -> Drift:
    if not target.unread:
        return Drift()
    why = f"the schema could not be read when entry {target.unread} was made"
    return Drift(unknown=f"{why}: there is nothing to compare with")


def read_schema(workspace: Workspace, environment: str, guard: SeenGuard | None = None) -> Schema:
    """guard: as it was seen before, where it was. Never raises for a target that is out of reach, or that can't be
    read."""
    try:
        logged = _logged(workspace, environment, guard)
        snapshot = workspace.target(environment).snapshot()
    except MigrateFlowError as error:
        return Schema(None, f"the schema can't be read: {error.message}")
    return Schema(snapshot, "" if snapshot else NOT_THERE, logged)


def _logged(workspace: Workspace, environment: str, guard: SeenGuard | None) -> int:
    """What the guard's log holds before the schema is read: a row may be shown twice, but is never passed over."""
    if not any(target.guard.seq for target in workspace.history.environment(environment).targets.values()):
        return 0
    seen = guard or read_guard(workspace, environment)
    return max((row.id for row in seen.log), default=0)


def read_guard(workspace: Workspace, environment: str) -> SeenGuard:
    """With the rows of its log that nobody explained yet, by the least that was explained of any of its targets. Raises
    TargetError, UsageError."""
    target = workspace.target(environment)
    known = [one.guard for one in workspace.history.environment(environment).targets.values()]
    explained = min((one.logged for one in known), default=0)
    seen = target.guard(explained)
    return target.guard() if explained > seen.status.newest else seen


def schema_fields(schema: Schema) -> tuple[dict[str, str], list[bytes]]:
    """The field ``schema`` of an entry, and the snapshot to store with it."""
    if schema.snapshot is None:
        return {"problem": schema.problem}, []
    made = schema.snapshot
    content = made.to_bytes()
    digest = canonical.sha256(content)
    told = RecordedSchema(0, made.fingerprint, digest, made.normaliser, made.server_major, made.rows)
    return _fields(told, schema.logged), [content]


def _fields(schema: RecordedSchema, logged: int) -> dict[str, str]:
    fields = {
        "fingerprint": schema.fingerprint,
        "snapshot": schema.snapshot,
        "normaliser": schema.normaliser,
        "server_major": schema.server_major,
    }
    return fields | ({"rows": schema.rows} if schema.rows else {}) | ({"logged": str(logged)} if logged else {})


def stored_snapshot(workspace: Workspace, digest: str) -> Snapshot | None:
    """None where the ledger does not hold it, or it is none."""
    content = workspace.book.ledger.artifact(digest.removeprefix("sha256:"))
    if content is None:
        return None
    try:
        return from_document(json.loads(content))
    except ValueError:
        return None


def drift_of(workspace: Workspace, recorded: RecordedSchema | None, schema: Schema) -> Drift:
    """What is there, beside what is recorded. The stored snapshot is read only where the fingerprints differ."""
    if recorded is None:
        return Drift(None, now=schema.snapshot.fingerprint if schema.snapshot else "")
    if schema.snapshot is None:
        return Drift(recorded, unknown=schema.problem)
    now = schema.snapshot.fingerprint
    if now == recorded.fingerprint:
        return Drift(recorded, now=now)
    expected = stored_snapshot(workspace, recorded.snapshot)
    if expected is None:
        return Drift(recorded, unknown=LOST, now=now)
    found = unlike(workspace, expected, schema.snapshot)
    return Drift(recorded, unknown=found, now=now) if isinstance(found, str) else Drift(recorded, found, now=now)


def unlike(workspace: Workspace, expected: Snapshot, observed: Snapshot) -> tuple[Difference, ...] | str:
    """What differs and is not to be passed over (`lint.drift_ignore`), or why that can't be told."""
    if expected.fingerprint == observed.fingerprint:
        return ()
    found = difference(expected, observed)
    if isinstance(found, Indeterminate):
        return found.reason
    patterns = workspace.policy.document["lint"]["drift_ignore"]
    return tuple(one for one in found if not any(_matches(one, pattern) for pattern in patterns))


def between(workspace: Workspace, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...] | str:
    """What differs between the schemas that two entries have in their field ``schema``, or why that can't be told."""
    for fields in (before, after):
        if "snapshot" not in fields:
            return fields.get("problem") or "no schema was recorded"
    one, other = (stored_snapshot(workspace, fields["snapshot"]) for fields in (before, after))
    if one is None or other is None:
        return LOST
    found = difference(one, other)
    return found.reason if isinstance(found, Indeterminate) else found


def _matches(found: Difference, pattern: str) -> bool:
    """pattern: a glob on an object's name, a part of it (its schema, its table), or ``kind name``."""
    name = found.object.removeprefix(f"{found.kind} ")
    return any(fnmatchcase(text, pattern) for text in (found.object, name, *name.split(".")))


def difference_fields(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """For entries and documents."""
    return [
        {
            "object": one.object, "kind": one.kind, "change": one.change, "expected": one.expected,
            "observed": one.observed,
        }
        for one in found
    ]  # fmt: skip
