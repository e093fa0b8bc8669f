"""The columns of csv and xlsx, in order: the one table that the reference is made of, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.exports.cells import checks, events, joined, people, person, yes_no

if TYPE_CHECKING:
    from migrate_flow.core.audit import Change, Header

TIME = "UTC; the signer's clock."


@dataclass(frozen=True, slots=True)
class Column:
    """about: for the reference. value: the cell's text, not neutralised yet. width: characters, for a spreadsheet."""

    name: str
    about: str
    value: Callable[[Change], str]
    width: int = 16


COLUMNS = (
    Column("revision", "Id of the migration.", lambda c: c.revision),
    Column("environment", "Where; empty if it was applied nowhere yet.", lambda c: c.environment),
    Column("message", "First line of the script's docstring.", lambda c: c.message, 40),
    Column(
        "exceptions", "What to look at first, in sentences, each with its position.", lambda c: joined(c.exceptions), 60
    ),
    Column(
        "outcome",
        "`applied`, `failed`, `partial`, `open`, `rolled-back`, `grandfathered`, `out-of-band` or `refused`; "
        "`replaced` where it stood only in a database that was replaced since, `gone` where an adoption found it taken "
        "out; empty if nobody tried.",
        lambda c: c.outcome,
    ),
    Column("state", "How far the bytes are in the flow now, as `status` calls it.", lambda c: c.state),
    Column(
        "approved before applied",
        "At the position of the intent every approval that the policy in force asked for stood in the ledger, "
        "escalations for the script's risks among them, and none of them had expired. Empty where the environment asks "
        "for none.",
        lambda c: yes_no(c.approved_before),
    ),
    Column(
        "upstream before this",
        "At the position of the intent it stood in the environments that come before. Empty where there are none.",
        lambda c: yes_no(c.upstream_before),
    ),
    Column(
        "checked before applied",
        "At the position of the intent lint without errors that nobody waived, and a rehearsal with a grade for each "
        "dialect that the policy asks for, stood in the ledger. Empty where the environment asks for none.",
        lambda c: yes_no(c.evidence_before),
    ),
    Column(
        "distinct people",
        "No author, known then or by now, reviewed or approved it, and nobody did both. Empty where nobody reviewed or "
        "approved.",
        lambda c: yes_no(c.distinct_people),
    ),
    Column(
        "applier distinct",
        "Whoever applied it, or began to, is no author, reviewer or approver of it. Empty where the environment asks "
        "for no approval.",
        lambda c: yes_no(c.applier_distinct),
    ),
    Column("rationale", "The section of the docstring.", lambda c: c.rationale, 40),
    Column("contract mapping", "The section of the docstring.", lambda c: c.contract_mapping, 30),
    Column("rollback note", "The section of the docstring.", lambda c: c.rollback_note, 30),
    Column("ticket", "What `project.ticket_pattern` finds in the docstring.", lambda c: c.ticket),
    Column(
        "risks",
        "By the syntax tree of the stored bytes, by rehearsals, and by the policy's tables.",
        lambda c: joined(c.risks),
    ),
    Column("reversibility", "The worst grade of the newest rehearsals of these bytes.", lambda c: c.grade),
    Column("objects", "Tables that literal operations and literal SQL speak of.", lambda c: joined(c.objects), 30),
    Column("path", "Of the script, relative to the project.", lambda c: c.path, 40),
    Column("script digest", "Of the script's bytes.", lambda c: c.script_digest),
    Column("manifest", "Of the script and the modules that it imports; what is signed.", lambda c: c.manifest),
    Column("sql digest", "Of the SQL that was rendered at the self-review.", lambda c: c.sql_digest),
    Column("git commit", "Of the checkout at the self-review, or when it was created.", lambda c: c.git_commit),
    Column("parents", "Down revisions, then what it depends on.", lambda c: joined(c.parents)),
    Column(
        "versions",
        "Of the program, its libraries and the server.",
        lambda c: joined(f"{name} {version}" for name, version in sorted(c.versions.items())),
    ),
    Column("author", "Whose entry made it known.", lambda c: person(c.author), 40),
    Column("contributors", "Whose work it is, by git and by the entries.", lambda c: joined(c.contributors), 30),
    Column("self-reviewer", "Of these bytes.", lambda c: person(c.self_reviewer), 40),
    Column("peer reviewers", "Who counted at the intent; now, if there was none.", lambda c: people(c.reviewers), 40),
    Column("approvers", "Who counted at the intent; now, if there was none.", lambda c: people(c.approvers), 40),
    Column("applier", "Who signed the intent, or the adoption.", lambda c: person(c.applier), 40),
    Column("created at", TIME, lambda c: c.created_at, 27),
    Column("self-reviewed at", TIME, lambda c: c.self_reviewed_at, 27),
    Column("reviewed at", f"The newest that counted. {TIME}", lambda c: c.reviewed_at, 27),
    Column("approved at", f"The newest that counted. {TIME}", lambda c: c.approved_at, 27),
    Column("intended at", TIME, lambda c: c.intended_at, 27),
    Column("applied at", TIME, lambda c: c.applied_at, 27),
    Column(
        "lint",
        "Evidence of these bytes: rules, result, whether it came after the intent, who, position, report.",
        lambda c: checks(c.lint),
        40,
    ),
    Column(
        "rehearsals",
        "Evidence of these bytes: server, grade, result, whether it came after the intent, who, position, report.",
        lambda c: checks(c.rehearsals),
        40,
    ),
    Column("attempt", "Its number.", lambda c: c.attempt),
    Column("duration s", "Of the attempt, in seconds.", lambda c: c.duration_s),
    Column("target", "The id that the database says of itself: where the outcome is.", lambda c: c.target),
    Column("schema before", "Fingerprint.", lambda c: c.schema_before),
    Column("schema after", "Fingerprint.", lambda c: c.schema_after),
    Column(
        "grandfathered", "It stood there before the flow: adopted, never approved.", lambda c: yes_no(c.grandfathered)
    ),
    Column("waivers", "Gates that were waived for it here.", lambda c: events(c.waivers), 40),
    Column("escalations", "What its risks asked for, and who gave it.", lambda c: joined(c.escalations), 40),
    Column("refused", "Attempts that the gates refused.", lambda c: events(c.refused), 40),
    Column("failed", "Attempts that failed, or changed a part.", lambda c: events(c.failed), 40),
    Column("rollbacks", "Each time it was taken out again.", lambda c: events(c.rollbacks), 40),
    Column(
        "uncounted", "Entries that speak of it and do not count, with the reason.", lambda c: events(c.uncounted), 40
    ),
    Column("entries", "Every position that speaks of it.", lambda c: joined(map(str, c.entries)), 30),
)


def about_export(header: Header) -> dict[str, str]:
    """What stands in the last columns of every row, so that no row goes without it."""
    chosen = header.selection
    names = {"since": chosen.since, "until": chosen.until, "environment": chosen.environment}
    names |= {"person": chosen.person, "revision": chosen.revision, "kind": chosen.kind}
    told = joined(f"{name} {value}" for name, value in names.items() if value)
    return {
        "ledger": header.ledger,
        "exported up to": f"{header.as_of}:{header.head}",
        "selection": told or "all",
        "left out": str(header.left_out),
    }


def scope(header: Header) -> str:
    """What a selection does not narrow; empty for the whole ledger."""
    if header.selection.whole:
        return ""
    if header.selection.environment:
        return "databases of this environment alone; keys, policies and exports of the whole ledger"
    return "of the whole ledger, whatever is selected"


LAST = {
    "ledger": "Its id.",
    "exported up to": "Position and hash of the newest entry that the export knows, for `verify --since`.",
    "selection": "What was asked for; `all` for everything.",
    "left out": "How many entries up to there the selection left out.",
}
