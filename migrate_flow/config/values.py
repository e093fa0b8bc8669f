"""The kinds of single values in migrate-flow.toml; the error of each says what is allowed."""

from __future__ import annotations

import re
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

from migrate_flow.core.entry import Kind
from migrate_flow.core.schedule import parse_duration, parse_window

RISKS = ("destructive", "lossy", "irreversible", "waiver", "raw-sql-unknown")

_ROLE = r"[a-z][a-z0-9._-]{0,63}"
_RULE = r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?"
_MODULE = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_RISK = rf"({'|'.join(RISKS)}|table:\S+)"
_UUID = r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?"
_SHA256 = r"(sha256:[0-9a-f]{64})?"

# PostgreSQL counts its timeouts in milliseconds, in 32 bits.
_LONGEST_TIMEOUT = timedelta(days=24)
# Entries of commands that run code of the checkout anyway: env.py, scripts, templates. Whoever reviews, approves or
# reads runs none of it, and a hook must not change that: it would run with their keys.
_HEARD = (
    *(kind for kind in Kind if kind.startswith("apply.")), Kind.MIGRATION_CREATED, Kind.CHECKED, Kind.SELF_REVIEWED,
)  # fmt: skip
_LONGEST_HOOK = timedelta(minutes=1)


def _shaped(pattern: str, allowed: str, value: str) -> str:
    if re.fullmatch(pattern, value) is None:
        raise ValueError(f"not {allowed}")
    return value


def _printable(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise ValueError("not a line of printable text")
    return value


def _length(value: str) -> str:
    if parse_duration(value) <= timedelta(0):
        raise ValueError("a duration of zero says nothing: leave the key out, or give a real one")
    return value


def _timeout(value: str) -> str:
    # Zero means "no timeout" to a server, and a migration never waits without one.
    if not timedelta(0) < parse_duration(value) <= _LONGEST_TIMEOUT:
        raise ValueError("a timeout must be more than 0 and at most 24 days")
    return value


def _hook_timeout(value: str) -> str:
    if not timedelta(0) < parse_duration(value) <= _LONGEST_HOOK:
        raise ValueError("a hook's timeout must be more than 0 and at most 1min")
    return value


def _kinds(value: str) -> str:
    named = {kind for kind in Kind if value and kind.startswith(value)}
    if not named:
        meant = get_close_matches(value, ["apply.", *_HEARD], n=1)
        raise ValueError(f"no kind of entry begins so{f', did you mean {meant[0]}?' if meant else ''}")
    if more := sorted(named.difference(_HEARD)):
        may = f"apply. or {', '.join(_HEARD[-3:])}"
        raise ValueError(f"no hook hears of {more[0]}, whose command runs nothing of a checkout; say {may}")
    return value


def _window(value: str) -> str:
    return parse_window(value).text


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


Line = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_printable)]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_expression)]
Length = Annotated[str, AfterValidator(_length), Field(examples=["24h", "30d", "1h30min"])]
Timeout = Annotated[str, AfterValidator(_timeout), Field(examples=["5s", "15min"])]
HookTimeout = Annotated[str, AfterValidator(_hook_timeout), Field(examples=["10s"])]
Kinds = Annotated[str, AfterValidator(_kinds), Field(examples=["apply.", *_HEARD])]
WindowText = Annotated[str, AfterValidator(_window), Field(examples=["mon-thu 09:00-16:00 Europe/Berlin"])]
Role = Annotated[
    str,
    AfterValidator(partial(_shaped, _ROLE, "a role name such as backend-lead: a-z, 0-9, dot, dash, underscore")),
    Field(json_schema_extra={"pattern": f"^{_ROLE}$"}),
]
Rule = Annotated[
    str,
    AfterValidator(partial(_shaped, _RULE, "a rule's name such as rename-column or squawk/ban-drop-column")),
    Field(json_schema_extra={"pattern": f"^{_RULE}$"}),
]
Module = Annotated[
    str,
    AfterValidator(partial(_shaped, _MODULE, "a dotted module name such as ourtools.migration_rules")),
    Field(json_schema_extra={"pattern": f"^{_MODULE}$"}),
]
Variable = Annotated[
    str,
    AfterValidator(partial(_shaped, _VARIABLE, "the name of an environment variable such as DATABASE_URL")),
    Field(json_schema_extra={"pattern": f"^{_VARIABLE}$"}),
]
Risk = Annotated[
    str,
    AfterValidator(partial(_shaped, _RISK, f"one of {', '.join(RISKS)}, table:GLOB")),
    Field(json_schema_extra={"pattern": f"^{_RISK}$"}),
]
LedgerId = Annotated[
    str,
    AfterValidator(partial(_shaped, _UUID, "the ledger's id, a lower-case UUID that init writes")),
    Field(json_schema_extra={"pattern": f"^{_UUID}$"}),
]
Digest = Annotated[
    str,
    AfterValidator(partial(_shaped, _SHA256, "sha256: and 64 hex digits")),
    Field(json_schema_extra={"pattern": f"^{_SHA256}$"}),
]
Count = Annotated[int, Field(ge=1, le=1000)]
