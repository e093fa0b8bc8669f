"""Whatever people sign in whatever order: no contributor counts, nobody counts twice, only these bytes count."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.core.history import Attestation
from migrate_flow.core.standing import State, contributors
from tests.support.builders import ADA, BOB, CY, DAN, EVE, MANIFEST, OTHER_BYTES, REV, Scribe, opened

ALL_ROLES = ("developer", "backend-lead", "product-owner")
PEOPLE = {ADA: (*ALL_ROLES, "policy-admin"), BOB: ALL_ROLES, CY: ("backend-lead",), DAN: ("developer",)}
acts = st.tuples(
    st.sampled_from([*PEOPLE, EVE]),
    st.sampled_from(["create", "self-review", "approve", "object", "lead", "owner", "wait"]),
    st.sampled_from([MANIFEST, MANIFEST, MANIFEST, OTHER_BYTES]),
)


def actors(said: tuple[Attestation, ...]) -> list[str]:
    return [one.actor for one in said]


def play(scribe: Scribe, who: str, act: str, manifest: str) -> None:
    match act:
        case "create":
            scribe.created(who, manifest)
        case "self-review":
            scribe.self_reviewed(who, manifest)
        case "approve" | "object":
            scribe.reviewed(who, "approve" if act == "approve" else "request-changes", manifest)
        case "lead" | "owner":
            scribe.approved(who, {"lead": "backend-lead", "owner": "product-owner"}[act], manifest)
        case "wait":
            scribe.now += timedelta(days=20)


@settings(deadline=None)
@given(st.sampled_from(["strict", "two-person"]), st.lists(acts, max_size=14))
def test_laws_of_every_ledger(separation: str, story: list[tuple[str, str, str]]) -> None:
    scribe = opened(people=PEOPLE, separation=separation, approval_expires="30d")
    known: frozenset[str] = frozenset()
    for who, act, manifest in [(ADA, "create", MANIFEST), *story]:
        play(scribe, who, act, manifest)
        record, standing = scribe.history().record(REV), scribe.standing(now=scribe.now)
        reviewers, approvers = actors(standing.reviews), actors(standing.approvals)
        assert known <= contributors(record) <= PEOPLE.keys()
        known = contributors(record)
        assert not known & {*reviewers, *approvers, *actors(standing.objections)}
        assert not known & {*standing.may_review, *standing.may_approve}
        assert len(set(approvers)) == len(approvers)
        assert not set(reviewers) & set(actors(standing.objections))
        if separation == "strict":
            assert not set(reviewers) & set(approvers)
        for said in (*standing.reviews, *standing.objections, *standing.approvals):
            assert (said.manifest, said.flaw) == (MANIFEST, "")
        for said in standing.approvals:
            assert said.fields["role"] in PEOPLE[said.actor]
            assert scribe.now - said.at <= timedelta(days=30)
        if standing.state is State.APPROVED:
            assert standing.self_review is not None
            assert reviewers
            assert "backend-lead" in [said.fields["role"] for said in standing.approvals]
            assert not standing.objections


def test_the_laws_are_not_empty() -> None:
    """The stories of the law above can reach the end."""
    scribe = opened(people=PEOPLE, approval_expires="30d")
    for who, act in [(ADA, "create"), (ADA, "self-review"), (BOB, "object"), (BOB, "approve"), (CY, "lead")]:
        play(scribe, who, act, MANIFEST)
    assert scribe.standing(now=scribe.now).state is State.APPROVED
    play(scribe, ADA, "wait", MANIFEST)
    play(scribe, ADA, "wait", MANIFEST)
    assert scribe.standing(now=scribe.now).state is State.PEER_REVIEWED
