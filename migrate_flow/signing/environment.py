"""The key that a variable of the environment names: as text for CI, or as the path of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.errors import IdentityError
from migrate_flow.signing import key_files
from migrate_flow.signing.local_key import FILE_VARIABLE, KEY_VARIABLE, Found, LocalKey, local_key
from migrate_flow.signing.private_key import MAKE_ONE, parse_private, public_half, public_text
from migrate_flow.signing.public_key import normalise_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Never show as a path what was meant to be a secret: how key text, and its body alone, are known.
_KEY_MARKS = ("\n", "PRIVATE KEY", "b3BlbnNzaC1rZXktdjE")

# The private half is None where ssh-keygen has to sign.
Pair = tuple[LocalKey, "Ed25519PrivateKey | None"]


def look(environ: Mapping[str, str]) -> Found:
    """The keys of both variables; IdentityError where one is set but unusable."""
    keys, tried = [], []
    for variable in (KEY_VARIABLE, FILE_VARIABLE):
        pair = _pair(variable, environ)
        if pair is None:
            tried.append(f"{variable} ({'empty' if variable in environ else 'not set'})")
        else:
            keys.append(pair[0])
            tried.append(pair[0].where)
    return keys, tried


def load(key: LocalKey, environ: Mapping[str, str]) -> Ed25519PrivateKey:
    """The private half of a key that `look` gave, where ssh-keygen is not needed; IdentityError."""
    for variable in (KEY_VARIABLE, FILE_VARIABLE):
        pair = _pair(variable, environ)
        if pair is not None and pair[0].public_key == key.public_key and pair[1] is not None:
            return pair[1]
    raise IdentityError(
        f"the environment no longer holds the key {key.fingerprint}",
        hint=f"set {KEY_VARIABLE} or {FILE_VARIABLE} again",
        where=key.where,
    )


def _pair(variable: str, environ: Mapping[str, str]) -> Pair | None:
    """None where the variable is not set or empty."""
    value = environ.get(variable, "").strip()
    if not value:
        return None
    if variable == KEY_VARIABLE:
        return _in_process(value, variable)
    if any(mark in value for mark in _KEY_MARKS):
        raise IdentityError(
            f"{variable} holds a key, but it is for the path of one",
            hint=f"set {KEY_VARIABLE} instead, and unset {variable}",
            where=variable,
        )
    return _of_file(Path(value).expanduser(), f"{variable}={value}")


def _of_file(path: Path, where: str) -> Pair:
    try:
        if path.suffix == ".pub":
            public = normalise_public_key(key_files.read(path, where)[0])
            return local_key("", public, "environment", where, path), None
        text = key_files.read_private(path, where)
        half = public_half(text)
        if half is None or (half.kind == "ssh-ed25519" and not half.sealed):
            return _in_process(text, where)
        return local_key("", half.public_key, "environment", where, path), None
    except ValueError as error:
        raise IdentityError(f"the key can't be used: {error}", hint=MAKE_ONE, where=where) from None


def _in_process(text: str, where: str) -> Pair:
    private = parse_private(text, where)
    return local_key("", public_text(private), "environment", where), private
