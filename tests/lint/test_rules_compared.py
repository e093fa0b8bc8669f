"""docs/explanation/lint-rules-compared.md speaks of every safety rule, with the severity that it has."""

from __future__ import annotations

import re
from pathlib import Path

from migrate_flow.core.finding import Severity
from migrate_flow.lint.catalogue import built_in
from migrate_flow.lint.rule import Group

PAGE = (Path(__file__).parents[2] / "docs/explanation/lint-rules-compared.md").read_text(encoding="utf-8")
SAFETY = {rule.slug: rule for rule in built_in() if rule.group is Group.SAFETY}


def test_every_rule_stands_beside_what_others_have() -> None:
    dangers = PAGE.partition("## Dangers")[2].partition("## What they find")[0]
    ours = {slug for row in dangers.splitlines() if row.startswith("|") for slug in _slugs(row.split("|")[2])}
    assert SAFETY.keys() <= ours


def test_the_severities_are_those_of_the_rules() -> None:
    rows = dict(re.findall(r"^\| (error|warning) \| (.*) \|$", PAGE, re.M))
    told = {slug: Severity(name) for name, row in rows.items() for slug in _slugs(row)}
    assert told == {slug: rule.severity for slug, rule in SAFETY.items()}


def test_the_page_names_only_rules_that_exist() -> None:
    every = {rule.slug for rule in built_in()}
    dangers = PAGE.partition("## Dangers")[2].partition("## What they find")[0]
    rows = [row.split("|")[2] for row in dangers.splitlines() if row.startswith("| ") and "`migrate-flow`" not in row]
    assert {slug for row in rows for slug in _slugs(row)} <= every


def _slugs(text: str) -> list[str]:
    return re.findall(r"`([a-z]+(?:-[a-z]+)+|truncate)`", text)
