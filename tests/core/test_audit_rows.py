"""The rows of evidence: what the controls say by position, and that nothing out of the ordinary goes without a word."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from migrate_flow.core.audit import Change
from migrate_flow.core.audit_notes import Watch
from migrate_flow.core.audit_rows import Told, changes, environments
from migrate_flow.core.entry import Kind
from migrate_flow.core.traits import Traits
from migrate_flow.signing.sshsig import public_key_of
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
    environment,
    evidence,
    linted,
    opened,
    policy_document,
    public_key,
    rehearsal,
    tracked,
    uuid,
)

# Eve keeps the policy, and has no part in any migration.
PEOPLE = {**TEAM, ADA: ("developer",), EVE: ("policy-admin",)}


def told(*risks: str) -> Callable[..., Told]:
    return lambda _files: Told(
        "add orders", "why not", "billing", "drop it", "SHOP-7", Traits(risks, frozenset({"orders"}))
    )


def rows(scribe: Scribe, *risks: str) -> dict[str, Change]:
    """By environment, of the one revision."""
    watch = Watch(public_key_of)
    for entry in scribe.entries:
        watch.take(entry)
    assert watch.history.seq == scribe.head.seq
    return {change.environment: change for change in changes(watch, told(*risks))}


def governed(**rules: Any) -> Scribe:
    """A ledger that somebody opened who writes no migrations."""
    scribe = Scribe()
    scribe.opens(policy_document(PEOPLE, **rules), by=EVE)
    return scribe


def approved(**rules: Any) -> Scribe:
    """Ready for staging: positions 2 to 7."""
    scribe = governed(**rules)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    return scribe


def only(found: tuple[str, ...], *words: str) -> None:
    """One exception, with these words and no other."""
    assert len(found) == 1, found
    assert all(word in found[0] for word in words), found


def test_a_change_that_went_the_plain_way() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging", schema={"problem": "none"})
    row = rows(scribe)["staging"]
    assert (row.approved_before, row.upstream_before, row.distinct_people, row.applier_distinct) == (True,) * 4
    assert row.exceptions == ()
    assert (row.outcome, row.state) == ("applied", "approved")
    assert (row.message, row.rationale, row.contract_mapping, row.ticket) == (
        "add orders",
        "why not",
        "billing",
        "SHOP-7",
    )
    assert (row.author.person, row.self_reviewer.person) == (ADA, ADA)
    assert [one.person for one in row.reviewers] == [BOB]
    assert [(one.person, one.roles, one.text) for one in row.approvers] == [(CY, ("backend-lead",), "backend-lead")]
    assert row.applier.person == DAN
    assert row.applier.key.startswith("SHA256:")
    assert [one.seq for one in (row.author, row.self_reviewer, *row.reviewers, *row.approvers)] == [2, 3, 4, 5]
    times = [row.created_at, row.self_reviewed_at, row.reviewed_at, row.approved_at, row.intended_at, row.applied_at]
    assert times == sorted(times)
    assert len(set(times)) == 6
    assert row.entries == (2, 3, 4, 5, 8, 9)
    assert row.manifest == MANIFEST
    assert row.script_digest == "sha256:" + hashlib.sha256(b"as reviewed").hexdigest()
    assert row.grade == "lossless"
    assert [one.result for one in row.lint] == ["0 errors, 0 warnings, 0 waived"]


def test_the_first_environment_asks_for_nothing() -> None:
    row = rows(approved())["dev"]
    assert (row.approved_before, row.upstream_before) == (None, None)
    assert row.applier_distinct is False
    assert row.exceptions == ()


def test_a_migration_that_was_applied_nowhere_has_one_row() -> None:
    scribe = governed()
    scribe.created()
    (row,) = rows(scribe).values()
    assert (row.environment, row.outcome, row.applier, row.distinct_people) == ("", "", None, None)
    assert row.entries == (2,)


def test_an_approval_counts_by_its_position_whatever_time_it_says() -> None:
    scribe = approved()
    scribe.applied(env="staging")
    late = scribe.approved(by=DAN, _at="2020-01-01T00:00:00.000000Z")
    row = rows(scribe)["staging"]
    assert [one.person for one in row.approvers] == [CY]
    only(row.exceptions, f"{DAN} approved it after it was applied (entry {late.seq}")


def test_an_intent_before_the_approval_does_not_count() -> None:
    scribe = governed()
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.applied(env="dev")
    intent = scribe.intends(env="staging")
    scribe.approved()
    row = rows(scribe)["staging"]
    assert row.approved_before is False
    assert row.outcome == ""
    assert any(
        f"not approved as the policy asks when it was meant (entry {intent.seq})" in one for one in row.exceptions
    )
    assert [act.seq for act in row.uncounted] == [intent.seq]


def test_an_approval_that_a_risk_asked_for_and_nobody_gave() -> None:
    scribe = approved(escalations=[{"when": ["lossy"], "approvals": {"product-owner": 1}}])
    scribe.applied(env="staging")
    row = rows(scribe, "lossy")["staging"]
    assert row.approved_before is False
    only(row.exceptions, "1 × product-owner missing")
    assert row.escalations == ("lossy: 1 × product-owner, given by nobody",)
    assert rows(scribe)["staging"].approved_before is True


def test_an_approval_taken_back_after_the_application() -> None:
    scribe = approved()
    scribe.applied(env="staging")
    back = scribe.attests(CY, Kind.REVOKED, of=5)
    row = rows(scribe)["staging"]
    assert row.approved_before is True
    only(row.exceptions, "entry 5", "counted when it was meant (entry 8)", f"taken back by {CY} (entry {back.seq})")


def test_a_role_lost_after_the_application() -> None:
    scribe = approved()
    scribe.applied(env="staging")
    scribe.proposes(policy_document({**PEOPLE, CY: ("developer",)}), by=EVE)
    only(rows(scribe)["staging"].exceptions, CY, "entry 5", "no longer holds the role backend-lead")


def test_a_key_that_was_not_its_owners_when_it_approved() -> None:
    scribe = approved()
    scribe.applied(env="staging")
    end = scribe.says(EVE, Kind.KEY_REVOKED, public_key=public_key(CY), since=5, comment="it was on a stick")
    row = rows(scribe)["staging"]
    assert row.approved_before is True
    assert row.exceptions
    assert all("entry 5" in one and f"entry {end.seq}" in one for one in row.exceptions)
    assert any("it was on a stick" in one for one in row.exceptions)


@pytest.mark.parametrize("since", [0, 6])
def test_a_key_that_was_exchanged_later_is_no_exception(since: int) -> None:
    """What it signed before counts: else every rotation would stand behind all that a person ever signed."""
    scribe = approved()
    scribe.applied(env="staging")
    scribe.says(EVE, Kind.KEY_REVOKED, public_key=public_key(CY), since=since, comment="once a year")
    assert rows(scribe)["staging"].exceptions == ()


def test_keys_and_roles_that_only_a_contributor_recorded() -> None:
    """Ada opened the ledger and wrote the migration: she could have made up Bob and Cy."""
    scribe = opened()
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    scribe.applied(env="staging")
    found = rows(scribe)["staging"].exceptions
    assert [one.split(" was recorded")[0] for one in found] == [
        f"the key of {BOB}",
        f"the role as a reviewer of {BOB}",
        f"the key of {CY}",
        f"the role backend-lead of {CY}",
    ]
    assert all(f"recorded by {ADA} alone (entry 1)" in one for one in found)


def test_a_policy_signed_by_somebody_else_vouches_for_its_people() -> None:
    people = {**TEAM, EVE: ("policy-admin",)}
    scribe = opened(policy_document(people))
    scribe.proposes(policy_document(people, peer_reviews=1, admins=1, unknown_authors="refuse"), by=EVE)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    scribe.applied(env="staging")
    assert rows(scribe)["staging"].exceptions == ()


def test_refused_failed_partial_recovered_and_rolled_back() -> None:
    scribe = approved()
    refused = scribe.attests(
        ADA,
        Kind.APPLY_REFUSED,
        environment="staging",
        target=uuid("staging"),
        direction="upgrade",
        gates=[{"gate": "soaked", "reason": "too fresh"}],
    )
    scribe.intends(env="staging", attempt="one")
    failed = scribe.ends(Kind.APPLY_FAILED, env="staging", attempt="one", heads=[], error="lock timeout")
    scribe.intends(env="staging", attempt="two")
    partial = scribe.ends(Kind.APPLY_PARTIAL, env="staging", attempt="two", heads=[], error="it broke")
    recovered = scribe.ends(
        Kind.APPLY_RECOVERED, env="staging", attempt="two", heads=[], outcome="failed", decision="abandoned"
    )
    scribe.applied(env="staging", attempt="three")
    scribe.intends(env="staging", attempt="four", direction="downgrade", comment="the shop is down")
    back = scribe.ends(Kind.APPLY_APPLIED, env="staging", attempt="four", direction="downgrade", heads=[])
    row = rows(scribe)["staging"]
    assert row.outcome == "rolled-back"
    assert row.attempt == "three"
    assert [act.seq for act in row.refused] == [refused.seq]
    assert [act.seq for act in row.failed] == [failed.seq, partial.seq, recovered.seq]
    assert [(act.seq, act.text) for act in row.rollbacks] == [(back.seq, "the shop is down")]
    wanted = {
        refused.seq: "soaked: too fresh",
        failed.seq: "lock timeout",
        partial.seq: "in part",
        recovered.seq: "abandoned",
        back.seq: "rolled back",
    }
    for seq, words in wanted.items():
        assert any(f"(entry {seq})" in one and words in one for one in row.exceptions), (seq, row.exceptions)


def test_after_a_rollback_only_a_new_approval_counts() -> None:
    scribe = approved()
    scribe.applied(env="staging", attempt="one")
    scribe.intends(env="staging", attempt="two", direction="downgrade")
    scribe.ends(Kind.APPLY_APPLIED, env="staging", attempt="two", direction="downgrade", heads=[])
    again = scribe.approved()
    scribe.applied(env="staging", attempt="three")
    row = rows(scribe)["staging"]
    assert (row.outcome, row.approved_before) == ("applied", True)
    assert [one.seq for one in row.approvers] == [again.seq]


def test_a_waived_gate_comes_first() -> None:
    scribe = approved()
    waived = scribe.attests(CY, Kind.GATE_WAIVED, environment="staging", gate="soaked", comment="the shop is down")
    scribe.applied(env="staging", attempt="one")
    scribe.attests(CY, Kind.REVOKED, of=5)
    row = rows(scribe)["staging"]
    assert f"{CY} waived the gate soaked (entry {waived.seq}): the shop is down" == row.exceptions[0]
    assert rows(scribe)["dev"].waivers == ()


def test_adopted_is_grandfathered_and_later_out_of_band() -> None:
    scribe = governed()
    scribe.adopts(by=EVE)
    row = rows(scribe)["dev"]
    assert (row.outcome, row.grandfathered, row.approved_before, row.exceptions) == ("grandfathered", True, None, ())
    scribe = approved()
    found = scribe.adopts(by=EVE, env="staging")
    row = rows(scribe)["staging"]
    assert (row.outcome, row.approved_before, row.upstream_before) == ("out-of-band", False, False)
    only(row.exceptions, "out of band", f"(entry {found.seq})")


def test_drift_is_told_where_it_was_found_and_accepted() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging")
    schema = {"fingerprint": "sha256:aa", "snapshot": "sha256:bb", "normaliser": "1", "server_major": "3"}
    fields = {"environment": "staging", "target": uuid("staging"), "schema": schema}
    found = scribe.says(DAN, Kind.DRIFT_FOUND, **fields)
    taken = scribe.says(DAN, Kind.DRIFT_ACCEPTED, comment="an index of the vendor's", **fields)
    texts = rows(scribe)["staging"].exceptions
    assert [f"(entry {seq})" in text for seq, text in zip((found.seq, taken.seq), texts, strict=True)] == [True, True]
    assert "an index of the vendor's" in texts[1]
    assert rows(scribe)["dev"].exceptions == ()


def test_what_does_not_count_is_told() -> None:
    scribe = approved()
    own = scribe.reviewed(by=ADA)
    foreign = scribe.approved(by=CY, key=EVE)
    row = rows(scribe)["dev"]
    assert [act.seq for act in row.uncounted] == [own.seq, foreign.seq]
    assert any(f"(entry {own.seq}), which does not count: {ADA} contributed" in one for one in row.exceptions)
    assert any(
        f"(entry {foreign.seq}), which does not count: signed with a key that is not" in one for one in row.exceptions
    )


def test_one_person_who_reviewed_and_approved() -> None:
    scribe = governed(separation="two-person")
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed(by=DAN)
    scribe.approved(by=DAN)
    scribe.applied(env="dev")
    scribe.applied(env="staging")
    row = rows(scribe)["staging"]
    assert (row.approved_before, row.distinct_people) == (True, False)
    only(row.exceptions, f"{DAN} both reviewed and approved it (entries 4, 5)")


def test_evidence_that_speaks_against_it() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging")
    scribe.checked(lint=linted(errors=2), rehearsals=[rehearsal("irreversible")])
    found = rows(scribe)["staging"]
    assert found.grade == "irreversible"
    assert len(found.rehearsals) == 2
    assert any("lint found 2 errors" in one and "(entry 10)" in one for one in found.exceptions)
    assert any("can't be undone" in one and "(entry 10)" in one for one in found.exceptions)


def test_evidence_of_other_bytes_is_none_of_these() -> None:
    scribe = governed()
    scribe.created()
    scribe.attests(ADA, Kind.SELF_REVIEWED)
    scribe.checked(manifest=OTHER_BYTES, **evidence())
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    scribe.applied(by=DAN, env="staging")
    row = rows(scribe)["staging"]
    assert (row.lint, row.rehearsals) == ((), ())
    only(row.exceptions, "no lint and no rehearsal of these bytes is on record")


def test_an_open_attempt_has_no_outcome() -> None:
    scribe = approved()
    intent = scribe.intends(env="staging")
    row = rows(scribe)["staging"]
    assert row.outcome == "open"
    only(row.exceptions, f"entry {intent.seq} is open")


def test_a_malformed_entry_stops_nothing() -> None:
    scribe = approved()
    scribe.attests(BOB, Kind.REVIEWED, verdict=7)
    scribe.attests(DAN, Kind.APPLY_INTENDED, environment="staging", target=uuid("staging"))
    scribe.says(DAN, Kind.DRIFT_FOUND, environment=["staging"])
    found = rows(scribe)
    assert found["dev"].outcome == "applied"


def test_environments_come_in_the_order_of_promotion() -> None:
    names = (environment("z-last", upstream=["middle"]), environment("middle", upstream=["a"]), environment("a"))
    scribe = opened(policy_document(environments=names))
    assert environments(scribe.history()) == ("a", "middle", "z-last")


def test_parents_come_before_their_children_whatever_came_first() -> None:
    scribe = tracked()
    scribe.created(revision="aaaa", down_revision=["bbbb"], manifest=OTHER_BYTES)
    scribe.created(revision="bbbb", down_revision=[REV], manifest=OTHER_BYTES)
    watch = Watch(public_key_of)
    for entry in scribe.entries:
        watch.take(entry)
    assert [change.revision for change in changes(watch, told())] == [REV, "bbbb", "aaaa"]
