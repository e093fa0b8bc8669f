"""Public keys and configuration files for these tests."""

from __future__ import annotations

import base64
from pathlib import Path

from migrate_flow.config import load

ADA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAR7azn3b6ANXoLWqDDDm25YgPTNjLY9tDZGZckLhRsM"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzBtYcn8/ErMZSIGp7LneCyjOeyByMNjpMP4bznXiVs"
CY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN24LLfvQaMJ9cei998rOJLATgQwyQvWznL4dVQs0GU7"
P256 = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPtQOI8pSY0Kk60l7Ew0A3udPMPMpHh+"
    "tv7aviswA+rIn3dlyp1iiOb/c09c0I86WSHPVLIbs5i1CsDSV3+gdHI="
)
P384 = (
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBKelVXwjFl8EQgD23Jyo0oIMfD4TnTL8fhrB"
    "ototIlW3T5aIcB4fVQBd1un11ZYsVoqTGql4CLIahfcZSFP5p7j7prXFJb9XItgyBraIjHSuU9Xb29idDvBUfpFyYcNtTg=="
)

FOLDER = Path(__file__).parent


def contract_example() -> str:
    """The example of the contract, with a real key and the dialects that its references need."""
    return (FOLDER / "contract.toml").read_text(encoding="utf-8").replace("ssh-ed25519 AAAA…", ADA)


GOOD = f"""\
[project]
name = "shop"

[environments.dev]
url = "sqlite:///dev.db"

[environments.staging]
url = "env:STAGING_DATABASE_URL"
dialect = "postgresql"
upstream = ["dev"]

[environments.production]
url = "keyring:production"
dialect = "postgresql"
upstream = ["staging"]

[policy]
peer_reviews = 1
approvals = {{ backend-lead = 1 }}

[people."ada@example.com"]
roles = ["developer"]
keys = ["{ADA}"]

[people."bob@example.com"]
roles = ["developer", "backend-lead"]
keys = ["{BOB}"]
"""


def parsed(text: str) -> load.Config:
    return load.parse(text, Path("/project/migrate-flow.toml"))


def blob(*parts: bytes) -> str:
    """An OpenSSH key's base64 part."""
    return base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).decode()
