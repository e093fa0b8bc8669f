"""Every rule there is: our own, those of installed packages, those of the project's plugins."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from migrate_flow.errors import ConfigError
from migrate_flow.lint import rules
from migrate_flow.lint.rule import Group, Rule

GROUP = "migrate_flow.rules"
_ORDER = list(Group)


def all_rules(plugins: Iterable[str] = (), root: Path | None = None) -> tuple[Rule, ...]:
    """In the order of the documentation. root: where the project's own modules are looked for first.

    Raises ConfigError for a plugin that can't be used, and for two rules with one name.
    """
    found = {rule.slug: rule for rule in built_in()}
    for place, more in [*_installed(), *_plugins(tuple(plugins), root)]:
        for rule in more:
            if found.setdefault(rule.slug, rule) is not rule:
                raise ConfigError(
                    f"two rules are called {rule.slug}: the one of {place} and another",
                    hint="give it another slug, such as one that begins with your team's name",
                    where=place,
                )
    return _ordered(found.values())


@cache
def built_in() -> tuple[Rule, ...]:
    modules = [
        importlib.import_module(f"{rules.__name__}.{info.name}") for info in pkgutil.iter_modules(rules.__path__)
    ]
    return _ordered(module.RULE for module in modules if hasattr(module, "RULE"))


def documentation(rule: Rule) -> str:
    """The docstring of the file that the rule stands in; else that of its function."""
    module = inspect.getmodule(rule.check)
    return inspect.cleandoc((module.__doc__ if module else "") or rule.check.__doc__ or "")


def _ordered(found: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(sorted(found, key=lambda rule: (_ORDER.index(rule.group), rule.slug)))


def _installed() -> list[tuple[str, list[Rule]]]:
    found = []
    for point in entry_points(group=GROUP):
        place = f"the entry point {point.name} = {point.value}"
        try:
            loaded = point.load()
        except Exception as error:
            raise _unusable(place, error) from error
        found.append((place, _rules_of(loaded, place)))
    return found


def _plugins(names: tuple[str, ...], root: Path | None) -> list[tuple[str, list[Rule]]]:
    found = []
    before = list(sys.path)
    sys.path[:0] = [str(root)] if root else []
    try:
        for name in names:
            place = f"[lint] plugins: {name}"
            try:
                module = importlib.import_module(name)
            except (Exception, SystemExit) as error:
                raise _unusable(place, error) from error
            found.append((place, _rules_of(module, place)))
    finally:
        sys.path[:] = before
    return found


def _unusable(place: str, error: BaseException) -> ConfigError:
    return ConfigError(
        f"rules can't be loaded: {type(error).__name__}: {error}",
        hint="install it beside migrate-flow, put its folder beside migrate-flow.toml, or take it out of the list",
        where=place,
    )


def _rules_of(loaded: object, place: str) -> list[Rule]:
    """A rule, a list of rules, or a module with ``RULE`` or ``RULES``."""
    if isinstance(loaded, ModuleType):
        loaded = [*getattr(loaded, "RULES", ()), *([loaded.RULE] if hasattr(loaded, "RULE") else [])]
    items = [loaded] if isinstance(loaded, Rule) else list(loaded) if isinstance(loaded, Iterable) else []
    if not items or not all(isinstance(item, Rule) for item in items):
        hint = "give it a RULE or RULES of migrate_flow.lint.rule.Rule"
        raise ConfigError("no rule stands there", hint=hint, where=place)
    return [item for item in items if isinstance(item, Rule)]


def rule_set(rules: Iterable[Rule]) -> str:
    """Names a set of rules as they are now, for evidence: ``1:`` and the digest of names, severities and code."""
    lines = []
    for rule in rules:
        by_dialect = ",".join(f"{name}={level}" for name, level in sorted(rule.severities.items()))
        shown = (rule.slug, rule.severity, by_dialect, ",".join(sorted(rule.dialects)), str(rule.waivable))
        lines.append(" ".join((*shown, _code_digest(inspect.getmodule(rule.check)))))
    return f"1:{hashlib.sha256(chr(10).join(sorted(lines)).encode()).hexdigest()[:16]}"


@cache
def _code_digest(module: ModuleType | None) -> str:
    """Of the rule's own file; empty where there is none to read."""
    try:
        return hashlib.sha256(inspect.getsource(module).encode()).hexdigest() if module else ""
    except (OSError, TypeError):
        return ""
