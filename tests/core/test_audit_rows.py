"""The rows of evidence: what the controls say by position, and that nothing out of the ordinary goes without a word."""

from __future__ import annotations

import hashlib

import pytest

from migrate_flow.core.audit import CONTROLS
from migrate_flow.core.audit_notes import Watch
from migrate_flow.core.audit_rows import changes, environments
from migrate_flow.core.entry import Kind
from migrate_flow.signing.sshsig import public_key_of
from tests.core.audit_cases import PEOPLE, approved, governed, only, rolls_back, rows, told
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

LOSSY = [{"when": ["lossy"], "approvals": {"product-owner": 1}}]


def test_a_change_that_went_the_plain_way() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging", schema={"problem": "none"})
    row = rows(scribe)["staging"]
    assert [getattr(row, name) for name, _title, _meaning in CONTROLS] == [True] * 5
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
    assert row.applier.person == ADA
    assert (row.approved_before, row.upstream_before, row.applier_distinct) == (None, None, None)
    assert row.exceptions == ()


def test_an_author_who_applies_is_shown_where_approval_is_asked_for() -> None:
    scribe = approved()
    scribe.applied(by=ADA, env="staging")
    found = rows(scribe)
    assert [found[name].applier_distinct for name in ("dev", "staging")] == [None, False]


def test_who_applies_is_asked_by_the_rules_of_then() -> None:
    """What the policy asks of the environment afterwards changes no answer."""
    scribe = Scribe()
    places = (environment("dev", requires="approved"), environment("staging", upstream=["dev"]))
    scribe.opens(policy_document(PEOPLE, places), by=EVE)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    places = (environment("dev"), environment("staging", upstream=["dev"]))
    scribe.proposes(policy_document(PEOPLE, places), by=EVE)
    row = rows(scribe)["dev"]
    assert (row.applier_distinct, row.approved_before) == (False, True)


def test_an_author_who_applied_it_first_stays_visible_when_another_means_it_again() -> None:
    scribe = approved()
    scribe.applied(by=ADA, env="staging")
    scribe.applied(by=DAN, env="staging")
    row = rows(scribe)["staging"]
    assert (row.applier.person, row.applier_distinct) == (DAN, False)


def test_an_author_who_began_what_another_finished_applied_it_too() -> None:
    scribe = approved()
    scribe.intends(ADA, "staging", "one")
    scribe.ends(Kind.APPLY_PARTIAL, ADA, "staging", "one")
    scribe.ends(Kind.APPLY_RECOVERED, DAN, "staging", "one", outcome="partial", decision="resume")
    scribe.intends(DAN, "staging", "two", resumes="one")
    scribe.ends(Kind.APPLY_APPLIED, DAN, "staging", "two")
    row = rows(scribe)["staging"]
    assert (row.outcome, row.applier.person, row.applier_distinct) == ("applied", DAN, False)


def test_a_migration_that_was_applied_nowhere_has_one_row() -> None:
    scribe = governed()
    scribe.created()
    (row,) = rows(scribe).values()
    assert (row.environment, row.outcome, row.applier, row.distinct_people) == ("", "", None, None)
    assert row.entries == (2,)


def test_an_approval_counts_by_its_position_whatever_time_it_says() -> None:
    scribe = approved(escalations=LOSSY)
    scribe.applied(env="staging")
    late = scribe.approved(by=DAN, role="product-owner", _at="2020-01-01T00:00:00.000000Z")
    row = rows(scribe, "lossy")["staging"]
    assert ([one.person for one in row.approvers], row.approved_before) == ([CY], False)
    assert any(f"{DAN} approved it after it was applied (entry {late.seq}" in one for one in row.exceptions)
    row = rows(scribe)["staging"]
    assert ([one.person for one in row.approvers], row.approved_before, row.exceptions) == ([CY], True, ())


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
    scribe = approved(escalations=LOSSY)
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


def test_whoever_leaves_later_leaves_no_exception_behind() -> None:
    scribe = approved()
    scribe.applied(env="staging")
    early = governed()
    early.created()
    early.self_reviewed()
    early.reviewed()
    early.approved()
    for one in (scribe, early):
        one.proposes(policy_document({**PEOPLE, CY: ("developer",)}), by=EVE)
    row = rows(scribe)["staging"]
    assert (row.approved_before, row.exceptions) == (True, ())
    only(rows(early)[""].exceptions, CY, "entry 5", "no longer holds the role backend-lead")


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
    assert [one.split(" were recorded")[0] for one in found] == [
        f"the key and the role as a reviewer of {BOB}",
        f"the key and the role backend-lead of {CY}",
    ]
    assert all(f"recorded by {ADA} alone (entry 1)" in one for one in found)


def test_an_applier_whom_only_a_contributor_recorded() -> None:
    """Ada keeps the policy and wrote the migration: she could have made up whoever applies it."""
    robot = "robot@example.com"
    places = (environment("dev"), environment("staging", upstream=["dev"], apply_roles=["releaser"]))
    people = {**TEAM, ADA: ("developer", "policy-admin"), EVE: ("policy-admin",)}
    scribe = Scribe()
    scribe.opens(policy_document(people, places), by=EVE)
    first = scribe.proposes(policy_document({**people, robot: ("releaser",)}, places), by=ADA)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    scribe.applied(by=robot, env="staging")
    found = rows(scribe)
    only(
        found["staging"].exceptions,
        f"the key and the role as an applier of {robot} were recorded by {ADA} alone (entry {first.seq})",
    )
    assert (found["staging"].applier_distinct, found["dev"].exceptions) == (True, ())


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
    assert found.evidence_before is True
    late = "(entry 10, after it was meant in entry 8)"
    assert any("lint found 2 errors" in one and late in one for one in found.exceptions)
    assert any("can't be undone" in one and late in one for one in found.exceptions)
    assert found.rehearsals[1].result.endswith(", after the intent")


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


def test_what_a_database_said_is_not_rewritten() -> None:
    scribe = approved()
    scribe.intends(DAN, "staging", "one")
    said = "column may not be longer than requested; cannot run: Duncan rules"
    scribe.ends(Kind.APPLY_FAILED, DAN, "staging", "one", error=said)
    only(rows(scribe)["staging"].exceptions, f"an upgrade failed (entry 9): {said}")


def test_why_something_was_taken_back_or_withdrawn() -> None:
    scribe = approved()
    scribe.attests(CY, Kind.REVOKED, of=5, comment="the index is wrong")
    only(rows(scribe)["dev"].exceptions, "taken back", "(entry 8): the index is wrong")
    scribe = approved()
    scribe.attests(ADA, Kind.WITHDRAWN, comment="nobody needs it")
    only(rows(scribe)["dev"].exceptions, f"withdrawn by {ADA} (entry 8)", "stands applied: nobody needs it")


def test_an_unknown_author_is_told_where_git_showed_it() -> None:
    scribe = governed()
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed(git={"commit": "c", "authors": ["ghost@example.net"]})
    scribe.approved()
    scribe.applied(env="dev")
    scribe.self_reviewed(manifest=OTHER_BYTES, git={"commit": "d", "authors": ["spirit@example.net"]})
    only(rows(scribe)["dev"].exceptions, "ghost@example.net (entry 4)")


def test_an_entry_that_does_not_count_says_nothing_of_when_it_was_created() -> None:
    scribe = governed()
    scribe.attests("mallory@example.com", Kind.MIGRATION_CREATED, _at="2019-01-01T00:00:00.000000Z")
    true = scribe.created()
    assert rows(scribe)[""].created_at == true.at


def test_an_approval_after_a_rollback_elsewhere_is_no_exception_here() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging")
    scribe.applied(by=DAN, env="production")
    rolls_back(scribe)
    scribe.approved()
    scribe.applied(by=DAN, env="staging")
    found = rows(scribe)
    assert found["production"].exceptions == ()
    only(found["staging"].exceptions, "rolled back")


def test_a_waiver_that_does_not_count_stays_in_its_environment() -> None:
    scribe = approved()
    scribe.attests(ADA, Kind.GATE_WAIVED, environment="production", gate="soaked", comment="quick")
    scribe.applied(by=DAN, env="staging")
    found = rows(scribe)
    assert found["staging"].exceptions == found["dev"].exceptions == ()
    only(found["production"].exceptions, f"{ADA} waived a gate (entry 8), which does not count")


def test_an_adoption_that_does_not_count_is_told_of_what_it_names() -> None:
    scribe = approved()
    scribe.applied(by=DAN, env="staging")
    found = scribe.adopts(CY, "staging")
    row = rows(scribe)["staging"]
    assert row.outcome == "applied"
    only(row.exceptions, f"(entry {found.seq}), which does not count", "needs a policy-admin")
