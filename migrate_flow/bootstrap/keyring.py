"""The keys of this machine, and whom of the policy they make one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from migrate_flow import credentials
from migrate_flow.core.policy import Policy
from migrate_flow.errors import IdentityError, MigrateFlowError
from migrate_flow.signing import keys, sshsig

# Asked only where a key lies in it: finding out whether there is one takes a tenth of a second.
_KEYRING = credentials.Keyring("set MIGRATE_FLOW_SIGNING_KEY instead")


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Implements `Signer` with a key that is on this machine."""

    person: str
    public_key: str
    _sign: Callable[[bytes], str]

    def sign(self, message: bytes) -> str:
        return self._sign(message)


class SshsigVerifier:
    """Implements `Verifier`."""

    def key_of(self, signature: str) -> str:
        return sshsig.public_key_of(signature)

    def verify(self, statement: bytes, signature: str) -> str:
        return sshsig.verify(statement, signature)


class KeyRing:
    """The keys of this machine, and who of the policy they make one. root: the project's folder, if there is one."""

    def __init__(self, root: Path | None) -> None:
        self.root = root

    @cached_property
    def _found(self) -> tuple[list[keys.LocalKey], list[str]]:
        return keys.available(project_root=self.root, environ=os.environ, keyring=_KEYRING)

    @property
    def local(self) -> list[keys.LocalKey]:
        return self._found[0]

    @property
    def tried(self) -> list[str]:
        """The places that were looked at, in words."""
        return self._found[1]

    def create(self, person: str, store: str) -> keys.LocalKey:
        """store: ``keyring``, ``file``, ``project``, or empty for the keyring where there is one, else a file."""
        chosen = store or ("file" if credentials.usable() else "keyring")
        return keys.create(person, chosen, project_root=self.root, keyring=_KEYRING)

    def signer(self, key: keys.LocalKey, person: str) -> KeySigner:
        private = keys.load_private(key, project_root=self.root, environ=os.environ, keyring=_KEYRING)
        return KeySigner(person, key.public_key, lambda message: sshsig.sign(private, message))

    def actor(self, wanted: str, policy: Policy) -> str:
        """Whose key signs: as asked, else by the environment's key, the one key that the policy knows, or git."""
        fixed = [key for key in self.local if key.store == "environment"]
        if wanted:
            return wanted
        if fixed:
            return policy.owners.get(fixed[0].public_key, "")
        owners = sorted({policy.owners[key.public_key] for key in self.local if key.public_key in policy.owners})
        if len(owners) == 1:
            return owners[0]
        email = git_email()
        return email if email in owners else ""

    def signer_for(self, person: str, policy: Policy) -> KeySigner:
        """Raises IdentityError: nobody named, no key, another person's key."""
        if not person:
            raise self._nobody(policy)
        fixed = [key for key in self.local if key.store == "environment"]
        if fixed:
            owner = policy.owners.get(fixed[0].public_key, "")
            if owner != person:
                raise IdentityError(
                    f"the key in the environment is {owner or 'nobody'}'s, not {person}'s",
                    hint=f"unset MIGRATE_FLOW_SIGNING_KEY, or: migrate-flow --as {owner or 'PERSON'} …",
                    where=fixed[0].where,
                )
            return self.signer(fixed[0], person)
        known = policy.people[person].keys if person in policy.people else ()
        mine = [key for key in self.local if key.public_key in known or key.person == person]
        mine.sort(key=lambda key: key.public_key not in known)
        if not mine:
            raise self._no_key(person, policy)
        for key in mine[:-1]:
            # A store that can't be used here is passed over while another one has a key.
            with contextlib.suppress(MigrateFlowError):
                return self.signer(key, person)
        return self.signer(mine[-1], person)

    def _nobody(self, policy: Policy) -> IdentityError:
        owners = sorted({policy.owners[key.public_key] for key in self.local if key.public_key in policy.owners})
        if len(owners) > 1:
            return IdentityError(
                f"keys of several people are here: {', '.join(owners)}",
                hint=f"name one: migrate-flow --as {owners[0]} …, or MIGRATE_FLOW_ACTOR={owners[0]}",
            )
        if any(key.store == "environment" for key in self.local):
            return IdentityError(
                "the key in the environment belongs to nobody in the policy",
                hint="migrate-flow people add EMAIL --role ROLE --key 'KEY', then migrate-flow policy record",
            )
        return IdentityError(
            f"no key of a person in the policy is here; looked in: {'; '.join(self._found[1])}",
            hint="migrate-flow keys new EMAIL, then migrate-flow people add EMAIL --role ROLE --key 'KEY'",
        )

    def _no_key(self, person: str, policy: Policy) -> IdentityError:
        places = f"; looked in: {'; '.join(self._found[1])}"
        if person not in policy.people:
            return IdentityError(
                f"{person} is not in the policy, and has no key here{places}",
                hint=f"one of: {', '.join(sorted(policy.people))}",
                where="--as",
            )
        return IdentityError(
            f"there is no key of {person} here{places}",
            hint=f"migrate-flow keys new {person}; then migrate-flow people add {person} --role ROLE --key 'KEY'",
            where="--as",
        )


def git_email() -> str:
    """git's user.email, lower case; empty where there is none."""
    try:
        done = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().lower()
