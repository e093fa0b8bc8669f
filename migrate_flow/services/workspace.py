"""Everything that a service works on, wired once by bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from migrate_flow.core.policy import PolicyFile
from migrate_flow.errors import ConfigError, Refused, UsageError

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.history import History
    from migrate_flow.core.policy import EnvironmentRules, Policy
    from migrate_flow.services.book import Book
    from migrate_flow.services.ports import Authors, Clock, Runner, Scripts, Signer, Target, Verifier


@dataclass
class Workspace:
    """who: the person whose key would sign, empty if none is known; signer raises IdentityError instead,
    also for a person or key that the policy in force does not know."""

    config: Config
    book: Book
    scripts: Scripts
    runner: Runner
    target: Callable[[str], Target]
    signer: Callable[[], Signer]
    who: Callable[[], str]
    verifier: Verifier
    clock: Clock
    authors: Authors
    tell: Callable[[], Iterable[str]] = tuple  # runs the hooks on what was appended; gives what went wrong with them
    notices: list[str] = field(default_factory=list)

    @cached_property
    def actor(self) -> str:
        """What who says, asked once: it may look at keys, ssh-agent and git."""
        return self.who()

    @property
    def history(self) -> History:
        return self.book.history

    @property
    def policy(self) -> Policy:
        """The policy in force: the ledger's."""
        return self.history.policy

    @property
    def claims(self) -> Mapping[str, Collection[str]]:
        """Address, in lower case -> whoever claimed it in a policy that was in force so far."""
        return self.history.claims

    def has_key(self, person: str) -> bool:
        """Whether some key of this person is in the policy in force and not revoked."""
        return bool(set(self.policy.keys_of(person)) - self.history.revoked.keys())

    def holders(self, roles: Iterable[str]) -> tuple[str, ...]:
        """People who hold at least one of the roles, but for those whose keys are all revoked: they sign nothing."""
        return self.able(self.policy.holders(roles))

    def able(self, people: Iterable[str]) -> tuple[str, ...]:
        """Those of the people whose keys are not all revoked. Who has none yet can still get one."""
        return tuple(name for name in people if self.has_key(name) or not self.policy.keys_of(name))

    def policy_file(self) -> PolicyFile:
        digest = self.config.policy.digest
        version = self.history.policy_version(digest)
        waits = next((item.seq for item in self.history.pending() if item.policy.digest == digest), 0)
        return PolicyFile(digest, digest == self.policy.digest, version.number if version else 0, waits)

    def require_current_policy(self) -> None:
        """Raises Refused if the file's policy was never recorded."""
        file = self.policy_file()
        if not file.in_force and not file.recorded:
            known = "waits for more signatures" if file.waits else "was never recorded"
            raise Refused(
                f"the policy in the file differs from the policy in force, and {known}",
                hint=file.way_out,
                where=str(self.config.path.name),
            )

    def rules(self, environment: str) -> EnvironmentRules:
        """The rules in force for an environment. Raises UsageError, ConfigError."""
        rules = self.policy.environments.get(environment)
        if rules is None:
            known = ", ".join(self.policy.environments)
            if environment in self.config.environments:
                raise ConfigError(
                    f"{environment} is in the file, but not in the policy in force",
                    hint="migrate-flow policy record",
                    where=f"[environments.{environment}]",
                )
            from migrate_flow.core.nearest import meant  # for who mistyped alone

            near = meant(environment, self.policy.environments)
            raise UsageError(f"there is no environment {environment!r}{near}", hint=f"one of: {known}", where="--env")
        if environment not in self.config.environments:
            raise ConfigError(
                f"{environment} is in the policy in force, but not in this file: how to reach it is not known here",
                hint="git pull, or write [environments." + environment + "] with its url",
                where=self.config.path.name,
            )
        return rules
