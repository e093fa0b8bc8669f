"""Changes to an existing migrate-flow.toml that keep its comments and layout.

Each change is made twice, in the text and in the plain values, and the two must agree in the end: an
unusual layout gives an error that says what to write by hand, never a damaged file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, Array, InlineTable

from migrate_flow.config.keys import normalise
from migrate_flow.config.load import FILE_NAME, decode_toml, parse
from migrate_flow.config.render import person_lines
from migrate_flow.core.nearest import meant
from migrate_flow.errors import ConfigError


def add_person(text: str, email: str, roles: Sequence[str], keys: Sequence[str]) -> str:
    """The text with this person; somebody who is there already gains the roles and keys that are new.

    The text must be a file that loads; hand the result to `load.parse` as well. Raises ConfigError.
    """
    wanted = _values(text)
    by_hand = f"add to [people.{tomlkit.item(email).as_string()}] by hand, then: migrate-flow doctor"
    new_keys = [_public(key, email) for key in keys]
    people = wanted.setdefault("people", {})
    if email in people:
        known = people[email]
        known_keys = {_public(key, email) for key in known.get("keys", [])}
        more = {
            "roles": [role for role in _unique(roles) if role not in known.get("roles", [])],
            "keys": [key for key in _unique(new_keys) if key not in known_keys],
        }
        for name, values in more.items():
            if values:
                known[name] = [*known.get(name, []), *values]
        return _edited(text, wanted, by_hand, lambda plain: _extend_person(plain, email, more))
    people[email] = {"roles": _unique(roles), "keys": _unique(new_keys)}
    lines = person_lines(email, _unique(roles), _unique(new_keys))
    edits = (lambda plain: _insert_person(plain, lines), lambda plain: _append_person(plain, lines))
    return _edited(text, wanted, by_hand, *edits)


def remove_person(text: str, email: str) -> str:
    """The text without this person, and the comments below their table's heading. Raises ConfigError."""
    wanted = _values(text)
    if email not in wanted.get("people", {}):
        raise _nobody(email, wanted)
    del wanted["people"][email]
    by_hand = f"remove [people.{tomlkit.item(email).as_string()}] by hand, then: migrate-flow doctor"

    def edit(plain: str) -> str:
        document = tomlkit.parse(plain)
        people: Any = document["people"]
        del people[email]
        return tomlkit.dumps(document)

    if not wanted["people"]:
        del wanted["people"]  # TOML has no empty table of tables: the last one takes the heading with it
    return _edited(text, wanted, by_hand, edit)


def set_roles(text: str, email: str, roles: Sequence[str]) -> str:
    """The text with exactly these roles for a person who is in it. Raises ConfigError."""
    wanted = _values(text)
    if email not in wanted.get("people", {}):
        raise _nobody(email, wanted)
    wanted["people"][email]["roles"] = _unique(roles)
    by_hand = f"set roles of [people.{tomlkit.item(email).as_string()}] by hand, then: migrate-flow doctor"

    def edit(plain: str) -> str:
        document = tomlkit.parse(plain)
        people: Any = document["people"]
        _put(people[email], "roles", _unique(roles))
        return tomlkit.dumps(document)

    return _edited(text, wanted, by_hand, edit)


def add_recovery_key(text: str, key: str) -> str:
    """The text with one more key in [policy] recovery_keys. Raises ConfigError."""
    wanted = _values(text)
    keys = [*wanted.get("policy", {}).get("recovery_keys", []), _public(key, "recovery")]
    wanted.setdefault("policy", {})["recovery_keys"] = keys
    by_hand = f'write into [policy]: recovery_keys = ["{_public(key, "recovery")}"]'

    def edit(plain: str) -> str:
        document = tomlkit.parse(plain)
        _put(document.setdefault("policy", tomlkit.table()), "recovery_keys", keys)
        return tomlkit.dumps(document)

    return _edited(text, wanted, by_hand, edit)


def _nobody(email: str, values: Mapping[str, Any]) -> ConfigError:
    people = sorted(values.get("people", {}))
    problem = f"{email} is not in the file{meant(email, people)}"
    return ConfigError(problem, hint=f"there: {', '.join(people) or 'nobody'}", where="[people]")


def set_ledger_url(text: str, url: str) -> str:
    """The text, of a file that loads, with another url in [ledger]. Raises ConfigError."""
    wanted = _values(text)
    wanted.setdefault("ledger", {})["url"] = url
    by_hand = f'write into [ledger]: url = "{url}"'

    def edit(plain: str) -> str:
        document = tomlkit.parse(plain)
        _put(document.setdefault("ledger", tomlkit.table()), "url", url)
        return tomlkit.dumps(document)

    return _edited(text, wanted, by_hand, edit)


def set_ledger(text: str, ledger_id: str, genesis: str) -> str:
    """The text, of a file that loads, with the trust anchor in [ledger]. Raises ConfigError."""
    wanted = _values(text)
    anchor = {"id": ledger_id, "genesis": genesis}
    wanted.setdefault("ledger", {}).update(anchor)
    by_hand = f'write into [ledger]: id = "{ledger_id}", genesis = "{genesis}"'
    return _edited(text, wanted, by_hand, lambda plain: _with_ledger(plain, anchor))


def _with_ledger(text: str, anchor: Mapping[str, str]) -> str:
    document = tomlkit.parse(text)
    ledger = document.setdefault("ledger", tomlkit.table())
    for key, value in anchor.items():
        _put(ledger, key, value)
    return tomlkit.dumps(document)


def _extend_person(text: str, email: str, more: Mapping[str, Sequence[str]]) -> str:
    document = tomlkit.parse(text)
    people: Any = document["people"]
    person = people[email]
    for name, values in more.items():
        present = person.get(name)
        if isinstance(present, Array):
            for value in values:
                present.append(value)
        elif values:
            _put(person, name, list(values))
    return tomlkit.dumps(document)


def _put(table: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Set a key. A new one comes after the table's last key: what follows a blank line after that (the heading
    comment of the next section, as a rule) belongs to the table only in tomlkit's eyes."""
    tail: list[Any] = []
    if key not in table and isinstance(table, AbstractTable) and not isinstance(table, InlineTable):
        body = table.value.body
        last = max((index for index, (name, _) in enumerate(body) if name is not None), default=-1)
        start = next((i for i in range(last + 1, len(body)) if not body[i][1].as_string().strip()), len(body))
        tail = body[start:]
        del body[start:]
    table[key] = value
    if tail and isinstance(table, AbstractTable):
        table.value.body.extend(tail)


def _insert_person(text: str, lines: Sequence[str]) -> str:
    """After the last table of [people], before the blank line that ends it."""
    source = text.split("\n")
    headers = [(index, path) for index, line in enumerate(source) if (path := _header(line))]
    begins = [index for index, path in headers if path[0] == "people"]
    if not begins:
        return _append_person(text, lines)
    end = next((index for index, _ in headers if index > begins[-1]), len(source))
    body = range(begins[-1], end)
    last = max(index for index in body if source[index].strip() and not source[index].lstrip().startswith("#"))
    at = next((index for index in range(last + 1, end) if not source[index].strip()), end)
    after = source[at:] if at < len(source) else [""]
    return "\n".join([*source[:at], "", *lines, *([""] if after[0].strip() else []), *after])


def _append_person(text: str, lines: Sequence[str]) -> str:
    return text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def _header(line: str) -> tuple[str, ...]:
    """The path of a table header, read by the TOML parser itself; empty for any other line."""
    if not line.lstrip().startswith("["):
        return ()
    try:
        value: Any = tomllib.loads(line)
    except ValueError:
        return ()
    path: list[str] = []
    while isinstance(value, dict) and value:
        path.append(next(iter(value)))
        value = value[path[-1]]
    return tuple(path)


def _public(key: str, email: str) -> str:
    try:
        return normalise(key)
    except ValueError as error:
        hint = "migrate-flow keys new EMAIL prints the line to use"
        raise ConfigError(f"the key of {email}: {error}", hint=hint, where=FILE_NAME) from None


def _values(text: str) -> dict[str, Any]:
    parse(text, Path(FILE_NAME))
    return decode_toml(text, FILE_NAME)


def _edited(text: str, wanted: Mapping[str, Any], by_hand: str, *edits: Callable[[str], str]) -> str:
    """The result of the first edit that changes the values as wanted."""
    for edit in edits:
        try:
            after = edit(text.replace("\r\n", "\n"))
            if tomllib.loads(after) == wanted:
                return after.replace("\n", "\r\n") if "\r\n" in text else after
        except (ValueError, TOMLKitError, RecursionError):
            continue
    raise ConfigError("the layout of this file can't be edited safely", hint=by_hand, where=FILE_NAME)


def _unique(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))
