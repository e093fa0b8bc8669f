"""The target's schema is as the flow left it.

Problem: somebody changed it by hand. What was rehearsed and approved would run on something else, and the same schema
in every environment is a promise that no longer holds.
Clears it: undo the change by hand, or bring it into a migration; where it is to stay, `migrate-flow drift accept`.
A guard that was installed and is not there, or not whole, is drift too, and accepting does not clear it: `migrate-flow
guard install` again, or `migrate-flow guard remove` with the reason.
A schema that can't be compared (another major version of the server, another version of the reader) is no drift and
no proof either: accepting it, with the reason, begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core import guard
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import DOWN, UP, Gate, Scope

if TYPE_CHECKING:
    from migrate_flow.core.facts import Drift, Facts

NAME = "drift-free"
MOST_NAMED = 3


def judge(facts: Facts) -> Verdict:
    drift, name = facts.drift, facts.rules.name
    if facts.target is not None and facts.target.attempt is not None:
        return Verdict(NAME, True, "an attempt is open: its outcome will tell")
    who = facts.policy.holders(facts.rules.apply_roles) if facts.rules.apply_roles else tuple(facts.policy.people)
    if drift.guard is not None:
        clear = f"migrate-flow guard status --env {name}; then: {guard.way_out(name)}"
        return Verdict(NAME, False, _guard_reason(drift), clear, who)
    if drift.recorded is None:
        return Verdict(NAME, True, drift.unknown or "no schema is recorded yet")
    if drift.unknown:
        hint = f"migrate-flow drift --env {name}; then: migrate-flow drift accept --env {name} -m WHY"
        return Verdict(NAME, False, drift.unknown, hint, who, checked=False)
    if drift.differences and _moved(facts):
        hint = f"migrate-flow adopt --env {name} -m WHY"
        return Verdict(NAME, False, f"{_schema_reason(drift)}; its version table was changed too", hint, who)
    if drift.differences:
        hint = f"migrate-flow drift --env {name}; undo it by hand, or: migrate-flow drift accept --env {name} -m WHY"
        return Verdict(NAME, False, _schema_reason(drift), hint, who)
    return Verdict(NAME, True, f"the schema is as entry {drift.recorded.seq} has it")


def _moved(facts: Facts) -> bool:
    """Whether it stands elsewhere than the ledger says: that is settled first, and the schema with it."""
    known, seen = facts.target.heads if facts.target else None, facts.observation.heads
    return known is not None and seen is not None and set(known) != set(seen)


def _schema_reason(drift: Drift) -> str:
    named = [f"{one.change} {one.object}" for one in drift.schema[:MOST_NAMED]]
    more = len(drift.schema) - len(named)
    return f"changed outside of the flow: {', '.join(named)}" + (f" and {more} more" if more else "")


def _guard_reason(drift: Drift) -> str:
    found = drift.guard
    said = "is missing" if found is None or found.change == "removed" else "is not as it was installed"
    reason = f"the guard {said}: {found.observed}" if found else ""
    return f"{reason}; {_schema_reason(drift)}" if drift.schema else reason


GATE = Gate(NAME, 87, judge, scope=Scope.TARGET, directions=UP | DOWN)
