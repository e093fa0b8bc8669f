"""A ledger of 60 entries of many kinds, and a storage port that hands out whatever rows a test puts into it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from migrate_flow.core.entry import Entry, Kind
from migrate_flow.services.verify_chunk import COLUMNS, Row
from migrate_flow.signing import sshsig
from tests.support.builders import (
    ADA,
    BOB,
    EVE,
    TEAM,
    Scribe,
    digest,
    policy_document,
)

LENGTH = 60


class Signatures:
    """Implements `Verifier` with the real one. The same bytes are verified once: the answer is a pure function."""

    key_of = staticmethod(sshsig.public_key_of)

    @staticmethod
    @lru_cache(maxsize=1000)
    def _known(statement: bytes, signature: str) -> str | ValueError:
        try:
            return sshsig.verify(statement, signature)
        except ValueError as error:
            return error

    @classmethod
    def verify(cls, statement: bytes, signature: str) -> str:
        found = cls._known(statement, signature)
        if isinstance(found, ValueError):
            raise found
        return found


@dataclass
class Stored:
    """What `verify` needs of a ledger, out of lists."""

    rows: list[dict[str, Any]]
    contents: list[tuple[Any, Any]] = field(default_factory=list)

    def raw_rows(self) -> Iterator[Row]:
        yield from map(values_of, sorted(self.rows, key=lambda row: row["seq"]))

    def artifacts(self) -> Iterator[tuple[Any, Any]]:
        yield from self.contents

    def describe(self) -> str:
        return "here"

    def changed(self, entry: int, /, **values: Any) -> Stored:
        """The same with other values in one row."""
        return Stored([row | values if row["seq"] == entry else row for row in self.rows], self.contents)


def values_of(row: dict[str, Any]) -> Row:
    return tuple(row[name] for name in COLUMNS)


def row_of(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in COLUMNS}


def stored(entries: Sequence[Entry], contents: Sequence[bytes] = ()) -> Stored:
    named = sorted((hashlib.sha256(content).hexdigest(), content) for content in contents)
    return Stored([row_of(entry) for entry in entries], list(named))


SCRIPTS = tuple(f"upgrade number {number}" for number in range(5))
CONTENTS = tuple(script.encode() for script in SCRIPTS)


@cache
def scribe() -> Scribe:
    return fill(Scribe())


def fill(written: Scribe) -> Scribe:
    """Five migrations on their way, policies, a withdrawal, a text that is not ASCII: 60 entries without a flaw."""
    written.opens()
    for number, script in enumerate(SCRIPTS):
        files = {"revision": f"aaaa{number:02}", "manifest": digest(script)}
        written.created(
            **files, artifacts=[script.encode()], message="grüße, \u5e83 and \U0001f600" if number == 1 else "a column"
        )
        written.self_reviewed(**files)
        written.reviewed(BOB, "request-changes", **files, comment='which lock?\nand "why"')
        written.reviewed(**files)
        written.approved(**files)
        for env in ("dev", "staging", "production")[: 3 if number else 2]:
            attempt = f"{env} {number}"
            written.intends(env=env, attempt=attempt, **files)
            written.ends(Kind.APPLY_APPLIED, env=env, attempt=attempt, **files, heads=[files["revision"]])
    written.proposes(policy_document({**TEAM, EVE: ("developer",)}))
    written.reviewed(EVE, **files, comment="late")
    last = written.reviewed(EVE, **files)
    written.attests(EVE, Kind.REVOKED, **files, of=last.seq, comment="not mine to say")
    written.attests(ADA, Kind.WITHDRAWN, **files, comment="another way")
    while written.head.seq < LENGTH:
        written.created(**files)
    return written


@cache
def ledger() -> Stored:
    return stored(scribe().entries, CONTENTS)
