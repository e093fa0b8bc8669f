"""OpenSSH private key text to an Ed25519 key and back."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from migrate_flow.errors import IdentityError

_MAKE_ONE = "make one with migrate-flow keys new PERSON, or ssh-keygen -t ed25519 -N '' -f FILE"


def private_text(key: Ed25519PrivateKey) -> str:
    """The key as an OpenSSH private key without passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_text(key: Ed25519PrivateKey) -> str:
    """``ssh-ed25519 base64`` of the key's public half."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def parse_private(text: str, where: str) -> Ed25519PrivateKey:
    """The key in an OpenSSH private key text; IdentityError, which never quotes the text.

    where: what the text was read from, for the error.
    """
    if " ENCRYPTED " in text or "4,ENCRYPTED" in text:
        raise _passphrase(where)
    try:
        key = load_ssh_private_key(text.encode("ascii", "replace"), password=None)
    except TypeError:
        raise _passphrase(where) from None
    except UnsupportedAlgorithm:
        raise _not_ed25519(where) from None
    except ValueError:
        raise IdentityError(_malformed(text), hint=_MAKE_ONE, where=where) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_ed25519(where)
    return key


def _malformed(text: str) -> str:
    if text.lstrip().startswith(("ssh-", "ecdsa-", "sk-")):
        return "this is a public key: the private key is needed to sign"
    if "BEGIN OPENSSH PRIVATE KEY" in text:
        return "the private key is damaged or incomplete"
    return "this is not an OpenSSH private key"


def _passphrase(where: str) -> IdentityError:
    return IdentityError(
        "the private key has a passphrase, which is not supported yet",
        hint="use a key without passphrase, or one in the OS keyring: migrate-flow keys new PERSON --store keyring",
        where=where,
    )


def _not_ed25519(where: str) -> IdentityError:
    return IdentityError("the private key is not an Ed25519 key", hint=_MAKE_ONE, where=where)
