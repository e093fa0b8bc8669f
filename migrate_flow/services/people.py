"""Adds a person, a role or a key to the file's policy; `policy record` signs it into the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrate_flow.config.edit import add_person
from migrate_flow.config.load import Config, parse
from migrate_flow.core.policy import shortages


@dataclass(frozen=True, slots=True)
class Added:
    """text: the new file. fresh: false if the person was in the file. warnings: what nobody can meet yet."""

    person: str
    roles: tuple[str, ...]
    text: str
    fresh: bool
    changed: bool
    warnings: tuple[str, ...]


def add(config: Config, person: str, roles: Sequence[str], keys: Sequence[str]) -> Added:
    """Raises ConfigError for what the file could not hold; nothing is written here."""
    text = add_person(config.text, person, roles, keys)
    after = parse(text, config.path)
    known = after.policy.people[person]
    return Added(
        person=person,
        roles=tuple(sorted(known.roles)),
        text=text,
        fresh=person not in config.policy.people,
        changed=text != config.text,
        warnings=tuple(shortages(after.policy)),
    )
