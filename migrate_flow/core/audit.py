"""What an auditor asks of a ledger: one row for each migration and environment, and what the rows rest on.

Times are UTC, as entries hold them (``2026-11-22T13:20:00.000000Z``). Digests are ``sha256:`` and 64 hex digits. What
the ledger does not tell is empty, or None where empty could be taken for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA = "migrate-flow/export/1"

# What is answered of every change with yes, no or None (it does not concern it): field of `Change`, title, meaning.
CONTROLS: tuple[tuple[str, str, str], ...] = (
    (
        "approved_before",
        "Approved before it was applied",
        "All approvals that the policy asks for, its risks included, stand before the intent.",
    ),
    ("upstream_before", "Stood upstream before", "It stood in the environments that come before, first."),
    (
        "evidence_before",
        "Checked before it was applied",
        "Lint without errors that nobody waived, and a rehearsal that came to a grade, stand before the intent.",
    ),
    (
        "distinct_people",
        "Author, reviewers and approvers are different people",
        "Nobody reviews or approves what they wrote, and nobody does both.",
    ),
    (
        "applier_distinct",
        "The applier is none of them",
        "Whoever applies it where approval is asked for neither wrote, reviewed nor approved it.",
    ),
)


@dataclass(frozen=True, slots=True)
class Act:
    """What one person signed. roles: those that the policy gave at that position. key: fingerprint, ``SHA256:…``.

    flaw: why it does not count, empty if it does. text: the comment, the role of an approval, the gate of a waiver.
    """

    seq: int
    kind: str
    person: str
    at: str
    roles: tuple[str, ...] = ()
    key: str = ""
    text: str = ""
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """Evidence of one run of lint or of a rehearsal. name: the rule set, or dialect and server. grade: of a rehearsal.
    report: digest of the stored report."""

    seq: int
    by: str
    name: str
    result: str
    grade: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A migration in one environment. environment: empty where it was applied nowhere yet.

    outcome: as `status` calls it (``applied``, ``failed``, …). What is told of an attempt (people, times, controls) is
    told of the one that the outcome is of. exceptions: what an auditor looks at first, in words; of every attempt.
    entries: every position that speaks of it. contributors: whose work it is. For the controls see `CONTROLS`.
    """

    revision: str
    environment: str
    message: str = ""
    rationale: str = ""
    contract_mapping: str = ""
    rollback_note: str = ""
    ticket: str = ""
    risks: tuple[str, ...] = ()
    grade: str = ""
    objects: tuple[str, ...] = ()
    path: str = ""
    script_digest: str = ""
    manifest: str = ""
    sql_digest: str = ""
    git_commit: str = ""
    parents: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    author: Act | None = None
    self_reviewer: Act | None = None
    reviewers: tuple[Act, ...] = ()
    approvers: tuple[Act, ...] = ()
    applier: Act | None = None
    created_at: str = ""
    self_reviewed_at: str = ""
    reviewed_at: str = ""
    approved_at: str = ""
    intended_at: str = ""
    applied_at: str = ""
    approved_before: bool | None = None
    upstream_before: bool | None = None
    distinct_people: bool | None = None
    lint: tuple[Checked, ...] = ()
    rehearsals: tuple[Checked, ...] = ()
    attempt: str = ""
    outcome: str = ""
    duration_s: str = ""
    target: str = ""
    schema_before: str = ""
    schema_after: str = ""
    grandfathered: bool = False
    waivers: tuple[Act, ...] = ()
    escalations: tuple[str, ...] = ()
    refused: tuple[Act, ...] = ()
    failed: tuple[Act, ...] = ()
    rollbacks: tuple[Act, ...] = ()
    uncounted: tuple[Act, ...] = ()
    exceptions: tuple[str, ...] = ()
    entries: tuple[int, ...] = ()
    contributors: tuple[str, ...] = ()
    applier_distinct: bool | None = None
    evidence_before: bool | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are asked for; empty means any. since, until: times, the first included, the second not."""

    since: str = ""
    until: str = ""
    environment: str = ""
    person: str = ""
    revision: str = ""
    kind: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Ledger and version table of one target. agrees: None where the database is out of reach; then reason says so."""

    environment: str
    target: str
    ledger_heads: tuple[str, ...]
    database_heads: tuple[str, ...] = ()
    agrees: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """What an export says of itself. by: who exported. at: of the entry that the export goes up to, so that the same
    input gives the same bytes. first, last: positions of what is in it. head: the chain's at `last_seq`, which every
    position up to there hangs on. gaps: runs of positions that the selection left out, the first so many; left_out:
    how many positions in all. counts: by kind.
    """

    product: str
    project: str
    ledger: str
    genesis: str
    by: str
    at: str
    as_of: int
    head: str
    selection: Selection
    first: int
    last: int
    entries: int
    counts: Mapping[str, int]
    left_out: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    reconciliation: tuple[Reconciled, ...] = ()
    recorded: bool = True
    notices: tuple[str, ...] = ()
