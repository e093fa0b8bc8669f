"""Which try a row tells of, and what counted when it was meant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from migrate_flow.core.entry import Kind
from tests.core.audit_cases import PEOPLE, approved, governed, only, rolls_back, rows, unapproved
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    EVE,
    OTHER_BYTES,
    REV,
    Scribe,
    environment,
    evidence,
    linted,
    policy_document,
    rehearsal,
    uuid,
)

LOSSY = [{"when": ["lossy"], "approvals": {"product-owner": 1}}]


def test_a_try_that_failed_does_not_hide_the_one_that_stands() -> None:
    scribe = unapproved()
    scribe.intends(DAN, "staging", "again")
    scribe.ends(Kind.APPLY_FAILED, DAN, "staging", "again")
    row = rows(scribe, "lossy")["staging"]
    assert (row.outcome, row.attempt, row.approved_before) == ("applied", "a7", False)
    assert row.applied_at


def test_what_is_meant_once_more_is_not_approved_by_that() -> None:
    scribe = unapproved()
    scribe.applied(by=DAN, env="staging", attempt="again")
    row = rows(scribe, "lossy")["staging"]
    assert (row.attempt, row.approved_before) == ("again", False)
    assert any("not approved as the policy asks when it was meant (entry 8)" in one for one in row.exceptions)


def test_a_first_time_without_approval_stays_visible_after_a_proper_second() -> None:
    scribe = unapproved()
    rolls_back(scribe)
    scribe.approved()
    scribe.approved(by=DAN, role="product-owner")
    scribe.applied(by=BOB, env="staging")
    row = rows(scribe, "lossy")["staging"]
    assert (row.outcome, row.approved_before) == ("applied", True)
    assert any("not approved as the policy asks when it was meant (entry 8)" in one for one in row.exceptions)
    late = [one for one in row.exceptions if "approved it after it was applied" in one]
    only(tuple(late), f"{DAN} approved it", "(entry 10, applied from entry 8 on)")


def test_out_of_band_stays_unapproved_when_it_is_meant_afterwards() -> None:
    scribe = approved()
    scribe.adopts(by=EVE, env="staging")
    scribe.applied(by=DAN, env="staging")
    row = rows(scribe)["staging"]
    assert (row.outcome, row.approved_before, row.evidence_before) == ("applied", False, False)


def test_of_two_developers_the_one_where_it_stands() -> None:
    places = (environment("dev", personal=True), environment("staging", upstream=["dev"]))
    scribe = Scribe()
    scribe.opens(policy_document(PEOPLE, places), by=EVE)
    scribe.created()
    scribe.applied(target=uuid("ada's"))
    scribe.intends(BOB, attempt="bob's", target=uuid("bob's"))
    scribe.ends(Kind.APPLY_FAILED, BOB, attempt="bob's", target=uuid("bob's"), heads=[])
    row = rows(scribe)["dev"]
    assert (row.outcome, row.target, row.applier.person) == ("applied", uuid("ada's"), ADA)
    assert row.applied_at


def test_a_resumed_attempt_is_held_against_the_policy_of_its_beginning() -> None:
    scribe = approved()
    scribe.intends(DAN, "staging", "one")
    scribe.ends(Kind.APPLY_PARTIAL, DAN, "staging", "one")
    scribe.ends(Kind.APPLY_RECOVERED, DAN, "staging", "one", outcome="partial", decision="resume")
    scribe.proposes(policy_document(PEOPLE, approvals={"backend-lead": 1, "product-owner": 1}), by=EVE)
    scribe.intends(DAN, "staging", "two", resumes="one")
    scribe.ends(Kind.APPLY_APPLIED, DAN, "staging", "two")
    row = rows(scribe)["staging"]
    assert (row.outcome, row.attempt, row.approved_before) == ("applied", "two", True)
    assert not any("not approved" in one for one in row.exceptions)


def replaced() -> tuple[Scribe, int]:
    """Staging's database is another one from the position on."""
    scribe = approved()
    scribe.applied(by=DAN, env="staging")
    fields = {"environment": "staging", "target": uuid("new"), "comment": "refreshed"}
    return scribe, scribe.says(EVE, Kind.TARGET_REPLACED, **fields).seq


def test_what_stood_in_a_database_that_was_replaced_stands_nowhere() -> None:
    scribe, end = replaced()
    row = rows(scribe)["staging"]
    assert (row.outcome, row.target, row.approved_before) == ("replaced", uuid("staging"), True)
    only(row.exceptions, f"replaced by {EVE} (entry {end}): refreshed")


def test_an_adoption_has_a_target_of_its_own() -> None:
    scribe, _end = replaced()
    found = scribe.adopts(EVE, "staging", target=uuid("new"))
    row = rows(scribe)["staging"]
    assert (row.outcome, row.target, row.applied_at) == ("grandfathered", uuid("new"), found.at)


def test_what_an_adoption_no_longer_found_is_gone() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging")
    found = scribe.adopts(EVE, "staging", heads=[], revisions=[], gone=[REV])
    row = rows(scribe)["staging"]
    assert row.outcome == "gone"
    only(row.exceptions, "found it gone", f"(entry {found.seq})")
    assert found.seq in row.entries


# What counted when it was meant


def test_an_approval_that_had_expired() -> None:
    scribe = approved(approval_expires="1h")
    scribe.now += timedelta(days=30)
    scribe.applied(by=DAN, env="staging")
    row = rows(scribe)["staging"]
    assert (row.approved_before, row.approvers) == (False, ())
    only(row.exceptions, "1 × backend-lead missing", f"the approval of {CY} (entry 5) was expired: older than 1h")


def test_evidence_that_came_afterwards_is_none_of_then() -> None:
    scribe = governed()
    scribe.created()
    scribe.attests(ADA, Kind.SELF_REVIEWED)
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    scribe.applied(by=DAN, env="staging")
    late = scribe.checked(**evidence())
    row = rows(scribe)["staging"]
    assert row.evidence_before is False
    only(row.exceptions, "no lint and no rehearsal", f"what came later: entries {late.seq}")
    assert rows(scribe)["dev"].evidence_before is None


@pytest.mark.parametrize(
    "found",
    [
        {"lint": linted(errors=3)},
        {"rehearsals": [rehearsal("", upgrade=False, error="crash")]},
        {"rehearsals": [rehearsal(dialect="postgresql", server="PostgreSQL 18.1")]},
    ],
    ids=["lint found errors", "the rehearsal crashed", "another dialect"],
)
def test_evidence_that_speaks_against_it_is_not_for_it(found: dict[str, Any]) -> None:
    scribe = governed()
    scribe.created()
    scribe.self_reviewed(**found)
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    meant = scribe.applied(by=DAN, env="staging").seq - 1
    row = rows(scribe)["staging"]
    assert row.evidence_before is False
    assert any(f"entry {meant}" in one for one in row.exceptions)


def test_a_loss_that_a_later_rehearsal_found_was_not_known_then() -> None:
    scribe = approved(escalations=LOSSY)
    scribe.applied(by=DAN, env="staging")
    late = scribe.checked(rehearsals=[rehearsal("lossy", server="SQLite 3.50.1")])
    row = rows(scribe)["staging"]
    assert (row.approved_before, row.evidence_before) == (True, True)
    assert "lossy" in row.risks
    only(row.exceptions, "it loses data", f"entry {late.seq}, after it was meant in entry 8")


def test_an_approver_who_turns_out_to_be_an_author() -> None:
    scribe = governed()
    scribe.created(git={"commit": "c", "authors": ["cy.old@example.net"]})
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    scribe.applied(by=DAN, env="staging")
    assert rows(scribe)["staging"].distinct_people is True
    document = policy_document(PEOPLE)
    document["people"][CY]["aliases"] = ["cy.old@example.net"]
    scribe.proposes(document, by=EVE)
    row = rows(scribe)["staging"]
    assert (row.distinct_people, row.contributors) == (False, (ADA, CY))
    only(row.exceptions, f"{CY} approved it (entry 5)", "does not any more", f"{CY} contributed")


def test_a_reviewer_who_worked_on_it_later_was_none_of_its_authors() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging")
    scribe.self_reviewed(by=BOB, manifest=OTHER_BYTES)
    row = rows(scribe)["staging"]
    assert (row.distinct_people, row.contributors) == (True, (ADA,))
