"""Who counts as what, for which bytes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from migrate_flow.core.history import Attestation
from migrate_flow.core.standing import Standing, State, stand
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    EVE,
    MANIFEST,
    OTHER_BYTES,
    REV,
    Scribe,
    environment,
    opened,
    policy,
)


def ready(**rules: Any) -> Scribe:
    """Self-reviewed by Ada."""
    scribe = opened(**rules)
    scribe.created()
    scribe.self_reviewed()
    return scribe


def actors(said: tuple[Attestation, ...]) -> list[str]:
    return [one.actor for one in said]


def reasons(standing: Standing) -> list[str]:
    return [reason for _said, reason in standing.uncounted]


def test_the_way_from_untracked_to_approved() -> None:
    scribe = opened()
    seen = [scribe.standing().state]
    for act in (scribe.created, scribe.self_reviewed, scribe.reviewed, scribe.approved):
        act()
        seen.append(scribe.standing().state)
    assert seen == ["untracked", "created", "self-reviewed", "peer-reviewed", "approved"]


def test_what_is_missing_and_who_could_do_it() -> None:
    scribe = ready(approvals={"backend-lead": 1, "product-owner": 1})
    first = scribe.standing()
    assert (first.reviews_missing, first.may_review) == (1, (BOB, DAN))
    assert first.missing_roles == {"backend-lead": 1, "product-owner": 1}
    assert first.may_approve == (CY, DAN)
    scribe.reviewed(BOB)
    scribe.approved(CY)
    last = scribe.standing()
    assert (last.reviews_missing, last.missing_roles, last.may_approve) == (0, {"product-owner": 1}, (DAN,))


def test_whoever_has_reviewed_can_t_give_the_second_review() -> None:
    scribe = ready(peer_reviews=2)
    scribe.reviewed(BOB)
    scribe.reviewed(BOB)
    standing = scribe.standing()
    assert (actors(standing.reviews), standing.reviews_missing) == ([BOB], 1)
    assert standing.may_review == (DAN,)
    scribe.reviewed(DAN)
    assert scribe.standing().state is State.PEER_REVIEWED
    assert scribe.standing().may_review == ()


ALL_ROLES = ("developer", "backend-lead", "product-owner")
EVERYBODY = {ADA: (*ALL_ROLES, "policy-admin"), BOB: ALL_ROLES, CY: ALL_ROLES, DAN: ALL_ROLES}


@pytest.mark.parametrize("separation", ["strict", "two-person"])
def test_nobody_reviews_or_approves_their_own_work(separation: str) -> None:
    scribe = ready(people=EVERYBODY, separation=separation)
    scribe.reviewed(BOB)
    scribe.reviewed(ADA)
    scribe.approved(ADA)
    standing = scribe.standing()
    assert (actors(standing.reviews), standing.approvals) == ([BOB], ())
    assert reasons(standing) == ["ada@example.com contributed to this migration"] * 2
    assert ADA not in (*standing.may_review, *standing.may_approve)


@pytest.mark.parametrize("separation", ["strict", "two-person"])
def test_taking_work_over_makes_a_contributor_and_undoes_an_earlier_review(separation: str) -> None:
    scribe = ready(people=EVERYBODY, separation=separation)
    scribe.reviewed(BOB)
    scribe.approved(CY)
    scribe.self_reviewed(BOB)
    assert (scribe.standing().state, scribe.standing().contributors) == (State.SELF_REVIEWED, {ADA, BOB})
    scribe.self_reviewed(CY)
    assert scribe.standing().approvals == ()


def test_whoever_an_entry_names_as_contributor_is_one() -> None:
    scribe = ready(people=EVERYBODY)
    scribe.reviewed(BOB)
    scribe.self_reviewed(ADA, contributors=[BOB, "somebody@elsewhere.org"])
    assert scribe.standing().contributors == {ADA, BOB, "somebody@elsewhere.org"}
    assert scribe.standing().reviews == ()


def test_strict_separation_needs_three_people() -> None:
    scribe = ready(people=EVERYBODY)
    scribe.reviewed(BOB)
    scribe.approved(BOB)
    assert scribe.standing().state is State.PEER_REVIEWED
    assert reasons(scribe.standing()) == ["bob@example.com reviewed it: author, reviewer and approver are three people"]
    assert scribe.standing().may_approve == (CY, DAN)
    scribe.approved(CY)
    assert scribe.standing().state is State.APPROVED


def test_strict_separation_holds_in_the_other_order_too() -> None:
    scribe = ready(people=EVERYBODY)
    scribe.reviewed(CY)
    scribe.approved(BOB)
    scribe.reviewed(BOB)
    standing = scribe.standing()
    assert (actors(standing.approvals), actors(standing.reviews)) == ([BOB], [CY])
    assert reasons(standing) == ["bob@example.com approved it: author, reviewer and approver are three people"]
    assert standing.may_review == (DAN,)


def test_an_approval_before_its_turn_does_not_count() -> None:
    scribe = ready(people=EVERYBODY)
    scribe.approved(CY)
    scribe.reviewed(BOB)
    assert scribe.standing().approvals == ()
    scribe.reviewed(DAN, "request-changes")
    scribe.approved(CY)
    assert reasons(scribe.standing()) == [
        "approved before it was peer-reviewed",
        "approved while dan@example.com asked for changes",
    ]


def test_with_two_people_the_reviewer_may_approve_by_a_second_entry() -> None:
    scribe = ready(people=EVERYBODY, separation="two-person")
    scribe.reviewed(BOB)
    assert scribe.standing().state is State.PEER_REVIEWED
    assert BOB in scribe.standing().may_approve
    scribe.approved(BOB)
    assert scribe.standing().state is State.APPROVED


@pytest.mark.parametrize("separation", ["strict", "two-person"])
def test_one_person_counts_once_whatever_their_roles(separation: str) -> None:
    scribe = ready(people=EVERYBODY, separation=separation, approvals={"backend-lead": 1, "product-owner": 1})
    scribe.reviewed(BOB)
    scribe.approved(CY, "backend-lead")
    scribe.approved(CY, "product-owner")
    standing = scribe.standing()
    assert (standing.state, standing.missing_roles) == (State.PEER_REVIEWED, {"product-owner": 1})
    assert reasons(standing) == ["cy@example.com approved already, as backend-lead"]
    scribe.approved(DAN, "product-owner")
    assert scribe.standing().state is State.APPROVED


def test_two_of_a_role_are_two_people() -> None:
    scribe = ready(approvals={"backend-lead": 2})
    scribe.reviewed(BOB)
    scribe.approved(CY)
    scribe.approved(CY)
    assert scribe.standing().missing_roles == {"backend-lead": 1}
    scribe.approved(DAN)
    assert scribe.standing().state is State.APPROVED


def test_a_request_for_changes_stands_until_its_author_agrees() -> None:
    scribe = ready()
    scribe.reviewed(BOB, "request-changes")
    assert scribe.standing().state is State.CHANGES_REQUESTED
    scribe.reviewed(DAN)
    assert scribe.standing().state is State.CHANGES_REQUESTED
    assert actors(scribe.standing().objections) == [BOB]
    scribe.reviewed(BOB)
    assert (scribe.standing().state, actors(scribe.standing().reviews)) == (State.PEER_REVIEWED, [DAN, BOB])


def test_a_request_for_changes_takes_the_own_review_back_and_stops_an_approved_migration() -> None:
    scribe = ready()
    scribe.reviewed()
    scribe.approved()
    scribe.reviewed(BOB, "request-changes")
    standing = scribe.standing()
    assert (standing.state, standing.reviews, standing.reviews_missing) == (State.CHANGES_REQUESTED, (), 1)


def test_new_bytes_settle_a_request_for_changes_and_the_old_bytes_bring_it_back() -> None:
    scribe = ready()
    scribe.reviewed(BOB, "request-changes")
    scribe.self_reviewed(manifest=OTHER_BYTES)
    assert scribe.standing(OTHER_BYTES).state is State.SELF_REVIEWED
    scribe.self_reviewed()
    assert scribe.standing().state is State.CHANGES_REQUESTED


def test_an_approver_who_asked_for_changes_can_take_that_back_without_becoming_a_reviewer() -> None:
    scribe = ready(people=EVERYBODY)
    scribe.reviewed(BOB)
    scribe.approved(CY)
    scribe.reviewed(CY, "request-changes")
    assert scribe.standing().state is State.CHANGES_REQUESTED
    scribe.reviewed(CY)
    standing = scribe.standing()
    assert (standing.state, actors(standing.reviews), actors(standing.approvals)) == (State.APPROVED, [BOB], [CY])


def test_a_contributor_can_t_object_to_their_own_work_and_a_stranger_to_no_work() -> None:
    scribe = ready()
    scribe.reviewed(ADA, "request-changes")
    scribe.reviewed(EVE, "request-changes")
    scribe.reviewed(CY, "request-changes")
    standing = scribe.standing()
    assert (standing.state, standing.objections) == (State.SELF_REVIEWED, ())
    assert reasons(standing) == [
        "ada@example.com contributed to this migration",
        "eve@example.com is not in the policy",
        "cy@example.com has no role that may review (developer)",
    ]


STALE: dict[str, tuple[Callable[[Scribe], object], str]] = {
    "self-review": (lambda s: None, "self-review by ada@example.com (entry 3)"),
    "review": (lambda s: s.reviewed(), "review by bob@example.com (entry 4)"),
    "approval": (lambda s: (s.reviewed(), s.approved()), "approval by cy@example.com (entry 5)"),
    "no stranger": (lambda s: (s.reviewed(), s.approved(EVE)), "review by bob@example.com (entry 4)"),
}


@pytest.mark.parametrize("name", STALE)
def test_other_bytes_are_stale_and_begin_again(name: str) -> None:
    act, what = STALE[name]
    scribe = ready()
    act(scribe)
    standing = scribe.standing(OTHER_BYTES)
    assert standing.stale == f"the script changed since the {what}"
    assert (standing.state, standing.self_review, standing.manifest) == (State.CREATED, None, OTHER_BYTES)
    assert (standing.reviews, standing.approvals, standing.uncounted) == ((), (), ())
    assert standing.contributors == {ADA}
    assert scribe.standing().stale == ""


def test_a_self_review_of_other_bytes_takes_the_place_of_the_earlier_one() -> None:
    scribe = ready()
    scribe.reviewed()
    scribe.self_reviewed(manifest=OTHER_BYTES)
    assert scribe.standing().state is State.CREATED
    assert scribe.standing().stale == "the script changed since the self-review by ada@example.com (entry 5)"
    assert scribe.standing(OTHER_BYTES).state is State.SELF_REVIEWED


def test_a_script_that_was_never_self_reviewed_is_not_stale() -> None:
    scribe = opened()
    scribe.created()
    assert (scribe.standing(OTHER_BYTES).state, scribe.standing(OTHER_BYTES).stale) == (State.CREATED, "")


def test_without_the_script_the_bytes_are_those_that_the_ledger_stored_last() -> None:
    scribe = ready()
    scribe.reviewed()
    assert (scribe.standing(None).manifest, scribe.standing(None).state) == (MANIFEST, State.PEER_REVIEWED)
    scribe.created(manifest=OTHER_BYTES)
    assert scribe.standing(None).manifest == OTHER_BYTES
    scribe.created(EVE, manifest=MANIFEST)
    assert scribe.standing(None).manifest == OTHER_BYTES
    assert opened().standing(None).manifest == ""


def test_an_approval_expires_by_the_clock_that_is_given() -> None:
    scribe = ready(approval_expires="30d")
    scribe.reviewed()
    scribe.approved()
    last = scribe.now + timedelta(days=30)
    assert scribe.standing(now=last).state is State.APPROVED
    late = scribe.standing(now=last + timedelta(microseconds=1))
    assert (late.state, late.missing_roles) == (State.PEER_REVIEWED, {"backend-lead": 1})
    assert reasons(late) == ["expired: older than 30d"]
    assert late.may_approve == (CY, DAN)
    assert scribe.standing(now=None).state is State.APPROVED
    scribe.now = last + timedelta(days=1)
    scribe.approved()
    assert scribe.standing(now=scribe.now).state is State.APPROVED


def test_after_a_rollback_only_later_approvals_count() -> None:
    scribe = ready()
    scribe.reviewed()
    rolled_back = scribe.approved().seq
    assert scribe.standing(approvals_after=rolled_back - 1).state is State.APPROVED
    standing = scribe.standing(approvals_after=rolled_back)
    assert (standing.state, reasons(standing)) == (State.PEER_REVIEWED, ["rolled back since, approve again"])
    scribe.approved()
    assert scribe.standing(approvals_after=rolled_back).state is State.APPROVED


def test_a_risk_asks_for_more() -> None:
    scribe = ready(escalations=[{"when": ["lossy"], "approvals": {"product-owner": 1}}])
    scribe.reviewed()
    scribe.approved()
    assert scribe.standing(risks=["irreversible"]).state is State.APPROVED
    risky = scribe.standing(risks=["lossy"])
    assert (risky.state, risky.missing_roles, risky.may_approve) == (State.PEER_REVIEWED, {"product-owner": 1}, (DAN,))
    scribe.approved(DAN, "product-owner")
    assert scribe.standing(risks=["lossy"]).state is State.APPROVED


def test_a_later_policy_asks_for_its_own_numbers() -> None:
    scribe = ready()
    scribe.reviewed()
    scribe.approved()
    history = scribe.history()
    stricter = policy(peer_reviews=2)
    assert stand(history.record(REV), MANIFEST, stricter).state is State.SELF_REVIEWED


def test_what_was_adopted_is_grandfathered_until_it_is_tracked() -> None:
    scribe = opened(environments=[environment("dev")])
    scribe.adopts()
    assert (scribe.standing().state, scribe.standing().stale) == (State.GRANDFATHERED, "")
    assert scribe.standing(None).manifest == MANIFEST
    assert scribe.standing(OTHER_BYTES).stale == "the script changed since it was adopted"
    scribe.approved(DAN)
    assert scribe.standing().state is State.GRANDFATHERED
    scribe.created()
    assert scribe.standing().state is State.CREATED


def test_a_flawed_attestation_is_shown_with_its_reason() -> None:
    scribe = ready()
    scribe.approved(BOB)
    assert reasons(scribe.standing()) == ["bob@example.com has not the role backend-lead"]
