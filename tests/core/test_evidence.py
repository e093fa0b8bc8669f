"""Evidence knows rules by their names alone: the core can't see the rules."""

from __future__ import annotations

from migrate_flow.core.evidence import REVERSIBILITY
from migrate_flow.lint.catalogue import built_in
from migrate_flow.lint.rule import Group


def test_the_rules_about_reversibility_are_those_of_that_group() -> None:
    assert {rule.slug for rule in built_in() if rule.group is Group.REVERSIBILITY} == REVERSIBILITY
