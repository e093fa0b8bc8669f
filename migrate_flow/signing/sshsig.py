"""SSHSIG signatures as ``ssh-keygen -Y sign`` and ``-Y verify`` know them, in one namespace.

Source: OpenSSH's PROTOCOL.sshsig. Stricter than OpenSSH: the reserved field is empty, nothing surrounds
or follows the signature, and the base64 has one spelling.
"""

from __future__ import annotations

import binascii
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.signing.public_key import (
    InvalidSignature,
    PublicKey,
    fingerprint,
    normalise_public_key,
    pack,
    parse_blob,
    unpack,
)

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
_WIDTH = 70  # OpenSSH's, so that the same key and bytes give the same file
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_SIGNED_PREFIX = {name: _MAGIC + pack(_SPACE, b"", name) for name in _HASHES}


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
    return _SIGNED_PREFIX[hash_name] + pack(_HASHES[hash_name](message).digest())


def _parse(armoured: str) -> tuple[PublicKey, bytes, bytes]:
    """The key, the hash's name, and the signature's bytes after its type."""
    raw = _dearmour(armoured)
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
    text = armoured.removesuffix("\n")
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise SignatureInvalid("not an SSH signature: it starts and ends with its BEGIN and END lines, and no more")
    body = text[len(_BEGIN) : -len(_END)].replace("\n", "")
    try:
        raw = binascii.a2b_base64(body)
    except ValueError:
        raise SignatureInvalid("the SSH signature is not base64") from None
    # Decoding skips what it does not know, so only encoding again shows that every character counted.
    if binascii.b2a_base64(raw, newline=False).decode() != body:
        raise SignatureInvalid("the SSH signature is not strict base64")
    return raw
