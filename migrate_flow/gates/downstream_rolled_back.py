"""The revision no longer stands in an environment that has this one as its upstream.

Problem: production would be ahead of staging, with a schema that staging does not have.
Clears it: `migrate-flow rollback --env DOWNSTREAM --to REV -m WHY` first, or `--allow-ahead` where that is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import DOWN, Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    standing = ", ".join(facts.downstream)
    if not standing:
        return Verdict("downstream-rolled-back", True, "it stands in no environment further down")
    if "downstream-rolled-back" in facts.waived:
        return Verdict("downstream-rolled-back", True, f"--allow-ahead: it still stands in {standing}")
    last = facts.downstream[-1]
    rules = facts.policy.environments[last]
    who = facts.policy.holders(rules.apply_roles) if rules.apply_roles else tuple(facts.policy.people)
    hint = f"migrate-flow rollback --env {last} --to PARENT -m WHY first; or --allow-ahead"
    return Verdict("downstream-rolled-back", False, f"it still stands in {standing}", hint, who)


GATE = Gate("downstream-rolled-back", 46, judge, directions=DOWN)
