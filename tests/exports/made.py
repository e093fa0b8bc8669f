"""An export made by hand, from a seed: changes in every outcome, entries with their SQL, snapshots, and people."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from migrate_flow.core.audit import Act, Change, Checked, Header, Reconciled, Selection
from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Draft, Entry, Kind, format_time, project, statement
from migrate_flow.core.snapshot import SchemaObject, snapshot_of

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
ENVIRONMENTS = ("dev", "staging", "production")
PEOPLE = ("ada@example.com", "ben@example.com", "cy@example.com", "dee@example.com")
WORDS = ("orders", "customers", "invoices", "payments", "shipments", "refunds", "audit_log", "prices")


def fingerprint_of(person: str) -> str:
    return f"SHA256:{hashlib.sha256(person.encode()).hexdigest()[:43]}"


@dataclass
class Made:
    """An `Exported`. Its lists may be changed before it is written."""

    header: Header
    environments: tuple[str, ...] = ENVIRONMENTS
    rows: list[Change] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)

    def changes(self) -> Iterator[Change]:
        return iter(self.rows)

    def entries(self) -> Iterator[Entry]:
        return iter(self.log)

    def skeleton(self) -> Iterator[tuple[int, str, str, str]]:
        for entry in self.log:
            digests = (hashlib.sha256(part).hexdigest() for part in (entry.statement, entry.signature.encode()))
            yield entry.seq, *digests, entry.hash  # type: ignore[misc]

    def artifact(self, sha256: str) -> bytes | None:
        return self.stored.get(sha256)

    def artifacts_of(self) -> Iterator[str]:
        return iter(sorted(self.stored))

    def policies(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        people = {name: {"roles": ["developer"], "keys": [], "aliases": []} for name in PEOPLE}
        rules = {"separation": "strict", "peer_reviews": 1, "approvals": {"dba": 1}, "admins": 1}
        yield 1, "5e" * 32, {"v": 1, "people": people, "policy": rules}

    def people(self) -> Mapping[str, tuple[tuple[str, int, int], ...]]:
        return {name: ((f"ssh-ed25519 {hashlib.sha256(name.encode()).hexdigest()}", 1, 0),) for name in PEOPLE}


class Maker:
    """Writes entries and rows, one migration after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now, self.head = START, Head(0, "0" * 64)
        self.made = Made(_header())
        self.tables: list[SchemaObject] = []

    def add(self, kind: Kind, actor: str, text: str = "", **fields: Any) -> Act:
        self.now += timedelta(minutes=self.random.randint(5, 600))
        at = format_time(self.now)
        draft = Draft(kind, (), fields)
        nonce = f"00000000-0000-4000-8000-{self.head.seq:012d}"
        written = statement(draft, ledger="L", nonce=nonce, at=at, actor=actor, after=self.head, policy="P")
        entry = project(self.head.seq + 1, self.head.hash, written, "signature")
        self.made.log.append(entry)
        self.head = entry.head
        return Act(entry.seq, kind, actor, at, ("developer",), fingerprint_of(actor), text)

    def store(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.made.stored[digest] = content
        return f"sha256:{digest}"

    def schema(self) -> dict[str, str]:
        taken = snapshot_of(self.tables, {}, normaliser="postgresql/1", server_major="17")
        return {"fingerprint": taken.fingerprint, "snapshot": self.store(taken.to_bytes())}

    def migration(self, number: int, parent: str) -> str:
        one, pick = self.random, self.random.choice
        table, revision = f"{pick(WORDS)}_{number}", f"{one.getrandbits(48):012x}"
        author, reviewer, approver, applier = one.sample(PEOPLE, 4)
        up = _sql(one, table)
        sql = {
            "postgresql": {
                "upgrade": self.store(up.encode()),
                "downgrade": self.store(f"DROP TABLE {table};\n".encode()),
            }
        }
        said: dict[str, Any] = {"revision": revision}
        created = self.add(Kind.MIGRATION_CREATED, author, **said)
        reviewed_self = self.add(Kind.SELF_REVIEWED, author, "by hand on a copy, both ways", sql=sql, **said)
        review = self.add(Kind.REVIEWED, reviewer, "The index is built concurrently; fine.", **said)
        approval = self.add(Kind.APPROVED, approver, "as dba", **said)
        digest = hashlib.sha256(up.encode()).hexdigest()
        change = Change(
            revision=revision,
            environment="",
            message=f"add {table} and what it needs",
            rationale=f"Sales asks for {table}.\nSecond line.",
            ticket=f"OPS-{100 + number}",
            risks=("locks-table",) if number % 7 == 0 else (),
            grade="lossless",
            objects=(table,),
            path=f"migrations/versions/{revision}_{table}.py",
            script_digest=f"sha256:{digest}",
            manifest=f"sha256:{digest[::-1]}",
            sql_digest="; ".join(f"postgresql {way} {stored}" for way, stored in sql["postgresql"].items()),
            git_commit=digest[:40],
            parents=(parent,) if parent else (),
            versions={"alembic": "1.20.1", "sqlalchemy": "2.0.58"},
            state="approved",
            author=created,
            self_reviewer=reviewed_self,
            reviewers=(review,),
            approvers=(approval,),
            created_at=created.at,
            self_reviewed_at=reviewed_self.at,
            reviewed_at=review.at,
            approved_at=approval.at,
            lint=(
                Checked(
                    reviewed_self.seq,
                    author,
                    f"1:{digest[:16]}",
                    "0 errors, 1 warnings, 0 waived",
                    report=f"sha256:{digest}",
                ),
            ),
            rehearsals=(
                Checked(
                    reviewed_self.seq,
                    author,
                    "postgresql: PostgreSQL 17.2",
                    "upgraded and undone",
                    "lossless",
                    f"sha256:{digest}",
                ),
            ),
            distinct_people=True,
            contributors=(author,),
            exceptions=(),
            entries=tuple(range(created.seq, approval.seq + 1)),
        )
        before = self.schema()
        self.tables.append(SchemaObject("table", f"public.{table}"))
        self.tables.append(SchemaObject("column", f"public.{table}.id", (("type", "bigint"),), f"table public.{table}"))
        after = self.schema()
        for place, environment in enumerate(ENVIRONMENTS):
            row = self._apply(change, environment, applier, before, after, place, number)
            if row is not None:
                self.made.rows.append(row)
        return revision

    def _apply(
        self, change: Change, environment: str, applier: str, before: Any, after: Any, place: int, number: int
    ) -> Change | None:
        if number % 11 == 10 and place == 2:
            return None
        attempt = f"00000000-0000-4000-9000-{self.head.seq:012d}"
        said = {"revision": change.revision, "environment": environment, "attempt": attempt}
        intent = self.add(Kind.APPLY_INTENDED, applier, schema=before, **said)
        failed: tuple[Act, ...] = ()
        waivers: tuple[Act, ...] = ()
        exceptions: list[str] = []
        if number % 13 == 5 and place == 1:
            bad = self.add(Kind.APPLY_FAILED, applier, "lock timeout: canceling statement", **said)
            failed = (bad,)
            exceptions.append(f"an upgrade failed (entry {bad.seq}): lock timeout: canceling statement")
            self.add(Kind.APPLY_INTENDED, applier, schema=before, **said)
        if number % 29 == 7 and place == 2:
            waived = self.add(Kind.GATE_WAIVED, "cy@example.com", "soaked: the shop is down", **said)
            waivers = (waived,)
            exceptions.append(f"cy@example.com waived the gate soaked (entry {waived.seq}): the shop is down")
        late = number % 37 == 3 and place == 2
        if late:
            exceptions.append(
                f"not approved as the policy asks when it was meant (entry {intent.seq}): 1 × dba missing"
            )
        done = self.add(Kind.APPLY_APPLIED, applier, schema=after, **said)
        return replace(
            change,
            environment=environment,
            applier=intent,
            intended_at=intent.at,
            applied_at=done.at,
            approved_before=None if place == 0 else not late,
            upstream_before=None if place == 0 else True,
            evidence_before=None if place == 0 else True,
            attempt=attempt,
            outcome="applied",
            duration_s=f"0.{number % 900 + 10:03d}",
            target=f"00000000-0000-4000-a000-{place:012d}",
            schema_before=before["fingerprint"],
            schema_after=after["fingerprint"],
            waivers=waivers,
            failed=failed,
            exceptions=tuple(exceptions),
            entries=(*change.entries, intent.seq, done.seq),
            applier_distinct=True,
        )

    def done(self) -> Made:
        counts = Counter(str(entry.kind) for entry in self.made.log)
        heads = (self.made.rows[-1].revision,) if self.made.rows else ()
        found = tuple(
            Reconciled(name, f"00000000-0000-4000-a000-{n:012d}", heads, heads, True)
            for n, name in enumerate(ENVIRONMENTS[:2])
        )
        away = Reconciled(
            "production", "00000000-0000-4000-a000-000000000002", heads, reason="not reconciled: no access"
        )
        last = self.head.seq
        at = self.made.log[-1].at if self.made.log else format_time(START)
        self.made.header = replace(
            self.made.header,
            as_of=last,
            head=self.head.hash,
            at=at,
            first=1,
            last=last,
            entries=last,
            counts=dict(counts),
            reconciliation=(*found, away),
        )
        return self.made


def export(migrations: int = 12, seed: int = 7) -> Made:
    """A whole one, in which the plain way is the rule."""
    maker = Maker(seed)
    parent = ""
    for number in range(1, migrations + 1):
        parent = maker.migration(number, parent)
    return maker.done()


def document(made: Made) -> str:
    """The page, as text."""
    import io

    from migrate_flow.exports.html import write

    out = io.BytesIO()
    write(made, out)
    return out.getvalue().decode()


def rehearsal(dialect: str, statements: list[str]) -> bytes:
    """A stored report, as `check --record` keeps it."""
    from migrate_flow.core.rehearsal import Grade, Rehearsal, Sent, to_document

    sent = {"upgrade": tuple(Sent(text, 1, 0.1) for text in statements)}
    done = Rehearsal(
        revision="r", dialect=dialect, server="PostgreSQL 17.2", manifest="", base="", grade=Grade.LOSSLESS, sent=sent
    )  # type: ignore[call-arg]
    return json.dumps({"rehearsal": to_document(done)}).encode()


def _header() -> Header:
    return Header(
        product="migrate-flow 0.5.0",
        project="shop",
        ledger="6f0c0f3e-9f3e-4c7e-8a64-1f1f6f1f6f1f",
        genesis="0b" * 32,
        by="aud@example.com",
        at="",
        as_of=0,
        head="",
        selection=Selection(),
        first=0,
        last=0,
        entries=0,
        counts={},
    )


def _sql(one: random.Random, table: str) -> str:
    columns = [
        f"    {word} {one.choice(('integer', 'text', 'numeric(12, 2)'))} NOT NULL" for word in one.sample(WORDS, 4)
    ]
    lines = ",\n".join(["    id bigserial PRIMARY KEY", *columns])
    extra = "".join(
        f"UPDATE {table} SET prices = prices + {n} WHERE id % 10 = {n}; -- batch {n}\n"
        for n in range(one.choice((0, 0, 3, 60)))
    )
    index = f"CREATE INDEX CONCURRENTLY ix_{table} ON {table} (id) WHERE orders <> 'void';"
    return f"-- the table\nCREATE TABLE {table} (\n{lines}\n);\n\n{index}\n{extra}"
