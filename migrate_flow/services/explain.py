"""What a rule forbids, why, and what to do instead: its documentation. Needs neither ledger nor project."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.errors import ConfigError, UsageError
from migrate_flow.lint.catalogue import all_rules, built_in, documentation
from migrate_flow.lint.own import OWN
from migrate_flow.services.squawk_sql import PREFIX

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.lint.rule import Rule


@dataclass(frozen=True, slots=True)
class Explained:
    """severities: by dialect, where they differ. dialects: empty for all. text: the page."""

    rule: str
    group: str
    severity: str
    severities: dict[str, str]
    dialects: tuple[str, ...]
    waivable: bool
    text: str


def explain(slug: str, config: Callable[[], Config]) -> Explained:
    """config: asked only for a rule that is not our own. Raises UsageError, ConfigError."""
    for own in OWN:
        if own.slug == slug:
            return Explained(slug, "engine", own.severity, {}, (), False, own.page)
    if slug.startswith(PREFIX):
        text = f"squawk's own documentation: https://squawkhq.com/docs/{slug.removeprefix(PREFIX)}"
        return Explained(slug, "squawk", "warning", {}, ("postgresql",), True, text)
    found = next((rule for rule in built_in() if rule.slug == slug), None)
    return _explained(found or _elsewhere(slug, config))


def _elsewhere(slug: str, config: Callable[[], Config]) -> Rule:
    """A rule of a package or of the project."""
    try:
        here = config()
        rules = all_rules(here.lint.plugins, here.root)
    except ConfigError:
        rules = all_rules()
    for rule in rules:
        if rule.slug == slug:
            return rule
    known = [*(rule.slug for rule in rules), *(own.slug for own in OWN)]
    near = difflib.get_close_matches(slug, known, n=3) or sorted(known)
    raise UsageError(f"there is no rule {slug!r}", hint=f"one of: {', '.join(near)}", where="--explain")


def _explained(rule: Rule) -> Explained:
    severities = {name: level.value for name, level in rule.severities.items()}
    places = tuple(sorted(rule.dialects))
    return Explained(rule.slug, rule.group, rule.severity, severities, places, rule.waivable, documentation(rule))
