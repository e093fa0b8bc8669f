"""What the ledger says of a guard, and how the one that stands may differ."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.entry import Kind
from migrate_flow.core.guard import NO_GUARD, GuardStatus, RecordedGuard, difference
from migrate_flow.core.history import TargetRecord
from tests.support.builders import ADA, BOB, CY, Scribe, environment, tracked, uuid

STANDING = GuardStatus(True, True, "block", "production", 1, newest=7)
BLOCK = RecordedGuard("block", 1, 9)

SCHEMA = {"fingerprint": "sha256:aa", "snapshot": "sha256:bb", "normaliser": "postgresql/1", "server_major": "18"}
SAID = {"schema": SCHEMA, "comment": "a hotfix"}


def says(scribe: Scribe, kind: Kind, by: str = ADA, **fields: Any) -> str:
    """The entry's flaw, empty if it counts."""
    entry = scribe.says(by, kind, **{"environment": "dev", "target": uuid("dev"), **fields})
    return next((said.flaw for said in scribe.history().flawed if said.seq == entry.seq), "")


def dev(scribe: Scribe) -> TargetRecord:
    return scribe.history().environment("dev").targets[uuid("dev")]


@pytest.fixture
def scribe() -> Scribe:
    made = tracked()
    made.applied()
    return made


def test_installed_explained_removed_and_installed_again(scribe: Scribe) -> None:
    assert dev(scribe).guard == NO_GUARD
    assert not says(scribe, Kind.GUARD_INSTALLED, mode="audit", version="1")
    first = scribe.head.seq
    assert dev(scribe).guard == RecordedGuard("audit", 1, first)
    assert not says(scribe, Kind.DRIFT_ACCEPTED, logged=12, **SAID)
    assert not says(scribe, Kind.DRIFT_ACCEPTED, **SAID)
    assert dev(scribe).guard == RecordedGuard("audit", 1, first, 12)
    assert not says(scribe, Kind.GUARD_INSTALLED, mode="block", version="2")
    assert dev(scribe).guard == RecordedGuard("block", 2, scribe.head.seq, 12)
    assert not says(scribe, Kind.GUARD_REMOVED, comment="an import")
    assert dev(scribe).guard == RecordedGuard("", 0, scribe.head.seq, 12)
    assert not dev(scribe).guard.installed


@pytest.mark.parametrize("kind", [Kind.GUARD_INSTALLED, Kind.GUARD_REMOVED])
def test_who_may_and_where(kind: Kind) -> None:
    scribe = tracked(environments=[environment("dev", apply_roles=["backend-lead"])])
    scribe.applied(CY)
    fields = {"mode": "audit", "version": "1"}
    assert f"{BOB} may not" in says(scribe, kind, BOB, **fields)
    assert "another database" in says(scribe, kind, CY, target=uuid("elsewhere"), **fields)
    assert dev(scribe).guard == NO_GUARD
    assert not says(scribe, kind, CY, **fields)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.GUARD_INSTALLED, {"mode": "loud", "version": "1"}),
        (Kind.GUARD_INSTALLED, {"mode": "audit", "version": "one"}),
        (Kind.GUARD_INSTALLED, {"mode": "audit"}),
        (Kind.GUARD_INSTALLED, {"mode": ["audit"], "version": "1"}),
        (Kind.DRIFT_ACCEPTED, {"logged": "12", **SAID}),
        (Kind.DRIFT_ACCEPTED, {"logged": -1, **SAID}),
        (Kind.DRIFT_ACCEPTED, {"logged": True, **SAID}),
        (Kind.DRIFT_ACCEPTED, {"comment": "without a schema"}),
        (Kind.DRIFT_ACCEPTED, {**SAID, "comment": " "}),
        (Kind.DRIFT_ACCEPTED, {**SAID, "schema": {"problem": "out of reach"}}),
        (Kind.DRIFT_ACCEPTED, {**SAID, "schema": {"fingerprint": "sha256:aa"}}),
    ],
)
def test_what_is_not_what_it_must_be_does_not_count(scribe: Scribe, kind: Kind, fields: dict[str, Any]) -> None:
    assert says(scribe, kind, **fields)
    assert dev(scribe).guard == NO_GUARD


@pytest.mark.parametrize(
    ("recorded", "seen", "change", "observed"),
    [
        (NO_GUARD, GuardStatus(False, False, problem="nothing"), "", ""),
        (NO_GUARD, STANDING, "", ""),
        (BLOCK, STANDING, "", ""),
        (BLOCK, GuardStatus(False, False, problem="no triggers"), "removed", "no triggers"),
        (BLOCK, GuardStatus(False, True, "block", "production", 1), "removed", ""),
        (
            BLOCK,
            GuardStatus(True, False, "block", "production", 1, "a part is missing"),
            "changed",
            "a part is missing",
        ),
        (BLOCK, GuardStatus(True, True, "audit", "production", 1), "changed", "mode audit, version 1, for production"),
        (BLOCK, GuardStatus(True, True, "block", "staging", 1), "changed", "mode block, version 1, for staging"),
    ],
)
def test_how_it_differs(recorded: RecordedGuard, seen: GuardStatus, change: str, observed: str) -> None:
    found = difference(recorded, seen, "production")
    assert (found.change if found else "") == change
    assert (found.observed if found else "") == observed


@pytest.mark.parametrize(("logged", "newest", "after"), [(0, 7, 0), (5, 7, 5), (7, 7, 7), (8, 7, 0)])
def test_which_rows_wait_for_a_word(logged: int, newest: int, after: int) -> None:
    """A log that never came to the row that was explained is another one: all of it waits."""
    assert RecordedGuard("audit", 1, 9, logged).unexplained(GuardStatus(True, True, newest=newest)) == after
