"""The case files of the rules: tests/lint/cases/<slug>.toml.

Each ``[[case]]`` has ``name``, ``kind`` (finding, clean, near-miss), ``expect`` and either ``source`` (the whole
script, as it is) or ``upgrade`` and maybe ``downgrade``, ``doc``, ``head``, ``tail``: bodies and module text put into
a script that is in order otherwise (see SCRIPT; upgrade's first line is line 15 there). Optional: ``path``, ``heads``,
``dialects`` (default: postgresql), ``settings`` (fields of Settings), ``problems`` (fields of ScriptProblem),
``symlink``, ``modules`` (path by name), ``header = false`` for a file whose header can't be read.

``expect`` has a table for each finding, in the order of their lines: ``line``, or ``at``, a part of the source line
that it is at; ``message_contains``, ``hint_contains``.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate_flow.alembic_adapter.header import read_header
from migrate_flow.core.revision import Revision, ScriptProblem
from migrate_flow.errors import ScriptError
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.script import Script, Settings

FOLDER = Path(__file__).parent / "cases"
KINDS = {"finding", "clean", "near-miss"}
KEYS = {
    "name", "kind", "expect", "source", "upgrade", "downgrade", "doc", "head", "tail", "path", "dialects", "settings",
    "heads", "problems", "symlink", "header", "modules",
}  # fmt: skip
DOC = "sessions get a place of their own\n\nRationale:\n  the shop keeps them too long.\n"
SCRIPT = '''\
"""{doc}"""

import sqlalchemy as sa
from alembic import op

revision = "3f2a91c04d7e"
down_revision = "0b1c2d3e4f50"
{head}

def upgrade() -> None:
{upgrade}

def downgrade() -> None:
{downgrade}
{tail}'''


@dataclass(frozen=True)
class Case:
    slug: str
    name: str
    kind: str
    script: Script
    expect: list[dict[str, Any]]


def slugs() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def cases(slug: str) -> Iterator[Case]:
    for table in tomllib.loads((FOLDER / f"{slug}.toml").read_text(encoding="utf-8"))["case"]:
        unknown = table.keys() - KEYS
        assert not unknown, f"{slug}: {table['name']}: unknown keys {unknown}"
        assert table["kind"] in KINDS, f"{slug}: {table['name']}: kind is one of {KINDS}"
        assert bool(table["expect"]) == (table["kind"] == "finding"), f"{slug}: {table['name']}: kind and expect differ"
        yield Case(slug, table["name"], table["kind"], script(table), table["expect"])


def script(table: Mapping[str, Any]) -> Script:
    source = source_of(table).encode("utf-8", "surrogateescape")
    path = table.get("path", "migrations/versions/3f2a91c04d7e_sessions.py")
    settings = dict(table.get("settings", {}))
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    header = _header(source, path) if table.get("header", True) else None
    problems = tuple(
        ScriptProblem(**{"line": 0, "hint": "", "path": path, **item}) for item in table.get("problems", ())
    )
    return read_script(
        path, source, header,
        Settings(dialects=frozenset(table.get("dialects", ["postgresql"])), **settings),
        problems, tuple(table.get("heads", ())), table.get("symlink", False), table.get("modules", {}),
    )  # fmt: skip


def source_of(table: Mapping[str, Any]) -> str:
    if "source" in table:
        return str(table["source"])

    def body(text: str) -> str:
        return textwrap.indent(textwrap.dedent(text).strip("\n") or "pass", "    ")

    return SCRIPT.format(
        doc=table.get("doc", DOC),
        head=table.get("head", ""),
        tail=table.get("tail", ""),
        upgrade=body(table.get("upgrade", "")),
        downgrade=body(table.get("downgrade", "")),
    )


def _header(source: bytes, path: str) -> Revision | None:
    try:
        return read_header(source, path)
    except ScriptError:
        return None
