"""PostgreSQL's SQL of a script as squawk gets it, and squawk's remarks as findings at the script's own lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from migrate_flow.core.finding import Finding, Severity
from migrate_flow.lint.script import Direction, Script, Sql

PREFIX = "squawk/"
# Where one of our rules says the same of the same SQL, in the script's own names, squawk need not say it again.
_TWINS = {
    "adding-field-with-default": {"volatile-default"},
    "adding-foreign-key-constraint": {"foreign-key-validated-at-once"},
    "adding-not-nullable-field": {"set-not-null"},
    "adding-required-field": {"not-null-without-default"},
    "ban-concurrent-index-creation-in-transaction": {"concurrent-index-in-transaction"},
    "ban-drop-column": {"drop-column"},
    "ban-drop-table": {"drop-table"},
    "ban-truncate-cascade": {"truncate"},
    "changing-column-type": {"type-change"},
    "constraint-missing-not-valid": {"foreign-key-validated-at-once", "check-validated-at-once"},
    "disallowed-unique-constraint": {"unique-constraint-blocks"},
    "renaming-column": {"rename-column"},
    "renaming-table": {"rename-table"},
    "require-concurrent-index-creation": {"index-not-concurrent"},
    "require-concurrent-index-deletion": {"index-not-concurrent"},
}


@dataclass(frozen=True, slots=True)
class SqlFile:
    """lines: of each line of the text, the line in the script; 0 for what is not the script's."""

    path: str
    revision: str
    text: str
    lines: tuple[int, ...]
    in_transaction: bool = True


@dataclass(frozen=True, slots=True)
class Remark:
    """line: in the text, from 0."""

    rule: str
    line: int
    message: str
    hint: str


class SquawkFailed(Exception):
    """It is there, and did not answer; the reason, for a person."""


class Squawk(Protocol):
    def version(self) -> str:
        """Empty where it is not installed."""
        ...

    def lint(self, files: Sequence[SqlFile]) -> Iterator[tuple[SqlFile, Remark]]:
        """Raises SquawkFailed."""
        ...


def sql_files(script: Script) -> Iterator[SqlFile]:
    """One of what runs in the migration's transaction, one of what runs in autocommit blocks, if there is any: literals
    of the source, and what a rehearsal saw where there is none. Alembic's own SQL is left to our rules: squawk has
    hundreds of remarks on it that are style, or said already."""
    known = tuple(script.raw(Direction.UPGRADE))
    for in_block in (False, True):
        chosen = [sql for sql in known if sql.text and sql.text.strip() and sql.in_block is in_block]
        if not chosen:
            continue
        # What the script makes itself is used by nobody yet: squawk is told so in its own language.
        made = sorted(script.created) if not in_block else []
        before = [f'CREATE TABLE "{name}" ();' for name in made]
        # A statement alone is none in a transaction to squawk; Alembic's version row is always another.
        before += [] if in_block else ["SELECT 1;"]
        parts = [(text, [0]) for text in before] + [_terminated(sql) for sql in chosen]
        lines = tuple(line for _text, numbers in parts for line in numbers)
        yield SqlFile(script.path, script.revision, "\n".join(text for text, _ in parts) + "\n", lines, not in_block)


def _terminated(sql: Sql) -> tuple[str, list[int]]:
    text = (sql.text or "").replace("\r\n", "\n").replace("\r", "\n")
    numbers = [sql.line + count if sql.end_line else sql.line for count in range(text.count("\n") + 1)]
    if text.rstrip().endswith(";"):
        return text, numbers
    return f"{text}\n;", [*numbers, numbers[-1]]  # on a line of its own: a comment may be the last


def findings(found: Iterable[tuple[SqlFile, Remark]], severity: Mapping[str, str]) -> dict[str, list[Finding]]:
    """By path. Several remarks of one rule on one line are one finding: a parser stumbles more than once."""
    by_place: dict[tuple[str, int, str], Finding] = {}
    for file, remark in found:
        line = file.lines[min(remark.line, len(file.lines) - 1)]
        rule = PREFIX + remark.rule
        if not line:
            continue
        level = Severity(severity.get(rule, Severity.WARNING))
        hint = remark.hint or f"see https://squawkhq.com/docs/{remark.rule}"
        finding = Finding(rule, level, file.revision, file.path, line, remark.message, hint)
        by_place.setdefault((file.path, line, rule), finding)
    by_path: dict[str, list[Finding]] = {}
    for finding in by_place.values():
        by_path.setdefault(finding.path, []).append(finding)
    return by_path


def without_twins(found: Sequence[Finding], script: Script) -> tuple[Finding, ...]:
    """Without those of squawk's that one of our rules found in the same SQL, waived or not."""
    spans = [range(sql.line, max(sql.line, sql.end_line) + 1) for sql in script.raw(Direction.UPGRADE) if sql.text]

    def said(finding: Finding) -> bool:
        twins = _TWINS.get(finding.rule.removeprefix(PREFIX), set()) if finding.rule.startswith(PREFIX) else set()
        here = {line for span in spans if finding.line in span for line in span} | {finding.line}
        return any(other.rule in twins and other.line in here for other in found)

    return tuple(finding for finding in found if not said(finding))
