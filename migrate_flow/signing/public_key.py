"""SSH public keys: the one-line text, the blob inside it, and how each kind checks a signature.

Source: RFC 4253 section 6.6, RFC 5656, RFC 8709, and OpenSSH's PROTOCOL.u2f for the ``sk-`` kind.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from migrate_flow.core.fingerprint import fingerprint as named

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Check = Callable[[bytes, bytes], None]

# As cryptography names a curve, and the hash that goes with it.
_CURVES = {
    b"nistp256": ("SECP256R1", "SHA256"),
    b"nistp384": ("SECP384R1", "SHA384"),
    b"nistp521": ("SECP521R1", "SHA512"),
}
_FAMILIES = (b"ssh-ed25519", b"sk-ssh-ed25519", b"ecdsa-sha2-nistp", b"sk-ecdsa-sha2-nistp256")
_SUPPORTED = "ssh-ed25519, ecdsa-sha2-nistp256/384/521, or a security key's sk-ssh-ed25519 or sk-ecdsa-sha2-nistp256"
_ED25519_BYTES = 32
_SIZE_OF_ED25519 = (64).to_bytes(4, "big")
_TOUCHED = 0x01
_TOUCH_FIELDS = 5  # one byte of flags and a counter of four


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A parsed key.

    text: ``type base64`` without comment. check(fields, signed): fields are the signature's bytes after
    its type; raises cryptography's InvalidSignature, or ValueError when the fields are malformed.
    """

    algorithm: bytes
    text: str
    check: Check


def pack(*fields: bytes) -> bytes:
    """Each field with its length before it, as four bytes, big end first."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def unpack(data: bytes, start: int = 0) -> list[bytes]:
    """The length-prefixed fields from ``start`` to the very end; ValueError where the bytes don't add up."""
    fields = []
    size = len(data)
    while start < size:
        begin = start + 4
        start = begin + int.from_bytes(data[start:begin], "big")
        if start > size:
            raise ValueError("a field is cut short, or bytes follow the last one")
        fields.append(data[begin:start])
    return fields


def field(data: bytes, start: int = 0) -> tuple[bytes, int]:
    """The length-prefixed field at ``start``, and where it ends; ValueError where it is cut short."""
    begin = start + 4
    end = begin + int.from_bytes(data[start:begin], "big")
    if end > len(data):
        raise ValueError("a field is cut short")
    return data[begin:end], end


def key_text(blob: bytes) -> str:
    """``type base64`` of a key of any kind, not checked any further; ValueError."""
    return f"{field(blob)[0].decode('ascii')} {base64.b64encode(blob).decode()}"


@lru_cache(maxsize=1024)
def parse_blob(blob: bytes) -> PublicKey:
    """The key in these bytes; ValueError with a plain reason."""
    match unpack(blob):
        case [b"ssh-ed25519" as algorithm, point]:
            check = _ed25519(point)
        case [b"sk-ssh-ed25519@openssh.com" as algorithm, point, application]:
            check = _security_key(_ed25519(point), application)
        case [b"sk-ecdsa-sha2-nistp256@openssh.com" as algorithm, b"nistp256" as curve, point, application]:
            check = _security_key(_ecdsa(curve, point), application)
        case [algorithm, curve, point] if curve in _CURVES and algorithm == b"ecdsa-sha2-" + curve:
            check = _ecdsa(curve, point)
        case [algorithm, *_] if algorithm.startswith(_FAMILIES):
            raise ValueError("the key is damaged or of a kind that is not supported")
        case _:
            raise ValueError(f"this kind of key is not supported: use {_SUPPORTED}")
    return PublicKey(algorithm, f"{algorithm.decode()} {base64.b64encode(blob).decode()}", check)


def normalise_public_key(text: str) -> str:
    """``type base64 [comment]`` as ``type base64``; ValueError with a plain reason, which never quotes the text."""
    return parse_blob(_blob(text)).text


def fingerprint(public_key: str) -> str:
    """``SHA256:…`` of a ``type base64 [comment]`` line, as ``ssh-keygen -lf`` prints it; ValueError."""
    return named(normalise_public_key(public_key))


def _blob(text: str) -> bytes:
    if "PRIVATE KEY" in text:
        raise ValueError("this is a private key: give the public key, and keep this one secret")
    lines = text.strip().splitlines()
    words = lines[0].split() if lines else []
    if len(lines) != 1 or len(words) < 2:
        raise ValueError('a public key is one line, "type base64 [comment]"')
    try:
        blob = binascii.a2b_base64(words[1])
    except ValueError:
        blob = b""
    # Decoding skips what it does not know, so only encoding again shows that every character counted.
    if not blob or binascii.b2a_base64(blob, newline=False).decode() != words[1]:
        raise ValueError('the second word is not base64; a public key is "type base64 [comment]", without options')
    if parse_blob(blob).algorithm.decode() != words[0]:
        raise ValueError("the type before the key is not the type inside it")
    return blob


def _ed25519(point: bytes) -> Check:
    """Any 32 bytes are such a key. To name one is no reason to load cryptography, which the first check does."""
    if len(point) != _ED25519_BYTES:
        raise ValueError("an Ed25519 key has 32 bytes")
    key: Ed25519PublicKey | None = None

    def check(fields: bytes, signed: bytes) -> None:
        nonlocal key
        key = key or _ed25519_key(point)
        if len(fields) == 68 and fields.startswith(_SIZE_OF_ED25519):  # one field: `unpack` would say so, too
            key.verify(fields[4:], signed)
            return
        match unpack(fields):
            case [signature]:
                key.verify(signature, signed)
            case _:
                raise ValueError("an Ed25519 signature has one field")

    return check


def _ed25519_key(point: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(point)


def _security_key(inner: Check, application: bytes) -> Check:
    """inner: the check of the same kind of key without hardware; flags and counter follow its fields."""
    prefix = hashlib.sha256(application).digest()

    def check(fields: bytes, signed: bytes) -> None:
        touch = fields[-_TOUCH_FIELDS:]
        inner(fields[:-_TOUCH_FIELDS], prefix + touch + hashlib.sha256(signed).digest())
        # ssh-keygen lets this pass; a signature here stands for a person's act.
        if not touch[0] & _TOUCHED:
            raise ValueError("the security key signed without being touched")

    return check


def _ecdsa(curve: bytes, point: bytes) -> Check:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    kind, digest = (getattr(module, name)() for module, name in zip((ec, hashes), _CURVES[curve], strict=True))
    if point[:1] != b"\x04":
        raise ValueError("an ECDSA key holds its point uncompressed")
    key = ec.EllipticCurvePublicKey.from_encoded_point(kind, point)
    algorithm = ec.ECDSA(digest)

    def check(fields: bytes, signed: bytes) -> None:
        match unpack(fields):
            case [pair]:
                numbers = [_positive(number) for number in unpack(pair)]
            case _:
                raise ValueError("an ECDSA signature has one field")
        if len(numbers) != 2:
            raise ValueError("an ECDSA signature is two numbers")
        key.verify(encode_dss_signature(*numbers), signed, algorithm)

    return check


def _positive(number: bytes) -> int:
    """An RFC 4251 mpint above zero in its one shortest form."""
    value = int.from_bytes(number, "big")
    if not value or len(number) != value.bit_length() // 8 + 1:
        raise ValueError("a number of the signature is not in its shortest form")
    return value


__all__ = [
    "PublicKey",
    "field",
    "fingerprint",
    "key_text",
    "normalise_public_key",
    "pack",
    "parse_blob",
    "unpack",
]
