from __future__ import annotations

import re
import tomllib

from migrate_flow.config.render import NewEnvironment, NewPerson, render
from tests.config.samples import ADA, BOB, CY, parsed

ENVIRONMENTS = [
    NewEnvironment("dev", "sqlite:///dev.db", "sqlite"),
    NewEnvironment("staging", "env:STAGING_DATABASE_URL", "postgresql"),
    NewEnvironment("production", "keyring:production", "postgresql"),
]
PEOPLE = {
    "ada@example.com": NewPerson(["developer", "policy-admin"], [ADA]),
    "bob@example.com": NewPerson(["backend-lead"], [BOB, CY]),
}
OWNER = {"cy@example.com": NewPerson(["product-owner"], [])}


def rendered(**changes: object) -> str:
    values = {"project": "shop", "environments": ENVIRONMENTS, "people": PEOPLE} | changes
    return render(**values)  # type: ignore[arg-type]


def test_what_is_written_is_read_back() -> None:
    config = parsed(
        rendered(
            project='Café "Shop" \\ 1',
            alembic="pyproject.toml",
            alembic_section="shop",
            ledger_url="env:LEDGER_URL",
            ledger_id="01234567-89ab-cdef-0123-456789abcdef",
            genesis="sha256:" + "a" * 64,
        )
    )
    assert config.project.name == 'Café "Shop" \\ 1'
    assert (config.project.alembic, config.project.alembic_section) == ("pyproject.toml", "shop")
    assert config.ledger.url == "env:LEDGER_URL"
    assert (config.ledger.id[:8], config.ledger.genesis[:10]) == ("01234567", "sha256:aaa")
    assert [(e.name, e.url, e.dialect) for e in config.environments.values()] == ENVIRONMENTS
    assert [rules.upstream for rules in config.policy.environments.values()] == [(), ("dev",), ("staging",)]
    assert config.policy.people["bob@example.com"].keys == (BOB, CY)
    assert config.policy.people["ada@example.com"].roles == {"developer", "policy-admin"}


def test_rules_that_nobody_asked_for_are_comments_only() -> None:
    text = rendered()
    for rules in tomllib.loads(text)["environments"].values():
        assert set(rules) <= {"url", "dialect", "upstream"}
    for key in ("confirm", "soak", "windows", "apply_roles"):
        assert f"# {key} = " in text


def test_without_people_and_with_one_environment() -> None:
    config = parsed(rendered(people={}, environments=ENVIRONMENTS[:1]))
    assert config.policy.people == {}
    assert list(config.environments) == ["dev"]


def test_the_product_owner_is_asked_only_if_there_is_one() -> None:
    assert parsed(rendered()).policy.escalations == ()
    policy = parsed(rendered(people=PEOPLE | OWNER)).policy
    assert policy.required_approvals(["lossy"]) == {"backend-lead": 1, "product-owner": 1}


def test_every_commented_setting_is_a_real_one() -> None:
    for people in ({}, PEOPLE, PEOPLE | OWNER):
        text = rendered(people=people)
        taken_out, count = re.subn(r"(?m)^# (?=[a-z_]+ = |\[)", "", text)
        config = parsed(taken_out)
        assert count > 25
        assert config.policy.environments["staging"].confirm
        assert config.project.ticket_pattern
        assert config.rehearsal.mysql


def test_the_first_line_links_the_schema_without_a_path_of_this_computer() -> None:
    assert rendered().startswith("#:schema ./.migrate-flow/schema.json\n")
    assert "\n\n\n" not in rendered()
    assert max(map(len, rendered(people={}).splitlines())) <= 120
