"""Changes to the people in the file's policy; `policy record` signs them into the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrate_flow.config.edit import add_person, remove_person, set_roles
from migrate_flow.config.load import Config, parse
from migrate_flow.core.policy import shortages
from migrate_flow.errors import UsageError


@dataclass(frozen=True, slots=True)
class Edited:
    """config: of the new file. fresh: the person was not in the file before. gone: is not any more. warnings: what
    nobody can meet yet."""

    person: str
    roles: tuple[str, ...]
    config: Config
    fresh: bool
    changed: bool
    warnings: tuple[str, ...]
    gone: bool = False


def add(config: Config, person: str, roles: Sequence[str], keys: Sequence[str]) -> Edited:
    """Raises ConfigError for what the file could not hold; nothing is written here, nor below."""
    return _edited(config, person, add_person(config.text, person, roles, keys))


def remove(config: Config, person: str) -> Edited:
    """What they signed stays and counts as long as the rules let it; nobody else's old entries become valid."""
    return _edited(config, person, remove_person(config.text, person))


def change_roles(
    config: Config, person: str, exactly: Sequence[str], more: Sequence[str], fewer: Sequence[str]
) -> Edited:
    """exactly: all roles from now on; else more are added and fewer taken away. Raises UsageError, ConfigError."""
    known = config.policy.people.get(person)
    held = sorted(known.roles) if known else []
    if missing := [role for role in fewer if known and role not in held]:
        raise UsageError(
            f"{person} does not hold the role {missing[0]}", hint=f"held: {', '.join(held) or 'none'}", where="--remove"
        )
    wanted = list(exactly) or [role for role in (*held, *more) if role not in fewer]
    return _edited(config, person, set_roles(config.text, person, wanted))


def _edited(config: Config, person: str, text: str) -> Edited:
    after = parse(text, config.path)
    known = after.policy.people.get(person)
    return Edited(
        person=person,
        roles=tuple(sorted(known.roles)) if known else (),
        config=after,
        fresh=person not in config.policy.people and known is not None,
        changed=after.policy.digest != config.policy.digest,
        warnings=tuple(shortages(after.policy)),
        gone=known is None,
    )
