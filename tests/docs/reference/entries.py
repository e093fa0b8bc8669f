"""docs/reference/entries.md: the kinds of entries and the fields of each, read from a ledger that holds every kind."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

from migrate_flow.core.entry import Kind
from tests.docs.reference import FOLDER, NOTE, table
from tests.docs.reference.entry_words import FIELDS, FRAME, KINDS, SOMETIMES

FILE = FOLDER / "entries.md"
HEAD = f"""\
# Entries of the ledger

{NOTE.format(source="`tests/docs/reference/entry_words.py`")}
An entry is an in-toto Statement v1, written once as RFC 8785 JSON, with an SSHSIG signature over exactly these bytes.
`predicateType` is `urn:migrate-flow:entry:KIND:v1`, `subject` names the files (or the policy, or the ledger) with \
their SHA-256, and `predicate` holds the fields below.
`hash(n) = sha256(hash(n-1) ‖ sha256(statement) ‖ sha256(signature))`, and `hash(0)` is 32 zero bytes.
[Trust](../explanation/trust.md) tells what makes an entry count, [Signatures](../explanation/signatures.md) how it is \
signed.

`migrate-flow log --kind KIND` shows those of a kind, or of all that begin so (`apply`).
"""

Fields = dict[str, dict[str, tuple[str, bool]]]  # kind -> field -> (type, whether each entry has it)
_TYPES = {"str": "text", "int": "number", "list": "list", "dict": "object", "bool": "true or false"}


def read(project: Path) -> Fields:
    """The fields of each kind, as the entries of a project's ledger have them."""
    seen: defaultdict[str, dict[str, str]] = defaultdict(dict)
    counts: Counter[str] = Counter()
    with closing(sqlite3.connect(project / ".migrate-flow" / "ledger.db")) as ledger:
        for kind, statement in ledger.execute("SELECT kind, statement FROM entry ORDER BY seq"):
            counts[kind] += 1
            for name, value in json.loads(statement)["predicate"].items():
                if name not in FRAME:
                    seen[kind][name] = _TYPES[type(value).__name__]
                    counts[f"{kind} {name}"] += 1
    return {
        kind: {name: (what, counts[f"{kind} {name}"] == counts[kind]) for name, what in fields.items()}
        for kind, fields in seen.items()
    }


def written(project: Path) -> str:
    found = read(project)
    assert found.keys() == set(Kind), "the ledger lacks a kind, or the product does not know one"
    index = table(("kind", "says"), ([f"[`{kind}`](#{_anchor(kind)})", KINDS[kind]] for kind in Kind))
    frame = table(("field", "holds"), ([f"`{name}`", said] for name, said in FRAME.items()))
    parts = [HEAD, "\n", index, "\n## Fields of every entry\n\n", frame]
    return "".join([*parts, *(_section(kind, found[kind]) for kind in Kind)])


def _anchor(kind: str) -> str:
    return kind.replace(".", "")


def _section(kind: Kind, fields: dict[str, tuple[str, bool]]) -> str:
    told = [_row(kind, name, what, always) for name, (what, always) in sorted(fields.items())]
    told += [_row(kind, name, what, False) for name, what in SOMETIMES.get(kind, {}).items() if name not in fields]
    return f"\n## {kind}\n\n{KINDS[kind]}.\n\n{table(('field', 'is', 'holds'), told)}"


def _row(kind: Kind, name: str, what: str, always: bool) -> list[str]:
    said = FIELDS.get(f"{kind} {name}") or FIELDS[name]
    return [f"`{name}`", what, said if always else f"{said} (not always there)"]
