"""The gate drift-free."""

from __future__ import annotations

import pytest

from migrate_flow.core.facts import Drift, Facts
from migrate_flow.core.snapshot import Difference, RecordedSchema
from tests.gates.case import Case, judged
from tests.support.builders import CY, DAN, TEAM, approved, facts

EVERYBODY = tuple(TEAM)
RECORDED = RecordedSchema(7, "sha256:aa", "sha256:bb", "sqlite/1", "3")
MANY = tuple(Difference(f"table t{n}", "table", "added", "", "") for n in range(5))
GONE = Difference("guard", "guard", "removed", "mode block, version 1, for production", "its triggers are missing")
HALF = Difference("guard", "guard", "changed", "mode block, version 1, for production", "ddl_log is missing")
GUARD = "migrate-flow guard status --env production; .*guard install --env production; .*guard remove --env production"
ACCEPT = "migrate-flow drift --env production; .*migrate-flow drift accept --env production -m WHY"


def drifted(*found: Difference, unknown: str = "", roles: tuple[str, ...] = ()) -> Facts:
    return facts(drift=Drift(RECORDED, found, unknown), keys={"apply_roles": roles})


def interrupted() -> Facts:
    scribe = approved()
    scribe.intends(env="production")
    return facts(scribe, drift=Drift(RECORDED, MANY))


CASES = (
    Case("drift-free", "nothing recorded", facts, True, "no schema is recorded yet"),
    Case("drift-free", "as recorded", drifted, True, "the schema is as entry 7 has it"),
    Case(
        "drift-free",
        "one object",
        lambda: drifted(MANY[0]),
        False,
        "outside of the flow: added table t0$",
        ACCEPT,
        EVERYBODY,
    ),
    Case("drift-free", "many", lambda: drifted(*MANY), False, "table t2 and 2 more", ACCEPT, EVERYBODY),
    Case("drift-free", "who may", lambda: drifted(*MANY, roles=("backend-lead",)), False, "table", ACCEPT, (CY, DAN)),
    Case(
        "drift-free",
        "can't be told",
        lambda: drifted(unknown="the server is another"),
        False,
        "the server is another",
        ACCEPT,
        EVERYBODY,
        checked=False,
    ),
    Case("drift-free", "no guard", lambda: drifted(GONE), False, "the guard is missing: its tr", GUARD, EVERYBODY),
    Case(
        "drift-free", "half a guard", lambda: drifted(HALF), False, "not as it was installed: ddl_log", GUARD, EVERYBODY
    ),
    Case(
        "drift-free",
        "no guard and another schema",
        lambda: drifted(GONE, *MANY),
        False,
        "the guard is missing: .*; changed outside of the flow: added table t0, .* and 2 more",
        GUARD,
        EVERYBODY,
    ),
    Case(
        "drift-free", "no guard, who may", lambda: drifted(GONE, roles=("backend-lead",)), False, "", GUARD, (CY, DAN)
    ),
    Case(
        "drift-free",
        "no guard, and nothing recorded or told",
        lambda: facts(drift=Drift(None, (GONE,), "the server is another")),
        False,
        "the guard is missing",
        GUARD,
        EVERYBODY,
    ),
    Case("drift-free", "an attempt is open", interrupted, True, "its outcome will tell"),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    judged(case)
