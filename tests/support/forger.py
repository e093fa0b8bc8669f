"""An attacker's tools: entries made by hand for a ledger in a file, as good as real ones but for the lie in them.

The attacker owns the ledger's file and holds some people's keys. What they write is canonical, linked, names ledger,
policy, predecessor and a fresh nonce, speaks of files that fit its manifest and brings their bytes: only the rule under
test is left to refuse it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from migrate_flow.core import canonical
from migrate_flow.core.chain import EMPTY, Head, link
from migrate_flow.core.entry import PREDICATE_PREFIX, PREDICATE_SUFFIX, STATEMENT_TYPE, format_time
from migrate_flow.core.entry import project as entry_of
from migrate_flow.core.history import Attestation, History
from migrate_flow.core.lifecycle import fold
from migrate_flow.signing.private_key import public_text
from migrate_flow.signing.sshsig import public_key_of, sign
from tests.support import proof

COLUMNS = ("seq", "prev", "hash", "statement", "signature", "kind", "revision", "environment", "actor", "at")
Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Forger:
    """folder: the project's, whose people have their keys in it."""

    folder: Path

    # What there is

    @property
    def file(self) -> Path:
        return self.folder / proof.LEDGER

    def rows(self) -> list[dict[str, Any]]:
        return proof.rows(self.folder)

    def head(self) -> Head:
        rows = self.rows()
        return Head(rows[-1]["seq"], rows[-1]["hash"]) if rows else EMPTY

    def history(self) -> History:
        entries = (entry_of(r["seq"], r["prev"], r["statement"], r["signature"]) for r in self.rows())
        return fold(entries, public_key_of)

    def key(self, name: str) -> Ed25519PrivateKey:
        key = load_ssh_private_key((self.folder / ".migrate-flow" / "keys" / name).read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        return key

    def public(self, name: str) -> str:
        return public_text(self.key(name))

    # What is said

    def predicate(self, actor: str, frame: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """As the product would write it. frame: parts of the frame that are another; None leaves one out."""
        history = self.history()
        said = {
            "ledger": history.ledger,
            "nonce": str(uuid4()),
            "at": format_time(datetime.now(UTC)),
            "actor": actor,
            "after": {"seq": history.head.seq, "hash": f"sha256:{history.head.hash}"},
            "policy": history.policy.digest,
            **fields,
            **(frame or {}),
        }
        return {name: value for name, value in said.items() if value is not None}

    def says(
        self,
        actor: str,
        kind: str,
        *,
        key: str = "",
        signature: str = "",
        files: Files = (),
        subjects: Sequence[Mapping[str, Any]] | None = None,
        frame: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> int:
        """Append an entry; its position. key: whose signs, default the actor's. signature: one of something else.
        files: what it speaks of."""
        if subjects is None:
            subjects = [subject(name, hashlib.sha256(content).hexdigest()) for name, content in files]
        statement = written(kind, subjects, self.predicate(actor, frame, **fields))
        signature = signature or sign(self.key(key or actor), statement)
        return self.put(statement, signature, [content for _name, content in files])

    def put(
        self,
        statement: bytes,
        signature: str,
        artifacts: Iterable[bytes] = (),
        said: tuple[str, Mapping[str, Any]] | None = None,
    ) -> int:
        """Append these very bytes, linked to the newest entry. said: kind and predicate, for the columns of what can't
        be read."""
        head = self.head()
        with self.opened() as connection:
            for content in artifacts:
                connection.execute(
                    "INSERT OR IGNORE INTO artifact VALUES (?, ?)", (hashlib.sha256(content).hexdigest(), content)
                )
            connection.execute(
                f"INSERT INTO entry ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})",
                _row(head, statement, signature, said),
            )
        return head.seq + 1

    def rewrite(self, entries: Sequence[tuple[bytes, str]]) -> None:
        """The whole ledger anew, out of these statements and signatures: every hash fits."""
        with self.opened() as connection:
            connection.execute("DELETE FROM entry")
            head = EMPTY
            for statement, signature in entries:
                row = _row(head, statement, signature)
                connection.execute(f"INSERT INTO entry VALUES ({', '.join('?' * len(COLUMNS))})", row)
                head = Head(row[0], row[2])

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """The file without its triggers, which are back afterwards: what an owner of it can do."""
        with closing(sqlite3.connect(self.file)) as connection, connection:
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _sql in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            yield connection
            for _name, sql in triggers:
                connection.execute(sql)

    # What attackers like to say

    def files_of(self, said: Attestation) -> Files:
        with closing(sqlite3.connect(self.file)) as connection:
            return [
                (
                    each.name,
                    connection.execute("SELECT content FROM artifact WHERE sha256 = ?", (each.sha256,)).fetchone()[0],
                )
                for each in said.subjects
            ]

    def vouched(self, revision: str) -> tuple[Files, dict[str, Any]]:
        """The files and the fields of whatever speaks of the bytes that were last stored for a revision."""
        said = self.history().record(revision).last_content()
        assert said is not None
        return self.files_of(said), {"revision": revision, "manifest": said.manifest}

    def attests(self, actor: str, kind: str, revision: str, *, key: str = "", **fields: Any) -> int:
        files, about = self.vouched(revision)
        return self.says(actor, kind, key=key, **{"files": files, **about, **fields})

    def acts(self, actor: str, kind: str, revision: str, environment: str, attempt: str, **fields: Any) -> int:
        """An intent or an outcome. The database is the one that the environment has, else a new one."""
        targets = self.history().environment(environment).targets
        place = {
            "environment": environment,
            "target": next(iter(targets), str(uuid4())),
            "attempt": attempt,
            "direction": "upgrade",
            **({"from_heads": []} if kind == "apply.intended" else {"heads": [revision]}),
        }
        return self.attests(actor, kind, revision, **{**place, **fields})


def subject(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}


def policy_subject(document: Mapping[str, Any]) -> dict[str, Any]:
    return subject("policy", canonical.digest(document).removeprefix("sha256:"))


def written(kind: str, subjects: Sequence[Mapping[str, Any]], predicate: Any) -> bytes:
    return canonical.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": list(subjects),
            "predicateType": f"{PREDICATE_PREFIX}{kind}{PREDICATE_SUFFIX}",
            "predicate": predicate,
        }
    )


def _row(
    head: Head, statement: bytes, signature: str, said: tuple[str, Mapping[str, Any]] | None = None
) -> tuple[Any, ...]:
    kind, predicate = said or _read(statement)
    linked = link(head.hash, statement, signature)
    projected = (predicate.get("revision"), predicate.get("environment"), predicate.get("actor"), predicate.get("at"))
    return (head.seq + 1, head.hash, linked, statement, signature, kind, *projected)


def _read(statement: bytes) -> tuple[str, Mapping[str, Any]]:
    document = canonical.loads(statement)
    return document["predicateType"].removeprefix(PREDICATE_PREFIX).removesuffix(PREDICATE_SUFFIX), document[
        "predicate"
    ]
