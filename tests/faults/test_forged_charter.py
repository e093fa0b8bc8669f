"""Entries made by hand that would decide for everybody: policies, keys, databases, outcomes. And such as nobody can
read. Nothing of it opens production, and nothing takes away what is rightly allowed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.siege import BOB, CY, DAN, EVE, REV, Flaws, Siege, attack
from tests.support.forger import policy_subject, subject

# -- policies that would let Bob approve


def _document(siege: Siege) -> dict[str, Any]:
    return dict(json.loads(json.dumps(dict(siege.forger.history().policy.document))))


def _for_bob(siege: Siege) -> dict[str, Any]:
    """The policy in force, but that Bob is an approver, and that his own review does not stand in his way."""
    document = _document(siege)
    document["people"][BOB]["roles"] = ["backend-lead", "developer"]
    document["policy"]["separation"] = "two-person"
    return document


def _proposes(siege: Siege, actor: str, document: Mapping[str, Any], **fields: Any) -> int:
    history = siege.forger.history()
    default = {"base": history.policy.digest, "number": len(history.policies) + 1, "document": document}
    subjects = [policy_subject(document)]
    return siege.forger.says(actor, "policy.proposed", **{"subjects": subjects, **default, **fields})


def _by_a_developer(siege: Siege) -> Flaws:
    return {_proposes(siege, BOB, _for_bob(siege)): f"{BOB} is no policy-admin"}


def _on_an_old_base(siege: Siege) -> Flaws:
    base = siege.forger.history().policies[0].policy.digest
    return {_proposes(siege, EVE, _for_bob(siege), base=base): "proposed on a policy that is no longer in force"}


def _of_another_than_it_names(siege: Siege) -> Flaws:
    subjects = [policy_subject(_document(siege))]
    return {_proposes(siege, EVE, _for_bob(siege), subjects=subjects): "it speaks of another policy than it holds"}


def _replayed(siege: Siege) -> Flaws:
    """It was in force once, signed by the admin, and was taken back."""
    before = siege.config.read_text()
    siege.policy('separation = "strict"', 'separation = "two-person"')
    siege.gives(BOB, "backend-lead")
    row = siege.forger.rows()[-1]
    siege.config.write_text(before)
    siege.shell.flow("policy", "record", actor=EVE)
    return {siege.forger.put(row["statement"], row["signature"]): "a copy of an earlier entry"}


def _two_signatures(siege: Siege) -> None:
    document = _document(siege)
    document["policy"]["admins"] = 2
    document["people"][CY]["roles"] = ["backend-lead", "policy-admin"]
    _proposes(siege, EVE, document)
    assert siege.forger.history().policy.admins == 2


def _one_signature_of_two(siege: Siege) -> Flaws:
    """There is nothing wrong with it. It waits."""
    _two_signatures(siege)
    _proposes(siege, EVE, _for_bob(siege))
    return {}


def _the_same_signature_twice(siege: Siege) -> Flaws:
    _two_signatures(siege)
    document = _for_bob(siege)
    of, base = _proposes(siege, EVE, document), siege.forger.history().policy.digest
    subjects = [policy_subject(document)]
    return {
        siege.forger.says(EVE, "policy.endorsed", of=of, base=base, subjects=subjects): f"{EVE} signed it already",
        siege.forger.says(BOB, "policy.endorsed", of=of, base=base, subjects=subjects): f"{BOB} is no policy-admin",
    }


def _without_separation(siege: Siege) -> Flaws:
    document = _for_bob(siege)
    document["policy"]["separation"] = "none"
    return {_proposes(siege, EVE, document): "separation 'none' is not known"}


def _staging_asks_for_less(siege: Siege) -> Flaws:
    document = _for_bob(siege)
    next(item for item in document["environments"] if item["name"] == "staging")["requires"] = "peer-reviewed"
    return {_proposes(siege, EVE, document): "staging asks for less than approval"}


POLICIES = [
    attack("A14", _on_an_old_base, {}),
    attack("A14", _replayed, {}),
    attack("A19", _by_a_developer, {}),
    attack("A19", _of_another_than_it_names, {}),
    attack("A19", _one_signature_of_two, {}),
    attack("A19", _the_same_signature_twice, {}),
    attack("A19", _without_separation, {}),
    attack("A19", _staging_asks_for_less, {}),
]


@pytest.mark.parametrize(("say", "gates"), POLICIES)
def test_a_forged_policy_makes_nobody_an_approver(
    siege: Siege, say: Callable[[Siege], Flaws], gates: Mapping[str, str]
) -> None:
    flaws = {**say(siege)}
    flaws[siege.forger.attests(BOB, "migration.approved", REV, role="backend-lead")] = f"{BOB} has not the role"
    siege.held("staging", {"approved": rf"1 × backend-lead \({BOB} has not the role backend-lead\)"})
    siege.accused(flaws)


def test_the_same_policy_signed_by_the_admin_makes_bob_an_approver(siege: Siege) -> None:
    """The control."""
    _proposes(siege, EVE, _for_bob(siege))
    siege.forger.attests(BOB, "migration.approved", REV, role="backend-lead")
    siege.passes("staging")


@pytest.mark.fault("A09")
def test_one_key_for_two_people_in_a_policy_signed_by_the_admin(siege: Siege) -> None:
    document = _document(siege)
    document["people"][CY]["keys"].append(siege.forger.public(BOB))
    flaws = {_proposes(siege, EVE, document): "one key belongs to two people"}
    seq = siege.forger.attests(CY, "migration.approved", REV, key=BOB, role="backend-lead")
    siege.held("staging", {"approved": rf"\(signed with a key that is not {CY}'s\)"})
    siege.accused({**flaws, seq: "signed with a key that is not"})


def _production_without_upstream(document: dict[str, Any]) -> None:
    document["environments"][-1]["upstream"] = []


def _production_asks_for_less(document: dict[str, Any]) -> None:
    document["environments"][-1]["requires"] = "created"


@pytest.mark.fault("A19")
@pytest.mark.parametrize("change", [_production_without_upstream, _production_asks_for_less])
def test_no_signature_takes_production_below_the_founding_rule(
    released: Siege, change: Callable[[dict[str, Any]], None]
) -> None:
    document = _document(released)
    change(document)
    seq = _proposes(released, EVE, document)
    released.held("production", {"upstream-applied": "not applied in staging"})
    released.accused({seq: "production (has no upstream|asks for less than approval)"})


# -- databases: the migration is approved, and production asks for staging


def _never_approved(released: Siege) -> Flaws:
    (approval,) = [row["seq"] for row in released.forger.rows() if row["kind"] == "migration.approved"]
    released.shell.flow("revoke", str(approval), "-m", "seen too late", actor=CY)
    return {
        **_forged(released, DAN, "staging", f"{REV} was peer-reviewed, staging asks for approved"),
        **_forged(released, DAN, "production", f"{REV} was peer-reviewed, production asks for approved"),
    }


def _past_staging(released: Siege) -> Flaws:
    """Production is said to have it already."""
    return _forged(released, DAN, "production", f"{REV} did not stand in staging with these bytes")


def _by_who_may_not_apply(released: Siege) -> Flaws:
    return _forged(released, BOB, "staging", f"{BOB} may not apply to staging")


def _going_on_with_nothing(released: Siege) -> Flaws:
    return _forged(released, DAN, "production", "there is no open attempt to go on with", resumes="x")


def _forged(released: Siege, actor: str, environment: str, flaw: str, **fields: Any) -> Flaws:
    """An intent, and a good outcome."""
    attempt = f"{environment} by hand"
    intent = released.forger.acts(actor, "apply.intended", REV, environment, attempt, **fields)
    outcome = released.forger.acts(actor, "apply.applied", REV, environment, attempt)
    return {intent: flaw, outcome: "an outcome without an open attempt"}


def _the_outcome_of_somebody_else(released: Siege) -> Flaws:
    released.forger.acts(DAN, "apply.intended", REV, "staging", "of Dan")
    seq = released.forger.acts(BOB, "apply.applied", REV, "staging", "of Dan")
    return {seq: f"{BOB} did not make this attempt"}


def _with_a_signature_of_something_else(released: Siege) -> Flaws:
    """Nobody's key is needed for that: Dan's last signature, under what Dan never said."""
    released.held("production", {"upstream-applied": "not applied in staging"})
    row = released.forger.rows()[-1]
    assert (row["kind"], row["actor"]) == ("apply.refused", DAN)
    kinds = ("apply.intended", "apply.applied")
    seqs = [released.forger.acts(DAN, kind, REV, "staging", "x", signature=row["signature"]) for kind in kinds]
    return dict.fromkeys(seqs, "the signature is not valid")


def _adopts(released: Siege, actor: str, state: str = "grandfathered") -> int:
    files, about = released.forger.vouched(REV)
    named = [{"path": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in files]
    item = {**about, "state": state, "files": named}
    place = {"environment": "staging", "target": str(uuid4()), "heads": [REV], "revisions": [item]}
    return released.forger.says(actor, "target.adopted", files=files, **place)


def _adopted_by_a_developer(released: Siege) -> Flaws:
    return {_adopts(released, BOB): "adopting staging needs a policy-admin"}


def _adopted_as_what_it_is_not(released: Siege) -> Flaws:
    return {_adopts(released, EVE): f"{REV} is out-of-band there, and nothing else"}


def _adopted_as_what_it_is(released: Siege) -> Flaws:
    _adopts(released, EVE, "out-of-band")
    return {}


def _replaced_by_a_developer(released: Siege) -> Flaws:
    target = {"environment": "staging", "target": str(uuid4()), "comment": "a new one"}
    return {
        released.forger.says(BOB, "target.replaced", **target): "replacing staging's target needs a policy-admin",
        **_forged(released, BOB, "staging", f"{BOB} may not apply to staging", target=target["target"]),
    }


NOT_APPLIED = {"upstream-applied": "not applied in staging"}
DATABASES = [
    attack("A20", _never_approved, {**NOT_APPLIED, "approved": "approval missing"}),
    attack("A20", _past_staging, NOT_APPLIED),
    attack("A20", _by_who_may_not_apply, NOT_APPLIED),
    attack("A20", _going_on_with_nothing, NOT_APPLIED),
    attack("A20", _the_outcome_of_somebody_else, NOT_APPLIED),
    attack("A20", _with_a_signature_of_something_else, {"signatures-valid": "by dan@example.com: the signature does"}),
    attack("A20", _adopted_by_a_developer, NOT_APPLIED),
    attack("A20", _adopted_as_what_it_is_not, NOT_APPLIED),
    attack("A20", _adopted_as_what_it_is, {"upstream-applied": "it came there outside the flow in staging"}),
    attack("A20", _replaced_by_a_developer, NOT_APPLIED),
]


@pytest.mark.parametrize(("say", "gates"), DATABASES)
def test_what_is_said_of_a_database_opens_no_other(
    released: Siege, say: Callable[[Siege], Flaws], gates: Mapping[str, str]
) -> None:
    flaws = say(released)
    released.held("production", gates)
    released.accused(flaws)


# -- what would take away what is allowed, and what nobody can read


def _revokes_the_key_of_cy(released: Siege) -> Flaws:
    key = released.forger.public(CY)
    subjects = [subject("key", hashlib.sha256(key.encode()).hexdigest())]
    seq = released.forger.says(BOB, "key.revoked", subjects=subjects, public_key=key, person=CY, since=1, comment="x")
    return {seq: f"{BOB} neither holds that key nor is a policy-admin"}


def _takes_the_approval_back(released: Siege) -> Flaws:
    of = released.forger.head().seq
    return {released.forger.attests(BOB, "attestation.revoked", REV, of=of): "only the signer of an attestation"}


def _withdraws(released: Siege) -> Flaws:
    return {released.forger.attests(DAN, "migration.withdrawn", REV): "contributed nothing to it"}


def _objects_without_a_role(released: Siege) -> Flaws:
    seq = released.forger.attests(DAN, "migration.reviewed", REV, verdict="request-changes", comment="x")
    return {seq: f"{DAN} has no role that may review"}


def _opens_an_attempt(released: Siege) -> Flaws:
    seq = released.forger.acts(BOB, "apply.intended", REV, "staging", "to block others")
    return {seq: f"{BOB} may not apply to staging"}


HARMLESS = [
    attack("A18", say, {})
    for say in (
        _revokes_the_key_of_cy, _takes_the_approval_back, _withdraws, _objects_without_a_role, _opens_an_attempt,
    )
]  # fmt: skip


@pytest.mark.parametrize(("say", "gates"), HARMLESS)
def test_nobody_takes_away_what_they_may_not(
    released: Siege, say: Callable[[Siege], Flaws], gates: Mapping[str, str]
) -> None:
    flaws = say(released)
    assert not gates
    released.passes("staging")
    released.accused(flaws)
    released.shell.flow("status")
