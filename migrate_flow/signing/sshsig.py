"""SSHSIG signatures as ``ssh-keygen -Y sign`` and ``-Y verify`` know them, in one namespace.

Source: OpenSSH's PROTOCOL.sshsig. Stricter than OpenSSH: the reserved field is empty, nothing surrounds
or follows the signature, and the base64 has one spelling.
"""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.signing.public_key import (
    PublicKey,
    fingerprint,
    normalise_public_key,
    pack,
    parse_blob,
    unpack,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "NAMESPACE",
    "SignatureInvalid",
    "fingerprint",
    "normalise_public_key",
    "public_key_of",
    "sign",
    "verify",
]

NAMESPACE = "migrate-flow"

_MAGIC = b"SSHSIG"
_VERSION_1 = _MAGIC + b"\0\0\0\1"
_SPACE = NAMESPACE.encode()
_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_END = "\n-----END SSH SIGNATURE-----"
_NO_ARMOUR = "not an SSH signature: it starts and ends with its BEGIN and END lines, and no more"
_WIDTH = 70  # OpenSSH's, so that the same key and bytes give the same file
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_SIGNED_PREFIX = {
    name: _MAGIC + pack(_SPACE, b"", name) + made().digest_size.to_bytes(4, "big") for name, made in _HASHES.items()
}
_AHEAD = 188  # characters of the armour before an Ed25519 signature's own 64 bytes: the same for one key and hash
_KNOWN_AT_MOST = 1024


class SignatureInvalid(ValueError):
    """The text is no signature of ours, or not one over these bytes; the message is the plain reason."""


def sign(private_key: Ed25519PrivateKey, message: bytes) -> str:
    """The armoured signature over ``message``, the same bytes that ``ssh-keygen -Y sign`` writes."""
    kind = b"ssh-ed25519"
    blob = pack(kind, private_key.public_key().public_bytes_raw())
    signature = pack(kind, private_key.sign(_signed(b"sha512", message)))
    raw = _VERSION_1 + pack(blob, _SPACE, b"", b"sha512", signature)
    text = binascii.b2a_base64(raw, newline=False).decode()
    body = "\n".join(text[i : i + _WIDTH] for i in range(0, len(text), _WIDTH))
    return f"{_BEGIN}{body}{_END}\n"


def verify(message: bytes, armoured: str) -> str:
    """The public key (``type base64``) whose holder signed ``message``; SignatureInvalid.

    Says nothing about whose key it is, or what that person may do.
    """
    from cryptography.exceptions import InvalidSignature

    key, hash_name, fields = _parse(armoured)
    try:
        key.check(fields, _signed(hash_name, message))
    except InvalidSignature:
        raise SignatureInvalid("the signature does not fit the signed bytes") from None
    except ValueError as error:
        raise SignatureInvalid(str(error)) from None
    return key.text


def public_key_of(armoured: str) -> str:
    """The public key that the signature names, as strictly read but **not** verified; SignatureInvalid."""
    return _parse(armoured)[0].text


def _signed(hash_name: bytes, message: bytes) -> bytes:
    return _SIGNED_PREFIX[hash_name] + _HASHES[hash_name](message).digest()


@dataclass(frozen=True, slots=True)
class _Known:
    """How armour begins that was read before. start: bytes of the signature that lie in it; rest: how many follow."""

    key: PublicKey
    hash_name: bytes
    start: bytes
    rest: int


_known: dict[str, _Known] = {}


def _parse(armoured: str) -> tuple[PublicKey, bytes, bytes]:
    """The key, the hash's name, and the signature's bytes after its type."""
    if known := _known.get(armoured[:_AHEAD]):
        rest = _decode(_body(armoured, _AHEAD))
        if len(rest) == known.rest:
            return known.key, known.hash_name, known.start + rest
    raw = _dearmour(armoured)
    key, hash_name, fields = _read(raw)
    ahead, odd = divmod(len(armoured[len(_BEGIN) : _AHEAD].replace("\n", "")), 4)
    start = len(fields) - len(raw) + 3 * ahead
    if 0 <= start <= len(fields) and not odd:
        if len(_known) >= _KNOWN_AT_MOST:
            _known.clear()
        _known[armoured[:_AHEAD]] = _Known(key, hash_name, fields[:start], len(fields) - start)
    return key, hash_name, fields


def _read(raw: bytes) -> tuple[PublicKey, bytes, bytes]:
    if not raw.startswith(_VERSION_1):
        raise SignatureInvalid("not an SSH signature of version 1")
    try:
        match unpack(raw, len(_VERSION_1)):
            case [blob, space, reserved, hash_name, signature]:
                key = parse_blob(blob)
            case _:
                raise SignatureInvalid("an SSH signature has five fields")
    except SignatureInvalid:
        raise
    except ValueError as error:
        raise SignatureInvalid(f"the SSH signature can't be read: {error}") from None
    if space != _SPACE:
        raise SignatureInvalid(f"the signature was made for another use: its namespace is not {NAMESPACE}")
    if reserved:
        raise SignatureInvalid("the signature's reserved field is not empty")
    if hash_name not in _HASHES:
        raise SignatureInvalid("the signature's hash is neither sha512 nor sha256")
    head = pack(key.algorithm)
    if not signature.startswith(head):
        raise SignatureInvalid("the signature is of another type than its key")
    return key, hash_name, signature[len(head) :]


def _dearmour(armoured: str) -> bytes:
    if not armoured.startswith(_BEGIN):
        raise SignatureInvalid(_NO_ARMOUR)
    return _decode(_body(armoured, len(_BEGIN)))


def _body(armoured: str, start: int) -> str:
    """The base64 from a position on."""
    text = armoured.removesuffix("\n")
    if not text.endswith(_END):
        raise SignatureInvalid(_NO_ARMOUR)
    return text[start : -len(_END)].replace("\n", "")


def _decode(body: str) -> bytes:
    try:
        raw = binascii.a2b_base64(body)
    except ValueError:
        raise SignatureInvalid("the SSH signature is not base64") from None
    # Decoding skips what it does not know, so only encoding again shows that every character counted.
    if binascii.b2a_base64(raw, newline=False).decode() != body:
        raise SignatureInvalid("the SSH signature is not strict base64")
    return raw
