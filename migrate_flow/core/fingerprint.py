"""How people name a public key: its digest, as ``ssh-keygen -lf`` prints it."""

from __future__ import annotations

import base64
import hashlib


def fingerprint(public_key: str) -> str:
    """``SHA256:…`` of a ``type base64`` line. Raises ValueError for one that is not base64."""
    blob = base64.b64decode(public_key.split()[1], validate=True)
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
