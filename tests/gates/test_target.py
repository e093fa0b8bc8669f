"""Gates about the target and who acts on it: target-identified, no-open-attempt, policy-current, applier-allowed,
signatures-valid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from migrate_flow.core.entry import Kind
from migrate_flow.core.facts import Facts, Observation, Receipt
from migrate_flow.core.policy import PolicyFile
from migrate_flow.core.verdict import Verdict
from tests.gates.case import Case, judged
from tests.support.builders import (
    ADA,
    CY,
    DAN,
    EVE,
    LEDGER,
    REV,
    TEAM,
    Scribe,
    approved,
    digest,
    facts,
    identity,
    opened,
    uuid,
)

EVERYBODY = tuple(TEAM)
LEADS = {"apply_roles": ("backend-lead",)}
NEW = "migrate-flow adopt --env production --new-target"
NEWEST = "newest00"
ADOPT = "migrate-flow adopt --env production -m WHY"


def seen(scribe: Scribe | None = None, *, keys: Any = None, **parts: Any) -> Facts:
    """What the database of production shows, beside the ledger."""
    return facts(scribe, keys=keys, observation=replace(Observation("sqlite"), **parts))


def receipt(attempt: str) -> Receipt:
    return Receipt(attempt, REV, "upgrade", digest("script"), (), (REV,), LEDGER, 1, "", "", "")


def known(heads: tuple[str, ...] = (REV,)) -> Scribe:
    """The ledger knows a target of production."""
    scribe = approved()
    scribe.applied(env="production", attempt=NEWEST, heads=list(heads))
    return scribe


def adopted(heads: tuple[str, ...]) -> Scribe:
    scribe = approved()
    scribe.adopts(env="production", heads=list(heads))
    return scribe


def midway() -> Scribe:
    scribe = approved()
    scribe.intends(env="production", from_heads=["older"], operator={"host": "ci-7", "pid": 4711})
    return scribe


def stopped() -> Scribe:
    """Partly applied, and somebody decided that it goes on."""
    scribe = midway()
    scribe.ends(Kind.APPLY_RECOVERED, env="production", outcome="partial", decision="resume", heads=["older"])
    return scribe


def replaced() -> Scribe:
    scribe = known()
    scribe.says(ADA, Kind.TARGET_REPLACED, environment="production", target=uuid("new production"))
    return scribe


def wrong(name: str, found: Any, reason: str, hint: str, **more: Any) -> Case:
    return Case("target-identified", name, found, False, reason, hint, (ADA,), **more)


CASES = (
    Case("target-identified", "empty and new", facts, True, "an empty database, to be claimed for production"),
    Case(
        "target-identified",
        "the known one",
        lambda: seen(known(), identity=identity(), heads=(REV,), tables=("users",), receipt=receipt(NEWEST)),
        True,
        "target [0-9a-f]{8} of production",
    ),
    wrong(
        "its receipts are gone",
        lambda: seen(known(), identity=identity(), heads=(REV,)),
        f"its receipts are gone, the ledger's newest is {NEWEST}: restored from a backup, or changed by hand",
        ADOPT,
    ),
    wrong(
        "an older receipt is its newest",
        lambda: seen(known(), identity=identity(), heads=(REV,), receipt=receipt("earlier1")),
        f"its newest receipt is of attempt earlier1, the ledger's newest is {NEWEST}: restored from a backup, or .*",
        ADOPT,
    ),
    Case(
        "target-identified",
        "claimed, never used",
        lambda: seen(identity=identity(), heads=()),
        True,
        "of production",
    ),
    Case(
        "target-identified",
        "heads in another order",
        lambda: seen(adopted(("a", "b")), identity=identity(), heads=("b", "a")),
        True,
        "of production",
    ),
    Case(
        "target-identified",
        "another developer's own",
        lambda: seen(known(), keys={"personal": True}, identity=identity(uuid=uuid("mine")), heads=()),
        True,
        "of production",
    ),
    Case(
        "target-identified",
        "a personal one, new",
        lambda: seen(known(), keys={"personal": True}),
        True,
        "to be claimed",
    ),
    Case(
        "target-identified",
        "in the middle of an attempt",
        lambda: seen(midway(), identity=identity(), heads=(REV,)),
        True,
        "of production",
    ),
    wrong(
        "out of reach",
        lambda: seen(problem="connection refused"),
        "connection refused",
        "migrate-flow env test",
        checked=False,
    ),
    wrong(
        "another dialect",
        lambda: seen(dialect="mysql"),
        "it is a mysql database, the policy says sqlite",
        "correct url",
    ),
    wrong(
        "read-only", lambda: seen(obstacle="it is a replica"), "it is a replica", r"point \[environments.production\]"
    ),
    wrong("never adopted", lambda: seen(tables=("a", "b", "c", "d")), r"not empty \(a, b, c …\)", ADOPT),
    wrong("row is gone", lambda: seen(known()), "no identity row, but the ledger knows", NEW),
    wrong("row is gone, tables stand", lambda: seen(known(), tables=("a",)), "no identity row", NEW),
    wrong(
        "staging's under production's name",
        lambda: seen(known(), identity=identity("staging")),
        "says that it is staging of project shop",
        r"correct url of \[environments.production\]",
    ),
    wrong(
        "another project's",
        lambda: seen(identity=identity(project="bakery")),
        "production of project bakery",
        "correct url",
    ),
    wrong(
        "another ledger's",
        lambda: seen(identity=identity(ledger=uuid("other"))),
        "belongs to another ledger",
        r"correct url of \[ledger\], or: migrate-flow adopt --env production --new-target",
    ),
    wrong(
        "a copy from elsewhere",
        lambda: seen(known(), identity=identity(uuid=uuid("copy"))),
        "not the database that the ledger knows",
        NEW,
    ),
    wrong(
        "the one that was replaced",
        lambda: seen(replaced(), identity=identity(), heads=(REV,)),
        "not the database that the ledger knows",
        NEW,
    ),
    wrong(
        "unknown to the ledger and not empty",
        lambda: seen(identity=identity(), heads=(REV,)),
        "the ledger knows nothing of what stands in it",
        ADOPT,
    ),
    wrong(
        "ahead of the ledger",
        lambda: seen(known(), identity=identity(), heads=("later",)),
        f"its version table says later, the ledger says {REV}: changed outside the flow",
        ADOPT,
    ),
    wrong(
        "behind the ledger",
        lambda: seen(known(), identity=identity(), heads=()),
        f"says nothing, the ledger says {REV}",
        ADOPT,
    ),
    Case("no-open-attempt", "none", facts, True, "no attempt is open"),
    Case("no-open-attempt", "ended", lambda: facts(known()), True, "no attempt is open"),
    Case(
        "no-open-attempt",
        "open",
        lambda: facts(midway()),
        False,
        rf"ada@example.com began {REV} at 2026-11-02 \d\d:\d\d UTC on ci-7, process 4711; no outcome yet",
        "migrate-flow recover --env production",
        EVERYBODY,
    ),
    Case("no-open-attempt", "goes on", lambda: facts(stopped()), True, f"{REV} goes on where attempt a1 stopped"),
    Case(
        "no-open-attempt",
        "goes on with other bytes",
        lambda: facts(stopped(), manifest=digest("edited since")),
        False,
        f"the upgrade of {REV} goes on first, with the bytes that began, sha256:.*",
        f"migrate-flow apply {REV} --env production; or: migrate-flow recover --env production --abandon",
        EVERYBODY,
    ),
    Case("policy-current", "in force", facts, True, "policy 1 is in force"),
    Case(
        "policy-current",
        "an earlier one",
        lambda: facts(policy_file=PolicyFile(digest("old"), in_force=False, recorded=3)),
        True,
        "the file holds policy 3; policy 1 of the ledger decides",
    ),
    Case(
        "policy-current",
        "never recorded",
        lambda: facts(policy_file=PolicyFile(digest("new"), in_force=False, recorded=0)),
        False,
        "never recorded; policy 1 is in force",
        "migrate-flow policy diff, then migrate-flow policy record",
        (ADA,),
    ),
    Case("applier-allowed", "anybody", facts, True, "ada@example.com may apply to production"),
    Case("applier-allowed", "with the role", lambda: facts(actor=DAN, keys=LEADS), True, "dan@example.com may apply"),
    Case(
        "applier-allowed",
        "without the role",
        lambda: facts(keys=LEADS),
        False,
        "ada@example.com is no backend-lead, which production asks for",
        "migrate-flow --as cy@example.com apply --env production",
        (CY, DAN),
    ),
    Case(
        "applier-allowed",
        "a role that nobody holds",
        lambda: facts(keys={"apply_roles": ("release-manager", "dba")}),
        False,
        "is no release-manager or dba",
        "migrate-flow people add",
    ),
    Case(
        "applier-allowed",
        "a stranger",
        lambda: facts(actor=EVE),
        False,
        "eve@example.com is not in the policy",
        "migrate-flow people add eve@example.com",
        tuple(sorted(TEAM)),
    ),
    Case(
        "applier-allowed",
        "no key here",
        lambda: facts(actor="", keys=LEADS),
        False,
        "no signing key is known here",
        "name a person whose key is here",
        (CY, DAN),
        checked=False,
    ),
    Case("signatures-valid", "all valid", facts, True, "^8 entries about it, .*signed by whom they name"),
    Case("signatures-valid", "nothing said", lambda: facts(opened()), True, "^0 entries"),
    Case(
        "signatures-valid",
        "four problems",
        lambda: facts(signature_problems=("entry 3: bad", "entry 4: bad", "entry 5: bad", "entry 6: bad")),
        False,
        "^entry 3: bad; entry 4: bad; entry 5: bad$",
        "migrate-flow ledger verify",
        (ADA,),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict(case: Case) -> None:
    assert isinstance(judged(case), Verdict)
