"""Whose work a migration is: from what its entries say, and from the addresses that somebody claims by now."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.entry import Kind
from migrate_flow.core.policy import Policy
from migrate_flow.core.standing import State, claimed, contributors, refuses_unknown_authors, unclaimed
from tests.support.builders import ADA, BOB, CY, DAN, OTHER_BYTES, REV, Scribe, opened, policy_document

PRIVATE = "bobby@home.example.net"
ROLES = ("developer", "backend-lead", "policy-admin")
EVERYBODY = {ADA: ROLES, BOB: ROLES, CY: ROLES, DAN: ROLES}


def document(aliases: tuple[str, ...] = (), **rules: Any) -> dict[str, Any]:
    """aliases: Bob's."""
    found = policy_document(people=EVERYBODY, **rules)
    found["people"][BOB]["aliases"] = list(aliases)
    return found


def whose(scribe: Scribe) -> set[str]:
    standing = scribe.standing()
    assert standing.contributors >= contributors(scribe.history().record(REV))
    return set(standing.contributors)


def test_whoever_tracks_a_script_is_a_contributor_where_the_entry_names_nobody() -> None:
    for names in ({}, {"contributors": []}):
        scribe = opened(people=EVERYBODY)
        scribe.created(DAN, **names)
        assert whose(scribe) == {DAN}


def test_whoever_tracks_a_script_of_others_is_none_and_may_review_it() -> None:
    scribe = opened(people=EVERYBODY)
    scribe.created(DAN, contributors=[BOB])
    scribe.self_reviewed(ADA, contributors=[ADA, BOB])
    assert whose(scribe) == {ADA, BOB}
    scribe.reviewed(DAN)
    assert scribe.standing().state is State.PEER_REVIEWED


def test_whoever_tracks_a_script_that_they_wrote_with_others_is_one() -> None:
    scribe = opened(people=EVERYBODY)
    scribe.created(DAN, contributors=[BOB, DAN])
    assert whose(scribe) == {BOB, DAN}


def test_naming_somebody_else_does_not_get_a_self_reviewer_off() -> None:
    scribe = opened(people=EVERYBODY)
    scribe.created(DAN, contributors=[BOB])
    scribe.self_reviewed(DAN, contributors=[BOB])
    scribe.reviewed(DAN)
    assert whose(scribe) == {BOB, DAN}
    assert scribe.standing().reviews == ()


def test_what_git_showed_a_reviewer_counts_too_and_undoes_an_earlier_approval() -> None:
    scribe = opened(people=EVERYBODY)
    scribe.created(ADA)
    scribe.self_reviewed(ADA)
    scribe.reviewed(BOB)
    scribe.approved(CY)
    assert scribe.standing().state is State.APPROVED
    scribe.reviewed(DAN, contributors=[CY])
    assert whose(scribe) == {ADA, CY}
    assert scribe.standing().approvals == ()


def test_a_review_that_does_not_count_names_nobody() -> None:
    scribe = opened(people={**EVERYBODY, CY: ("backend-lead",)})
    scribe.created(ADA)
    scribe.self_reviewed(ADA)
    scribe.reviewed(CY, contributors=[BOB])
    assert whose(scribe) == {ADA}


@pytest.mark.parametrize("act", ["self_reviewed", "reviewed"])
def test_taking_an_entry_back_takes_no_contributor_back(act: str) -> None:
    scribe = opened(people=EVERYBODY)
    scribe.created(ADA)
    scribe.self_reviewed(ADA)
    seq = getattr(scribe, act)(BOB, contributors=[BOB, CY]).seq
    scribe.attests(BOB, Kind.REVOKED, of=seq)
    assert whose(scribe) == {ADA, BOB, CY}
    scribe.self_reviewed(ADA)
    scribe.reviewed(BOB)
    assert scribe.standing().reviews == ()


def test_contributors_only_grow_whatever_later_entries_name() -> None:
    scribe = opened(people=EVERYBODY)
    scribe.created(ADA, contributors=[BOB])
    scribe.self_reviewed(ADA, contributors=[ADA, CY])
    scribe.self_reviewed(ADA, OTHER_BYTES, contributors=[ADA])
    assert whose(scribe) == {ADA, BOB, CY}


def test_an_address_that_is_claimed_later_makes_a_contributor_of_whoever_claims_it() -> None:
    scribe = opened(document())
    scribe.created(ADA)
    scribe.self_reviewed(ADA, git={"commit": "1" * 40, "authors": [PRIVATE], "dirty": False})
    scribe.reviewed(BOB)
    assert (scribe.standing().state, scribe.standing().unknown_authors) == (State.PEER_REVIEWED, (PRIVATE,))
    scribe.proposes(document(aliases=("Bobby@Home.example.net",)))
    assert (scribe.standing().state, scribe.standing().unknown_authors) == (State.SELF_REVIEWED, ())
    assert whose(scribe) == {ADA, BOB}


def test_unknown_authors_are_those_of_the_newest_self_review_and_since() -> None:
    scribe = opened(document())
    seen = [
        {"commit": "1" * 40, "authors": [name], "dirty": False} for name in ("old@x.org", "new@x.org", "fresh@x.org")
    ]
    scribe.created(ADA, git=seen[0])
    assert scribe.standing().unknown_authors == ()
    scribe.self_reviewed(ADA, git=seen[0])
    scribe.self_reviewed(ADA, git=seen[1])
    scribe.reviewed(DAN, git=seen[2])
    assert scribe.standing().unknown_authors == ("fresh@x.org", "new@x.org")


@pytest.mark.parametrize("git", [{}, {"authors": "x@x.org"}, {"authors": [1, {}]}, {"authors": None}])
def test_a_git_field_without_addresses_names_nobody(git: dict[str, Any]) -> None:
    scribe = opened(document())
    scribe.created(ADA)
    scribe.self_reviewed(ADA, git=git)
    assert (scribe.standing().state, scribe.standing().unknown_authors) == (State.SELF_REVIEWED, ())


def test_names_and_aliases_claim_an_address_in_any_case() -> None:
    policy = Policy.from_document(document(aliases=("BOB@Users.example.net",)))
    found = ["Ada@EXAMPLE.com", "bob@users.EXAMPLE.net", "x@example.com", "X@example.com"]
    assert claimed(policy, found) == {ADA: "Ada@EXAMPLE.com", BOB: "bob@users.EXAMPLE.net"}
    assert unclaimed(policy, found) == ("x@example.com",)
    assert (claimed(policy, []), unclaimed(policy, [])) == ({}, ())


def test_unknown_authors_are_refused_only_where_the_policy_says_so() -> None:
    assert refuses_unknown_authors(Policy.from_document(document(unknown_authors="refuse")))
    assert not refuses_unknown_authors(Policy.from_document(document(unknown_authors="warn")))
    older = document()
    del older["policy"]["unknown_authors"]
    assert not refuses_unknown_authors(Policy.from_document(older))
