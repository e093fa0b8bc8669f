"""Database URLs as the file may hold them: a literal without secrets, ``env:NAME`` or ``keyring:NAME``.

No message of this module repeats a URL. Whether the driver exists and the host answers is found out when
the database is opened.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from migrate_flow.core.dialects import NAMES, is_file

DEFAULT_LEDGER = "sqlite:///.migrate-flow/ledger.db"

_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|keyring:[A-Za-z0-9][A-Za-z0-9._@+-]*)")
_LITERAL = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\+[A-Za-z0-9_]+)?://(\S*)")
# As SQLAlchemy splits it: up to the first "@" after the first ":", whatever stands between.
_PASSWORD = re.compile(r"[^:/]*:[^@]+@")
_SECRET_WORDS = ("password", "passwd", "passphrase", "pwd", "secret", "token")


def is_reference(url: str) -> bool:
    """Does the file only name where the URL is to be found?"""
    return url.startswith(("env:", "keyring:"))


def dialect_of(url: str) -> str | None:
    """The dialect that a literal URL's scheme names; None for references and unknown schemes."""
    match = _LITERAL.fullmatch(url)
    name = match[1].lower() if match else ""
    return name if name in NAMES else None


def flaw(url: str, allowed: Collection[str] = NAMES, name: str = "NAME") -> tuple[str, str] | None:
    """(message, hint) if the URL may not stand in the file; None if it may. name: for the hint's paste-able form."""
    name = name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) else "NAME"
    variable = name.replace("-", "_").upper()
    elsewhere = f'write "env:{variable}_DATABASE_URL" or "keyring:{name}" (then: migrate-flow env login {name})'
    if is_reference(url):
        if _REFERENCE.fullmatch(url):
            return None
        return "after env: stands a variable's name, after keyring: a name, and nothing else", elsewhere
    match = _LITERAL.fullmatch(url)
    if match is None:
        return "not a database URL, env:NAME or keyring:NAME (a space or control character?)", elsewhere
    scheme, rest = match[1].lower(), match[2]
    if _holds_secret(scheme, rest):
        return "the URL holds a password, and this file is no place for one", elsewhere
    if scheme not in allowed:
        return _unknown_scheme(scheme, allowed)
    if not is_file(scheme) and not _port_fits(rest):
        return "the URL's port is not a number from 1 to 65535", "write host:port, or leave the port out"
    return None


def _holds_secret(scheme: str, rest: str) -> bool:
    head, _, query = rest.partition("?")
    if _PASSWORD.match(rest) or (not is_file(scheme) and re.search(r":.+@", head)):
        return True
    if not query:
        return False
    from urllib.parse import parse_qsl

    names = [key.casefold() for key, _ in parse_qsl(query, keep_blank_values=True)]
    return any(word in name for name in names for word in _SECRET_WORDS)


def _unknown_scheme(scheme: str, allowed: Collection[str]) -> tuple[str, str]:
    listed = ", ".join(f"{name}://" for name in allowed)
    if scheme == "postgres" and "postgresql" in allowed:
        return "SQLAlchemy does not know postgres://", "write postgresql:// instead of postgres://"
    return f"the URL's scheme must be one of {listed}", f"write a URL with one of {listed}, env:NAME or keyring:NAME"


def _port_fits(rest: str) -> bool:
    host = re.split(r"[/?]", rest, maxsplit=1)[0].rpartition("@")[2]
    port = re.sub(r"^\[[^\]]*\]", "", host).partition(":")[2]
    return not port or (port.isascii() and port.isdigit() and 0 < int(port) < 65536)
