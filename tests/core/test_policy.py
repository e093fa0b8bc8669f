from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.core import canonical
from migrate_flow.core.policy import Level, Policy, shortages
from migrate_flow.core.traits import Traits
from tests.config.samples import parsed
from tests.support.builders import ADA, BOB, CY, DAN, EVE, environment, policy, policy_document, public_key

RISKY = {
    "approvals": {"backend-lead": 1},
    "escalations": [
        {"when": ["destructive", "waiver"], "approvals": {"product-owner": 1}},
        {"when": ["lossy"], "approvals": {"backend-lead": 2, "product-owner": 1}},
        {"when": ["table:billing_*"], "approvals": {"product-owner": 3}},
        {"when": ["raw-sql-unknown"], "approvals": {"backend-lead": 1, "product-owner": 1}},
    ],
}


def test_the_builder_writes_the_document_that_the_configuration_writes() -> None:
    text = '[project]\nname = "shop"\n[environments.dev]\nurl = "sqlite:///dev.db"\n'
    text += f'[people."ada@example.com"]\nroles = ["developer", "policy-admin"]\nkeys = ["{public_key(ADA)}"]\n'
    made = policy_document({ADA: ("developer", "policy-admin")}, [environment("dev")])
    assert made == parsed(text).policy.document


def test_a_policy_is_its_document() -> None:
    document = policy_document(approval_expires="30d", separation="two-person", review_roles=["developer", "dba"])
    made = Policy.from_document(document)
    assert made.digest == canonical.digest(document)
    assert made.approval_expires == timedelta(days=30)
    assert (made.separation, made.peer_reviews, made.admins) == ("two-person", 1, 1)
    assert made.review_roles == {"developer", "dba"}
    assert made.owners[public_key(BOB)] == BOB
    assert made.people[DAN].roles == {"developer", "backend-lead", "product-owner"}


def test_an_environment_is_its_gate_keys() -> None:
    keys = {"soak": "24h", "windows": ["mon 09:00-16:00 UTC"], "apply_roles": ["release-manager"], "personal": True}
    rules = policy(environments=[environment("dev", **keys)]).environments["dev"]
    assert (rules.soak, rules.apply_roles, rules.personal) == (timedelta(hours=24), ("release-manager",), True)
    assert [window.text for window in rules.windows] == ["mon 09:00-16:00 UTC"]
    assert rules.requires is Level.CREATED


@pytest.mark.parametrize(
    "document",
    [{}, {"v": 2}, policy_document() | {"v": 2}, policy_document() | {"v": "1"}],
    ids=["empty", "newer", "newer and whole", "text"],
)
def test_another_version_of_the_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not known to this version"):
        Policy.from_document(document)


def test_an_unfinished_document_is_refused() -> None:
    with pytest.raises(KeyError):
        Policy.from_document({"v": 1, "people": {}})
    with pytest.raises(ValueError):
        policy(environments=[environment("dev", requires="nothing")])


def test_levels_are_ordered() -> None:
    assert sorted(Level, key=lambda level: level.rank) == ["created", "self-reviewed", "peer-reviewed", "approved"]


def test_who_holds_a_role() -> None:
    made = policy()
    assert made.holders(["developer"]) == (ADA, BOB, DAN)
    assert made.holders(["backend-lead", "product-owner"]) == (CY, DAN)
    assert made.holders([]) == made.holders(["nobody"]) == ()
    assert made.has_role(CY, ["backend-lead"])
    assert not made.has_role(CY, ["developer"])
    assert not made.has_role(EVE, ["developer"])
    assert not made.has_role("", [])


@pytest.mark.parametrize(
    ("risks", "needed"),
    [
        ((), {"backend-lead": 1}),
        (("irreversible",), {"backend-lead": 1}),
        (("destructive",), {"backend-lead": 1, "product-owner": 1}),
        (("waiver", "destructive"), {"backend-lead": 1, "product-owner": 1}),
        (("destructive", "lossy"), {"backend-lead": 2, "product-owner": 1}),
        (("lossy", "table:billing_*"), {"backend-lead": 2, "product-owner": 3}),
        (("raw-sql-unknown", "table:billing_*", "lossy"), {"backend-lead": 2, "product-owner": 3}),
    ],
)
def test_escalations_ask_for_the_most_of_all_that_match(risks: tuple[str, ...], needed: dict[str, int]) -> None:
    made = policy(**RISKY)
    assert made.required_approvals(risks) == needed
    assert made.approvals == {"backend-lead": 1}


@given(st.sets(st.sampled_from(["destructive", "waiver", "lossy", "table:billing_*", "raw-sql-unknown"])), st.data())
def test_one_more_risk_never_asks_for_less(risks: set[str], data: st.DataObject) -> None:
    fewer = data.draw(st.sets(st.sampled_from(sorted(risks)))) if risks else set()
    more, less = policy(**RISKY).required_approvals(risks), policy(**RISKY).required_approvals(fewer)
    assert all(more.get(role, 0) >= count for role, count in less.items())


def test_a_table_is_a_risk_where_an_escalation_names_it() -> None:
    made = policy(**RISKY)
    assert made.risks(Traits(("lossy",), frozenset({"billing_lines", "users"}))) == ("lossy", "table:billing_*")
    assert made.risks(Traits((), frozenset({"users", "old_billing_x"}))) == ()


def test_final_environments_are_no_upstream() -> None:
    made = policy(
        environments=[environment("dev"), environment("eu", upstream=["dev"]), environment("us", upstream=["dev"])]
    )
    assert made.final_environments() == ("eu", "us")


@pytest.mark.parametrize(
    ("people", "rules", "found"),
    [
        ({ADA: ["developer", "policy-admin"], BOB: ["developer"], CY: ["backend-lead"]}, {}, ""),
        ({ADA: ["policy-admin"]}, {}, "nobody holds the role developer"),
        ({ADA: ["developer", "policy-admin"], CY: ["backend-lead"]}, {}, "one person holds the role developer"),
        ({ADA: ["developer", "policy-admin"], BOB: ["developer"]}, {}, "1 × backend-lead, but nobody holds that role"),
        (
            {ADA: ["developer", "policy-admin"], BOB: ["developer", "lead"], CY: ["lead"]},
            {"approvals": {"lead": 3}},
            "3 × lead, but 2 people hold that role",
        ),
        (
            {ADA: ["developer", "policy-admin"], BOB: ["developer", "backend-lead"]},
            {},
            "separation 'strict' needs 3 people, the policy names 2",
        ),
        ({ADA: ["developer", "policy-admin"], BOB: ["developer", "backend-lead"]}, {"separation": "two-person"}, ""),
        (
            {ADA: ["developer"], BOB: ["developer"], CY: ["backend-lead"]},
            {},
            "1 × policy-admin, too few hold that role",
        ),
        # Reviewers need not be authors too.
        (
            {ADA: ["policy-admin"], BOB: ["senior"], CY: ["backend-lead"]},
            {"review_roles": ["senior"]},
            "",
        ),
        # Enough people and enough of each role, and still nobody's work can pass: Cy would have to approve twice.
        (
            {ADA: ["developer", "policy-admin"], BOB: ["developer"], CY: ["lead", "owner"], DAN: ["auditor"]},
            {"approvals": {"lead": 1, "owner": 1}},
            "one person holds too many",
        ),
        (
            {ADA: ["developer", "policy-admin"], BOB: ["developer"], CY: ["lead", "owner"], DAN: ["auditor"]},
            {"approvals": {"lead": 1, "owner": 1}, "separation": "two-person"},
            "one person holds too many",
        ),
    ],
)
def test_what_nobody_can_meet_yet(people: dict[str, list[str]], rules: dict[str, Any], found: str) -> None:
    said = shortages(policy(people, **rules))
    assert bool(said) == bool(found)
    assert found in "".join(said)


ROLES = ["developer", "lead", "owner"]
teams = st.dictionaries(st.sampled_from([ADA, BOB, CY, DAN, EVE]), st.sets(st.sampled_from(ROLES)), min_size=1)


def possible(made: Policy) -> bool:
    """By trying everybody in every place."""
    places = ["developer"] * made.peer_reviews + [role for role, n in made.approvals.items() for _ in range(n)]

    def fit(people: tuple[str, ...], roles: list[str]) -> bool:
        return all(role in made.people[person].roles for person, role in zip(people, roles, strict=True))

    def staffed(author: str, roles: list[str]) -> bool:
        others = [person for person in made.people if person != author]
        return any(fit(people, roles) for people in permutations(others, len(roles)))

    cut = made.peer_reviews
    if made.separation == "strict":
        return any(staffed(author, places) for author in made.people)
    return any(staffed(author, places[:cut]) and staffed(author, places[cut:]) for author in made.people)


@settings(deadline=None)
@given(teams, st.integers(1, 2), st.integers(1, 2), st.integers(0, 1), st.sampled_from(["strict", "two-person"]))
def test_no_shortage_means_that_somebody_s_work_can_pass(
    team: dict[str, set[str]], reviews: int, leads: int, owners: int, separation: str
) -> None:
    approvals = {"lead": leads} | ({"owner": owners} if owners else {})
    made = replace(policy(team, peer_reviews=reviews, approvals=approvals, separation=separation), admins=0)
    assert bool(shortages(made)) is not possible(made)
