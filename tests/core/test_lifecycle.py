"""The fold: what counts, and what is kept and does not count."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.chain import ORIGIN, Head
from migrate_flow.core.entry import Entry, Kind, project
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import fold
from migrate_flow.core.standing import stand
from migrate_flow.signing.sshsig import public_key_of
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    EVE,
    LEDGER,
    MANIFEST,
    REV,
    START,
    TEAM,
    Scribe,
    approved,
    digest,
    environment,
    opened,
    policy_document,
    uuid,
)

PLACES = (
    environment("dev"),
    environment("mine", personal=True),
    environment("production", upstream=["dev"], apply_roles=["backend-lead"]),
)
DOCUMENT = policy_document(environments=PLACES)
WITH_EVE = policy_document({**TEAM, EVE: ("developer", "backend-lead")}, environments=PLACES)


def underway() -> Scribe:
    """Reviewed, not approved; applied to dev, to production not yet."""
    scribe = opened(DOCUMENT)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.applied(env="dev")
    return scribe


def counted(history: History) -> dict[str, Any]:
    """Everything that a decision could rest on."""
    standing = stand(history.record(REV), MANIFEST, history.policy)
    return {
        "policies": [version.policy.digest for version in history.policies],
        "state": standing.state,
        "contributors": standing.contributors,
        "said": [said.seq for said in (*standing.reviews, *standing.objections, *standing.approvals)],
        "waivers": [said.seq for said in history.record(REV).waivers if not said.flaw],
        "targets": {
            (name, target.uuid): (dict(target.applications), target.heads, target.attempt, target.adopted_at)
            for name, record in history.environments.items()
            for target in record.targets.values()
        },
        "retired": sorted(uuid for record in history.environments.values() for uuid in record.retired),
    }


def copy_of(seq: int) -> Callable[[Scribe], Entry]:
    return lambda s: s.put(s.entries[seq - 1].statement, s.entries[seq - 1].signature)


def started(scribe: Scribe, **more: Any) -> Scribe:
    scribe.intends(attempt="first", **more)
    return scribe


NOT_COUNTED: dict[str, tuple[str, Callable[[Scribe], Entry]]] = {
    "stranger's created": ("eve@example.com is not in the policy", lambda s: s.created(EVE)),
    "stranger's review": ("is not in the policy", lambda s: s.reviewed(EVE, "request-changes")),
    "stranger's approval": ("is not in the policy", lambda s: s.approved(EVE)),
    "stranger's waiver": ("is not in the policy", lambda s: s.attests(EVE, Kind.GATE_WAIVED, gate="soaked")),
    "stranger's policy": ("is not in the policy", lambda s: s.proposes(WITH_EVE, EVE)),
    "stranger's intent": ("is not in the policy", lambda s: s.intends(EVE, attempt="x")),
    "stranger's outcome": ("is not in the policy", lambda s: started(s).ends(Kind.APPLY_APPLIED, EVE, attempt="first")),
    "stranger's refusal": ("is not in the policy", lambda s: s.attests(EVE, Kind.APPLY_REFUSED)),
    "stranger's adoption": ("is not in the policy", lambda s: s.adopts(EVE, "mine")),
    "stranger's replacement": (
        "is not in the policy",
        lambda s: s.says(EVE, Kind.TARGET_REPLACED, environment="mine", target=uuid("x")),
    ),
    "Cy's name, Bob's key": ("a key that is not cy@example.com's", lambda s: s.approved(CY, key=BOB)),
    "Cy's name, unknown key": ("a key that is not cy@example.com's", lambda s: s.approved(CY, key=EVE)),
    "admin's name, Bob's key": ("a key that is not ada@example.com's", lambda s: s.proposes(WITH_EVE, ADA, key=BOB)),
    "another ledger's": ("made for another ledger", lambda s: s.approved(_ledger=uuid("other ledger"))),
    "a copy": ("a copy of an earlier entry", copy_of(4)),
    "after what never was": ("does not hold", lambda s: s.approved(_after=Head(3, "ab" * 32))),
    "after the future": ("does not hold", lambda s: s.approved(_after=Head(99, "ab" * 32))),
    "after nothing": ("does not hold", lambda s: s.approved(_after=Head(99, "None"))),
    "before the origin": ("does not hold", lambda s: s.approved(_after=Head(-1, ORIGIN))),
    "review without the role": (r"no role that may review \(developer\)", lambda s: s.reviewed(CY)),
    "approval without the role": ("bob@example.com has not the role", lambda s: s.approved(BOB)),
    "approval in another's role": ("has not the role product-owner", lambda s: s.approved(CY, "product-owner")),
    "waiver without a role": ("no approver's role", lambda s: s.attests(BOB, Kind.GATE_WAIVED, gate="soaked")),
    "policy without the role": ("dan@example.com is no policy-admin", lambda s: s.proposes(WITH_EVE, DAN)),
    "policy on another": ("no longer in force", lambda s: s.proposes(WITH_EVE, base=digest("older"))),
    "intent without the role": ("ada@example.com may not apply", lambda s: s.intends(ADA, "production")),
    "intent to nowhere": ("has no environment moon", lambda s: s.intends(ADA, "moon")),
    "intent to another database": ("another database", lambda s: s.intends(ADA, "dev", target=uuid("x"))),
    "intent beside an open one": ("open on this target", lambda s: started(s).intends(ADA, attempt="second")),
    "outcome without an intent": ("without an open attempt", lambda s: s.ends(Kind.APPLY_APPLIED, CY, "production")),
    "outcome of another attempt": ("of that number", lambda s: started(s).ends(Kind.APPLY_FAILED, attempt="other")),
    "outcome a second time": ("without an open attempt", lambda s: s.ends(Kind.APPLY_FAILED, attempt="a4")),
    "adoption without the role": ("needs a policy-admin", lambda s: s.adopts(CY, "production")),
    "adoption of nothing": ("has no environment moon", lambda s: s.adopts(ADA, "moon")),
    "adoption of another database": ("another database", lambda s: s.adopts(ADA, "dev", target=uuid("x"))),
    "adoption as applied": ("is out-of-band there, and nothing else", lambda s: s.adopts(ADA, "mine", "applied")),
    "second adoption": ("is out-of-band there, and nothing else", lambda s: s.adopts(ADA, "dev", "grandfathered")),
    "replacement without the role": (
        "replacing dev's target needs a policy-admin",
        lambda s: s.says(BOB, Kind.TARGET_REPLACED, environment="dev", target=uuid("x")),
    ),
}


@pytest.mark.parametrize("name", NOT_COUNTED)
def test_what_its_signer_had_no_right_to_say_is_kept_and_does_not_count(name: str) -> None:
    flaw, say = NOT_COUNTED[name]
    scribe = underway()
    entry = say(scribe)
    before, after = fold(scribe.entries[:-1], public_key_of), scribe.history()
    assert entry is scribe.entries[-1]
    assert [said.seq for said in after.flawed] == [entry.seq]
    assert re.search(flaw, after.flawed[0].flaw)
    assert counted(after) == counted(before)
    assert after.head == entry.head


def test_the_same_acts_count_where_the_right_person_does_them() -> None:
    scribe = underway()
    scribe.approved()
    scribe.applied(CY, "production")
    scribe.proposes(WITH_EVE)
    scribe.reviewed(EVE)
    scribe.adopts(BOB, "mine")
    scribe.adopts(BOB, "mine", target=uuid("another laptop"))
    scribe.says(BOB, Kind.TARGET_REPLACED, environment="mine", target=uuid("new laptop"))
    scribe.says(ADA, Kind.TARGET_REPLACED, environment="production", target=uuid("new"))
    scribe.attests(CY, Kind.GATE_WAIVED, gate="soaked")
    scribe.attests(BOB, Kind.APPLY_REFUSED)
    assert scribe.history().flawed == []


def test_authority_is_of_the_position_and_never_of_a_later_policy() -> None:
    scribe = underway()
    early = scribe.approved(EVE)
    scribe.proposes(WITH_EVE)
    late = scribe.approved(EVE)
    scribe.proposes(DOCUMENT)
    gone = scribe.approved(EVE)
    history = scribe.history()
    assert [said.seq for said in history.flawed] == [early.seq, gone.seq]
    # Decision by decision: it counted where it was made, and only as long as its signer holds the role.
    assert late.seq not in [said.seq for said in history.flawed]
    assert scribe.standing().approvals == ()
    reasons = {said.seq: why for said, why in scribe.standing().uncounted}
    assert reasons[late.seq] == "eve@example.com no longer holds the role backend-lead"
    assert [version.number for version in history.policies] == [1, 2, 3]


def test_a_flawed_entry_put_in_again_does_not_count_later_either() -> None:
    scribe = underway()
    early = scribe.approved(EVE)
    scribe.proposes(WITH_EVE)
    scribe.put(early.statement, early.signature)
    assert scribe.standing().approvals == ()
    assert "copy" in scribe.history().flawed[-1].flaw


def test_an_old_policy_never_comes_back_by_itself() -> None:
    scribe = opened(DOCUMENT)
    weaker = scribe.proposes(WITH_EVE)
    scribe.proposes(DOCUMENT)
    scribe.put(weaker.statement, weaker.signature)  # its base is in force again
    assert [version.number for version in scribe.history().policies] == [1, 2, 3]
    assert EVE not in scribe.history().policy.people


def test_one_signature_changes_no_policy_that_asks_for_two() -> None:
    scribe = opened(policy_document({**TEAM, BOB: ("policy-admin",)}, PLACES, admins=2))
    scribe.proposes(WITH_EVE)
    history = scribe.history()
    assert len(history.policies) == 1
    assert [proposal.seq for proposal in history.pending()] == [2]


def linked_anew(entries: Iterable[Entry]) -> list[Entry]:
    """The same statements and signatures in a chain whose hashes all fit: what anybody can make who owns the file."""
    made: list[Entry] = []
    for entry in entries:
        prev = made[-1].hash if made else ORIGIN
        made.append(project(len(made) + 1, prev, entry.statement, entry.signature))
    return made


def test_nobody_can_take_an_entry_out_and_link_the_rest_anew() -> None:
    scribe = underway()
    objection = scribe.reviewed(DAN, "request-changes")
    scribe.approved()
    forged = fold(linked_anew(entry for entry in scribe.entries if entry is not objection), public_key_of)
    standing = stand(forged.record(REV), MANIFEST, forged.policy)
    assert standing.approvals == ()
    assert forged.flawed[-1].flaw == "made after an entry that this ledger does not hold"


def test_order_is_by_position_whatever_the_clocks_say() -> None:
    scribe = underway()
    scribe.now = START.replace(year=2020)
    scribe.reviewed(BOB, "request-changes")
    history = scribe.history()
    assert stand(history.record(REV), MANIFEST, history.policy).state == "changes-requested"
    assert history.last_at is not None
    assert history.last_at > START


@given(st.integers(0, 13))
def test_folding_in_parts_gives_the_whole(cut: int) -> None:
    entries = FULL.entries
    assert len(entries) == 13
    parts = fold(entries[cut:], public_key_of, fold(entries[:cut], public_key_of))
    assert parts == fold(entries, public_key_of)


def test_a_ledger_begins_with_its_opening_and_is_opened_once() -> None:
    scribe = opened()
    history = scribe.history()
    assert (history.ledger, history.project) == (LEDGER, "shop")
    assert history.genesis == scribe.entries[0].hash
    with pytest.raises(ValueError, match="does not open the ledger"):
        fold(scribe.entries[1:] or [opened().created()], public_key_of)
    scribe.opens()
    assert [said.flaw for said in scribe.history().flawed] == ["it opens a ledger that is open already"]
    assert len(scribe.history().policies) == 1


def test_entries_about_a_revision_are_listed_for_those_who_verify_them() -> None:
    scribe = approved()
    scribe.reviewed(EVE)
    assert scribe.history().record(REV).seqs == list(range(2, len(scribe.entries) + 1))


def everything() -> Scribe:
    scribe = underway()
    scribe.approved(EVE)
    scribe.proposes(WITH_EVE)
    scribe.approved()
    scribe.applied(CY, "production")
    scribe.says(ADA, Kind.TARGET_REPLACED, environment="dev", target=uuid("dev 2"))
    scribe.adopts(target=uuid("dev 2"))
    return scribe


FULL = everything()
