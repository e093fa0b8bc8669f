"""Every rule finds what its cases say, and nothing else; and every rule has cases and a documentation page."""

from __future__ import annotations

import re

import pytest

from migrate_flow.lint.catalogue import built_in, documentation
from migrate_flow.lint.severity import applies
from tests.lint.cases import KINDS, Case, cases, slugs

RULES = {rule.slug: rule for rule in built_in()}
ALL = [case for slug in slugs() for case in cases(slug)]


@pytest.mark.parametrize("case", ALL, ids=[f"{case.slug}: {case.name}" for case in ALL])
def test_case(case: Case) -> None:
    rule = RULES[case.slug]
    hits = list(rule.check(case.script)) if applies(rule, case.script.settings.dialects) else []

    told = [(hit.line, hit.message) for hit in hits]
    assert len(hits) == len(case.expect), told
    for hit, wanted in zip(sorted(hits, key=lambda hit: hit.line), case.expect, strict=True):
        assert wanted.get("line", hit.line) == hit.line, told
        assert wanted.keys() <= {"line", "at", "message_contains", "hint_contains"}
        assert wanted.get("at", "") in ["", *case.script.lines][hit.line], told
        assert wanted.get("message_contains", "") in hit.message, told
        assert wanted.get("hint_contains", "") in hit.hint, hit.hint
        assert hit.hint, "a finding without a way out"


@pytest.mark.parametrize("slug", sorted(RULES))
def test_every_rule_has_cases_of_each_kind(slug: str) -> None:
    assert slug in slugs(), f"tests/lint/cases/{slug}.toml is missing"
    assert {case.kind for case in cases(slug)} == KINDS


def test_every_case_file_belongs_to_a_rule() -> None:
    assert set(slugs()) <= RULES.keys()


@pytest.mark.parametrize("slug", sorted(RULES))
def test_every_rule_is_documented(slug: str) -> None:
    page = documentation(RULES[slug])

    title = page.splitlines()[0]
    assert title.endswith("."), "the first line says in one sentence what is forbidden"
    parts = re.findall(r"^(Problem|Instead of|Use):", page, re.M)
    assert parts == ["Problem", "Instead of", "Use"]


def test_a_file_is_named_for_its_rule() -> None:
    for slug, rule in RULES.items():
        assert rule.check.__module__ == f"migrate_flow.lint.rules.{slug.replace('-', '_')}"
