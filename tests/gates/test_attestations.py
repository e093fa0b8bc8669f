"""Gates about what people said: tracked, self-reviewed, content-unchanged, peer-reviewed, approved."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.facts import Facts
from migrate_flow.core.verdict import Verdict
from tests.gates.case import Case, judged
from tests.support.builders import ADA, BOB, CY, DAN, EVE, OTHER_BYTES, REV, TEAM, Scribe, approved, facts, opened

EVERYBODY = tuple(TEAM)
TWO_LEADS = {"approvals": {"backend-lead": 2, "product-owner": 1}}


def after(*acts: str, scribe: Scribe | None = None, **rules: Any) -> Scribe:
    """A ledger after these acts of the usual people."""
    scribe = scribe or opened(**rules)
    for act in acts:
        getattr(scribe, act)()
    return scribe


def objected() -> Facts:
    scribe = after("created", "self_reviewed", "reviewed", "approved")
    scribe.reviewed(DAN, "request-changes", comment="the index is missing")
    return facts(scribe)


def adopted() -> Facts:
    scribe = opened()
    scribe.adopts()
    return facts(scribe)


def nobody_left(missing: str) -> Facts:
    people = {ADA: ("developer", "policy-admin"), **({CY: ("backend-lead",)} if missing == "reviewer" else {})}
    return facts(after("created", "self_reviewed", people=people))


def barred() -> Facts:
    scribe = after("created", "self_reviewed", people={**TEAM, BOB: ("developer", "backend-lead"), CY: ()})
    scribe.reviewed(BOB)
    scribe.approved(BOB)
    return facts(scribe)


def two_of_three() -> Facts:
    scribe = after("created", "self_reviewed", "reviewed", "approved", **TWO_LEADS)
    return facts(scribe)


CASES = (
    Case("tracked", "created", lambda: facts(after("created")), True, "created by ada@example.com"),
    Case("tracked", "unknown", lambda: facts(opened()), False, "no `created` entry", "migrate-flow track", EVERYBODY),
    Case("tracked", "adopted", adopted, False, "adopted elsewhere, never created", "migrate-flow track", EVERYBODY),
    Case(
        "tracked",
        "by a stranger",
        lambda: facts(_by_stranger()),
        False,
        "no `created` entry",
        f"migrate-flow track {REV}",
        EVERYBODY,
    ),
    Case("self-reviewed", "by its author", facts, True, r"by ada@example.com \(entry 3\)"),
    Case(
        "self-reviewed",
        "not yet",
        lambda: facts(after("created")),
        False,
        "nobody self-reviewed it",
        f"migrate-flow self-review {REV}",
        (ADA,),
    ),
    Case("self-reviewed", "nobody's", lambda: facts(opened()), False, "nobody", "migrate-flow self-review", EVERYBODY),
    Case(
        "self-reviewed",
        "edited since",
        lambda: facts(manifest=OTHER_BYTES),
        False,
        r"changed since the approval by cy@example.com \(entry 5\)",
        f"migrate-flow self-review {REV}",
        (ADA,),
    ),
    Case("content-unchanged", "the same", facts, True, "as self-reviewed"),
    Case("content-unchanged", "not here", lambda: facts(manifest=""), False, "not in this checkout", "check out"),
    Case(
        "content-unchanged",
        "never reviewed",
        lambda: facts(after("created")),
        False,
        "no bytes were self-reviewed",
        f"migrate-flow self-review {REV}",
        (ADA,),
    ),
    Case(
        "content-unchanged",
        "edited",
        lambda: facts(manifest=OTHER_BYTES, behaviour="ast1:b"),
        False,
        r"self-reviewed sha256:\w{12}…, here is sha256:\w{12}…$",
        f"migrate-flow self-review {REV}",
        (ADA,),
    ),
    Case(
        "content-unchanged",
        "comments edited",
        lambda: facts(_same_behaviour(), manifest=OTHER_BYTES, behaviour="ast1:a"),
        False,
        "only comments or formatting differ",
        f"migrate-flow self-review {REV}",
        (ADA,),
    ),
    Case("peer-reviewed", "by a peer", facts, True, "by bob@example.com"),
    Case(
        "peer-reviewed",
        "not yet",
        lambda: facts(after("created", "self_reviewed")),
        False,
        "^1 peer review missing for these bytes",
        f"migrate-flow review {REV} --approve",
        (BOB, DAN),
    ),
    Case(
        "peer-reviewed",
        "one of two",
        lambda: facts(after("created", "self_reviewed", "reviewed", peer_reviews=2)),
        False,
        "^1 peer review missing",
        f"migrate-flow review {REV} --approve",
        (DAN,),
    ),
    Case(
        "peer-reviewed",
        "none of two",
        lambda: facts(after("created", "self_reviewed", peer_reviews=2)),
        False,
        "^2 peer reviews missing",
        "migrate-flow review",
        (BOB, DAN),
    ),
    Case(
        "peer-reviewed",
        "of other bytes",
        lambda: facts(manifest=OTHER_BYTES),
        False,
        "1 peer review missing for these bytes",
        "migrate-flow review",
        (BOB, DAN),
    ),
    Case(
        "peer-reviewed",
        "changes requested",
        objected,
        False,
        "changes requested by dan@example.com: the index is missing",
        f"migrate-flow review {REV} --approve",
        (DAN,),
    ),
    Case(
        "peer-reviewed",
        "nobody left",
        lambda: nobody_left("reviewer"),
        False,
        "nobody is left who may give it",
        "migrate-flow people add EMAIL --role developer",
    ),
    Case("approved", "by a lead", facts, True, "by cy@example.com as backend-lead"),
    Case(
        "approved",
        "not yet",
        lambda: facts(after("created", "self_reviewed", "reviewed")),
        False,
        "^approval missing: 1 × backend-lead$",
        f"migrate-flow approve {REV}",
        (CY, DAN),
    ),
    Case(
        "approved",
        "one of three",
        two_of_three,
        False,
        "^approval missing: 1 × backend-lead, 1 × product-owner$",
        "migrate-flow approve",
        (DAN,),
    ),
    Case(
        "approved",
        "of other bytes",
        lambda: facts(manifest=OTHER_BYTES),
        False,
        "approval missing: 1 × backend-lead",
        "migrate-flow approve",
        (CY, DAN),
    ),
    Case(
        "approved",
        "by the reviewer",
        barred,
        False,
        r"\(bob@example.com reviewed it: author, reviewer and approver are three people\)",
        "migrate-flow approve",
        (DAN,),
    ),
    Case(
        "approved",
        "nobody left",
        lambda: nobody_left("approver"),
        False,
        "nobody is left who may give it",
        "migrate-flow people add EMAIL --role backend-lead",
    ),
)


def _by_stranger() -> Scribe:
    scribe = opened()
    scribe.created(EVE)
    return scribe


def _same_behaviour() -> Scribe:
    scribe = approved()
    scribe.self_reviewed(behaviour="ast1:a")
    return scribe


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict(case: Case) -> None:
    assert isinstance(judged(case), Verdict)
