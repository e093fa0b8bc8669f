"""The environments: what is configured, and whether each answers as the one that it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.redaction import redact

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.facts import Observation
    from migrate_flow.services.ports import Target


@dataclass(frozen=True, slots=True)
class Listed:
    """url: as configured, masked."""

    name: str
    dialect: str
    requires: str
    upstream: tuple[str, ...]
    url: str
    apply_roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tested:
    """ok: it answers, can be written, and is no other environment's. problem: why not, empty if it is."""

    name: str
    ok: bool
    problem: str
    hint: str
    observation: Observation


def listed(config: Config) -> list[Listed]:
    return [
        Listed(name, env.dialect, rules.requires.value, rules.upstream, redact(env.url), rules.apply_roles)
        for name, env in config.environments.items()
        if (rules := config.policy.environments[name])
    ]


def tested(config: Config, names: list[str], target: Callable[[str], Target], hints: Mapping[str, str]) -> list[Tested]:
    """Looks at each database on a connection of our own; changes nothing. hints: by environment, for no answer."""
    return [_test(config, name, target(name), hints.get(name, "")) for name in names]


def _test(config: Config, name: str, target: Target, hint: str) -> Tested:
    seen = target.observe()
    problem = ""
    if seen.problem:
        problem = seen.problem
    elif seen.dialect != config.environments[name].dialect:
        problem = f"it is a {seen.dialect} database, the configuration says {config.environments[name].dialect}"
    elif seen.obstacle:
        problem = seen.obstacle
    elif seen.identity and (seen.identity.environment != name or seen.identity.project != config.project.name):
        problem = f"the database says that it is {seen.identity.environment} of project {seen.identity.project}"
    advice = hint if seen.problem else f"correct url of [environments.{name}]"
    return Tested(name, not problem, problem, advice if problem else "", seen)
