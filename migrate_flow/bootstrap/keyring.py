"""The keys of this machine, and whom of the policy they make one."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow import credentials
from migrate_flow.config.load import find, load
from migrate_flow.errors import ConfigError, IdentityError, MigrateFlowError
from migrate_flow.signing import agent, keys, ssh_keys, sshsig
from migrate_flow.signing.local_key import STORES, Found, LocalKey

if TYPE_CHECKING:
    from migrate_flow.core.policy import Policy

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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A key that exists in memory alone until it is kept. keep: raises IdentityError, ConfigError."""

    public_key: str
    keep: Callable[[], None]


class SshsigVerifier:
    """Implements `Verifier`. Functions as they are: another process gets them by name, and imports no more."""

    key_of = staticmethod(sshsig.public_key_of)
    verify = staticmethod(sshsig.verify)


class KeyRing:
    """The keys of this machine, and who of the policy they make one. root: the project's folder, if there is one.

    asks: whether a person may be asked for a passphrase, where there is a terminal. Keys of the product's own stores
    are found without a process or a socket; ssh-agent and ``~/.ssh`` are asked where these don't do, and only for keys
    of people in the policy.
    """

    def __init__(self, root: Path | None, *, asks: bool = True) -> None:
        self.root = root
        self._asks = asks

    @cached_property
    def _looked(self) -> tuple[Found, IdentityError | None]:
        try:
            return keys.available(project_root=self.root, environ=os.environ, keyring=_KEYRING), None
        except IdentityError as error:
            here, tried = keys.available(project_root=self.root, environ=None, keyring=_KEYRING)
            return (here, [f"{error.where} ({error.message})", *tried]), error

    @property
    def _found(self) -> Found:
        return self._looked[0]

    @property
    def broken(self) -> IdentityError | None:
        """What is wrong with the environment's key. Who only reads needs none; whoever signs is refused."""
        return self._looked[1]

    def require_sound(self) -> None:
        """Raises IdentityError where the environment's key can't be used: another one would sign as somebody else."""
        if self.broken is not None:
            raise self.broken

    @cached_property
    def _agent(self) -> agent.Agent:
        return agent.ask(os.environ)

    @property
    def local(self) -> list[LocalKey]:
        """The keys in the environment and in our own stores."""
        return self._found[0]

    @property
    def tried(self) -> list[str]:
        """The places of `local`, in words."""
        return self._found[1]

    def known(self, policy: Policy | None) -> Found:
        """`local` and the keys in ssh-agent and ``~/.ssh`` that the policy knows, in the order in which they are tried;
        and the places that were looked at, in words."""
        if policy is None:
            return self.local, [*self.tried, "ssh-agent and ~/.ssh (no policy is here to say whose keys count)"]
        elsewhere, tried = self._elsewhere(policy)
        ordered = sorted([*self.local, *elsewhere], key=lambda key: STORES.index(key.store))
        return ordered, [*self.tried, *tried]

    def create(self, person: str, store: str) -> LocalKey:
        """store: ``keyring``, ``file``, ``project``, or empty for the keyring where there is one, else a file."""
        return keys.create(person, store or _usual_store(), project_root=self.root, keyring=_KEYRING)

    def prepare(self, person: str, store: str) -> Prepared:
        """As `create`, but nothing is kept before that is asked for."""
        chosen, new = store or _usual_store(), keys.NewKey()
        keys.require_room(person, chosen, project_root=self.root)

        def keep() -> None:
            keys.create(person, chosen, project_root=self.root, keyring=_KEYRING, new=new)

        return Prepared(new.public_key, keep)

    def room(self, person: str) -> str:
        """A store in which another key of this person can be made; empty if there is none."""
        for store in (_usual_store(), *(["project"] if self.root else [])):
            with contextlib.suppress(IdentityError):
                keys.require_room(person, store, project_root=self.root)
                return store
        return ""

    def signer(self, key: LocalKey, person: str) -> KeySigner:
        """Raises IdentityError, ConfigError for a keyring that can't be asked."""
        if key.needs_ssh_keygen:
            from migrate_flow.signing import ssh_keygen

            terminal = ssh_keygen.terminal(_tell, asks=self._asks)
            return KeySigner(person, key.public_key, ssh_keygen.signer(key, self._agent, os.environ, terminal))
        private = keys.load_private(key, project_root=self.root, environ=os.environ, keyring=_KEYRING)
        return KeySigner(person, key.public_key, lambda message: sshsig.sign(private, message))

    def actor(self, wanted: str, policy: Policy, *, revoked: Collection[str] = ()) -> str:
        """Whose key signs: as asked, else by the environment's key, the one key that the policy knows, or git.

        Empty for nobody. revoked: public keys that count no more.
        """
        if wanted:
            return wanted
        if fixed := self._fixed:
            return "" if fixed.public_key in revoked else policy.owners.get(fixed.public_key, "")
        owners = _owners(self.local, policy, revoked) or _owners(self._elsewhere(policy)[0], policy, revoked)
        if len(owners) < 2:
            return "".join(owners)
        email = git_email()
        return email if email in owners else ""

    def signer_for(self, person: str, policy: Policy, *, revoked: Collection[str] = ()) -> KeySigner:
        """Raises IdentityError: a broken key in the environment, nobody named, no key, another person's key, none that
        is not revoked."""
        self.require_sound()
        if not person:
            raise self._nobody(policy, revoked)
        if fixed := self._fixed:
            owner = policy.owners.get(fixed.public_key, "")
            if owner != person:
                raise IdentityError(
                    f"the key in the environment is {owner or 'nobody'}'s, not {person}'s",
                    hint=f"unset {fixed.where.partition('=')[0]}, or: migrate-flow --as {owner or 'PERSON'} …",
                    where=fixed.where,
                )
            if fixed.public_key in revoked:
                raise _revoked(fixed, person)
            return self.signer(fixed, person)
        known = policy.people[person].keys if person in policy.people else ()
        failure: MigrateFlowError | None = None
        for key in self._in_order(policy):
            if key.public_key in known and key.public_key not in revoked:
                try:
                    return self.signer(key, person)
                except MigrateFlowError as error:
                    # A store that can't be used here is passed over while another one has a key.
                    failure = failure or error
        if failure is not None:
            raise failure
        return self._stranger(person, policy, revoked)

    def _stranger(self, person: str, policy: Policy, revoked: Collection[str]) -> KeySigner:
        """With a key that was made for the person, and that the policy does not know yet. Raises IdentityError."""
        mine = [key for key in self.local if key.person == person]
        fresh = [key for key in mine if key.public_key not in revoked]
        if fresh:
            return self.signer(fresh[0], person)
        for key in [*mine, *self._elsewhere(policy)[0]]:
            if policy.owners.get(key.public_key, key.person) == person and key.public_key in revoked:
                raise _revoked(key, person)
        raise self._no_key(person, policy)

    @property
    def _fixed(self) -> LocalKey | None:
        """The environment's key, which goes before all others."""
        return next((key for key in self.local if key.store == "environment"), None)

    def _elsewhere(self, policy: Policy) -> Found:
        people = {key: owner for key, owner in policy.owners.items() if owner in policy.people}
        return ssh_keys.known(people, self._agent)

    def _in_order(self, policy: Policy) -> Iterator[LocalKey]:
        """As `known`, asking ssh-agent only when a key of the keyring did not do."""
        yield from (key for key in self.local if key.store == "keyring")
        yield from self._elsewhere(policy)[0]
        yield from (key for key in self.local if key.store != "keyring")

    def _nobody(self, policy: Policy, revoked: Collection[str]) -> IdentityError:
        here, tried = self.known(policy)
        owners = _owners(here, policy, revoked)
        if len(owners) > 1:
            return IdentityError(
                f"keys of several people are here: {', '.join(owners)}",
                hint=f"name one: migrate-flow --as {owners[0]} …, or MIGRATE_FLOW_ACTOR={owners[0]}",
            )
        for key in [self._fixed] if self._fixed else here:
            if key.public_key in revoked:
                return _revoked(key, policy.owners.get(key.public_key, key.person))
        if self._fixed:
            return IdentityError(
                "the key in the environment belongs to nobody in the policy",
                hint="migrate-flow people add EMAIL --role ROLE --key 'KEY', then migrate-flow policy record",
            )
        return IdentityError(
            f"no key of a person in the policy is here; looked in: {'; '.join(tried)}",
            hint="migrate-flow keys new EMAIL, then migrate-flow people add EMAIL --role ROLE --key 'KEY'",
        )

    def _no_key(self, person: str, policy: Policy) -> IdentityError:
        from migrate_flow.core.nearest import meant  # for who mistyped alone

        places = f"; looked in: {'; '.join(self.known(policy)[1])}"
        if person not in policy.people:
            return IdentityError(
                f"{person} is not in the policy, and has no key here{meant(person, policy.people)}{places}",
                hint=f"one of: {', '.join(sorted(policy.people))}",
                where="--as",
            )
        return IdentityError(
            f"there is no key of {person} here{places}",
            hint=f"migrate-flow keys new {person}; then migrate-flow people add {person} --role ROLE --key 'KEY'",
            where="--as",
        )


def _usual_store() -> str:
    return "file" if credentials.usable() else "keyring"


def proposed_policy(path: Path | None) -> Policy | None:
    """The policy of the file at ``path``, by default of the project here; None where none can be read."""
    try:
        return load(path if path is not None else find(Path.cwd())).policy
    except ConfigError:
        return None


def _owners(found: Iterable[LocalKey], policy: Policy, revoked: Collection[str]) -> list[str]:
    """The people of the policy whom these keys make one, sorted."""
    mine = {policy.owners.get(key.public_key, "") for key in found if key.public_key not in revoked}
    return sorted(mine & policy.people.keys())


def _revoked(key: LocalKey, person: str) -> IdentityError:
    name = person or "PERSON"
    return IdentityError(
        f"the key of {name} here is revoked ({key.fingerprint})",
        hint=f"migrate-flow keys new {name}; then a policy-admin: migrate-flow people add {name} --key 'KEY' --record",
        where=key.where,
    )


def _tell(text: str) -> None:
    """For the person at the terminal, while a security key waits: nobody above is asked before it has signed."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def git_email() -> str:
    """git's user.email, lower case; empty where there is none."""
    import subprocess

    from migrate_flow.git import environment

    try:
        words = ["git", "config", "user.email"]
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().lower()
