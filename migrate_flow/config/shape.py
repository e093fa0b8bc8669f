"""pydantic's errors, in the words of the file: what was found, what is allowed, which key was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from migrate_flow.config.model import (
    Environment,
    Escalation,
    File,
    Hook,
    Ledger,
    Lint,
    Person,
    Policy,
    Project,
    Rehearsal,
)
from migrate_flow.config.problem import Problem, key_path, shown

_SECTIONS: dict[str, type[BaseModel]] = {
    "project": Project,
    "ledger": Ledger,
    "environments": Environment,
    "policy": Policy,
    "people": Person,
    "lint": Lint,
    "rehearsal": Rehearsal,
    "hooks": Hook,
}
_PLACES = {"environments": "environments.NAME", "people": "people.NAME", "hooks": "hooks.NAME"}
_EXPECTED = {
    "string_type": 'a text in quotes, such as "…"',
    "int_type": "a whole number, without quotes",
    "bool_type": "true or false, without quotes",
    "tuple_type": 'a list, such as ["…"]',
    "dict_type": "a table",
    "model_type": "a table",
}
_REQUIRED = {
    "name": 'add: name = "shop"',
    "url": 'add: url = "env:NAME_DATABASE_URL", "keyring:NAME" or a URL without password',
    "project": 'add: [project] with name = "…", or make a file with: migrate-flow init',
    "environments": "add: [environments.dev], or make a file with: migrate-flow init",
    "when": 'add: when = ["destructive"]',
    "on": 'add: on = ["apply."]',
    "command": 'add: command = ["./notify"]',
    "approvals": "add: approvals = { backend-lead = 1 }",
}


def problems(error: ValidationError) -> list[Problem]:
    """Unknown keys first: a misspelt key is the cause, the missing one its effect."""
    found = error.errors(include_url=False)
    unknown = [_unknown(item["loc"]) for item in found if item["type"] == "extra_forbidden"]
    return unknown + [_other(item) for item in found if item["type"] != "extra_forbidden"]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    matches = difflib.get_close_matches(word.casefold(), list(known), n=1)
    return matches[0] if matches else None


def _unknown(at: tuple[str | int, ...]) -> Problem:
    name, known = str(at[-1]), _known_keys(at[:-1])
    place = f"[{key_path(at[:-1])}]" if len(at) > 1 else "the file"
    homes = [_PLACES.get(section, section) for section, model in _SECTIONS.items() if name in model.model_fields]
    if homes:
        listed = " or ".join(f"[{home}]" for home in homes)
        return Problem(at, f"unknown key in {place}; it belongs in {listed}", f"move it to {listed}")
    if meant := nearest(name, known):
        return Problem(at, f"unknown key, did you mean {meant}?", f"write {meant} instead of {shown(name)}")
    return Problem(at, f"unknown key; {place} knows {', '.join(known)}", "remove it, or write one of the known keys")


def _known_keys(at: tuple[str | int, ...]) -> list[str]:
    if not at:
        return list(File.model_fields)
    model = Escalation if "escalations" in at else _SECTIONS[str(at[0])]
    return list(model.model_fields)


def _other(item: Mapping[str, Any]) -> Problem:
    kind, context = item["type"], item.get("ctx", {})
    at = tuple(part for part in item["loc"] if part != "[key]")
    if kind == "missing":
        hint = _REQUIRED.get(str(at[-1]), f"add: {shown(str(at[-1]))} = …")
        return Problem(at, "this key is required", hint)
    if kind in _EXPECTED:
        message = f"expected {_EXPECTED[kind]}, found {_found(item['input'])}"
        return Problem(at, message, f"write {_EXPECTED[kind]}")
    if kind == "literal_error":
        return _choice(at, item["input"], re.findall(r"'([^']*)'", context["expected"]))
    if kind == "value_error":
        return Problem(at, str(context["error"]), "see the reference of migrate-flow.toml for this key")
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return Problem(at, f"must be {bound}", f"write a number of {bound}")
    if kind in ("too_short", "string_too_short"):
        return Problem(at, "must not be empty", f"give at least one value, or leave {shown(str(at[-1]))} out")
    return Problem(at, str(item["msg"]).lower(), "see the reference of migrate-flow.toml for this key")


def _choice(at: tuple[str | int, ...], value: object, allowed: list[str]) -> Problem:
    listed = ", ".join(f'"{choice}"' for choice in allowed)
    if not isinstance(value, str):
        return Problem(at, f"expected one of {listed}, found {_found(value)}", f"write one of {listed}")
    meant = next(iter(difflib.get_close_matches(value.casefold(), allowed, n=1)), None)
    hint = f'write {shown(str(at[-1]))} = "{meant}"' if meant else f"write one of {listed}"
    # Only a plain word is repeated: a URL that ended up here may hold a password.
    given = f", found {value!r}" if re.fullmatch(r"[A-Za-z0-9 _-]{1,40}", value) else ""
    return Problem(at, f"must be one of {listed}{given}", hint)


def _found(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number with a point", str: "a text"}
    names |= {list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")
