"""The fold: who may let a partial attempt go on, with what, and what was stated of it."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.entry import Kind
from migrate_flow.core.history import Applied, Attempt
from migrate_flow.core.trace import OPENED, STATEMENT, Durability, Journaled, Trace
from tests.support.builders import ADA, CY, REV, Scribe, digest, environment, tracked, uuid


def partial(**rules: Any) -> Scribe:
    scribe = tracked(environments=[environment("dev", **rules)])
    scribe.intends(by=CY)
    scribe.ends(Kind.APPLY_PARTIAL, by=CY, heads=[])
    return scribe


def attempt(scribe: Scribe) -> Attempt:
    found = scribe.history().environment("dev").targets[uuid("dev")].attempt
    assert found is not None
    return found


def resume(scribe: Scribe, by: str = CY, **more: Any) -> None:
    scribe.ends(Kind.APPLY_RECOVERED, by=by, outcome="partial", decision="resume", heads=[], **more)


def test_an_attempt_goes_on_after_a_decision() -> None:
    scribe = partial()
    scribe.intends(by=CY, attempt="a2", resumes="a1")
    assert attempt(scribe).id == "a1", "nobody has decided"
    resume(scribe, statements={"2": "done"})
    assert (attempt(scribe).may_resume, attempt(scribe).stated) == (True, {2: "done"})
    scribe.intends(by=CY, attempt="a2", resumes="a1")
    second = attempt(scribe)
    assert (second.id, second.may_resume) == ("a2", False)
    assert second.resumes is not None
    assert second.resumes.id == "a1"
    scribe.ends(Kind.APPLY_APPLIED, by=CY, attempt="a2")
    target = scribe.history().environment("dev").targets[uuid("dev")]
    assert (target.attempt, target.applications[REV].state, target.receipt) == (None, Applied.APPLIED, "a2")


@pytest.mark.parametrize(
    "other",
    [{"manifest": digest("other bytes")}, {"direction": "downgrade"}, {"resumes": "a0"}, {"resumes": None}],
    ids=["other bytes", "the other way", "another attempt", "none"],
)
def test_only_what_began_goes_on(other: dict[str, Any]) -> None:
    scribe = partial()
    resume(scribe)
    scribe.intends(by=CY, attempt="a2", **{"resumes": "a1", **other})
    assert attempt(scribe).id == "a1"


def test_who_may_not_apply_there_decides_nothing() -> None:
    scribe = partial(apply_roles=["backend-lead"])
    resume(scribe, by=ADA, statements={"2": "done"})
    assert (attempt(scribe).may_resume, dict(attempt(scribe).stated)) == (False, {})
    resume(scribe)
    assert attempt(scribe).may_resume


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Kind.APPLY_RECOVERED, {"outcome": "failed", "decision": "abandoned"}),
        (Kind.APPLY_RECOVERED, {"outcome": "failed"}),
        (Kind.APPLY_FAILED, {}),
        (Kind.APPLY_APPLIED, {}),
        (Kind.APPLY_RECOVERED, {"outcome": "grandfathered"}),
        (Kind.APPLY_RECOVERED, {"outcome": "open"}),
        (Kind.APPLY_RECOVERED, {"outcome": "partial", "statements": {"1": "banana"}}),
        (Kind.APPLY_RECOVERED, {"outcome": "partial", "statements": {"x": "done"}}),
        (Kind.APPLY_RECOVERED, {"outcome": "partial", "statements": "all"}),
    ],
    ids=str,
)
def test_what_is_no_outcome_is_a_flaw_and_changes_nothing(kind: Kind, more: dict[str, Any]) -> None:
    scribe = partial(apply_roles=["backend-lead"])
    said = scribe.ends(kind, by=ADA, heads=[], **more)
    history = scribe.history()
    assert [flawed.seq for flawed in history.flawed] == [said.seq]
    target = history.environment("dev").targets[uuid("dev")]
    assert target.applications[REV].state is Applied.PARTIAL
    assert target.attempt is not None


def test_evidence_may_be_recorded_by_anybody() -> None:
    scribe = partial(apply_roles=["backend-lead"])
    scribe.ends(Kind.APPLY_RECOVERED, by=ADA, outcome="applied")
    assert not scribe.history().environment("dev").open_attempts()


def test_nothing_goes_on_where_no_attempt_is_open() -> None:
    scribe = tracked()
    scribe.intends(by=CY, attempt="a2", resumes="a1")
    assert not scribe.history().environment("dev").open_attempts()


def journaled(n: int, state: Durability, kind: str = STATEMENT) -> Journaled:
    return Journaled(n, "", kind, state, f"ALTER TABLE t{n}")


def test_what_people_state_decides_only_what_is_in_doubt() -> None:
    trace = Trace(statements=(journaled(1, Durability.DONE), journaled(2, Durability.IN_DOUBT)))
    assert [item.n for item in trace.doubtful] == [2]
    again = trace.decided({2: Durability.DONE}).decided({2: Durability.NOT_DONE}, again=frozenset({2}))
    assert [item.state for item in again.statements] == [Durability.DONE, Durability.NOT_DONE]
    decided = trace.decided({1: Durability.NOT_DONE, 2: Durability.NOT_DONE})
    assert [item.state for item in decided.statements] == [Durability.DONE, Durability.NOT_DONE]
    assert [item.n for item in decided.durable] == [1]


def test_where_the_script_committed_by_itself_it_is_not_known_where_it_stopped() -> None:
    assert not Trace((0,)).known
    assert not Trace(statements=(journaled(1, Durability.DONE, OPENED),)).known
    assert Trace(statements=(journaled(1, Durability.DONE),)).known
    assert not Trace((0,), (journaled(1, Durability.DONE),)).known
    assert "not known in full" in Trace(statements=(journaled(1, Durability.DONE, OPENED),)).sentences()[0]
