"""A security key in software: what OpenSSH's PROTOCOL.u2f says that the hardware answers. No hardware is used."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from migrate_flow.signing.public_key import pack

Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey

APPLICATION = b"ssh:"
TOUCHED = b"\1"


def make_ecdsa() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def touch_and_sign(key: Private, message: bytes, flags: bytes = TOUCHED, counter: int = 7) -> str:
    signed = b"SSHSIG" + pack(b"migrate-flow", b"", b"sha512", hashlib.sha512(message).digest())
    raw = b"SSHSIG\0\0\0\1" + pack(blob(key), b"migrate-flow", b"", b"sha512", answer(key, signed, flags, counter))
    body = base64.encodebytes(raw).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{body}-----END SSH SIGNATURE-----\n"


def answer(key: Private, signed: bytes, flags: bytes = TOUCHED, counter: int = 7) -> bytes:
    """The signature with its type, as an agent gives it."""
    touch = flags + counter.to_bytes(4, "big")
    data = hashlib.sha256(APPLICATION).digest() + touch + hashlib.sha256(signed).digest()
    return pack(_kind(key), _raw_signature(key, data)) + touch


def blob(key: Private) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return pack(_kind(key), key.public_key().public_bytes_raw(), APPLICATION)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return pack(_kind(key), b"nistp256", point, APPLICATION)


def _kind(key: Private) -> bytes:
    name = "ssh-ed25519" if isinstance(key, Ed25519PrivateKey) else "ecdsa-sha2-nistp256"
    return f"sk-{name}@openssh.com".encode()


def _raw_signature(key: Private, data: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    numbers = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256())))
    return pack(*(number.to_bytes(number.bit_length() // 8 + 1, "big") for number in numbers))
