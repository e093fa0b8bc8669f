"""The live schema against the one that the ledger last recorded, and who is to know of what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migrate_flow.core import guard as guards
from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.schema_entries import drift_mark
from migrate_flow.errors import IdentityError, MigrateFlowError, Refused, UnsettledError
from migrate_flow.gates import Direction, judge
from migrate_flow.gates.gate import Scope
from migrate_flow.services.facts import Situation, collect, look
from migrate_flow.services.review import ask, require_comment
from migrate_flow.services.schema import MOST_RECORDED, Live, difference_fields, schema_fields

if TYPE_CHECKING:
    from migrate_flow.core.facts import Drift
    from migrate_flow.core.guard import LoggedDdl
    from migrate_flow.core.history import TargetRecord
    from migrate_flow.core.snapshot import Difference
    from migrate_flow.services.workspace import Workspace

_OUT_OF_BAND = "target-identified"


@dataclass(frozen=True)
class Drifted:
    """One environment. elsewhere: what is wrong with its place in the history (changed by plain Alembic, restored,
    another database), and elsewhere_hint what settles that; empty if nothing is. seq: of the entry that was made of
    it, 0 for none. log: what the guard saw since the schema was recorded: who did it. new: the ledger did not know of
    it."""

    environment: str
    drift: Drift
    elsewhere: str = ""
    elsewhere_hint: str = ""
    seq: int = 0
    log: tuple[LoggedDdl, ...] = ()
    new: bool = False

    @property
    def clean(self) -> bool | None:
        """None where it can't be told."""
        if self.elsewhere or self.drift.differences:
            return False
        return self.drift.clean

    @property
    def reason(self) -> str:
        """Why it can't be told, or what is not compared; empty where there is an answer."""
        if self.drift.unknown:
            return self.drift.unknown
        return "" if self.drift.recorded or self.elsewhere else "no schema is recorded yet: it is empty"


@dataclass(frozen=True, slots=True)
class Accepted:
    """seq: 0 where there was nothing to accept. log: what was explained of the guard's log. guard: how the guard is not
    as it was installed, which nobody can accept."""

    environment: str
    seq: int
    differences: tuple[Difference, ...]
    unknown: str
    log: tuple[LoggedDdl, ...] = ()
    guard: Difference | None = None


def drift(workspace: Workspace, environments: Sequence[str] = (), *, records: bool = True) -> tuple[Drifted, ...]:
    """Each of them; default, all that this file says how to reach. records: what is found goes into the ledger, once,
    if a signer is known. Raises UsageError, LedgerError."""
    known = [name for name in workspace.policy.environments if name in workspace.config.environments]
    return tuple(_drift(workspace, name, records=records) for name in environments or known)


def _drift(workspace: Workspace, environment: str, *, records: bool) -> Drifted:
    situation = look(workspace, environment)
    found, problem = situation.live.drift(situation.target), situation.observation.problem
    elsewhere, hint = ("", "") if problem else _elsewhere(workspace, situation)
    if problem or (situation.target is None and situation.observation.tables and not elsewhere):
        found = replace(found, unknown=problem or "nothing is recorded of what stands there")
    if elsewhere:
        elsewhere = "; ".join(filter(None, [elsewhere, _by_whom(workspace, situation, found)]))
    new = bool(found.differences or elsewhere) and _is_new(situation, found, elsewhere)
    seq = _record(workspace, situation, found, elsewhere) if records and new else 0
    return Drifted(environment, found, elsewhere, hint, seq, _log(workspace, situation), new)


def _log(workspace: Workspace, situation: Situation) -> tuple[LoggedDdl, ...]:
    """What the guard saw and nobody explained, since the schema was recorded."""
    target = situation.target
    if target is None or not target.guard.seq:
        return ()
    try:
        rows = unexplained(situation.live, target)
    except MigrateFlowError:
        return ()  # the target is out of reach, which the drift says
    newest = situation.live.guard().status.newest
    before = _logged_before(workspace, target)
    return tuple(row for row in rows if row.id > before or before > newest)


def _logged_before(workspace: Workspace, target: TargetRecord) -> int:
    """The newest row that was there when the schema was recorded."""
    said = workspace.book.entries([target.schema.seq])[0].predicate.get("schema", {}) if target.schema else {}
    logged = str(said.get("logged", ""))
    return int(logged) if logged.isdecimal() else 0


def unexplained(live: Live, target: TargetRecord) -> tuple[LoggedDdl, ...]:
    """The rows of the guard's log that no `drift accept` spoke of. Raises TargetError, UsageError."""
    seen = live.guard()
    after = target.guard.unexplained(seen.status)
    return tuple(row for row in seen.log if row.id > after)


def _elsewhere(workspace: Workspace, situation: Situation) -> tuple[str, str]:
    """Receipts, version table and ledger, held against each other: what the gate says of it."""
    facts = collect(workspace, situation, "", None, direction=Direction.DOWNGRADE)
    verdicts = judge(facts, Scope.TARGET).blockers
    found = next((verdict for verdict in verdicts if verdict.gate == _OUT_OF_BAND), None)
    return (found.reason, found.hint) if found else ("", "")


def _by_whom(workspace: Workspace, situation: Situation, found: Drift) -> str:
    """What moved the version table, as far as graph and schema tell; empty where it did not move."""
    known, seen = situation.target.heads if situation.target else None, situation.observation.heads
    if known is None or seen is None or set(known) == set(seen) or found.recorded is None or found.unknown:
        return ""
    if not found.schema:
        return "the schema is as it was, so a stamp, or an edited row"
    graph = workspace.scripts.graph
    before, after = (graph.applied_from(head for head in heads if head in graph.revisions) for heads in (known, seen))
    if set(seen) <= graph.revisions.keys() and before != after:
        if before < after:
            return "the schema changed with it: plain alembic upgrade"
        if after < before:
            return "the schema changed with it: plain alembic downgrade"
    return "the schema changed with it"


def _is_new(situation: Situation, found: Drift, elsewhere: str) -> bool:
    """Once for each schema and place that is found."""
    mark = drift_mark(found.now, _guard_change(found), elsewhere)
    return situation.target is not None and situation.target.drift != mark


def _guard_change(found: Drift) -> str:
    return found.guard.change if found.guard else ""


def _record(workspace: Workspace, situation: Situation, found: Drift, elsewhere: str) -> int:
    """A reader without a key leaves no entry."""
    schema, stored = schema_fields(situation.live.schema())
    fields = _fields(situation, found, found.differences) | {
        "schema": schema, "guard": _guard_change(found) or None, "elsewhere": elsewhere or None,
    }  # fmt: skip
    try:
        entry = workspace.book.append(Draft(Kind.DRIFT_FOUND, (), fields, stored))
    except IdentityError:
        return 0
    return entry.seq


def _fields(situation: Situation, found: Drift, differences: Sequence[Difference]) -> dict[str, object]:
    target, recorded = situation.target, found.recorded
    shown = differences[:MOST_RECORDED]
    return {
        "environment": situation.rules.name,
        "target": target.uuid if target else "",
        "since": recorded.seq if recorded else 0,
        "differences": difference_fields(shown),
        "more": len(differences) - len(shown) or None,
    }


def accept(workspace: Workspace, environment: str, why: str) -> Accepted:
    """From now on the schema is right as it is, and what the guard's log holds is explained; the entry says why, and
    what it was.

    Raises Refused without the right, behind the version table's back, or where only a guard is missing; UnsettledError,
    UsageError, BusyError.
    """
    workspace.require_current_policy()
    require_comment(why, needed=True)
    require_applier(workspace, environment, "accept what was changed in", "drift accept", "-m WHY")
    first = look(workspace, environment)
    if first.observation.problem:
        raise Refused(first.observation.problem, hint=f"migrate-flow env test {environment}", where=environment)
    with workspace.target(environment).lock():
        workspace.book.catch_up()
        situation = look(workspace, environment)
        elsewhere, hint = _elsewhere(workspace, situation)
        if elsewhere:
            raise Refused(elsewhere, hint=hint, where=environment)
        target = settled(situation)
        schema = situation.live.schema()
        if schema.snapshot is None:
            raise Refused(schema.problem, hint=f"migrate-flow env test {environment}", where=environment)
        found = situation.live.drift(target)
        log = unexplained(situation.live, target) if target.guard.seq else ()
        if target.schema is not None and not found.schema and not found.unknown and not log:
            _require_guard(environment, found)
            return Accepted(environment, 0, (), "")
        fields, stored = schema_fields(schema)
        said = _fields(situation, found, found.schema) | {"schema": fields, "comment": why, **_explained(log)}
        entry = workspace.book.append(Draft(Kind.DRIFT_ACCEPTED, (), said | {"reason": found.unknown or None}, stored))
    return Accepted(environment, entry.seq, found.schema, found.unknown, log, found.guard)


def _require_guard(environment: str, found: Drift) -> None:
    """Raises Refused where the guard is not as it was installed: nobody said that it is to go."""
    if found.guard is not None:
        raise Refused(
            f"the schema is as recorded, and accepting does not bring the guard back: {found.guard.observed}",
            hint=guards.way_out(environment),
            where=environment,
        )


def _explained(log: Sequence[LoggedDdl]) -> dict[str, object]:
    """Who did what when, so far; the statements stay in the target's log. logged: id of the newest row."""
    kept = [{"id": row.id, "at": row.at, "session_role": row.session_role, "tag": row.tag} for row in log]
    return {"logged": max((row.id for row in log), default=None), "log": kept[-MOST_RECORDED:] or None}


def require_applier(workspace: Workspace, environment: str, act: str, verb: str, rest: str = "") -> None:
    """Raises Refused unless the signer may apply there. act, verb: what they want to do, in words and as a command."""
    rules, signer = workspace.rules(environment), workspace.signer()
    if rules.apply_roles and not workspace.policy.has_role(signer.person, rules.apply_roles):
        raise Refused(
            f"{signer.person} may not {act} {environment}",
            hint=ask(workspace.holders(rules.apply_roles), f"{verb} --env {environment} {rest}".rstrip()),
        )


def settled(situation: Situation) -> TargetRecord:
    """The known database, without an attempt that waits for its outcome."""
    name, target = situation.rules.name, situation.target
    if target is None:
        adopt = f"migrate-flow adopt --env {name} -m WHY"
        raise Refused(f"nothing is recorded of {name} yet", hint=adopt, where=name)
    if target.attempt is not None:
        raise UnsettledError(
            f"attempt {target.attempt.id} on {target.attempt.revision} has no outcome yet",
            hint=f"migrate-flow recover --env {name}",
            where=name,
        )
    return target
