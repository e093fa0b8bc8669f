"""`verify FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.document import Block, Document, Heading, Line, Tone

if TYPE_CHECKING:
    from migrate_flow.services.file_evidence import FileReport

_BESIDES = frozenset({"authority", "anchors"})  # areas whose problems are not the file's
_SHOWN = 200  # problems on a screen; the JSON has all


def verified(report: FileReport) -> Document:
    data = {
        "ok": report.ok,
        "file": report.file,
        "form": report.form,
        "entries": report.entries,
        "head": f"sha256:{report.head.hash}",
        "seq": report.head.seq,
        "genesis": f"sha256:{report.genesis}" if report.genesis else None,
        "ledger": report.ledger or None,
        "proved": list(report.proved),
        "not_proved": list(report.not_proved),
        "problems": [{"seq": problem.seq, "problem": problem.problem} for problem in report.problems],
        "signers": [{"person": person, "key": key} for person, key in report.signers],
    }
    blocks: list[Block] = []
    if report.problems:
        count = len(report.problems)
        what, hint = _fault(report.faults)
        blocks.append(Heading(f"{count} problem{'s' if count > 1 else ''}: {what}"))
        for problem in report.problems[:_SHOWN]:
            name = f"entry {problem.seq}: " if problem.seq else ""
            blocks.append(Line(f"✗ {name}{problem.problem}", Tone.BAD, 1))
        if count > _SHOWN:
            blocks.append(Line(f"… and {count - _SHOWN} more: --format json has all", indent=1))
    if report.proved:
        blocks.append(Heading("proved"))
        blocks += [Line(f"✓ {text}", Tone.GOOD, 1) for text in report.proved]
    blocks.append(Heading("not proved"))
    blocks += [Line(f"- {text}", indent=1) for text in report.not_proved]
    if report.signers:
        blocks.append(Heading("signed with"))
        blocks += [Line(f"{person} {key}", indent=1) for person, key in report.signers]
    blocks.append(Line(f"head: {report.head}", Tone.FAINT))
    if report.problems:
        blocks.append(Line(f"hint: {hint}"))
    return Document("verify", data, tuple(blocks))


def _fault(areas: frozenset[str]) -> tuple[str, str]:
    """What is wrong on the whole, and what to do about it. areas: as in FileReport."""
    if not areas <= _BESIDES:
        return (
            "this file is not what was exported",
            "get the file again from whoever exported it, and keep this one as it is",
        )
    if "authority" in areas:
        return (
            "the file holds together, but entries in it do not count",
            "compare the head with the ledger: if it is there, the ledger itself holds these entries, and another "
            "export will, too; migrate-flow ledger verify in the project names them",
        )
    return (
        "the file holds together, but it is not the one that was asked for",
        "compare --genesis and --since with where they were noted, or ask for a whole export of that ledger",
    )
