"""Gates about what the checks found: lint-clean, rehearsed."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.entry import Kind
from migrate_flow.core.facts import Facts, Observation
from migrate_flow.core.traits import Traits
from migrate_flow.core.verdict import Verdict
from tests.gates.case import Case, judged
from tests.support.builders import ADA, BOB, TEAM, Scribe, environment, facts, linted, opened, rehearsal

EVERYBODY = tuple(TEAM)
OTHER_BELOW = "sha256:" + "1" * 64
ACCEPTING = {"allow_irreversible": True}


def checked(*entries: dict[str, Any], by: str = BOB, **rules: Any) -> Scribe:
    """A ledger with a migration that was created, self-reviewed without evidence, and checked."""
    scribe = opened(**rules)
    scribe.created()
    scribe.self_reviewed(lint=None, rehearsals=None)
    for fields in entries:
        scribe.checked(by, **fields)
    return scribe


def ran(*found: dict[str, Any], only: dict[str, Any] | None = None, **rules: Any) -> Facts:
    """Each of the rehearsals in an entry of its own."""
    return facts(checked(*({"rehearsals": [one]} for one in found), **rules), **only or {})


def lint(*found: dict[str, Any]) -> Facts:
    return facts(checked(*({"lint": one} for one in found)))


def waived() -> Facts:
    return ran(
        rehearsal("irreversible"),
        only={"traits": Traits(("waiver",), waived=frozenset({"empty-downgrade"}))},
        **ACCEPTING,
    )


def two_dialects(*found: dict[str, Any], env: str = "production") -> Facts:
    places = [
        environment("dev", requires="self-reviewed"),
        environment("production", dialect="postgresql", upstream=["dev"]),
    ]
    return facts(checked(*({"rehearsals": [one]} for one in found), environments=places), env=env, upstream={})


POSTGRESQL = rehearsal(dialect="postgresql", server="PostgreSQL 18.6")
BROKEN = rehearsal(
    "irreversible", server="PostgreSQL 15.14 (Debian 15.14-0)", dialect="postgresql", error="downgrade: no"
)
MENDED = {**BROKEN, "grade": "lossless", "error": ""}

CASES = (
    Case("lint-clean", "self-reviewed with it", facts, True, r"no errors \(entry 3 by ada@example.com\)"),
    Case("lint-clean", "recorded by another", lambda: lint(linted()), True, "no errors .*by bob"),
    Case(
        "lint-clean",
        "nobody did",
        lambda: facts(checked()),
        False,
        "nobody recorded that these bytes were linted",
        "migrate-flow check .* --record",
        EVERYBODY,
    ),
    Case(
        "lint-clean",
        "before the self-review",
        lambda: facts(created_only()),
        False,
        "nobody",
        "migrate-flow self-review",
        (ADA,),
    ),
    Case(
        "lint-clean",
        "one error",
        lambda: lint(linted(1)),
        False,
        r"1 error \(entry 4 by bob",
        "migrate-flow lint .*, mend the script",
        (ADA,),
    ),
    Case("lint-clean", "the policy is milder now", lambda: lint(linted(2), linted()), True, "no errors .entry 5"),
    Case(
        "lint-clean",
        "the policy is stricter now",
        lambda: lint(linted(), linted(2)),
        False,
        "2 errors",
        "migrate-flow lint",
        (ADA,),
    ),
    Case(
        "lint-clean",
        "newer rules find more",
        lambda: lint(linted(), linted(2, "1:bbbb")),
        True,
        r"other rules find 2 errors \(entry 5\)",
    ),
    Case(
        "lint-clean",
        "warnings and waivers",
        lambda: lint(linted(warnings=2, waived=1)),
        True,
        "no errors, 2 warnings, 1 waived",
    ),
    Case("rehearsed", "self-reviewed with it", facts, True, r"lossless on SQLite 3.40.1 \(entry 3 by ada"),
    Case(
        "rehearsed",
        "nobody did",
        lambda: facts(checked()),
        False,
        "nobody recorded a rehearsal of these bytes on sqlite",
        "migrate-flow check .* --record",
        EVERYBODY,
    ),
    Case("rehearsed", "lossy", lambda: ran(rehearsal("lossy")), True, "lossy on SQLite"),
    Case(
        "rehearsed",
        "irreversible",
        lambda: ran(rehearsal("irreversible", error="downgrade: no")),
        False,
        r"irreversible on SQLite 3.40.1 \(downgrade: no\)",
        "migrate-flow rehearse",
        (ADA,),
    ),
    Case("rehearsed", "irreversible, waived and allowed", waived, True, "irreversible"),
    Case(
        "rehearsed",
        "irreversible and allowed, not waived",
        lambda: ran(rehearsal("irreversible"), **ACCEPTING),
        False,
        "irreversible",
        "migrate-flow rehearse",
        (ADA,),
    ),
    Case(
        "rehearsed",
        "waived, and not allowed",
        lambda: ran(
            rehearsal("irreversible"), only={"traits": Traits(("waiver",), waived=frozenset({"empty-downgrade"}))}
        ),
        False,
        "irreversible",
        "migrate-flow rehearse",
        (ADA,),
    ),
    Case(
        "rehearsed",
        "waived, and never ran",
        lambda: ran(
            rehearsal("irreversible", upgrade=False),
            only={"traits": Traits(("waiver",), waived=frozenset({"empty-downgrade"}))},
            **ACCEPTING,
        ),
        False,
        "irreversible",
        "migrate-flow rehearse",
        (ADA,),
    ),
    Case(
        "rehearsed",
        "could not be",
        lambda: ran(rehearsal("", error="no such table")),
        False,
        r"not rehearsed on SQLite 3.40.1 \(no such table\)",
        "migrate-flow rehearse",
        (ADA,),
    ),
    Case(
        "rehearsed",
        "on other ancestors",
        lambda: ran(rehearsal(ancestry=OTHER_BELOW)),
        False,
        "its ancestors do not do what they did",
        "migrate-flow check",
        EVERYBODY,
    ),
    Case(
        "rehearsed",
        "an ancestor is unreadable",
        lambda: facts(ancestries=()),
        False,
        "an ancestor can't be read",
        "migrate-flow lint",
        EVERYBODY,
    ),
    Case(
        "rehearsed",
        "on another server",
        lambda: facts(observation=Observation("sqlite", server="SQLite 3.45.0")),
        True,
        "the server here is SQLite 3.45",
    ),
    Case(
        "rehearsed",
        "on another dialect",
        lambda: two_dialects(rehearsal()),
        False,
        "on postgresql",
        "migrate-flow check",
        EVERYBODY,
    ),
    Case("rehearsed", "on this dialect", lambda: two_dialects(POSTGRESQL), True, "lossless on PostgreSQL 18.6"),
    Case(
        "rehearsed",
        "a dialect that only development has",
        lambda: two_dialects(POSTGRESQL, env="dev"),
        True,
        "PostgreSQL",
    ),
    Case(
        "rehearsed",
        "one of two servers says no",
        lambda: two_dialects(BROKEN, POSTGRESQL),
        False,
        "irreversible on PostgreSQL 15",
        "migrate-flow rehearse",
        (ADA,),
    ),
    Case(
        "rehearsed",
        "that server says yes now",
        lambda: two_dialects(BROKEN, POSTGRESQL, MENDED),
        True,
        "PostgreSQL 18.*PostgreSQL 15",
    ),
)


def created_only() -> Scribe:
    scribe = opened()
    scribe.created()
    return scribe


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    verdict: Verdict = judged(case)
    assert "\n" not in verdict.reason


def test_evidence_that_was_taken_back_does_not_count() -> None:
    scribe = checked({"lint": linted(), "rehearsals": [rehearsal()]})
    assert facts(scribe).evidence.lint
    scribe.attests(BOB, Kind.REVOKED, of=4, comment="the wrong server")
    assert facts(scribe).evidence.lint == facts(scribe).evidence.rehearsals == ()


def test_evidence_by_a_stranger_or_of_other_files_does_not_count() -> None:
    scribe = checked()
    scribe.checked("eve@example.com", lint=linted(), rehearsals=[rehearsal()])
    scribe.checked(BOB, lint=linted(), rehearsals=[rehearsal()], subjects=[])
    assert facts(scribe).evidence.lint == ()
    assert len(scribe.history().flawed) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"lint": []},
        {"lint": {"rule_set": "1:aaaa"}},
        {"lint": linted(errors=True)},
        {"lint": linted(report=5)},
        {"rehearsals": {}},
        {"rehearsals": [5]},
        {"rehearsals": [{"dialect": "sqlite"}]},
        {"rehearsals": [rehearsal(lost="users")]},
        {"rehearsals": [rehearsal(lost=[5])]},
        {"rehearsals": [rehearsal(grade=None)]},
        {"rehearsals": [rehearsal(upgrade="yes")]},
    ],
    ids=str,
)
def test_malformed_evidence_is_flawed_and_nothing_breaks(fields: dict[str, Any]) -> None:
    scribe = checked()
    scribe.checked(BOB, **fields)
    (flawed,) = scribe.history().flawed
    assert flawed.flaw.startswith("malformed"), flawed.flaw
    assert facts(scribe).evidence.lint == ()


def test_what_a_rehearsal_saw_going_is_a_risk() -> None:
    seen = ran(rehearsal("lossless"), rehearsal("irreversible", lost=["users"]))
    assert seen.evidence.risks == ("destructive", "lossy", "irreversible")
