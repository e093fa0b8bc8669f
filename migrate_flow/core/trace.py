"""What an attempt left in its target beside, or without, a final receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from migrate_flow.core.redaction import redact

LONGEST_TEXT = 200
# Kinds of rows. A statement is durable by itself; a transaction's row comes just before its commit; the row of one
# that was only opened is durable where the script committed by itself, behind our back.
STATEMENT, TRANSACTION, OPENED = "statement", "transaction", "opened"


class Durability(StrEnum):
    """Of one statement, or of the statements of one transaction, in a database that commits as it goes."""

    DONE = "done"
    NOT_DONE = "not-done"
    IN_DOUBT = "started"


@dataclass(frozen=True, slots=True)
class Journaled:
    """One row of the journal. n: number of the statement in the script, from 1. digest: over the texts of statements
    1 to n, 64 hex digits. before: a fingerprint of what it changes, taken just before; None where none can be taken.
    """

    n: int
    digest: str
    kind: str
    state: Durability
    text: str
    before: str | None = None

    def __str__(self) -> str:
        return f"statement {self.n} ({shortened(self.text)})"


@dataclass(frozen=True, slots=True)
class Trace:
    """segments: transactions of the attempt that the script committed by itself. statements: in order. leftovers:
    objects that a failed statement left unusable."""

    segments: tuple[int, ...] = ()
    statements: tuple[Journaled, ...] = ()
    leftovers: tuple[str, ...] = ()

    @property
    def durable(self) -> tuple[Journaled, ...]:
        return tuple(item for item in self.statements if item.state is Durability.DONE)

    @property
    def doubtful(self) -> tuple[Journaled, ...]:
        return tuple(item for item in self.statements if item.state is Durability.IN_DOUBT)

    @property
    def known(self) -> bool:
        """Whether it is known where the attempt stopped, so that it can go on there."""
        return bool(self.statements) and not self.segments and all(item.kind != OPENED for item in self.statements)

    @property
    def empty(self) -> bool:
        return not (self.segments or self.durable or self.doubtful or self.leftovers)

    def decided(self, said: Mapping[int, Durability], again: frozenset[int] = frozenset()) -> Trace:
        """With what a person stated of the statements in doubt. again: numbers that were stated before."""
        return replace(
            self,
            statements=tuple(
                replace(item, state=said.get(item.n, item.state))
                if item.state is Durability.IN_DOUBT or item.n in again
                else item
                for item in self.statements
            ),
        )

    def sentences(self) -> tuple[str, ...]:
        """For people, in a bounded number of characters each."""
        found = [f"durable: {item}" for item in self.durable if item.kind != OPENED]
        if self.segments or any(item.kind == OPENED for item in self.statements):
            found.append("durable: what the script committed by itself, which is not known in full")
        found += [f"in doubt: {item}" for item in self.doubtful]
        found += [f"failed: {item}" for item in self.statements if item.state is Durability.NOT_DONE]
        return (*found, *(f"left behind: {text}" for text in self.leftovers))


def shortened(text: str) -> str:
    """One line of a bounded length, without secrets: statements may hold passwords."""
    line = " ".join(redact(text).split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
