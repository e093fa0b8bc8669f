"""The fold: how policies come into force with several signatures, and what a revoked or offline key still signs."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Entry, Kind, Subject
from migrate_flow.core.policy import RECOVERY, Policy, unsound
from migrate_flow.core.standing import State, contributors
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    EVE,
    MANIFEST,
    OTHER_BYTES,
    REV,
    TEAM,
    Scribe,
    approved,
    environment,
    opened,
    policy_document,
    public_key,
    tracked,
    uuid,
)

ADMINS = {**TEAM, CY: ("backend-lead", "policy-admin")}
TWO = policy_document(ADMINS, admins=2)
STRICTER = policy_document(ADMINS, admins=2, peer_reviews=2)
OFFLINE = "offline"


def recoverable(**rules: Any) -> dict[str, Any]:
    document = policy_document(**rules)
    document["policy"]["recovery_keys"] = [public_key(OFFLINE)]
    return document


def revokes(scribe: Scribe, by: str, whose: str, **more: Any) -> Entry:
    fields = {"public_key": public_key(whose), "person": whose, "comment": "lost"}
    return scribe.says(by, Kind.KEY_REVOKED, subjects=[Subject("key", "0" * 64)], **fields | more)


def flaws(scribe: Scribe) -> list[str]:
    return [said.flaw for said in scribe.history().flawed]


def test_a_policy_that_asks_for_two_signatures_waits_for_the_second() -> None:
    scribe = opened(TWO)
    proposal = scribe.proposes(STRICTER)
    assert [item.seq for item in scribe.history().pending()] == [proposal.seq]
    assert scribe.history().policy.peer_reviews == 1
    endorsement = scribe.endorses(proposal.seq, CY, STRICTER)
    history = scribe.history()
    assert history.policy.peer_reviews == 2
    assert (history.policies[-1].seq, history.policies[-1].by) == (endorsement.seq, f"{ADA}, {CY}")
    assert history.pending() == []
    assert history.charter == [1, proposal.seq, endorsement.seq]


def test_nobody_signs_twice_for_two() -> None:
    scribe = opened(TWO)
    proposal = scribe.proposes(STRICTER)
    scribe.endorses(proposal.seq, ADA, STRICTER)
    assert flaws(scribe) == [f"{ADA} signed it already"]
    assert scribe.history().policy.peer_reviews == 1


def test_only_an_admin_of_the_policy_before_endorses() -> None:
    scribe = opened(TWO)
    bob_too = policy_document({**ADMINS, BOB: ("developer", "policy-admin")}, admins=2)
    proposal = scribe.proposes(bob_too)
    scribe.endorses(proposal.seq, BOB, bob_too)
    assert flaws(scribe) == [f"{BOB} is no policy-admin"]
    assert len(scribe.history().policies) == 1


def test_an_endorsement_speaks_of_the_very_policy() -> None:
    scribe = opened(TWO)
    proposal = scribe.proposes(STRICTER)
    scribe.endorses(proposal.seq, CY, policy_document(ADMINS))
    assert flaws(scribe) == ["it endorses another policy than was proposed"]


def test_what_was_proposed_on_an_older_policy_can_t_be_endorsed_any_more() -> None:
    scribe = opened(TWO)
    first, second = scribe.proposes(STRICTER), scribe.proposes(policy_document(ADMINS))
    scribe.endorses(second.seq, CY, policy_document(ADMINS))
    scribe.endorses(first.seq, CY, STRICTER)
    assert flaws(scribe) == [f"entry {first.seq} proposes no policy that waits for signatures"]
    assert scribe.history().policy.admins == 1


def test_a_signature_by_a_key_revoked_since_does_not_count() -> None:
    three = {**ADMINS, DAN: (*TEAM[DAN], "policy-admin")}
    scribe = opened(policy_document(three, admins=2))
    wanted = policy_document(three, admins=2, peer_reviews=2)
    proposal = scribe.proposes(wanted)
    revokes(scribe, DAN, ADA)
    scribe.endorses(proposal.seq, CY, wanted)
    assert scribe.history().policy.peer_reviews == 1
    scribe.endorses(proposal.seq, DAN, wanted)
    assert scribe.history().policy.peer_reviews == 2


def test_a_policy_that_holds_another_than_it_names_is_none() -> None:
    scribe = opened()
    scribe.proposes(policy_document(peer_reviews=2), subjects=[Subject("policy", "1" * 64)])
    assert flaws(scribe) == ["it speaks of another policy than it holds"]


def test_adding_a_person_makes_no_older_entry_valid() -> None:
    scribe = approved()
    scribe.approved(EVE)
    scribe.proposes(policy_document({**TEAM, EVE: ("developer", "backend-lead")}))
    said = next(item for item in scribe.history().record(REV).approvals if item.actor == EVE)
    assert said.flaw == f"{EVE} is not in the policy"


def test_an_older_policy_does_not_come_back() -> None:
    scribe = opened()
    stricter = policy_document(peer_reviews=2)
    proposal = scribe.proposes(stricter)
    scribe.proposes(policy_document(peer_reviews=3))
    scribe.put(proposal.statement, proposal.signature)
    history = scribe.history()
    assert (history.policy.peer_reviews, flaws(scribe)) == (3, ["a copy of an earlier entry"])
    scribe.proposes(stricter, base=history.policies[0].policy.digest)
    assert flaws(scribe)[-1] == "proposed on a policy that is no longer in force"


def test_a_revoked_key_signs_nothing_any_more_and_what_it_signed_stays() -> None:
    scribe = approved()
    entry = revokes(scribe, CY, CY)
    assert scribe.standing().state is State.APPROVED
    scribe.approved(CY)
    assert flaws(scribe) == [f"signed with a key that entry {entry.seq} revoked"]


def test_a_key_revoked_from_a_position_on_undoes_what_it_signed_since() -> None:
    scribe = approved()
    approval = next(entry for entry in scribe.entries if entry.kind == Kind.APPROVED)
    revokes(scribe, ADA, CY, since=approval.seq + 1)
    assert scribe.standing().state is State.APPROVED
    revokes(scribe, ADA, CY, since=approval.seq)
    assert scribe.standing().state is State.PEER_REVIEWED
    assert flaws(scribe) == []


def test_whoever_s_self_review_was_undone_has_still_contributed() -> None:
    scribe = tracked()
    scribe.self_reviewed()
    revokes(scribe, ADA, ADA, since=2)
    assert scribe.standing().state is State.UNTRACKED
    assert contributors(scribe.history().record(REV)) == {ADA}


@pytest.mark.parametrize("by", [BOB, DAN])
def test_nobody_else_revokes_a_key(by: str) -> None:
    scribe = approved()
    revokes(scribe, by, CY, since=1)
    assert flaws(scribe) == [f"{by} neither holds that key nor is a policy-admin"]
    assert scribe.standing().state is State.APPROVED


def test_a_revocation_does_not_speak_of_the_future() -> None:
    scribe = approved()
    revokes(scribe, CY, CY, since=1000)
    assert flaws(scribe) == ["it speaks of entry 1000, which is not there yet"]


def test_a_recovery_key_changes_the_policy_when_the_admins_are_gone() -> None:
    scribe = opened(recoverable())
    wanted = recoverable(people={**TEAM, BOB: ("developer", "policy-admin")})
    scribe.proposes(wanted, by=RECOVERY, key=OFFLINE)
    assert scribe.history().policy.has_role(BOB, ["policy-admin"])
    revokes(scribe, RECOVERY, ADA)
    assert flaws(scribe) == [f"signed with a key that is not {RECOVERY}'s"], "signed without the offline key"


def test_a_recovery_key_signs_nothing_else() -> None:
    scribe = opened(recoverable())
    for kind in (Kind.MIGRATION_CREATED, Kind.SELF_REVIEWED):
        scribe.attests(RECOVERY, kind, MANIFEST, _nonce=uuid(kind), _policy=scribe.policy)
        scribe.entries.pop()
        signed = scribe.sign(RECOVERY, kind, key=OFFLINE, revision=REV, manifest=MANIFEST, _nonce=uuid(kind))
        scribe.put(*signed)
    assert set(flaws(scribe)) == {"a recovery key signs policies and revocations, and nothing else"}


def test_a_recovery_key_is_one_signature_of_two() -> None:
    scribe = opened(recoverable(people=ADMINS, admins=2))
    wanted = recoverable(people=ADMINS, admins=1)
    proposal = scribe.proposes(wanted, by=RECOVERY, key=OFFLINE)
    assert scribe.history().policy.admins == 2
    scribe.endorses(proposal.seq, CY, wanted)
    assert scribe.history().policy.admins == 1


def test_without_an_offline_key_recovery_is_nobody() -> None:
    scribe = opened()
    scribe.proposes(policy_document(peer_reviews=2), by=RECOVERY, key=OFFLINE)
    assert flaws(scribe) == [f"{RECOVERY} is not in the policy"]


def test_a_ledger_that_follows_another_says_so() -> None:
    scribe = Scribe()
    document = policy_document()
    old = {"ledger": uuid("old"), "seq": 7, "hash": "sha256:" + "ab" * 32, "comment": "the server burned"}
    scribe.policy = Policy.from_document(document).digest
    scribe.says(ADA, Kind.LEDGER_OPENED, project="shop", number=1, document=document, succeeds=old)
    succeeds = scribe.history().succeeds
    assert succeeds is not None
    assert (succeeds.ledger, succeeds.head, succeeds.why) == (uuid("old"), Head(7, "ab" * 32), "the server burned")


@pytest.mark.parametrize("by", [BOB, EVE])
def test_who_opens_a_ledger_must_administer_its_policy(by: str) -> None:
    scribe = Scribe()
    scribe.opens(by=by)
    with pytest.raises(ValueError, match="opens a ledger whose policy does not let them"):
        scribe.history()


MISPLACED = [environment("dev"), environment("live"), environment("production", upstream=["dev"])]
OWN = [environment("dev"), environment("production", upstream=["dev"], personal=True)]
UNSOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "one key, two people": (
        "one key belongs to two people",
        {"people": {"x@example.com": {"roles": ["policy-admin"], "keys": [public_key(ADA)], "aliases": []}}},
    ),
    "the offline key is Ada's": ("one key belongs to two people", {"policy": {"recovery_keys": [public_key(ADA)]}}),
    "somebody called recovery": (
        "the name of the offline key",
        {"people": {RECOVERY: {"roles": ["policy-admin"], "keys": [], "aliases": []}}},
    ),
    "a wildcard": ("read as another's", {"people": {"*@example.com": {"roles": [], "keys": [], "aliases": []}}}),
    "two spellings": ("read as another's", {"people": {"Ada@example.com": {"roles": [], "keys": [], "aliases": []}}}),
    "another's address": (
        "one address belongs to two people",
        {"people": {"x@example.com": {"roles": [], "keys": [], "aliases": [ADA]}}},
    ),
    "a name with a line break": (
        "read as another's",
        {"people": {"x@example.com\n": {"roles": [], "keys": [], "aliases": []}}},
    ),
    "production by another name": ("production by another name", {"environments": MISPLACED}),
    "a production of one's own": ("is personal, and has an upstream", {"environments": OWN}),
    "no separation": ("separation 'none'", {"policy": {"separation": "none"}}),
    "no reviews": ("below 1", {"policy": {"peer_reviews": 0}}),
    "no admins": ("below 1", {"policy": {"admins": 0}}),
    "no approvals": ("below 1", {"policy": {"approvals": {}}}),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_no_signature_brings_an_unsound_policy_into_force(name: str) -> None:
    flaw, change = UNSOUND[name]
    document = policy_document()
    for section, values in change.items():
        document[section] = {**document[section], **values} if isinstance(values, dict) else values
    assert flaw in unsound(Policy.from_document(document))
    scribe = opened()
    scribe.proposes(document)
    assert len(scribe.history().policies) == 1
    assert flaw in flaws(scribe)[0]


def test_an_alias_may_be_one_s_own_name() -> None:
    document = policy_document()
    document["people"][ADA]["aliases"] = [ADA, "ADA@example.com"]
    assert unsound(Policy.from_document(document)) == ""


def test_a_key_never_becomes_another_person_s() -> None:
    scribe = opened()
    renamed = policy_document({name: roles for name, roles in TEAM.items() if name != BOB})
    scribe.proposes(renamed)
    renamed = policy_document({**TEAM, EVE: ("developer",)})
    renamed["people"][EVE]["keys"] = [public_key(BOB)]
    del renamed["people"][BOB]
    scribe.proposes(renamed)
    assert flaws(scribe) == [f"a key of {BOB} can't become {EVE}'s: each person makes one of their own"]
    assert EVE not in scribe.history().policy.people


def test_what_a_stolen_key_took_back_counts_again() -> None:
    scribe = tracked()
    scribe.self_reviewed()
    objection = scribe.reviewed(BOB, "request-changes")
    assert scribe.standing().state is State.CHANGES_REQUESTED
    theft = scribe.attests(BOB, Kind.REVOKED, of=objection.seq)
    assert scribe.standing().state is State.SELF_REVIEWED
    revokes(scribe, ADA, BOB, since=theft.seq)
    assert scribe.standing().state is State.CHANGES_REQUESTED


def rolled_back() -> Scribe:
    scribe = approved()
    scribe.intends(env="staging", attempt="down", direction="downgrade")
    scribe.ends(Kind.APPLY_APPLIED, env="staging", attempt="down", direction="downgrade", heads=[])
    return scribe


def applies_to_staging(scribe: Scribe, **more: Any) -> list[str]:
    scribe.intends(env="staging", attempt="again", **more)
    return flaws(scribe)


def test_an_approval_that_was_signed_before_a_rollback_is_not_one_after_it() -> None:
    scribe = rolled_back()
    scribe.approved(DAN, _after=scribe.entries[0].head)
    assert applies_to_staging(scribe) == [f"{REV} was peer-reviewed, staging asks for approved"]
    scribe.approved(DAN)
    scribe.intends(env="staging", attempt="once more")
    assert len(flaws(scribe)) == 1


def test_a_new_database_forgets_no_rollback() -> None:
    scribe = rolled_back()
    scribe.says(ADA, Kind.TARGET_REPLACED, environment="staging", target=uuid("staging 2"))
    assert applies_to_staging(scribe, target=uuid("staging 2")) == [
        f"{REV} was peer-reviewed, staging asks for approved"
    ]


def test_nobody_waives_a_gate_for_their_own_work() -> None:
    scribe = approved(people={**TEAM, ADA: ("developer", "policy-admin", "backend-lead")})
    scribe.attests(ADA, Kind.GATE_WAIVED, environment="production", gate="soaked")
    assert flaws(scribe) == [f"{ADA} contributed to this migration"]


def test_one_developer_s_database_with_these_bytes_is_enough() -> None:
    places = [environment("dev", personal=True), environment("staging", upstream=["dev"])]
    scribe = opened(environments=places)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(ADA, target=uuid("ada's"))
    scribe.intends(BOB, attempt="b", target=uuid("bob's"), manifest=OTHER_BYTES)
    scribe.ends(Kind.APPLY_APPLIED, BOB, attempt="b", target=uuid("bob's"), manifest=OTHER_BYTES)
    scribe.applied(DAN, env="staging")
    assert flaws(scribe) == []
