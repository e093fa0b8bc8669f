"""From a URL to a connection, and from the driver's errors to ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from migrate_flow.core.redaction import redact, remember
from migrate_flow.errors import BusyError, ConfigError, LedgerError
from migrate_flow.ledger.schema import NONE_YET

# What a URL may override. Keepalives: a firewall that forgets a connection must not hold a command for hours.
DEFAULTS = {
    "application_name": "migrate-flow ledger",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")

_LOCKED = ("55P03",)
_LOST = ("57P01", "57P02", "57P03")  # the server ends our session, stops, or is not up yet
PASSES = ("40001", "40P01", "23505")  # somebody was faster: the whole transaction again

# By SQLSTATE: what to say instead of, or before, the server's own words, and what to do.
_KNOWN = {
    "25006": (
        "the ledger's server only takes reads (a standby, or set to read-only)",
        "let [ledger] url name the primary server",
    ),
    "42501": (
        "",
        "let the owner of the ledger's tables run: migrate-flow ledger grants --role ROLE; only the owner may upgrade",
    ),
    "42P01": ("there is no ledger in this database", NONE_YET),
    "42P07": (
        "",
        "give the ledger a schema of its own: CREATE SCHEMA name, and ?options=-csearch_path%3Dname in the URL",
    ),
    "3F000": ("", "CREATE SCHEMA name, for the schema that search_path names"),
}


def parameters(url: str) -> dict[str, Any]:
    """libpq's parameters of a URL; its secrets are remembered. Raises ConfigError, never with the value in it."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise _unusable(
            "the ledger's URL can't be read", "postgresql://user:password@host/database, special characters %-encoded"
        ) from None
    for name in _SECRETS:
        remember(str(given.get(name) or ""))
    host, path = str(given.get("host") or ""), url.partition("://")[2].partition("?")[0].partition("/")[2]
    if "@" in path:  # libpq takes what follows the password's own "/" for the database
        remember(host)
        raise _unusable("the ledger's URL holds a / before an @", "write / in a password as %2F, and @ as %40")
    if "@" in host:
        remember(host)
        raise _unusable("the ledger's URL holds more than one @", "write @ in a password as %40")
    if any(port and not port.isdecimal() for port in str(given.get("port") or "").split(",")):
        raise _unusable("the port in the ledger's URL is no number", "postgresql://user@host:5432/database")
    if not given.get("dbname") and not given.get("service"):
        raise _unusable("the ledger's URL names no database", "postgresql://user@host/database")
    return {**DEFAULTS, **given, "client_encoding": "UTF8"}


def _unusable(problem: str, hint: str) -> ConfigError:
    return ConfigError(problem, hint=hint, where="[ledger] url")


def describe(given: Mapping[str, Any]) -> str:
    """The place as a URL, without what is nobody's business."""
    user = f"{given['user']}@" if given.get("user") else ""
    host, port = str(given.get("host") or given.get("hostaddr") or ""), str(given.get("port") or "")
    name = given.get("dbname") or f"?service={given.get('service')}"
    if host.startswith("/"):
        return f"postgresql://{user}/{name}?host={host}" + (f"&port={port}" if port else "")
    return f"postgresql://{user}{host}{f':{port}' if port else ''}/{name}"


def connect(given: Mapping[str, Any]) -> psycopg.Connection[Any]:
    """NOTE: BEGIN and COMMIT are ours. Nothing is prepared: a pooler may stand between. Raises psycopg.Error."""
    return psycopg.connect(**given, autocommit=True, prepare_threshold=None)


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, so that the server may have done what it was told and could not say so."""
    state = error.sqlstate or ""
    return isinstance(error, psycopg.OperationalError) and (not state or state[:2] == "08" or state in _LOST)


@contextmanager
def translated(where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise _ours(error, where) from error


def _ours(error: psycopg.Error, where: str) -> LedgerError | BusyError:
    state = error.sqlstate or ""
    # The server's first sentence: what follows it may quote a whole row.
    said = redact(" ".join((error.diag.message_primary or str(error)).split()))
    if state in _LOCKED:
        return BusyError("another process writes to the ledger", hint="try again in a moment", where=where)
    if state in PASSES:
        return BusyError(f"others kept being faster: {said}", hint="try again in a moment", where=where)
    if is_lost(error):
        return LedgerError(
            f"the ledger's server can't be reached: {said}",
            hint="see that the server runs, and [ledger] url (psql takes the same URL)",
            where=where,
        )
    message, hint = _KNOWN.get(state, ("", "migrate-flow doctor"))
    return LedgerError(message or said, hint=hint, where=where)
