"""OpenSSH public keys as text: one spelling for one key, so that a key can't be given to two people.

Shape only; cryptography stays in `signing`. The wire formats are those of RFC 4253, RFC 5656, RFC 8709 and
OpenSSH's PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import binascii

_POINT_SIZE = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


def normalise(text: str) -> str:
    """``ssh-ed25519 AAAA… comment`` as ``ssh-ed25519 AAAA…``. Raises ValueError, which never repeats the text."""
    if "PRIVATE KEY" in text:
        raise ValueError("a private key; only public keys belong here, and this one is no longer private")
    kind, _, rest = text.strip().partition(" ")
    if kind in ("ssh-rsa", "ssh-dss"):
        raise ValueError(f"{kind} keys are not accepted; Ed25519 and ECDSA keys are")
    if kind not in KEY_TYPES:
        raise ValueError(f"not an OpenSSH public key of type {', '.join(KEY_TYPES)}")
    encoded = rest.split()[0] if rest.split() else ""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the key's base64 part is damaged") from None
    # Base64 has spare bits: another spelling of the same bytes would pass as another key.
    if base64.b64encode(blob).decode() != encoded or not _well_formed(kind, blob):
        raise ValueError(f"the key's base64 part is not a {kind} key")
    return f"{kind} {encoded}"


def _well_formed(kind: str, blob: bytes) -> bool:
    parts = _strings(blob)
    if parts is None or not parts or parts[0] != kind.encode():
        return False
    hardware = kind.startswith("sk-")
    if hardware and not parts.pop():
        return False
    if kind.removeprefix("sk-").startswith("ssh-ed25519"):
        return len(parts) == 2 and len(parts[1]) == 32
    curve = kind.partition("@")[0].rpartition("-")[2]
    if len(parts) != 3 or parts[1] != curve.encode():
        return False
    return len(parts[2]) == _POINT_SIZE[curve] and parts[2][0] == 4


def _strings(blob: bytes) -> list[bytes] | None:
    """The length-prefixed strings of the blob, to its last byte."""
    parts: list[bytes] = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            return None
        parts.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return parts
