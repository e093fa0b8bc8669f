"""A key that this machine can sign with, and the words for where keys are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from migrate_flow.signing.public_key import fingerprint

SERVICE = "migrate-flow"
KEY_VARIABLE = "MIGRATE_FLOW_SIGNING_KEY"
FILE_VARIABLE = "MIGRATE_FLOW_SIGNING_KEY_FILE"
STORES = ("environment", "keyring", "agent", "ssh", "file", "project")  # in the order in which they are tried

Found = tuple[list["LocalKey"], list[str]]  # keys, and every place that was looked at, as text for people


@dataclass(frozen=True, slots=True)
class LocalKey:
    """A key that this machine can sign with; holds no secret.

    person: whose it is, or "" from the environment, where the public key names the actor.
    public_key: ``type base64``. fingerprint: ``SHA256:…``. store: one of STORES. where: text for people.
    path: the private or ``.pub`` file that ssh-keygen signs with; None where it is not asked, and for the agent.
    """

    person: str
    public_key: str
    fingerprint: str
    store: str
    where: str
    path: Path | None = None

    @property
    def needs_ssh_keygen(self) -> bool:
        return self.store == "agent" or self.path is not None


def local_key(person: str, public_key: str, store: str, where: str, path: Path | None = None) -> LocalKey:
    """ValueError where the public key is none."""
    return LocalKey(person, public_key, fingerprint(public_key), store, where, path)
