"""OpenSSH private key text to an Ed25519 key and back, and what such text tells without being opened.

Source: OpenSSH's PROTOCOL.key.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.errors import IdentityError
from migrate_flow.signing.public_key import field, key_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAKE_ONE = "make one with migrate-flow keys new PERSON, or ssh-keygen -t ed25519 -N '' -f FILE"

_BEGIN, _END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_COUNT_BYTES = 4  # the number of keys stands between the fields


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """What an OpenSSH private key tells without its passphrase. public_key: ``type base64``."""

    public_key: str
    sealed: bool

    @property
    def kind(self) -> str:
        return self.public_key.partition(" ")[0]


def public_half(text: str) -> PublicHalf | None:
    """None where the text is no OpenSSH private key; the kind of key may be one that is not supported."""
    body = text.partition(_BEGIN)[2].partition(_END)[0]
    try:
        raw = binascii.a2b_base64("".join(body.split()))
        if not raw.startswith(_MAGIC):
            return None
        cipher, end = field(raw, len(_MAGIC))
        _kdf, end = field(raw, end)
        _options, end = field(raw, end)
        blob, _ = field(raw, end + _COUNT_BYTES)
        return PublicHalf(key_text(blob), sealed=cipher != b"none")
    except ValueError:
        return None


def is_sealed(text: str) -> bool:
    """Whether the private key is under a passphrase, in OpenSSH's own format or in PEM."""
    if " ENCRYPTED " in text or "4,ENCRYPTED" in text:
        return True
    half = public_half(text)
    return half is not None and half.sealed


def private_text(key: Ed25519PrivateKey) -> str:
    """The key as an OpenSSH private key without passphrase."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_text(key: Ed25519PrivateKey) -> str:
    """``ssh-ed25519 base64`` of the key's public half."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def parse_private(text: str, where: str) -> Ed25519PrivateKey:
    """The key in an OpenSSH private key text; IdentityError, which never quotes the text.

    where: what the text was read from, for the error.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    if " ENCRYPTED " in text or "4,ENCRYPTED" in text:
        raise _passphrase(where)
    try:
        key = load_ssh_private_key(text.encode("ascii", "replace"), password=None)
    except TypeError:
        raise _passphrase(where) from None
    except UnsupportedAlgorithm:
        raise _not_ed25519(where) from None
    except ValueError:
        raise IdentityError(_malformed(text), hint=MAKE_ONE, where=where) from None
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
        "the private key has a passphrase, which can't be asked for here",
        hint="load its file into ssh-agent and name it: ssh-add FILE; export MIGRATE_FLOW_SIGNING_KEY_FILE=FILE",
        where=where,
    )


def _not_ed25519(where: str) -> IdentityError:
    return IdentityError(
        "the private key is not an Ed25519 key",
        hint=f"name the file of another kind of key in MIGRATE_FLOW_SIGNING_KEY_FILE, or {MAKE_ONE}",
        where=where,
    )
