"""Every exception of the product, with the exit code it becomes.

A "no" is a value (a gate's verdict, a decision); an exception means "could not".
Every error says what is wrong, where, and what to run next.

    MigrateFlowError            70  a bug if raised bare
    ├── Refused                  1  the rules forbid this act to this person, or now
    ├── UsageError               2  asked wrongly
    │   ├── ConfigError          2  migrate-flow.toml
    │   ├── ScriptError          2  a migration script or the revision graph
    │   └── IdentityError        2  unknown person, no key, wrong key
    ├── TargetError              3  the target failed and was left as it was
    ├── LedgerError              4  the ledger can't be trusted or can't be written
    ├── BusyError                5  somebody else holds the lock
    └── UnsettledError           6  the target is partly changed, or its state is unknown
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class MigrateFlowError(Exception):
    """Base of every error that the command line shows.

    message: one sentence, what is wrong. hint: a command to paste, or what to do.
    where: ``file:line``, a configuration key, an environment, or empty. document: the report that says more, for
    programs, where there is one.
    """

    exit_code = 70
    code = "bug"

    def __init__(self, message: str, *, hint: str, where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.document: Mapping[str, Any] | None = None


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where the program is. Drivers that cancel their statement at Ctrl-C do so here too. Exit 143."""


class Refused(MigrateFlowError):
    """The rules forbid this act to this person, or at this point of the flow."""

    exit_code = 1
    code = "refused"


class UsageError(MigrateFlowError):
    """The command was asked wrongly."""

    exit_code = 2
    code = "usage"


class ConfigError(UsageError):
    """The configuration can't be used."""

    code = "config"


class ScriptError(UsageError):
    """A migration script, or the revision graph, can't be used. rule: the lint rule that speaks of it, if one does."""

    code = "script"

    def __init__(self, message: str, *, hint: str, where: str = "", rule: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.rule = rule


class IdentityError(UsageError):
    """No such person, no key, or a key that does not belong to the person."""

    code = "identity"


class TargetError(MigrateFlowError):
    """The target database failed, and was left as it was."""

    exit_code = 3
    code = "target"


class LedgerError(MigrateFlowError):
    """The ledger can't be trusted, can't be read or can't be written."""

    exit_code = 4
    code = "ledger"


class BusyError(MigrateFlowError):
    """Somebody else holds the lock."""

    exit_code = 5
    code = "busy"


class UnsettledError(MigrateFlowError):
    """The target is partly changed, or its state is not known."""

    exit_code = 6
    code = "unsettled"
