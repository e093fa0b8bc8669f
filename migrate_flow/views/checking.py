"""What the rules found, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Document, Heading, Line, Tone
from migrate_flow.core.finding import Finding, Severity
from migrate_flow.views.rehearsing import rehearsal_blocks, rehearsal_values

if TYPE_CHECKING:
    from migrate_flow.services.evidence import Checked, Recorded
    from migrate_flow.services.explain import Explained
    from migrate_flow.services.lint import Linted

_TONES = {Severity.ERROR: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.INFO: Tone.FAINT}


def lint(report: Linted) -> Document:
    return Document("lint", lint_values(report), tuple(lint_blocks(report)))


def check(report: Checked, recorded: Iterable[Recorded] | None = None) -> Document:
    """recorded: the entries that hold it, None where none was asked for."""
    data = check_values(report)
    blocks = [*check_blocks(report)]
    if recorded is not None:
        data["recorded"] = [{"revision": one.revision, "seq": one.seq, "again": one.again} for one in recorded]
        blocks += [
            Line(f"{one.revision}: {'entry %d says the same' if one.again else 'recorded as entry %d'}" % one.seq)
            for one in recorded
        ]
    return Document("check", data, tuple(blocks))


def check_values(report: Checked) -> dict[str, Any]:
    return {**lint_values(report.linted), "rehearsals": rehearsal_values(report.rehearsed)}


def check_blocks(report: Checked) -> Iterator[Block]:
    yield from lint_blocks(report.linted)
    yield Line("")
    yield from rehearsal_blocks(report.rehearsed)


def lint_values(report: Linted) -> dict[str, Any]:
    """`check` has the same keys, and its rehearsals."""
    return {
        "findings": [finding_values(finding, report.lines) for finding in report.findings],
        "rehearsals": [],
        "revisions": list(report.revisions),
        "rules": report.rules,
        "rule_set": report.rule_set,
        "squawk": report.squawk or None,
        "notes": list(report.notes),
    }


def finding_values(finding: Finding, lines: Mapping[tuple[str, int], str]) -> dict[str, Any]:
    """reason: of the waiver. source: the script's line, null for a finding on the file as a whole."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "revision": finding.revision,
        "path": finding.path,
        "line": finding.line,
        "message": finding.message,
        "hint": finding.hint,
        "waived": finding.waived,
        "reason": finding.reason or None,
        "source": lines.get((finding.path, finding.line)),
        "needs_rehearsal": finding.needs_rehearsal,
    }


def lint_blocks(report: Linted) -> Iterator[Block]:
    for path, found in groupby(report.findings, key=lambda finding: finding.path):
        yield Heading(path)
        for finding in found:
            yield from finding_blocks(finding, report.lines)
        yield Line("")
    for note in report.notes:
        yield Line(f"note: {note}", Tone.FAINT)
    yield _summary(report)


def finding_blocks(finding: Finding, lines: Mapping[tuple[str, int], str], indent: int = 1) -> Iterator[Block]:
    """lines: of the script, where they are to be shown."""
    place = f"{finding.line}: " if finding.line else ""
    if finding.waived:
        yield Line(f"{place}waived {finding.rule}: {finding.reason}", Tone.FAINT, indent)
        return
    yield Line(f"{place}{finding.severity} {finding.rule}: {finding.message}", _TONES[finding.severity], indent)
    if source := lines.get((finding.path, finding.line), "").strip():
        yield Line(f"| {source}", Tone.FAINT, indent + 1)
    yield Line(f"fix: {finding.hint}", indent=indent + 1)


def _summary(report: Linted) -> Line:
    what = _count(report.files, "script")
    by = f"{_count(report.rules, 'rule')}{f' and squawk {report.squawk}' if report.squawk else ''}"
    standing = [finding for finding in report.findings if not finding.waived]
    counts = [
        _count(number, severity.value)
        for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO)
        if (number := sum(finding.severity is severity for finding in standing))
    ]
    if waived := len(report.findings) - len(standing):
        counts.append(f"{waived} waived")
    if not counts:
        return Line(f"nothing found in {what}, by {by}", Tone.GOOD)
    tone = Tone.GOOD if not standing else Tone.WARN if report.ok else Tone.BAD
    return Line(f"{', '.join(counts)} in {what}, by {by}", tone)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 or what == "info" else f"{number} {what}s"


def explained(page: Explained) -> Document:
    data = {
        "rule": page.rule,
        "group": page.group,
        "severity": page.severity,
        "severities": page.severities,
        "dialects": list(page.dialects),
        "waivable": page.waivable,
        "documentation": page.text,
    }
    blocks: list[Block] = [Heading(page.rule), Line(_where(page), Tone.FAINT), Line("")]
    blocks += [Line(line) for line in page.text.splitlines()]
    return Document("rule", data, tuple(blocks))


def _where(page: Explained) -> str:
    """Such as ``safety, error (warning on sqlite); on postgresql only``."""
    differing = ", ".join(f"{level} on {name}" for name, level in sorted(page.severities.items()))
    parts = [f"{page.group}, {page.severity}{f' ({differing})' if differing else ''}"]
    if page.dialects:
        parts.append(f"on {', '.join(page.dialects)} only")
    if not page.waivable:
        parts.append("can't be waived")
    return "; ".join(parts)
