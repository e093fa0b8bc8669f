"""How bad a rule's findings are here: what the configuration says, else the worst of the project's dialects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity

if TYPE_CHECKING:
    from migrate_flow.lint.rule import Rule

_RANKS = {
    severity: rank for rank, severity in enumerate((Severity.OFF, Severity.INFO, Severity.WARNING, Severity.ERROR))
}


def rank(severity: Severity) -> int:
    """The worse, the higher."""
    return _RANKS[severity]


def applies(rule: Rule, dialects: Collection[str]) -> bool:
    """Whether the rule means something for one of the dialects. Where none is known, every rule does."""
    return not rule.dialects or not dialects or not rule.dialects.isdisjoint(dialects)


def severity_of(rule: Rule, dialects: Collection[str], configured: Mapping[str, str]) -> Severity:
    if rule.slug in configured:
        return Severity(configured[rule.slug])
    places = [name for name in dialects if not rule.dialects or name in rule.dialects]
    return worst(rule.severities.get(name, rule.severity) for name in places) if places else rule.severity


def worst(found: Iterable[Severity]) -> Severity:
    return max(found, key=rank, default=Severity.OFF)
