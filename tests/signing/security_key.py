"""A security key in software: what OpenSSH's PROTOCOL.u2f says that the hardware answers."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.signing.public_key import pack

KIND = b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
TOUCHED = b"\1"


def touch_and_sign(key: Ed25519PrivateKey, message: bytes, flags: bytes = TOUCHED, counter: int = 7) -> str:
    signed = b"SSHSIG" + pack(b"migrate-flow", b"", b"sha512", hashlib.sha512(message).digest())
    touch = flags + counter.to_bytes(4, "big")
    data = hashlib.sha256(APPLICATION).digest() + touch + hashlib.sha256(signed).digest()
    signature = pack(KIND, key.sign(data)) + touch
    raw = b"SSHSIG\0\0\0\1" + pack(blob(key), b"migrate-flow", b"", b"sha512", signature)
    body = base64.encodebytes(raw).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{body}-----END SSH SIGNATURE-----\n"


def blob(key: Ed25519PrivateKey) -> bytes:
    return pack(KIND, key.public_key().public_bytes_raw(), APPLICATION)
