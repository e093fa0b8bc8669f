"""The reference is what the rules say of themselves."""

from __future__ import annotations

from tests.lint.reference import FILE, written


def test_the_reference_is_what_the_rules_say() -> None:
    assert FILE.read_text(encoding="utf-8") == written(), "python -m tests.lint.reference"


def test_each_rule_is_told_once() -> None:
    from migrate_flow.lint.catalogue import built_in

    text = written()
    assert all(text.count(f"\n### {rule.slug}\n") == 1 for rule in built_in())
