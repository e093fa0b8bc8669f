"""Entries made by hand, by outsiders with the ledger's file and by insiders with a key: each is as good as a real one,
but for the one lie. Production and staging stay closed, nothing runs, and `ledger verify` names the entry."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest

from migrate_flow.core.canonical import dumps
from tests.faults.siege import ADA, BOB, CY, DAN, REV, Flaws, Siege, attack
from tests.support.alembic_projects import write_script

SECOND = "aaaa02"


def test_what_the_right_person_signs_by_hand_counts(siege: Siege) -> None:
    """The control: the forger's entries are as good as the command's."""
    siege.held("staging", {"approved": "approval missing: 1 × backend-lead$"})
    siege.forger.attests(CY, "migration.approved", REV, role="backend-lead")
    siege.passes("staging")
    siege.held("production", {"upstream-applied": "not applied in staging"})
    for kind in ("apply.intended", "apply.applied"):
        siege.forger.acts(DAN, kind, REV, "staging", "by hand")
    siege.accused({})
    siege.passes("production")


# -- approvals: the migration is reviewed, and staging asks for Cy's approval


def _cy_by_bob_s_key(siege: Siege) -> Flaws:
    seq = siege.forger.attests(CY, "migration.approved", REV, key=BOB, role="backend-lead")
    return {seq: f"signed with a key that is not {CY}'s"}


def _bob_with_a_role_that_he_has_not(siege: Siege) -> Flaws:
    seq = siege.forger.attests(BOB, "migration.approved", REV, role="backend-lead")
    return {seq: f"{BOB} has not the role backend-lead"}


def _stranger(siege: Siege) -> Flaws:
    seq = siege.forger.attests("zoe@example.com", "migration.approved", REV, key=BOB, role="backend-lead")
    return {seq: "zoe@example.com is not in the policy"}


def _author_who_is_an_approver_too(siege: Siege) -> Flaws:
    siege.gives(ADA, "backend-lead")
    seq = siege.forger.attests(ADA, "migration.approved", REV, role="backend-lead")
    return {seq: "contributed to this migration"}


def _reviewer_who_is_an_approver_too(siege: Siege) -> Flaws:
    siege.gives(BOB, "backend-lead")
    siege.forger.attests(BOB, "migration.approved", REV, role="backend-lead")
    return {}


def _cy_of_another_ledger(siege: Siege) -> Flaws:
    """Cy approved these very bytes of this revision in the ledger of another project."""
    seq = siege.forger.attests(CY, "migration.approved", REV, role="backend-lead", frame={"ledger": str(uuid4())})
    return {seq: "made for another ledger"}


def _cy_after_an_entry_that_never_was(siege: Siege) -> Flaws:
    after = {"seq": 3, "hash": "sha256:" + "ab" * 32}
    seq = siege.forger.attests(CY, "migration.approved", REV, role="backend-lead", frame={"after": after})
    return {seq: "after an entry that this ledger does not hold"}


def _cy_of_other_bytes(siege: Siege) -> Flaws:
    """With the digest of the right ones: read as an approval of what Cy never saw."""
    seq = siege.forger.attests(CY, "migration.approved", REV, role="backend-lead", files=[("words.py", b"WORD = ''\n")])
    return {seq: "its manifest is not the digest of the files that it names"}


def _second(siege: Siege) -> int:
    """Another migration that Cy approved, on the record; the position of the approval."""
    write_script(siege.script.parent, SECOND, REV)
    for words, actor in (
        (("track", SECOND), ADA),
        (("apply", "--env", "dev"), ADA),
        (("self-review", SECOND), ADA),
        (("review", SECOND, "--approve"), BOB),
        (("approve", SECOND), CY),
    ):
        siege.shell.flow(*words, actor=actor)
    return siege.forger.head().seq


def _copied_to_another_revision(siege: Siege) -> Flaws:
    """By somebody who has nobody's key: the statement is edited, the signature is Cy's."""
    approval = _second(siege)
    rows = siege.forger.rows()
    row, reviewed = rows[approval - 1], next(row for row in rows if row["kind"] == "migration.self-reviewed")
    said, other = json.loads(row["statement"]), json.loads(reviewed["statement"])
    said["subject"] = other["subject"]
    said["predicate"] |= {"revision": REV, "manifest": other["predicate"]["manifest"], "nonce": str(uuid4())}
    said["predicate"]["after"] = {"seq": row["seq"], "hash": f"sha256:{row['hash']}"}
    seq = siege.forger.put(dumps(said), row["signature"])
    return {seq: "the signature is not valid"}


def _cy_of_another_revision_s_bytes(siege: Siege) -> Flaws:
    """What Cy approved, under the name of this revision, by Cy's own key even."""
    _second(siege)
    files, about = siege.forger.vouched(SECOND)
    fields = {**about, "revision": REV, "role": "backend-lead"}
    seq = siege.forger.says(CY, "migration.approved", files=files, **fields)
    return {seq: "it speaks of bytes that were not self-reviewed as this revision's"}


MISSING = "approval missing: 1 × backend-lead"
APPROVALS = [
    attack("A08", _cy_by_bob_s_key, {"approved": rf"{MISSING} \(signed with a key that is not {CY}'s\)"}),
    attack("A08", _stranger, {"approved": r"\(zoe@example.com is not in the policy\)"}),
    attack("A18", _bob_with_a_role_that_he_has_not, {"approved": rf"\({BOB} has not the role backend-lead\)"}),
    attack("A16", _author_who_is_an_approver_too, {"approved": rf"\({ADA} contributed to this migration\)"}),
    attack("A16", _reviewer_who_is_an_approver_too, {"approved": rf"\({BOB} reviewed it: author, reviewer and"}),
    attack("A12", _cy_of_another_ledger, {"approved": r"\(made for another ledger\)"}),
    attack("A12", _cy_after_an_entry_that_never_was, {"approved": r"\(made after an entry that this ledger does"}),
    attack("A10", _cy_of_other_bytes, {"approved": r"\(its manifest is not the digest of the files"}),
]


@pytest.mark.parametrize(("say", "gates"), APPROVALS)
def test_a_forged_approval_leads_nowhere(siege: Siege, say: Callable[[Siege], Flaws], gates: Mapping[str, str]) -> None:
    flaws = say(siege)
    siege.held("staging", gates)
    siege.accused(flaws)
    siege.shell.flow("status")


COPIES = [
    attack("A10", _copied_to_another_revision, {"signatures-valid": "by cy@example.com: the signature does not fit"}),
    attack("A10", _cy_of_another_revision_s_bytes, {"approved": MISSING}),
]


@pytest.mark.parametrize(("say", "gates"), COPIES)
def test_an_approval_copied_to_another_revision(
    siege: Siege, say: Callable[[Siege], Flaws], gates: Mapping[str, str]
) -> None:
    flaws = say(siege)
    siege.held("staging", gates, to=REV)
    siege.accused(flaws)


@pytest.mark.fault("A13")
def test_an_approval_does_not_survive_a_rollback(released: Siege) -> None:
    """It released the way up. After the way down it is used up, and putting it in again does not help."""
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    words = ("rollback", "--env", "staging", "--to", "base", "--confirm", "staging", "-m", "it was wrong")
    released.shell.flow(*words, actor=DAN)
    (approval,) = [row for row in released.forger.rows() if row["kind"] == "migration.approved"]
    seq = released.forger.put(approval["statement"], approval["signature"])
    released.held("staging", {"approved": "rolled back since, approve again; a copy of an earlier entry"})
    released.accused({seq: "a copy of an earlier entry"})


@pytest.mark.fault("A13")
def test_an_intent_does_not_go_the_other_way(released: Siege) -> None:
    """Up, after the intent to go down; and down where nothing stands."""
    forger = released.forger
    flaws = {forger.acts(DAN, "apply.intended", REV, "staging", "x", direction="downgrade"): "did not stand there"}
    flaws[forger.acts(DAN, "apply.applied", REV, "staging", "x")] = "without an open attempt"
    flaws[forger.acts(DAN, "apply.intended", REV, "staging", "y", direction="sideways")] = "neither up nor down"
    released.accused(flaws)
    forger.acts(DAN, "apply.intended", REV, "staging", "z")
    flaws[forger.acts(DAN, "apply.applied", REV, "staging", "z", direction="downgrade")] = "another act"
    released.accused(flaws)
    released.held("production", {"upstream-applied": "not applied in staging"})


# -- waivers: of an environment, by an approver


def _soaking(released: Siege) -> dict[str, Any]:
    """Staging and production wait a day; Cy waived it for staging. The row of the waiver."""
    for name in ("staging", "production"):
        released.policy(rf"(?m)^\[environments\.{name}\]\n", f'[environments.{name}]\nsoak = "24h"\n')
    released.shell.flow("approve", REV, "--waive", "soaked", "--env", "staging", "-m", "at night", actor=CY)
    row = released.forger.rows()[-1]
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    return row


@pytest.mark.fault("A11")
def test_a_waiver_copied_to_another_environment(released: Siege) -> None:
    row = _soaking(released)
    said = json.loads(row["statement"])
    said["predicate"] |= {"environment": "production", "nonce": str(uuid4())}
    seq = released.forger.put(dumps(said), row["signature"])
    released.held("production", {"signatures-valid": "by cy@example.com: the signature does not fit"})
    released.accused({seq: "the signature is not valid"})


@pytest.mark.fault("A11", "A18")
@pytest.mark.parametrize("gate", ["soaked", "upstream-applied"])
def test_a_waiver_by_somebody_who_approves_nothing(released: Siege, gate: str) -> None:
    _soaking(released)
    seq = released.forger.attests(BOB, "gate.waived", REV, environment="production", gate=gate, comment="at night")
    released.held("production", {"soaked": "to go"})
    released.accused({seq: f"{BOB} has no approver's role"})


@pytest.mark.fault("A18")
@pytest.mark.parametrize("gate", ["approved", "upstream-applied", "peer-reviewed", "signatures-valid"])
def test_an_approver_waives_what_can_not_be_waived(released: Siege, gate: str) -> None:
    released.forger.attests(CY, "gate.waived", REV, environment="production", gate=gate, comment="at night")
    released.held("production", {"upstream-applied": "not applied in staging"})
