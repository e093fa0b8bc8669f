"""`ledger upgrade`, `ledger grants`, `ledger copy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.document import Block, Code, Document, Line, Tone

if TYPE_CHECKING:
    from migrate_flow.services.copy_ledger import Copied


def upgraded(where: str, before: str, after: str, backup: str) -> Document:
    """before, after: versions of the schema, the same if there was nothing to do. backup: of the file, may be empty."""
    data = {"where": where, "from": before, "to": after, "changed": before != after, "backup": backup or None}
    if before == after:
        return Document("ledger-upgrade", data, (Line(f"{where} has schema {after}, the newest: nothing to do"),))
    blocks: list[Block] = [Line(f"upgraded {where} from schema {before} to {after}; no entry has changed", Tone.GOOD)]
    if backup:
        blocks.append(Line(f"as it was before: {backup}"))
    return Document("ledger-upgrade", data, tuple(blocks))


def grants(role: str, sql: str) -> Document:
    return Document("ledger-grants", {"role": role, "sql": sql}, (Code(sql, "sql"),))


def copied(done: Copied, source: str, destination: str, url: str) -> Document:
    """url: what the configuration takes."""
    data = {
        "entries": done.entries,
        "artifacts": done.artifacts,
        "head": f"sha256:{done.head.hash}",
        "from": source,
        "to": destination,
        "url": url,
    }
    entries = f"{done.entries} entr{'y' if done.entries == 1 else 'ies'}"
    artifacts = f"{done.artifacts} artifact{'' if done.artifacts == 1 else 's'}"
    blocks = (
        Line(f"copied {entries} and {artifacts} to {destination}; all of them are the same there", Tone.GOOD),
        Line(f"head: {done.head}", Tone.FAINT),
        Line("next: write into migrate-flow.toml and commit it (id and genesis stay as they are)"),
        Line("[ledger]", indent=1),
        Line(f'url = "{url}"', indent=1),
        Line(f"Then nobody may write to {source} any more: keep it as it is, and read-only."),
    )
    return Document("ledger-copy", data, blocks)
