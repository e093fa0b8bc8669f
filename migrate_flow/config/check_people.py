"""People: one spelling for a name, one owner for a key, one owner for an alias."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from migrate_flow.config.keys import normalise
from migrate_flow.config.problem import Problem, shown
from migrate_flow.core.policy import RECOVERY

if TYPE_CHECKING:
    from migrate_flow.config.settings import Person

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,253}")
# Git addresses hold more than our names, such as dependabot[bot]@users.noreply.github.com.
_ALIAS = re.compile(r"[\x21-\x7e]+")
_WILDCARD = re.compile(r"[*?!,]")


def problems(people: Mapping[str, Person], recovery_keys: Sequence[str] = ()) -> Iterator[Problem]:
    yield from _names(people)
    yield from _keys(people, recovery_keys)
    yield from _aliases(people)


def folded(address: str) -> str:
    """An address for comparison: git's history spells the same one in upper and lower case."""
    return address.casefold()


def _names(people: Mapping[str, Person]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in people:
        at = ("people", name)
        other = seen.setdefault(folded(name), name)
        if other != name:
            hint = f"keep [people.{shown(folded(name))}] and put both key lists into it"
            yield Problem(at, f"another spelling of {shown(other)}: one person has one name", hint)
        elif name == RECOVERY:
            message = f"{RECOVERY} is the name of the offline key of [policy] recovery_keys, and no person's"
            yield Problem(at, message, "name each person by e-mail address")
        elif _WILDCARD.search(name):
            yield Problem(at, "wildcards stand for nobody in particular", "name each person by e-mail address")
        elif not _NAME.fullmatch(name):
            lower = folded(name)
            hint = f"write [people.{shown(lower)}]" if _NAME.fullmatch(lower) else 'write [people."ada@example.com"]'
            message = "a person's name is lower case, made of a-z 0-9 . _ @ + - and begins with one of a-z 0-9"
            yield Problem(at, message, hint)


def _keys(people: Mapping[str, Person], recovery_keys: Sequence[str]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    places: list[tuple[str, tuple[str, ...], Sequence[str]]] = [(RECOVERY, ("policy", "recovery_keys"), recovery_keys)]
    places += [(name, ("people", name, "keys"), person.keys) for name, person in people.items()]
    for name, path, keys in places:
        for index, text in enumerate(keys):
            at: tuple[str | int, ...] = (*path, index)
            try:
                key = normalise(text)
            except ValueError as error:
                yield Problem(at, str(error), "put in the line that this prints: migrate-flow keys new EMAIL")
                continue
            owner = owners.setdefault(key, name)
            if owner != name:
                hint = f"remove it from {shown(owner)} or from {shown(name)}; each makes a key: migrate-flow keys new"
                yield Problem(at, f"the same key belongs to {shown(owner)}: a key is one person", hint)


def _aliases(people: Mapping[str, Person]) -> Iterator[Problem]:
    names = {folded(name): name for name in people}
    owners: dict[str, str] = {}
    for name, person in people.items():
        for index, alias in enumerate(person.aliases):
            at = ("people", name, "aliases", index)
            if not _ALIAS.fullmatch(alias) or _WILDCARD.search(alias):
                message = "an alias is one e-mail address, without wildcards"
                yield Problem(at, message, "write the address as git has it")
                continue
            owner = names.get(folded(alias)) or owners.setdefault(folded(alias), name)
            if owner != name:
                hint = "remove the alias here, or the other entry if they are one person"
                yield Problem(at, f"this address belongs to {shown(owner)}", hint)
